/*
 * syscall(2): system calls by number.
 *
 * Those that wait, or that change what we know of descriptors, signals and processes, go to the
 * function that is interposed under the call's name; futexes go to the parking lot; the rest goes
 * to the kernel as it is.
 */
#include "shim/futex.h"
#include "shim/poll.h"
#include "shim/process.h"
#include "shim/shim.h"
#include "shim/time.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>

/* Calls that some machines or headers do not have. */
#ifndef SYS_poll
#define SYS_poll       (-101)
#define SYS_select     (-102)
#define SYS_epoll_wait (-103)
#define SYS_pause      (-104)
#define SYS_dup2       (-105)
#define SYS_open       (-106)
#define SYS_fork       (-107)
#define SYS_vfork      (-108)
#endif
#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif
#define FUTEX2_FIRST 454 /* futex_wake, futex_wait, futex_requeue */
#define FUTEX2_LAST  456

struct args {
    long nr;
    long a;
    long b;
    long c;
    long d;
    long e;
    long f;
};

/* --- reading and writing -------------------------------------------------------------------------
 */

static bool io_twin(const struct args *s, long *ret)
{
    switch (s->nr) {
    case SYS_read:
        *ret = read((int)s->a, (void *)s->b, (size_t)s->c);
        return true;
    case SYS_write:
        *ret = write((int)s->a, (const void *)s->b, (size_t)s->c);
        return true;
    case SYS_readv:
        *ret = readv((int)s->a, (const struct iovec *)s->b, (int)s->c);
        return true;
    case SYS_writev:
        *ret = writev((int)s->a, (const struct iovec *)s->b, (int)s->c);
        return true;
    case SYS_recvfrom:
        *ret = recvfrom((int)s->a, (void *)s->b, (size_t)s->c, (int)s->d, (struct sockaddr *)s->e,
                        (socklen_t *)s->f);
        return true;
    case SYS_sendto:
        *ret = sendto((int)s->a, (const void *)s->b, (size_t)s->c, (int)s->d,
                      (const struct sockaddr *)s->e, (socklen_t)s->f);
        return true;
    case SYS_recvmsg:
        *ret = recvmsg((int)s->a, (struct msghdr *)s->b, (int)s->c);
        return true;
    case SYS_sendmsg:
        *ret = sendmsg((int)s->a, (const struct msghdr *)s->b, (int)s->c);
        return true;
    case SYS_recvmmsg:
        *ret = recvmmsg((int)s->a, (struct mmsghdr *)s->b, (unsigned)s->c, (int)s->d,
                        (struct timespec *)s->e);
        return true;
    case SYS_sendmmsg:
        *ret = sendmmsg((int)s->a, (struct mmsghdr *)s->b, (unsigned)s->c, (int)s->d);
        return true;
    case SYS_accept:
        *ret = accept((int)s->a, (struct sockaddr *)s->b, (socklen_t *)s->c);
        return true;
    case SYS_accept4:
        *ret = accept4((int)s->a, (struct sockaddr *)s->b, (socklen_t *)s->c, (int)s->d);
        return true;
    case SYS_connect:
        *ret = connect((int)s->a, (const struct sockaddr *)s->b, (socklen_t)s->c);
        return true;
    default:
        return false;
    }
}

/* --- descriptors
 * ---------------------------------------------------------------------------------- */

static bool fd_twin(const struct args *s, long *ret)
{
    switch (s->nr) {
    case SYS_close:
        *ret = close((int)s->a);
        return true;
    case SYS_dup:
        *ret = dup((int)s->a);
        return true;
    case SYS_dup2:
        *ret = dup2((int)s->a, (int)s->b);
        return true;
    case SYS_dup3:
        *ret = dup3((int)s->a, (int)s->b, (int)s->c);
        return true;
    case SYS_fcntl:
        *ret = fcntl((int)s->a, (int)s->b, s->c);
        return true;
    case SYS_ioctl:
        *ret = ioctl((int)s->a, (unsigned long)s->b, s->c);
        return true;
    case SYS_open:
        *ret = open((const char *)s->a, (int)s->b, (mode_t)s->c);
        return true;
    case SYS_openat:
        *ret = openat((int)s->a, (const char *)s->b, (int)s->c, (mode_t)s->d);
        return true;
    case SYS_socket:
        *ret = socket((int)s->a, (int)s->b, (int)s->c);
        return true;
    case SYS_setsockopt:
        *ret = setsockopt((int)s->a, (int)s->b, (int)s->c, (const void *)s->d, (socklen_t)s->e);
        return true;
    case SYS_close_range:
        *ret = close_range((unsigned)s->a, (unsigned)s->b, (int)s->c);
        return true;
    default:
        return false;
    }
}

/* --- waiting for descriptors
 * ------------------------------------------------------------------------ */

/* These three write the time that is left back, unlike their namesakes in libc. */
static long call_ppoll(const struct args *s)
{
    struct timespec *ts = (struct timespec *)s->c;
    int64_t deadline;
    int rc = s->d && s->e != GR_SIG_SET_SIZE ? -EINVAL : gr_wait_deadline(ts, &deadline);
    if (rc) {
        return rc;
    }
    long n = gr_poll((struct pollfd *)s->a, (nfds_t)s->b, deadline, (const uint64_t *)s->d);
    if (ts) {
        (void)gr_wait_left(deadline, ts);
    }
    return n;
}

static long call_pselect(const struct args *s)
{
    const struct {
        const uint64_t *mask;
        size_t size;
    } *sig = (const void *)s->f;
    struct timespec *ts = (struct timespec *)s->e;
    int64_t deadline;
    int rc = sig && sig->mask && sig->size != GR_SIG_SET_SIZE ? -EINVAL
                                                              : gr_wait_deadline(ts, &deadline);
    if (rc) {
        return rc;
    }
    long n = gr_select((int)s->a, (fd_set *)s->b, (fd_set *)s->c, (fd_set *)s->d, deadline,
                       sig ? sig->mask : NULL);
    if (ts) {
        (void)gr_wait_left(deadline, ts);
    }
    return n;
}

static long call_epoll(const struct args *s)
{
    struct epoll_event *events = (struct epoll_event *)s->b;
    const uint64_t *mask = (const uint64_t *)s->e;
    if (mask && s->f != GR_SIG_SET_SIZE) {
        return -EINVAL;
    }
    if (s->nr == SYS_epoll_pwait2) {
        return gr_epoll_wait2((int)s->a, events, (int)s->c, (const struct timespec *)s->d, mask);
    }
    return gr_epoll_wait((int)s->a, events, (int)s->c, (int)s->d, mask);
}

static bool wait_twin(const struct args *s, long *ret)
{
    switch (s->nr) {
    case SYS_poll:
        *ret = poll((struct pollfd *)s->a, (nfds_t)s->b, (int)s->c);
        return true;
    case SYS_select:
        *ret = select((int)s->a, (fd_set *)s->b, (fd_set *)s->c, (fd_set *)s->d,
                      (struct timeval *)s->e);
        return true;
    case SYS_ppoll:
        *ret = gr_ret(call_ppoll(s));
        return true;
    case SYS_pselect6:
        *ret = gr_ret(call_pselect(s));
        return true;
    case SYS_epoll_wait:
        *ret = epoll_wait((int)s->a, (struct epoll_event *)s->b, (int)s->c, (int)s->d);
        return true;
    case SYS_epoll_pwait:
    case SYS_epoll_pwait2:
        *ret = gr_ret(call_epoll(s));
        return true;
    default:
        return false;
    }
}

/* --- time, signals
 * ------------------------------------------------------------------------------------ */

static long call_sigtimedwait(const struct args *s)
{
    const struct timespec *ts = (const struct timespec *)s->c;
    int64_t deadline;
    int rc = s->d != GR_SIG_SET_SIZE ? -EINVAL : gr_wait_deadline(ts, &deadline);
    return rc ? rc : gr_sig_wait(*(const uint64_t *)s->a, (siginfo_t *)s->b, deadline);
}

static long call_sigsuspend(const struct args *s)
{
    sigset_t set;
    if (s->b != GR_SIG_SET_SIZE) {
        return gr_ret(-EINVAL);
    }
    (void)sigemptyset(&set);
    memcpy(&set, (const void *)s->a, GR_SIG_SET_SIZE);
    return sigsuspend(&set);
}

static bool signal_twin(const struct args *s, long *ret)
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
    default:
        return false;
    }
}

static bool time_twin(const struct args *s, long *ret)
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
    case SYS_sched_yield:
        *ret = sched_yield();
        return true;
    default:
        return false;
    }
}

/* --- processes
 * -------------------------------------------------------------------------------------------- */

/* A child with memory and stack of its own: what is left of fork() when libc is not asked. */
static long fork_by_number(long nr, const struct args *s)
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

static bool is_fork(const struct args *s)
{
    const struct clone_args *ca = (const struct clone_args *)s->a;
    uint64_t flags = s->nr == SYS_clone3 ? ca->flags : (uint64_t)s->a;
    uint64_t stack = s->nr == SYS_clone3 ? ca->stack : (uint64_t)s->b;
    return !(flags & (CLONE_VM | CLONE_THREAD)) && !stack;
}

static bool process_twin(const struct args *s, long *ret)
{
    const struct args plain = {.a = SIGCHLD};
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

static bool has_twin(const struct args *s, long *ret)
{
    if (s->nr == SYS_futex_waitv || (s->nr >= FUTEX2_FIRST && s->nr <= FUTEX2_LAST)) {
        *ret = gr_ret(-ENOSYS); /* as on an older kernel: callers fall back to futex() */
        return true;
    }
    return io_twin(s, ret) || fd_twin(s, ret) || wait_twin(s, ret) || signal_twin(s, ret) ||
           time_twin(s, ret) || process_twin(s, ret);
}

/*
 * syscall - <unistd.h>; syscall(2)
 * Class:    as the function of the same name.
 * Differs:  futex_waitv() and the futex2 calls answer ENOSYS; SYS_vfork forks. Calls by inline
 * assembly are not seen.
 */
GR_SHIM long gr_shim_syscall(long nr, long a, long b, long c, long d, long e,
                             long f) __asm__("syscall");

GR_SHIM long gr_shim_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
    if (GR_UNLIKELY(!gr_active)) {
        return real.syscall(nr, a, b, c, d, e, f);
    }
    if (nr == SYS_futex) {
        return gr_ret(
            gr_futex((uint32_t *)a, (int)b, (uint32_t)c, (uintptr_t)d, (uint32_t *)e, (uint32_t)f));
    }
    if (gr_on_green()) {
        const struct args s = {nr, a, b, c, d, e, f};
        long ret;
        GR_COUNT(syscall);
        if (has_twin(&s, &ret)) {
            return ret;
        }
    }
    return real.syscall(nr, a, b, c, d, e, f);
}
