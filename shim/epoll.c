/*
 * sys/epoll.h: the waits on a program's own epoll descriptor.
 *
 * The hub watches the epoll descriptor itself, edge-triggered; what is ready is asked of the
 * kernel. Of several greens that wait on one epoll descriptor an edge wakes one, and whoever takes
 * events lets the next one look, as the kernel does.
 */
#include "shim/poll.h"
#include "shim/shim.h"

#define RETRY_NS                                                                                   \
    (10 * 1000 * 1000LL) /* for an epoll descriptor that cannot be nested in the hub's */

struct epoll_look {
    struct gr_look look;
    struct epoll_event *events;
    int epfd;
    int max;
    bool fine;       /* the timeout is finer than milliseconds */
    struct gr_fd *f; /* NULL until the first park */
};

static struct epoll_look *epoll_of(struct gr_look *q)
{
    return GR_CONTAINER_OF(q, struct epoll_look, look);
}

/* The descriptor waited on: a private one after another thread closed the number during the wait.
 */
static int number(const struct epoll_look *e)
{
    return e->f ? e->f->fd : e->epfd;
}

static long ask(struct gr_look *q)
{
    struct epoll_look *e = epoll_of(q);
    return GR_SYS(SYS_epoll_pwait, number(e), e->events, e->max, 0, NULL, GR_SIG_SET_SIZE);
}

static bool native(struct gr_look *q, int64_t at, long *ret)
{
    struct epoll_look *e = epoll_of(q);
    struct timespec ts;
    struct timespec *left = gr_wait_left(at, &ts);
    if (e->fine) {
        return gr_native(ret, SYS_epoll_pwait2, e->epfd, (long)e->events, e->max, (long)left, 0,
                         GR_SIG_SET_SIZE);
    }
    int64_t ms = left ? (gr_timespec_ns(left) + 999999) / 1000000 : -1;
    return gr_native(ret, SYS_epoll_pwait, e->epfd, (long)e->events, e->max, ms, 0,
                     GR_SIG_SET_SIZE);
}

static int park(struct gr_look *q, int64_t at)
{
    struct epoll_look *e = epoll_of(q);
    if (!e->f) {
        e->f = gr_fd_get(e->epfd);
    }
    if (!e->f || (e->f->ready & GR_HUP && !e->f->armed)) {
        int64_t soon = gr_deadline_in(RETRY_NS);
        int rc = gr_sleep_until(soon < at ? soon : at, GR_INTR);
        return rc ? rc : gr_now() >= at ? -ETIMEDOUT : 0;
    }
    gr_fd_drained(e->f, GR_IN);
    return gr_fd_wait(&e->f, GR_IN, at, GR_INTR);
}

static void fini(struct epoll_look *e)
{
    if (e->f) {
        gr_fd_done(e->f);
    }
}

static long wait_events(int epfd, struct epoll_event *events, int max, int64_t deadline, bool fine,
                        const uint64_t *mask)
{
    struct epoll_look e __attribute__((cleanup(fini))) = {
        .look = {.ask = ask, .park = park, .native = native},
        .events = events,
        .epfd = epfd,
        .max = max,
        .fine = fine,
    };
    long n = gr_look(&e.look, deadline, mask);
    if (n > 0) {
        struct gr_fd *f = e.f ? e.f : gr_fd_get(epfd);
        if (f) {
            gr_fd_pass_on(f, GR_IN);
        }
    }
    return n;
}

long gr_epoll_wait(int epfd, struct epoll_event *events, int max, int ms, const uint64_t *mask)
{
    return wait_events(epfd, events, max, gr_wait_ms(ms), false, mask);
}

long gr_epoll_wait2(int epfd, struct epoll_event *events, int max, const struct timespec *timeout,
                    const uint64_t *mask)
{
    int64_t deadline;
    int rc = gr_wait_deadline(timeout, &deadline);
    return rc ? rc : wait_events(epfd, events, max, deadline, true, mask);
}

/*
 * epoll_wait - <sys/epoll.h>; epoll_wait(2)
 * Class:    YIELD.
 * Waits:    until an event, the timeout (never early), or a handler (EINTR, SA_RESTART or not). A
 * thread that waits on a descriptor which another one closes keeps the epoll set, as in the kernel.
 * Differs:  none known.
 */
GR_SHIM int epoll_wait(int epfd, struct epoll_event *events, int max, int timeout)
{
    if (!gr_on_green()) {
        return real.epoll_wait(epfd, events, max, timeout);
    }
    GR_CANCEL_POINT(epoll_wait);
    return (int)gr_ret(gr_epoll_wait(epfd, events, max, timeout, NULL));
}

GR_SHIM int epoll_pwait(int epfd, struct epoll_event *events, int max, int timeout,
                        const sigset_t *mask)
{
    if (!gr_on_green()) {
        return real.epoll_pwait(epfd, events, max, timeout, mask);
    }
    GR_CANCEL_POINT(epoll_pwait);
    return (int)gr_ret(gr_epoll_wait(epfd, events, max, timeout, gr_kernel_set(mask)));
}

GR_SHIM int epoll_pwait2(int epfd, struct epoll_event *events, int max,
                         const struct timespec *timeout, const sigset_t *mask)
{
    if (!gr_on_green()) {
        return real.epoll_pwait2(epfd, events, max, timeout, mask);
    }
    GR_CANCEL_POINT(epoll_pwait2);
    return (int)gr_ret(gr_epoll_wait2(epfd, events, max, timeout, gr_kernel_set(mask)));
}
