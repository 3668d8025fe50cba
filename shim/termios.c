/*
 * <termios.h>: waiting until a terminal has sent its output, also before its settings change.
 *
 * A process in the background gets SIGTTOU or not by the signal mask of the thread that calls, so
 * there the call is left to the carrier.
 */
#include "shim/termios.h"
#include "shim/kernel_wait.h"
#include "shim/shim.h"

#include <sys/ioctl.h>
#include <termios.h>

static bool in_background(int fd)
{
    pid_t front;
    return GR_SYS(SYS_ioctl, fd, TIOCGPGRP, &front) == 0 && front != getpgrp();
}

/* Of its size only: the kernel's structure behind TCSETSW2, which <termios.h> does not know. */
struct termios2 {
    tcflag_t modes[4];
    cc_t line;
    cc_t cc[19];
    speed_t speeds[2];
};

bool gr_ioctl_drains(unsigned long request)
{
    switch (request) {
    case TCSBRK:
    case TCSBRKP:
    case TCSETSW:
    case TCSETSF:
    case TCSETAW:
    case TCSETAF:
    case TCSETSW2:
    case TCSETSF2:
        return true;
    default:
        return false;
    }
}

static long drain(int fd, unsigned long request, long arg, unsigned flags)
{
    struct gr_kernel_wait w = {.call = {SYS_ioctl, {fd, (long)request, arg}},
                               .restarts = request != TCSBRK && request != TCSBRKP,
                               .flags = flags,
                               .deadline = GR_FOREVER};
    return in_background(fd) ? gr_syscall_make(&w.call) : gr_kernel_wait(&w);
}

long gr_ioctl_drain(int fd, unsigned long request, const void *arg)
{
    return drain(fd, request, (long)arg, GR_SIGNAL);
}

/*
 * tcdrain - <termios.h>; POSIX.1-2024 tcdrain(), tcsendbreak()
 * Class:    YIELD.
 * Waits:    until all output is sent; for the length of the break. A handler ends it (EINTR), with
 * SA_RESTART too: the kernel does not restart these. tcdrain is a cancellation point.
 */
GR_SHIM int tcdrain(int fd)
{
    if (!gr_on_green()) {
        return real.tcdrain(fd);
    }
    GR_CANCEL_POINT(tcdrain);
    return (int)gr_ret(drain(fd, TCSBRK, 1, GR_INTR));
}

/* Of a length of 0, a quarter to half a second; else in milliseconds, rounded up to tenths. */
GR_SHIM int tcsendbreak(int fd, int ms)
{
    if (!gr_on_green()) {
        return real.tcsendbreak(fd, ms);
    }
    GR_COUNT(tcsendbreak);
    return (int)gr_ret(ms <= 0 ? drain(fd, TCSBRK, 0, GR_SIGNAL)
                               : drain(fd, TCSBRKP, (ms + 99) / 100, GR_SIGNAL));
}

/* libc knows how the kernel wants to have the settings, so its function is what the stand-in calls.
 */
struct settings {
    int fd;
    int action;
    const struct termios *modes;
    int rc;
    int err; /* errno, if @rc is -1 */
};

static bool run_set(void *arg)
{
    struct settings *s = arg;
    s->rc = real.tcsetattr(s->fd, s->action, s->modes);
    s->err = errno;
    return s->rc == 0 || s->err != EINTR;
}

/*
 * tcsetattr - <termios.h>; POSIX.1-2024 tcsetattr()
 * Class:    YIELD.
 * Waits:    with TCSADRAIN and TCSAFLUSH, until the output is sent. A handler without SA_RESTART
 * ends it (EINTR). Not a cancellation point.
 */
GR_SHIM int tcsetattr(int fd, int action, const struct termios *modes)
{
    if (!gr_on_green() || action == TCSANOW || in_background(fd)) {
        return real.tcsetattr(fd, action, modes);
    }
    GR_COUNT(tcsetattr);
    struct settings s = {.fd = fd, .action = action, .modes = modes};
    int rc;
    do {
        rc = gr_standin_run(run_set, &s, GR_FOREVER, GR_SIGNAL);
    } while (rc == -GR_ERESTART);
    return (int)gr_ret(rc ? rc : s.rc ? -s.err : 0);
}
