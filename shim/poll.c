/*
 * poll.h: poll, ppoll and their fortified twins.
 *
 * What is ready always comes from the kernel, asked with a zero timeout. If that is nothing, the
 * green puts a link on each descriptor, parks, and asks again. While nothing else can run, the
 * kernel call itself waits.
 */
#include "shim/poll.h"

#include "runtime/svc/fdset.h"
#include "shim/shim.h"

struct poll_look {
    struct gr_look look;
    struct pollfd *fds;
    nfds_t nfds;
    struct gr_fdset set;
};

static struct poll_look *poll_of(struct gr_look *q)
{
    return GR_CONTAINER_OF(q, struct poll_look, look);
}

static long ask(struct gr_look *q)
{
    struct timespec none = {0};
    return GR_SYS(SYS_ppoll, poll_of(q)->fds, poll_of(q)->nfds, &none, NULL, GR_SIG_SET_SIZE);
}

static bool native(struct gr_look *q, int64_t at, long *ret)
{
    struct timespec ts;
    return gr_native(ret, SYS_ppoll, (long)poll_of(q)->fds, (long)poll_of(q)->nfds,
                     (long)gr_wait_left(at, &ts), 0, GR_SIG_SET_SIZE, 0);
}

static unsigned interest(short events)
{
    unsigned want = 0;
    if (events & (POLLIN | POLLRDNORM | POLLRDBAND | POLLRDHUP | POLLPRI)) {
        want |= GR_IN;
    }
    if (events & (POLLOUT | POLLWRNORM | POLLWRBAND | POLLPRI)) {
        want |= GR_OUT; /* urgent data may show up as nothing but another report of writability */
    }
    return want;
}

static int park(struct gr_look *q, int64_t at)
{
    struct poll_look *p = poll_of(q);
    int rc = gr_fdset_reserve(&p->set, p->nfds);
    if (rc) {
        return rc;
    }
    gr_fdset_begin(&p->set);
    for (nfds_t i = 0; i < p->nfds; i++) {
        if (p->fds[i].fd >= 0) {
            gr_fdset_add(&p->set, p->fds[i].fd, interest(p->fds[i].events));
        }
    }
    return gr_fdset_park(&p->set, at, GR_WHY_POLL);
}

/* The readiness bits know already that asking is in vain. */
static bool is_idle(const struct pollfd *fds, nfds_t nfds)
{
    const short known = POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM | POLLRDHUP;
    if (nfds > GR_FDSET_SMALL || nfds == 0) {
        return false;
    }
    for (nfds_t i = 0; i < nfds; i++) {
        const struct gr_fd *f = gr_fd_get(fds[i].fd);
        if (!f || !f->armed || (fds[i].events & ~known) ||
            (f->ready & (interest(fds[i].events) | GR_HUP))) {
            return false;
        }
    }
    return true;
}

static void fini(struct poll_look *p)
{
    gr_fdset_fini(&p->set);
}

long gr_poll(struct pollfd *fds, nfds_t nfds, int64_t deadline, const uint64_t *mask)
{
    struct poll_look p __attribute__((cleanup(fini)));
    p.look =
        (struct gr_look){.idle = is_idle(fds, nfds), .ask = ask, .park = park, .native = native};
    p.fds = fds;
    p.nfds = nfds;
    gr_fdset_init(&p.set);
    return gr_look(&p.look, deadline, mask);
}

/*
 * poll - <poll.h>; POSIX.1-2024 poll(), poll(2); ppoll(2)
 * Class:    YIELD.
 * Waits:    until an event, the timeout (never early), or a handler (EINTR, SA_RESTART or not).
 * Differs:  a descriptor that another thread closes during a wait without timeout is reported
 * (POLLNVAL) at once; the kernel reports it when something else ends the wait.
 */
GR_SHIM int poll(struct pollfd *fds, nfds_t nfds, int timeout)
{
    if (!gr_on_green()) {
        return real.poll(fds, nfds, timeout);
    }
    GR_CANCEL_POINT(poll);
    return (int)gr_ret(gr_poll(fds, nfds, gr_wait_ms(timeout), NULL));
}

GR_SHIM int ppoll(struct pollfd *fds, nfds_t nfds, const struct timespec *timeout,
                  const sigset_t *mask)
{
    if (!gr_on_green()) {
        return real.ppoll(fds, nfds, timeout, mask);
    }
    GR_CANCEL_POINT(ppoll);
    int64_t deadline;
    int rc = gr_wait_deadline(timeout, &deadline);
    return (int)gr_ret(rc ? rc : gr_poll(fds, nfds, deadline, gr_kernel_set(mask)));
}

/* Fortified: the size of the array is known. The real one says so and aborts when it is too small.
 */
GR_SHIM int __poll_chk(struct pollfd *fds, nfds_t nfds, int timeout, size_t size)
{
    if (!gr_on_green() || size / sizeof(*fds) < nfds) {
        return real.__poll_chk(fds, nfds, timeout, size);
    }
    return poll(fds, nfds, timeout);
}

GR_SHIM int __ppoll_chk(struct pollfd *fds, nfds_t nfds, const struct timespec *timeout,
                        const sigset_t *mask, size_t size)
{
    if (!gr_on_green() || size / sizeof(*fds) < nfds) {
        return real.__ppoll_chk(fds, nfds, timeout, mask, size);
    }
    return ppoll(fds, nfds, timeout, mask);
}
