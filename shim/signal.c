/* <signal.h>: the faces of runtime/core/signal.c. */
#include "runtime/core/tid.h"
#include "shim/shim.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static uint64_t set_bits(const sigset_t *set)
{
    uint64_t bits;
    memcpy(&bits, set, sizeof(bits));
    return bits;
}

static void bits_set(uint64_t bits, sigset_t *set)
{
    memset(set, 0, sizeof(*set));
    memcpy(set, &bits, sizeof(bits));
}

/* --- dispositions --- */

/* Are they kept here? The child of a vfork() has its own, in the kernel. */
static bool are_ours(void)
{
    const struct green *g = gr_self;
    return gr_active && !(g && g->vforked);
}

GR_SHIM int sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
    if (!are_ours()) {
        return real.sigaction(sig, act, old);
    }
    return (int)gr_ret(gr_sig_action(sig, act, old));
}

static sigset_t interrupting; /* signals that siginterrupt() has been called for */

static sighandler_t set_handler(int sig, sighandler_t handler, int flags)
{
    struct sigaction act = {.sa_flags = flags};
    struct sigaction old;
    act.sa_handler = handler;
    if (handler == SIG_ERR) {
        errno = EINVAL;
        return SIG_ERR;
    }
    if (!(flags & SA_NODEFER) && sig > 0 && sig < NSIG) {
        (void)sigaddset(&act.sa_mask, sig);
    }
    return sigaction(sig, &act, &old) ? SIG_ERR : old.sa_handler;
}

GR_SHIM sighandler_t signal(int sig, sighandler_t handler)
{
    if (!are_ours()) {
        return real.signal(sig, handler);
    }
    bool interrupts = sig > 0 && sig < NSIG && sigismember(&interrupting, sig) == 1;
    return set_handler(sig, handler, interrupts ? 0 : SA_RESTART);
}

GR_SHIM sighandler_t __sysv_signal(int sig, sighandler_t handler)
{
    return are_ours() ? set_handler(sig, handler, SA_RESETHAND | SA_NODEFER)
                      : real.__sysv_signal(sig, handler);
}

GR_SHIM int siginterrupt(int sig, int on)
{
    if (!are_ours()) {
        int rc = real.siginterrupt(sig, on);
        if (rc == 0) {
            (void)(on ? sigaddset(&interrupting, sig) : sigdelset(&interrupting, sig));
        }
        return rc;
    }
    struct sigaction act;
    if (sigaction(sig, NULL, &act)) {
        return -1;
    }
    if (on) {
        (void)sigaddset(&interrupting, sig);
        act.sa_flags &= ~SA_RESTART;
    } else {
        (void)sigdelset(&interrupting, sig);
        act.sa_flags |= SA_RESTART;
    }
    return sigaction(sig, &act, NULL);
}

GR_SHIM int sigaltstack(const stack_t *ss, stack_t *old)
{
    struct green *g = gr_on_green();
    if (!g) {
        return real.sigaltstack(ss, old);
    }
    stack_t before = g->sig_altstack;
    bool on = gr_sig_on_altstack(g);
    if (on) {
        before.ss_flags |= SS_ONSTACK;
    }
    if (ss && on) {
        return (int)gr_ret(-EPERM);
    }
    if (ss) {
        if (ss->ss_flags & ~(SS_DISABLE | (int)(1U << 31))) {
            return (int)gr_ret(-EINVAL);
        }
        if (!(ss->ss_flags & SS_DISABLE) && ss->ss_size < (size_t)MINSIGSTKSZ) {
            return (int)gr_ret(-ENOMEM);
        }
        g->sig_altstack = *ss;
    }
    if (old) {
        *old = before;
    }
    return 0;
}

/* --- masks --- */

static int mask_on(int how, const sigset_t *set, sigset_t *old)
{
    uint64_t bits = set ? set_bits(set) : 0;
    uint64_t before;
    int rc = gr_sig_mask(how, set ? &bits : NULL, &before);
    if (rc == 0 && old) {
        bits_set(before, old);
    }
    return rc;
}

GR_SHIM int sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
    return gr_on_green() ? (int)gr_ret(mask_on(how, set, old)) : real.sigprocmask(how, set, old);
}

GR_SHIM int pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
    return gr_on_green() ? gr_ret_pos(mask_on(how, set, old)) : real.pthread_sigmask(how, set, old);
}

GR_SHIM int sigpending(sigset_t *set)
{
    if (!gr_on_green()) {
        return real.sigpending(set);
    }
    bits_set(gr_sig_pending_set(), set);
    return 0;
}

/* --- waiting --- */

static int suspend(const uint64_t *mask)
{
    uint64_t old = mask ? gr_sig_mask_swap(*mask) : 0;
    int rc = gr_sleep_until(GR_FOREVER, GR_INTR);
    if (mask) {
        gr_sig_mask_restore(old);
    }
    return (int)gr_ret(gr_eintr(rc));
}

GR_SHIM int sigsuspend(const sigset_t *mask)
{
    if (!gr_on_green()) {
        return real.sigsuspend(mask);
    }
    GR_CANCEL_POINT(sigsuspend);
    uint64_t bits = set_bits(mask);
    return suspend(&bits);
}

GR_SHIM int pause(void)
{
    if (!gr_on_green()) {
        return real.pause();
    }
    GR_CANCEL_POINT(pause);
    return suspend(NULL);
}

GR_SHIM int sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout)
{
    if (!gr_on_green()) {
        return real.sigtimedwait(set, info, timeout);
    }
    GR_CANCEL_POINT(sigtimedwait);
    if (timeout && (timeout->tv_sec < 0 || !gr_timespec_ok(timeout))) {
        return (int)gr_ret(-EINVAL);
    }
    int rc = gr_sig_wait(set_bits(set), info,
                         timeout ? gr_deadline_in(gr_timespec_ns(timeout)) : GR_FOREVER);
    if (rc > 0 && info && info->si_code == SI_TKILL) {
        info->si_code = SI_USER; /* so does libc */
    }
    return (int)gr_ret(rc);
}

GR_SHIM int sigwaitinfo(const sigset_t *set, siginfo_t *info)
{
    return gr_on_green() ? sigtimedwait(set, info, NULL) : real.sigwaitinfo(set, info);
}

/* sigwait() goes on after a handler ran: POSIX has no EINTR for it. */
GR_SHIM int sigwait(const sigset_t *set, int *sig)
{
    if (!gr_on_green()) {
        return real.sigwait(set, sig);
    }
    GR_CANCEL_POINT(sigwait);
    int rc;
    do {
        rc = gr_sig_wait(set_bits(set), NULL, GR_FOREVER);
    } while (rc == -EINTR);
    if (rc < 0) {
        return gr_ret_pos(rc);
    }
    *sig = rc;
    return 0;
}

/* --- jumps --- */

/*
 * libc puts the mask that sigsetjmp() saved back by a call of its own, which is ours only with body
 * hooks. So the mask is put back here, and libc gets a buffer without one.
 */
static struct __jmp_buf_tag *put_mask_back(struct __jmp_buf_tag *env, struct __jmp_buf_tag *copy)
{
    if (!gr_on_green() || !env->__mask_was_saved) {
        return env;
    }
    uint64_t bits = set_bits(&env->__saved_mask);
    (void)gr_sig_mask(SIG_SETMASK, &bits, NULL);
    *copy = *env;
    copy->__mask_was_saved = 0;
    return copy;
}

GR_SHIM void siglongjmp(struct __jmp_buf_tag env[1], int val)
{
    struct __jmp_buf_tag copy;
    real.siglongjmp(put_mask_back(env, &copy), val);
    __builtin_unreachable();
}

extern void __longjmp_chk(struct __jmp_buf_tag env[1], int val) GR_NORETURN;

GR_SHIM void __longjmp_chk(struct __jmp_buf_tag env[1], int val)
{
    struct __jmp_buf_tag copy;
    real.__longjmp_chk(put_mask_back(env, &copy), val);
    __builtin_unreachable();
}

/* --- sending --- */

GR_SHIM int raise(int sig)
{
    struct green *g = gr_on_green();
    return g ? (int)gr_ret(gr_sig_send(g, sig, NULL)) : real.raise(sig);
}

GR_SHIM int tgkill(pid_t pid, pid_t tid, int sig)
{
    struct green *g = gr_on_green() && pid == getpid() ? gr_tid_green(tid) : NULL;
    return g ? (int)gr_ret(gr_sig_send(g, sig, NULL)) : real.tgkill(pid, tid, sig);
}

/* libc lifts the block of SIGABRT by a system call of its own. */
GR_SHIM void abort(void)
{
    if (gr_on_green()) {
        uint64_t set = gr_sigbit(SIGABRT);
        (void)gr_sig_mask(SIG_UNBLOCK, &set, NULL);
    }
    real.abort();
    __builtin_unreachable();
}
