/*
 * syscall(2): system calls by number.
 *
 * Those that wait, or that change what we know of descriptors, signals and processes, go to the
 * function that is interposed under the call's name; futexes go to the parking lot; the rest goes
 * to the kernel as it is.
 */
#include "shim/syscall.h"
#include "shim/futex.h"
#include "shim/poll.h"
#include "shim/process.h"
#include "shim/shim.h"
#include "shim/thread_id.h"
#include "shim/time.h"
#include "shim/timer.h"

#ifdef SYS_arch_prctl
#include <asm/prctl.h>
#endif
#include <linux/sched.h>
#include <sched.h>
#include <string.h>

#define FUTEX2_FIRST 454 /* futex_wake, futex_wait, futex_requeue */
#define FUTEX2_LAST  456

/* --- time, signals --- */

static long call_sigtimedwait(const struct gr_call *s)
{
    const struct timespec *ts = (const struct timespec *)s->c;
    int64_t deadline;
    int rc = s->d != GR_SIG_SET_SIZE ? -EINVAL : gr_wait_deadline(ts, &deadline);
    return rc ? rc : gr_sig_wait(*(const uint64_t *)s->a, (siginfo_t *)s->b, deadline);
}

static long call_sigsuspend(const struct gr_call *s)
{
    sigset_t set;
    if (s->b != GR_SIG_SET_SIZE) {
        return gr_ret(-EINVAL);
    }
    (void)sigemptyset(&set);
    memcpy(&set, (const void *)s->a, GR_SIG_SET_SIZE);
    return sigsuspend(&set);
}

/* pthread_sigqueue() by number. */
static bool thread_signal(const struct gr_call *s, long *ret)
{
    struct green *g = (pid_t)s->a == getpid() ? gr_tid_green((int)s->b) : NULL;
    if (g) {
        *ret = gr_ret(gr_sig_send(g, (int)s->c, (const siginfo_t *)s->d));
    }
    return g != NULL;
}

static bool signal_twin(const struct gr_call *s, long *ret)
{
    switch (s->nr) {
    case SYS_rt_sigprocmask:
        *ret = gr_ret(s->d != GR_SIG_SET_SIZE
                          ? -EINVAL
                          : gr_sig_mask((int)s->a, (const uint64_t *)s->b, (uint64_t *)s->c));
        return true;
    case SYS_rt_sigtimedwait:
        *ret = gr_ret(call_sigtimedwait(s));
        return true;
    case SYS_rt_sigsuspend:
        *ret = call_sigsuspend(s);
        return true;
    case SYS_pause:
        *ret = pause();
        return true;
    case SYS_tgkill:
        *ret = tgkill((pid_t)s->a, (pid_t)s->b, (int)s->c);
        return true;
    case SYS_tkill:
        *ret = tgkill(getpid(), (pid_t)s->a, (int)s->b);
        return true;
    case SYS_rt_tgsigqueueinfo:
        return thread_signal(s, ret);
    default:
        return false;
    }
}

static bool time_twin(const struct gr_call *s, long *ret)
{
    switch (s->nr) {
    case SYS_nanosleep:
        *ret = gr_ret(gr_clock_sleep(CLOCK_REALTIME, 0, (const struct timespec *)s->a,
                                     (struct timespec *)s->b));
        return true;
    case SYS_clock_nanosleep:
        *ret = gr_ret(gr_clock_sleep((clockid_t)s->a, (int)s->b, (const struct timespec *)s->c,
                                     (struct timespec *)s->d));
        return true;
    case SYS_timer_create:
        if (!gr_timer_is_for_thread((const struct sigevent *)s->b)) {
            return false;
        }
        *ret = gr_ret(gr_timer_create((clockid_t)s->a, (const struct sigevent *)s->b, (int *)s->c));
        return true;
    case SYS_timer_delete:
        *ret = timer_delete((timer_t)(intptr_t)(int)s->a);
        return true;
    case SYS_sched_yield:
        *ret = sched_yield();
        return true;
    case SYS_clock_gettime:
        *ret = clock_gettime((clockid_t)s->a, (struct timespec *)s->b);
        return true;
    case SYS_getrusage:
        *ret = getrusage((int)s->a, (struct rusage *)s->b);
        return true;
    default:
        return false;
    }
}

/* --- processes --- */

/* A child with memory and stack of its own: what is left of fork() when libc is not asked. */
static long fork_by_number(long nr, const struct gr_call *s)
{
    gr_fork_prepare();
    long pid = gr_syscall6(nr, s->a, s->b, s->c, s->d, s->e, s->f);
    if (pid == 0) {
        gr_fork_child();
    } else {
        gr_fork_parent();
    }
    return gr_ret(pid);
}

static bool is_fork(const struct gr_call *s)
{
    const struct clone_args *ca = (const struct clone_args *)s->a;
    uint64_t flags = s->nr == SYS_clone3 ? ca->flags : (uint64_t)s->a;
    uint64_t stack = s->nr == SYS_clone3 ? ca->stack : (uint64_t)s->b;
    return !(flags & (CLONE_VM | CLONE_THREAD)) && !stack;
}

static bool process_twin(const struct gr_call *s, long *ret)
{
    const struct gr_call plain = {.a = SIGCHLD};
    switch (s->nr) {
    case SYS_wait4:
        *ret = gr_ret(gr_wait4((pid_t)s->a, (int *)s->b, (int)s->c, (struct rusage *)s->d));
        return true;
    case SYS_waitid:
        *ret = gr_ret(gr_waitid((idtype_t)s->a, (id_t)s->b, (siginfo_t *)s->c, (int)s->d,
                                (struct rusage *)s->e));
        return true;
    case SYS_execve:
        *ret = execve((const char *)s->a, (char *const *)s->b, (char *const *)s->c);
        return true;
    case SYS_execveat:
        *ret = execveat((int)s->a, (const char *)s->b, (char *const *)s->c, (char *const *)s->d,
                        (int)s->e);
        return true;
    case SYS_fork:
    case SYS_vfork:
        *ret = fork_by_number(SYS_clone, &plain);
        return true;
    case SYS_clone:
    case SYS_clone3:
        if (!is_fork(s)) {
            return false;
        }
        *ret = fork_by_number(s->nr, s);
        return true;
    case SYS_exit:
        if (gr_self->is_main) {
            return false;
        }
        gr_green_exit(NULL);
    default:
        return false;
    }
}

/* --- message queues, System V IPC --- */

static bool ipc_twin(const struct gr_call *s, long *ret)
{
    switch (s->nr) {
    case SYS_mq_timedsend:
        *ret = mq_timedsend((mqd_t)s->a, (const char *)s->b, (size_t)s->c, (unsigned)s->d,
                            (const struct timespec *)s->e);
        return true;
    case SYS_mq_timedreceive:
        *ret = mq_timedreceive((mqd_t)s->a, (char *)s->b, (size_t)s->c, (unsigned *)s->d,
                               (const struct timespec *)s->e);
        return true;
    case SYS_semop:
        *ret = semop((int)s->a, (struct sembuf *)s->b, (size_t)s->c);
        return true;
    case SYS_semtimedop:
        *ret = semtimedop((int)s->a, (struct sembuf *)s->b, (size_t)s->c,
                          (const struct timespec *)s->d);
        return true;
    case SYS_msgsnd:
        *ret = msgsnd((int)s->a, (const void *)s->b, (size_t)s->c, (int)s->d);
        return true;
    case SYS_msgrcv:
        *ret = msgrcv((int)s->a, (void *)s->b, (size_t)s->c, s->d, (int)s->e);
        return true;
    default:
        return false;
    }
}

static long call_futex(const struct gr_call *s)
{
    return gr_ret(gr_futex((uint32_t *)s->a, (int)s->b, (uint32_t)s->c, (uintptr_t)s->d,
                           (uint32_t *)s->e, (uint32_t)s->f));
}

#ifdef SYS_arch_prctl
/* What the kernel takes for the thread pointer may be a trap of ours. */
static bool thread_pointer_twin(const struct gr_call *s, long *ret)
{
    if (s->nr != SYS_arch_prctl || s->a != ARCH_GET_FS) {
        return false;
    }
    gr_tp_pin();
    *ret = gr_ret(GR_SYS(SYS_arch_prctl, s->a, s->b));
    gr_tp_unpin();
    return true;
}
#else
static bool thread_pointer_twin(const struct gr_call *s, long *ret)
{
    (void)s;
    (void)ret;
    return false;
}
#endif

static bool has_twin(const struct gr_call *s, long *ret)
{
    if (s->nr == SYS_futex) {
        *ret = call_futex(s);
        return true;
    }
    if (s->nr == SYS_futex_waitv) {
        *ret = gr_ret(gr_futex_waitv((const void *)s->a, (unsigned)s->b, (unsigned)s->c,
                                     (const struct timespec *)s->d, (clockid_t)s->e));
        return true;
    }
    if (s->nr >= FUTEX2_FIRST && s->nr <= FUTEX2_LAST) {
        *ret = gr_ret(-ENOSYS); /* as on an older kernel: callers fall back to futex() */
        return true;
    }
    return gr_call_io(s, ret) || signal_twin(s, ret) || time_twin(s, ret) || process_twin(s, ret) ||
           ipc_twin(s, ret) || gr_call_thread_id(s, ret) || gr_call_sched(s, ret) ||
           gr_call_proc_path(s, ret) || thread_pointer_twin(s, ret);
}

/* syscall() is no cancellation point, though the functions of the same names are. */
static bool without_cancel(const struct gr_call *s, long *ret)
{
    struct green *g = gr_self;
    bool disabled = g->cancel_disabled;
    g->cancel_disabled = true;
    bool done = has_twin(s, ret);
    g->cancel_disabled = disabled;
    return done;
}

/*
 * syscall - <unistd.h>; syscall(2)
 * Class:    as the function of the same name. Not a cancellation point.
 * Differs:  the futex2 calls answer ENOSYS; SYS_vfork forks. Calls by inline assembly are not seen.
 */
GR_SHIM long gr_shim_syscall(long nr, long a, long b, long c, long d, long e,
                             long f) __asm__("syscall");

GR_SHIM long gr_shim_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
    if (GR_UNLIKELY(!gr_active)) {
        return real.syscall(nr, a, b, c, d, e, f);
    }
    if (gr_on_green()) {
        const struct gr_call s = {nr, a, b, c, d, e, f};
        long ret;
        GR_COUNT(syscall);
        if (without_cancel(&s, &ret)) {
            return ret;
        }
    } else if (nr == SYS_futex) {
        return call_futex(&(struct gr_call){nr, a, b, c, d, e, f});
    }
    return real.syscall(nr, a, b, c, d, e, f);
}
