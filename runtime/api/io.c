/* Descriptors of the API's objects. */
#include "runtime/api/io.h"

#include "runtime/api/api.h"
#include "runtime/arch/tp.h"
#include "runtime/base/rawsys.h"
#include "runtime/core/signal.h"
#include "runtime/svc/fdset.h"

#include <errno.h>
#include <unistd.h>

/* The kernel writes to @left what is left of it. */
static long ask(struct pollfd *fds, nfds_t n, struct timespec *left)
{
    long rc;
    do {
        rc = GR_SYS(SYS_ppoll, fds, n, left, NULL, GR_SIG_SET_BYTES);
    } while (rc == -EINTR);
    return rc;
}

/* On a kernel thread that runs no greens. */
static int poll_here(struct pollfd *fds, nfds_t n, int64_t deadline)
{
    struct timespec left = {0};
    int64_t now = gr_now();
    if (deadline > now && deadline != GR_FOREVER) {
        left = gr_ns_timespec(deadline - now);
    }
    int rc = (int)ask(fds, n, deadline == GR_FOREVER ? NULL : &left);
    return rc ? rc : -ETIMEDOUT;
}

int gr_api_poll(struct pollfd *fds, nfds_t n, int64_t deadline)
{
    struct timespec none = {0};
    if (!gr_self) {
        return poll_here(fds, n, deadline);
    }
    GR_FDSET(set);
    int rc = gr_fdset_reserve(&set, n);
    for (bool over = deadline == 0; rc == 0;) {
        rc = (int)ask(fds, n, &none);
        if (rc || over) {
            gr_hub_charge();
            return rc ? rc : -ETIMEDOUT;
        }
        gr_fdset_begin(&set);
        for (nfds_t i = 0; i < n; i++) {
            unsigned events = (fds[i].events & (POLLIN | POLLRDHUP | POLLPRI) ? GR_IN : 0) |
                              (fds[i].events & POLLOUT ? GR_OUT : 0);
            gr_fdset_add(&set, fds[i].fd, events);
        }
        rc = gr_fdset_park(&set, deadline, GR_WHY_POLL);
        over = rc == -ETIMEDOUT;
        rc = over || rc == -EINTR || rc == -GR_ERESTART ? 0 : rc;
    }
    return rc;
}

int gr_api_poll_one(int fd, short events, int64_t deadline)
{
    struct pollfd p = {.fd = fd, .events = events};
    int rc = gr_api_poll(&p, 1, deadline);
    return rc > 0 ? 0 : rc;
}

ssize_t gr_api_write(int fd, const void *data, size_t size)
{
    static const struct timespec none;
    uint64_t broken = gr_sigbit(SIGPIPE);
    uint64_t pending = 0;
    gr_enter(gr_self);
    gr_tp_pin();
    uint64_t old = gr_mask_block_all();
    (void)GR_SYS(SYS_rt_sigpending, &pending, GR_SIG_SET_BYTES);
    long rc = GR_SYS(SYS_write, fd, data, size);
    if (rc == -EPIPE && !(pending & broken)) {
        (void)GR_SYS(SYS_rt_sigtimedwait, &broken, NULL, &none, GR_SIG_SET_BYTES);
    }
    gr_mask_unblock(old);
    gr_tp_unpin();
    gr_leave(gr_self);
    return rc;
}

void gr_api_close(int fd)
{
    int saved = errno;
    struct green *g = gr_self;
    struct gr_fd *f = g ? gr_fd_peek(fd) : NULL;
    if (f) {
        gr_fd_forget(f);
    }
    bool disabled = g && g->cancel_disabled;
    if (g) {
        g->cancel_disabled = true;
    }
    (void)close(fd);
    if (g) {
        g->cancel_disabled = disabled;
    }
    errno = saved;
}
