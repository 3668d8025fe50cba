/*
 * Descriptors, for objects of the API that use some. They work with and without the shim: a wait
 * parks the green, and the libc call behind it then finds what it wants.
 */
#ifndef GR_API_IO_H
#define GR_API_IO_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * gr_api_poll - poll(2). @deadline: absolute, GR_FOREVER, 0: only look.
 *
 * Returns how many are ready, -ETIMEDOUT, -ENOMEM, or -ECANCELED: the caller acts on that. Handlers
 * run, and the wait goes on. Switches.
 */
int gr_api_poll(struct pollfd *fds, nfds_t n, int64_t deadline);

/* gr_api_poll_one - the same for one descriptor; 0 when it is ready. */
int gr_api_poll_one(int fd, short events, int64_t deadline);

/* gr_api_write - write(2) without a SIGPIPE. Returns the kernel's answer. Does not switch. */
ssize_t gr_api_write(int fd, const void *data, size_t size);

/* gr_api_close - close(2), no cancellation point. Does not switch. */
void gr_api_close(int fd);

#endif
