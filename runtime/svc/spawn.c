/* Starting a program in a child process. */
#include "runtime/svc/spawn.h"

#include "runtime/arch/tp.h"
#include "runtime/base/rawsys.h"
#include "runtime/core/fdwait.h"
#include "runtime/core/signal.h"
#include "runtime/svc/child.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define STACK_SIZE (16UL << 10)

#define FAILED 255 /* exit status of a child that nobody will see */

void (*gr_spawn_shares)(int fd);

struct child {
    const struct gr_spawn *s;
    int fd[3];
    int *keep; /* sorted, with @report */
    size_t n_keep;
    int report; /* where to write what failed; the exec closes it */
    uint64_t mask;
};

struct failure {
    int32_t step;
    int32_t error;
};

/* --- in the child: raw system calls alone, since memory, libc's state included, is the parent's
 * --- */

static void must(const struct child *c, enum gr_spawn_step step, long rc)
{
    if (rc < 0) {
        struct failure f = {.step = (int32_t)step, .error = (int32_t)rc};
        (void)GR_SYS(SYS_write, c->report, &f, sizeof(f));
        (void)GR_SYS(SYS_exit_group, FAILED);
    }
}

/* A handler of ours must not run here: it would run on the parent's memory. */
static void reset_signals(uint64_t heed)
{
    static const struct gr_kernel_action plain; /* SIG_DFL */
    for (int sig = 1; sig <= 64; sig++) {
        struct gr_kernel_action a = {0};
        if (GR_SYS(SYS_rt_sigaction, sig, NULL, &a, GR_SIG_SET_BYTES) == 0 && a.handler &&
            (a.handler != (uintptr_t)SIG_IGN || (heed & gr_sigbit(sig)))) {
            (void)GR_SYS(SYS_rt_sigaction, sig, &plain, NULL, GR_SIG_SET_BYTES);
        }
    }
}

static void close_between(unsigned first, unsigned last)
{
    if (first > last || GR_SYS(SYS_close_range, first, last, 0) != -ENOSYS) {
        return;
    }
    struct rlimit limit = {0};
    (void)GR_SYS(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit);
    for (unsigned fd = first; fd <= last && fd < limit.rlim_cur; fd++) {
        (void)GR_SYS(SYS_close, fd);
    }
}

static void set_descriptors(const struct child *c)
{
    for (int i = 0; i < 3; i++) {
        if (c->fd[i] >= 0) {
            must(c, GR_SPAWN_FD, GR_SYS(SYS_dup3, c->fd[i], i, 0));
        }
    }
    unsigned next = 3;
    for (size_t i = 0; i < c->n_keep; i++) {
        int fd = c->keep[i];
        if (fd != c->report) {
            must(c, GR_SPAWN_FD, GR_SYS(SYS_fcntl, fd, F_SETFD, 0));
        }
        if (c->s->close_others && fd > 2) {
            close_between(next, (unsigned)fd - 1);
            next = (unsigned)fd + 1;
        }
    }
    if (c->s->close_others) {
        close_between(next, ~0U);
    }
}

static void set_process(const struct child *c)
{
    const struct gr_spawn *s = c->s;
    if (s->dir) {
        must(c, GR_SPAWN_DIR, GR_SYS(SYS_chdir, s->dir));
    }
    if (s->umask) {
        (void)GR_SYS(SYS_umask, *s->umask);
    }
    if (s->new_session) {
        must(c, GR_SPAWN_SESSION, GR_SYS(SYS_setsid));
    }
    if (s->process_group) {
        must(c, GR_SPAWN_GROUP, GR_SYS(SYS_setpgid, 0, *s->process_group));
    }
    if (s->groups) {
        must(c, GR_SPAWN_IDS, GR_SYS(SYS_setgroups, s->n_groups, s->groups));
    }
    if (s->group) {
        must(c, GR_SPAWN_IDS, GR_SYS(SYS_setregid, *s->group, *s->group));
    }
    if (s->user) {
        must(c, GR_SPAWN_IDS, GR_SYS(SYS_setreuid, *s->user, *s->user));
    }
}

/* As execvp(3): that a path does not exist counts only if no other has a better reason. */
static void run_program(const struct child *c)
{
    long why = 0;
    long rc = -ENOENT;
    for (char *const *path = c->s->paths; *path; path++) {
        rc = GR_SYS(SYS_execve, *path, c->s->argv, c->s->envp);
        if (rc != -ENOENT && rc != -ENOTDIR && !why) {
            why = rc;
        }
    }
    must(c, GR_SPAWN_EXEC, why ? why : rc);
}

static int child_main(void *arg)
{
    const struct child *c = arg;
    set_process(c);
    set_descriptors(c);
    reset_signals(c->s->heed);
    (void)GR_SYS(SYS_rt_sigprocmask, SIG_SETMASK, &c->mask, NULL, GR_SIG_SET_BYTES);
    run_program(c);
    return FAILED;
}

/* --- in the parent --- */

static int ascending(const void *a, const void *b)
{
    int x = *(const int *)a;
    int y = *(const int *)b;
    return (x > y) - (x < y);
}

static void share(const struct gr_spawn *s)
{
    if (!gr_spawn_shares) {
        return;
    }
    for (int i = 0; i < 3; i++) {
        gr_spawn_shares(s->fd[i] < 0 ? i : s->fd[i]);
    }
    for (size_t i = 0; i < s->n_keep; i++) {
        gr_spawn_shares(s->keep[i]);
    }
    if (!s->close_others) {
        gr_spawn_shares(-1);
    }
}

/* No signal is taken meanwhile, by the child least of all. */
static int make_child(struct child *c, char *stack, pid_t *pid)
{
    int saved = errno;
    gr_enter(gr_self);
    gr_tp_pin();
    uint64_t old = gr_mask_block_all();
    c->mask = gr_self ? gr_self->sig_mask : old;
    *pid = clone(child_main, stack + STACK_SIZE, CLONE_VM | CLONE_VFORK | SIGCHLD, c);
    int rc = *pid < 0 ? -errno : 0;
    gr_mask_unblock(old);
    gr_tp_unpin();
    gr_leave(gr_self);
    errno = saved;
    return rc;
}

/* Has it failed? A child under an emulator that makes fork() of vfork() may yet be at it. */
static int read_report(int from, pid_t pid, enum gr_spawn_step *failed)
{
    struct failure f;
    long n;
    do {
        n = GR_SYS(SYS_read, from, &f, sizeof(f));
    } while (n == -EINTR);
    if (n != sizeof(f)) {
        return 0;
    }
    while (GR_SYS(SYS_wait4, pid, NULL, 0, NULL) == -EINTR) {
    }
    *failed = (enum gr_spawn_step)f.step;
    return f.error;
}

/* The targets 0, 1 and 2 must not be sources as well. */
static int lift(struct child *c)
{
    for (int i = 0; i < 3; i++) {
        int from = c->s->fd[i];
        bool low = from >= 0 && from <= 2;
        c->fd[i] = low ? (int)GR_SYS(SYS_fcntl, from, F_DUPFD_CLOEXEC, 3) : from;
        if (low && c->fd[i] < 0) {
            return c->fd[i];
        }
    }
    return 0;
}

static int spawn_with(struct child *c, pid_t *pid, enum gr_spawn_step *failed)
{
    int ends[2];
    int rc = lift(c);
    if (rc) {
        *failed = GR_SPAWN_FD;
        return rc;
    }
    rc = (int)GR_SYS(SYS_pipe2, ends, O_CLOEXEC);
    if (rc) {
        return rc;
    }
    ends[0] = gr_fd_out_of_the_way(ends[0]);
    ends[1] = c->report = gr_fd_out_of_the_way(ends[1]);
    c->keep[c->n_keep++] = c->report;
    qsort(c->keep, c->n_keep, sizeof(c->keep[0]), ascending);
    char *stack = malloc(STACK_SIZE);
    share(c->s);
    rc = !stack ? -ENOMEM : c->report <= 2 ? -EMFILE : make_child(c, stack, pid);
    (void)GR_SYS(SYS_close, ends[1]);
    rc = rc ? rc : read_report(ends[0], *pid, failed);
    (void)GR_SYS(SYS_close, ends[0]);
    free(stack);
    return rc;
}

int gr_spawn(const struct gr_spawn *s, pid_t *pid, enum gr_spawn_step *failed)
{
    struct child c = {.s = s, .fd = {-1, -1, -1}, .n_keep = s->n_keep};
    *failed = GR_SPAWN_FORK;
    c.keep = malloc((s->n_keep + 1) * sizeof(c.keep[0]));
    if (!c.keep) {
        return -ENOMEM;
    }
    if (s->n_keep) {
        memcpy(c.keep, s->keep, s->n_keep * sizeof(c.keep[0]));
    }
    int rc = spawn_with(&c, pid, failed);
    for (int i = 0; i < 3; i++) {
        if (c.fd[i] >= 0 && c.fd[i] != s->fd[i]) {
            (void)GR_SYS(SYS_close, c.fd[i]);
        }
    }
    free(c.keep);
    if (rc == 0) {
        gr_child_made();
    }
    return rc;
}
