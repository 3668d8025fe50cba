/* Terminals: ioctls that wait for output to be sent. */
#ifndef GR_SHIM_TERMIOS_H
#define GR_SHIM_TERMIOS_H

#include <stdbool.h>

/* gr_ioctl_drains - does this request wait until a terminal has sent its output? */
bool gr_ioctl_drains(unsigned long request);

/*
 * gr_ioctl_drain - ioctl(2) with such a @request on a green: 0 or -errno. Handlers cut the wait off
 * (-EINTR; with SA_RESTART only the requests that make no break nor wait for one go on). Switches.
 */
long gr_ioctl_drain(int fd, unsigned long request, const void *arg);

#endif
