/* Asking the kernel until it has an answer: the course of poll, select and epoll_wait. */
#include "shim/poll.h"
#include "shim/shim.h"

/* A signal mask in force for the time of a wait. */
struct masked {
    bool on;
    uint64_t old;
};

/*
 * With a mask of its own, a wait holds handlers back outside of the park: a signal is seen either
 * by the next park or by check_mask(), and none slips through in between.
 */
static void enter_mask(struct masked *m, const uint64_t *mask)
{
    if (mask) {
        m->on = true;
        gr_enter(gr_self);
        m->old = gr_sig_mask_swap(*mask);
    }
}

static int check_mask(const struct masked *m)
{
    return m->on && gr_sig_check() ? -EINTR : 0;
}

static void leave_mask(struct masked *m)
{
    if (m->on) {
        gr_sig_mask_restore(m->old);
        gr_leave(gr_self);
    }
}

/* Without waiting the kernel still says EINTR, also when a signal is for others: ask again. */
static long ask(struct gr_look *q)
{
    uint64_t ran = gr_self->sig_ran;
    long ret;
    do {
        ret = q->ask(q);
    } while (ret == -EINTR && gr_self->sig_ran == ran);
    return ret;
}

static long look(struct gr_look *q, int64_t deadline, const struct masked *m)
{
    long ret = check_mask(m);
    if (ret) {
        return ret;
    }
    if (gr_hub_quiet() && q->native(q, deadline, &ret)) {
        return ret;
    }
    bool parked = false;
    for (bool expired = false;; parked = true) {
        ret = check_mask(m);
        if (ret == 0 && !q->idle) {
            ret = ask(q);
        }
        if (ret || expired) {
            if (!parked) {
                gr_hub_charge(); /* a loop over what is always ready must let others run */
            }
            return ret;
        }
        q->idle = false;
        int rc = q->park(q, deadline);
        expired = rc == -ETIMEDOUT;
        if (rc && !expired) {
            return gr_eintr(rc);
        }
    }
}

long gr_look(struct gr_look *q, int64_t deadline, const uint64_t *mask)
{
    long ret = 0;
    if (mask || deadline == GR_NO_WAIT) {
        ret = ask(q);
        if (ret || !mask) {
            gr_hub_charge();
            return ret;
        }
    }
    struct masked m __attribute__((cleanup(leave_mask))) = {.on = false};
    enter_mask(&m, mask);
    return deadline == GR_NO_WAIT ? check_mask(&m) : look(q, deadline, &m);
}

int gr_wait_deadline(const struct timespec *timeout, int64_t *out)
{
    if (!timeout) {
        *out = GR_FOREVER;
        return 0;
    }
    if (timeout->tv_sec < 0 || !gr_timespec_ok(timeout)) {
        return -EINVAL;
    }
    int64_t ns = gr_timespec_ns(timeout);
    *out = ns == 0 ? GR_NO_WAIT : gr_deadline_in(ns);
    return 0;
}

struct timespec *gr_wait_left(int64_t deadline, struct timespec *ts)
{
    if (deadline == GR_FOREVER) {
        return NULL;
    }
    int64_t left = deadline == GR_NO_WAIT ? 0 : deadline - gr_now();
    *ts = gr_ns_timespec(left > 0 ? left : 0);
    return ts;
}
