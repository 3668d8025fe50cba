/*
 * Waits for descriptors. Blocking libc calls (read, poll, select, accept, ...) let other greens run
 * as they are; these are for code that has descriptors of its own to watch. Like:
 * gevent.socket.wait_read
 *
 * Any green and any kernel thread may make every call.
 */
#ifndef GREEN_IO_H
#define GREEN_IO_H

#include <green/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * green_wait_read - wait until reading from @fd would not block: there is data, a connection to
 * accept, the end, or an error. Any number of threads may wait for one descriptor; all are told.
 * green_wait_write - the same for writing. green_wait_readwrite - for either.
 * @timeout: ns, GREEN_FOREVER, or 0 to only look
 *
 * Return 0; -ETIMEDOUT; -EBADF (@fd is not open, is closed meanwhile, or green_cancel_wait());
 * -ENOMEM; or what interrupted the wait. Switch if they wait, and now and then if not. Like:
 * wait_read, wait_write, wait_readwrite
 */
GREEN_API int green_wait_read(int fd, int64_t timeout);
GREEN_API int green_wait_write(int fd, int64_t timeout);
GREEN_API int green_wait_readwrite(int fd, int64_t timeout);

/*
 * green_cancel_wait - end what greens wait for at @fd now: the calls above return -EBADF, libc
 * calls for one descriptor (read, write, accept, connect, ...) fail with EBADF. Waits for several
 * descriptors (poll, select, epoll_wait) go on, as do kernel threads. @fd stays open.
 *
 * Returns how many waits it has ended. Does not switch. Like: cancel_wait
 */
GREEN_API int green_cancel_wait(int fd);

#ifdef __cplusplus
}
#endif

#endif
