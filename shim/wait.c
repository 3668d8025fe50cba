/*
 * sys/wait.h: waiting for children.
 *
 * The status always comes from the kernel, asked with WNOHANG; in between the green waits for the
 * children's pidfds. While nothing else can run, the kernel call itself waits.
 */
#include "shim/process.h"

#include "runtime/svc/child.h"
#include "shim/shim.h"

#include <fcntl.h>

/* wait4() or waitid(), one of them. */
struct ask {
    struct gr_child_wait cw;
    pid_t pid;
    int *status;
    siginfo_t *info;
    int options;
    struct rusage *usage;
};

/* The kernel's answer without waiting: 0 is nothing. */
static long ask_wait4(struct ask *a)
{
    return GR_SYS(SYS_wait4, a->pid, a->status, a->options | WNOHANG, a->usage);
}

/* As above; 1 for a child, since waitid() itself says 0 in both cases. */
static long ask_waitid(struct ask *a)
{
    siginfo_t got = {0};
    long rc = GR_SYS(SYS_waitid, a->cw.type, a->cw.id, &got, a->options | WNOHANG, a->usage);
    if (rc || !got.si_pid) {
        return rc;
    }
    if (a->info) {
        a->info->si_signo = got.si_signo;
        a->info->si_errno = got.si_errno;
        a->info->si_code = got.si_code;
        a->info->si_pid = got.si_pid;
        a->info->si_uid = got.si_uid;
        a->info->si_status = got.si_status;
    }
    return 1;
}

static long wait_for(struct ask *a, long (*ask)(struct ask *))
{
    for (;;) {
        long rc = ask(a);
        if (rc) {
            return rc;
        }
        rc = gr_child_park(&a->cw);
        if (rc == -EINTR) {
            /* The child's end counts more than its SIGCHLD. */
            rc = ask(a);
            return rc > 0 ? rc : -EINTR;
        }
        if (rc && rc != -GR_ERESTART) {
            return rc;
        }
    }
}

long gr_wait4(pid_t pid, int *status, int options, struct rusage *usage)
{
    long rc;
    if (options & WNOHANG) {
        rc = GR_SYS(SYS_wait4, pid, status, options, usage);
        gr_hub_charge();
        return rc;
    }
    if (gr_native(&rc, SYS_wait4, pid, (long)status, options, (long)usage, 0, 0)) {
        return rc;
    }
    struct ask a = {.pid = pid, .status = status, .options = options, .usage = usage};
    a.cw.type = pid > 0 ? P_PID : pid == -1 ? P_ALL : P_PGID;
    a.cw.id = (id_t)(pid > 0 ? pid : -pid);
    a.cw.exits = true;
    a.cw.stops = (options & (WUNTRACED | WCONTINUED)) != 0;
    return wait_for(&a, ask_wait4);
}

static bool is_nonblocking(idtype_t type, id_t id)
{
    return type == P_PIDFD && (GR_SYS(SYS_fcntl, id, F_GETFL) & O_NONBLOCK);
}

long gr_waitid(idtype_t type, id_t id, siginfo_t *info, int options, struct rusage *usage)
{
    long rc;
    if ((options & WNOHANG) || is_nonblocking(type, id)) {
        rc = GR_SYS(SYS_waitid, type, id, info, options, usage);
        gr_hub_charge();
        return rc;
    }
    if (gr_native(&rc, SYS_waitid, type, id, (long)info, options, (long)usage, 0)) {
        return rc;
    }
    struct ask a = {.info = info, .options = options, .usage = usage};
    a.cw.type = type;
    a.cw.id = id;
    a.cw.exits = (options & WEXITED) != 0;
    a.cw.stops = (options & (WSTOPPED | WCONTINUED)) != 0;
    rc = wait_for(&a, ask_waitid);
    return rc > 0 ? 0 : rc;
}

/*
 * waitpid - <sys/wait.h>; POSIX.1-2024 wait(), waitpid(), waitid(); wait4(2)
 * Class:    YIELD unless WNOHANG.
 * Waits:    until a child changes its state, or a handler without SA_RESTART ran (EINTR). Stops and
 * continuations are noticed within 10 ms when other threads run. Differs:  a SIGCHLD handler that
 * itself waits may take a status that the kernel would have given to a wait in progress.
 */
GR_SHIM pid_t waitpid(pid_t pid, int *status, int options)
{
    if (!gr_on_green()) {
        return real.waitpid(pid, status, options);
    }
    GR_CANCEL_POINT(waitpid);
    return (pid_t)gr_ret(gr_wait4(pid, status, options, NULL));
}

GR_SHIM pid_t wait(int *status)
{
    if (!gr_on_green()) {
        return real.wait(status);
    }
    GR_CANCEL_POINT(wait);
    return (pid_t)gr_ret(gr_wait4(-1, status, 0, NULL));
}

GR_SHIM pid_t wait3(int *status, int options, struct rusage *usage)
{
    if (!gr_on_green()) {
        return real.wait3(status, options, usage);
    }
    GR_CANCEL_POINT(wait3);
    return (pid_t)gr_ret(gr_wait4(-1, status, options, usage));
}

GR_SHIM pid_t wait4(pid_t pid, int *status, int options, struct rusage *usage)
{
    if (!gr_on_green()) {
        return real.wait4(pid, status, options, usage);
    }
    GR_CANCEL_POINT(wait4);
    return (pid_t)gr_ret(gr_wait4(pid, status, options, usage));
}

GR_SHIM int waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
    if (!gr_on_green()) {
        return real.waitid(type, id, info, options);
    }
    GR_CANCEL_POINT(waitid);
    return (int)gr_ret(gr_waitid(type, id, info, options, NULL));
}
