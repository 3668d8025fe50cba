/*
 * <termios.h>: waiting until a terminal has sent its output.
 *
 * A process in the background gets SIGTTOU or not by the signal mask of the thread that calls, so
 * there the call is left to the carrier.
 */
#include "shim/kernel_wait.h"
#include "shim/shim.h"

#include <sys/ioctl.h>
#include <termios.h>

static bool in_background(int fd)
{
    pid_t front;
    return GR_SYS(SYS_ioctl, fd, TIOCGPGRP, &front) == 0 && front != getpgrp();
}

static long drain(int fd, long request, long arg, bool restarts, unsigned flags)
{
    struct gr_kernel_wait w = {.call = {SYS_ioctl, {fd, request, arg}},
                               .restarts = restarts,
                               .flags = flags,
                               .deadline = GR_FOREVER};
    return in_background(fd) ? GR_SYS(SYS_ioctl, fd, request, arg) : gr_kernel_wait(&w);
}

/*
 * tcdrain - <termios.h>; POSIX.1-2024 tcdrain(), tcsendbreak()
 * Class:    YIELD.
 * Waits:    until all output is sent; for the length of the break. A handler ends it (EINTR),
 * tcdrain only without SA_RESTART. tcdrain is a cancellation point.
 */
GR_SHIM int tcdrain(int fd)
{
    if (!gr_on_green()) {
        return real.tcdrain(fd);
    }
    GR_CANCEL_POINT(tcdrain);
    return (int)gr_ret(drain(fd, TCSBRK, 1, true, GR_INTR));
}

/* Of a length of 0, a quarter to half a second; else in milliseconds, rounded up to tenths. */
GR_SHIM int tcsendbreak(int fd, int ms)
{
    if (!gr_on_green()) {
        return real.tcsendbreak(fd, ms);
    }
    GR_COUNT(tcsendbreak);
    return (int)gr_ret(ms <= 0 ? drain(fd, TCSBRK, 0, false, GR_SIGNAL)
                               : drain(fd, TCSBRKP, (ms + 99) / 100, false, GR_SIGNAL));
}
