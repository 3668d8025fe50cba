/*
 * <signal.h>: the older interface of XSI, in terms of the other one. By name only: inside libc
 * these functions make the calls of the other one, whose bodies are hooked.
 */
#include "shim/shim.h"

#include <signal.h>

int __xpg_sigpause(int sig); /* what <signal.h> calls sigpause */

/* Block or unblock one signal of the calling thread; was it blocked before? -1 for a bad one. */
static int change(int how, int sig)
{
    sigset_t set;
    sigset_t before;
    (void)sigemptyset(&set);
    if (sigaddset(&set, sig) || sigprocmask(how, &set, &before)) {
        return -1;
    }
    return sigismember(&before, sig);
}

GR_SHIM int sighold(int sig)
{
    return gr_on_green() ? (change(SIG_BLOCK, sig) < 0 ? -1 : 0) : real.sighold(sig);
}

GR_SHIM int sigrelse(int sig)
{
    return gr_on_green() ? (change(SIG_UNBLOCK, sig) < 0 ? -1 : 0) : real.sigrelse(sig);
}

static int set_action(int sig, sighandler_t handler, struct sigaction *before)
{
    struct sigaction act = {.sa_flags = 0};
    act.sa_handler = handler;
    return sigaction(sig, &act, before);
}

GR_SHIM int sigignore(int sig)
{
    return gr_on_green() ? set_action(sig, SIG_IGN, NULL) : real.sigignore(sig);
}

/* sigset - <signal.h>; POSIX.1-2017 (XSI, obsolescent). SIG_HOLD blocks the signal and is returned
 * if it was blocked. */
GR_SHIM sighandler_t sigset(int sig, sighandler_t handler)
{
    if (!gr_on_green()) {
        return real.sigset(sig, handler);
    }
    struct sigaction before;
    bool hold = handler == SIG_HOLD;
    if (hold ? sigaction(sig, NULL, &before) : set_action(sig, handler, &before)) {
        return SIG_ERR;
    }
    int was = change(hold ? SIG_BLOCK : SIG_UNBLOCK, sig);
    return was < 0 ? SIG_ERR : was ? SIG_HOLD : before.sa_handler;
}

/*
 * sigpause - <signal.h>; POSIX.1-2017 (XSI, obsolescent)
 * Class:    YIELD; a cancellation point.
 * Waits:    for a signal, with @sig unblocked meanwhile. Always -1, EINTR.
 */
GR_SHIM int __xpg_sigpause(int sig)
{
    if (!gr_on_green()) {
        return real.__xpg_sigpause(sig);
    }
    sigset_t set;
    if (sigprocmask(SIG_BLOCK, NULL, &set) || sigdelset(&set, sig)) {
        return -1;
    }
    return sigsuspend(&set);
}
