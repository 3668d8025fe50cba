/* Waits for one descriptor. */
#include <green/io.h>

#include "runtime/api/api.h"
#include "runtime/api/io.h"
#include "runtime/core/request.h"

#include <errno.h>
#include <poll.h>

/* How soon to ask again when the loop cannot watch the descriptor. */
#define BLIND_NS (10 * 1000 * 1000LL)

static void unlink_once(struct gr_fdlink *l)
{
    gr_fd_unlink(l);
    l->w = NULL;
}

/* Until something may have changed. @blind: the loop does not tell. Returns 0, -ETIMEDOUT, -EBADF,
 * -EDEADLK, or -ECANCELED. */
static int park(int fd, unsigned events, int64_t deadline, bool *blind)
{
    int64_t soon = *blind ? gr_deadline_in(BLIND_NS) : GR_FOREVER;
    struct gr_waiter w;
    struct gr_fdlink l __attribute__((cleanup(unlink_once)));
    gr_waiter_init(&w, NULL);
    gr_fd_link(&l, fd, events, &w);
    if (!l.w) {
        return -ENOMEM;
    }
    l.single = true;
    int rc = gr_park(&w, soon < deadline ? soon : deadline, GR_API_PARK, GR_WHY_FD);
    bool gone = l.gone;
    *blind = l.revents && !l.f->armed;
    unlink_once(&l);
    if (gone) {
        return -EBADF;
    }
    return rc == -ETIMEDOUT && soon < deadline ? 0 : rc;
}

static int wait_for(int fd, short events, int64_t timeout)
{
    struct pollfd p = {.fd = fd, .events = events};
    unsigned interest = (events & POLLIN ? GR_IN : 0) | (events & POLLOUT ? GR_OUT : 0);
    (void)gr_api_start();
    int64_t deadline = gr_api_deadline_or_now(timeout);
    bool blind = false;
    int rc = fd < 0 ? -EBADF : 0;
    for (bool over = false; rc == 0;) {
        rc = gr_api_poll(&p, 1, gr_self ? 0 : deadline);
        if (rc > 0) {
            return p.revents & POLLNVAL ? -EBADF : 0;
        }
        if (rc != -ETIMEDOUT || over || !deadline || !gr_self) {
            break;
        }
        rc = park(fd, interest, deadline, &blind);
        over = rc == -ETIMEDOUT; /* what is ready counts more */
        rc = over ? 0 : rc;
    }
    return gr_api_result(rc);
}

int green_wait_read(int fd, int64_t timeout)
{
    return wait_for(fd, POLLIN, timeout);
}

int green_wait_write(int fd, int64_t timeout)
{
    return wait_for(fd, POLLOUT, timeout);
}

int green_wait_readwrite(int fd, int64_t timeout)
{
    return wait_for(fd, POLLIN | POLLOUT, timeout);
}

/* --- cancel --- */

struct cancel {
    struct gr_request request;
    struct gr_waiter waiter;
    struct gr_fd *f;
    unsigned n;
};

static bool cancel_on_hub(struct gr_request *r)
{
    struct cancel *c = GR_CONTAINER_OF(r, struct cancel, request);
    c->n = gr_fd_cancel(c->f);
    gr_wake(&c->waiter);
    return true;
}

int green_cancel_wait(int fd)
{
    struct gr_fd *f = gr_fd_peek(fd);
    struct gr_hub *here = gr_hub_here();
    struct gr_hub *h = f && f->hub ? f->hub : here;
    if (!f || !h) {
        return 0; /* nobody has ever waited for it */
    }
    if (h == here) {
        return (int)gr_fd_cancel(f);
    }
    struct cancel c = {.request.fn = cancel_on_hub, .f = f};
    gr_waiter_init(&c.waiter, NULL);
    gr_request(h, &c.request);
    (void)gr_park(&c.waiter, GR_FOREVER, 0, GR_WHY_FD);
    return (int)c.n;
}
