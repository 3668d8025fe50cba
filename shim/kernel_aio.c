/*
 * <linux/aio_abi.h>: waiting for what the kernel's own asynchronous I/O has done. libc has no
 * functions for it: libaio and others make the system calls by number.
 */
#include "runtime/core/standin.h"
#include "shim/poll.h"
#include "shim/shim.h"
#include "shim/syscall.h"

#include <linux/aio_abi.h>

struct reap {
    struct gr_look look;
    aio_context_t ctx;
    long min;
    long max;
    long got;
    struct io_event *events;
};

static struct reap *reap_of(struct gr_look *q)
{
    return GR_CONTAINER_OF(q, struct reap, look);
}

/* The call for what is still wanted. */
static struct gr_syscall rest(const struct reap *r, const struct timespec *timeout)
{
    return (struct gr_syscall){SYS_io_getevents,
                               {(long)r->ctx, r->min - r->got, r->max - r->got,
                                (long)(r->events + r->got), (long)timeout}};
}

/* Note what a call gave: *@rc, afterwards the answer to the question: all, 0: not enough, -errno.
 */
static void note(struct reap *r, long *rc)
{
    if (*rc >= 0) {
        r->got += *rc;
        *rc = r->got >= r->min ? r->got : 0;
    }
}

static long ask(struct gr_look *q)
{
    struct reap *r = reap_of(q);
    struct timespec none = {0};
    struct gr_syscall c = rest(r, &none);
    long rc = gr_syscall_make(&c);
    note(r, &rc);
    return rc;
}

static bool native(struct gr_look *q, int64_t at, long *ret)
{
    struct reap *r = reap_of(q);
    struct timespec ts;
    struct gr_syscall c = rest(r, gr_wait_left(at, &ts));
    if (!gr_native(ret, c.nr, c.arg[0], c.arg[1], c.arg[2], c.arg[3], c.arg[4], 0)) {
        return false;
    }
    note(r, ret);
    return true;
}

static int park(struct gr_look *q, int64_t at)
{
    struct reap *r = reap_of(q);
    struct gr_syscall c = rest(r, NULL);
    long rc = gr_standin_call(&c, at, GR_SIGNAL);
    if (rc == -ETIMEDOUT || rc == -EINTR || rc == -GR_ERESTART) {
        return (int)rc;
    }
    note(r, &rc);
    return 0; /* of an error the next question tells */
}

static int64_t deadline_of(const struct timespec *timeout)
{
    if (!timeout) {
        return GR_FOREVER;
    }
    int64_t ns = timeout->tv_sec < 0 ? 0 : gr_timespec_ns(timeout);
    return ns ? gr_deadline_in(ns) : GR_NO_WAIT;
}

long gr_call_getevents(const struct gr_call *s)
{
    const struct {
        const uint64_t *mask;
        size_t size;
    } *sig = s->nr == SYS_io_pgetevents ? (const void *)s->f : NULL;
    if (sig && sig->mask && sig->size != GR_SIG_SET_SIZE) {
        return -EINVAL;
    }
    struct reap r = {.look = {.ask = ask, .park = park, .native = native},
                     .ctx = (aio_context_t)s->a,
                     .min = s->b,
                     .max = s->c,
                     .events = (struct io_event *)s->d};
    if (r.min <= 0 || r.min > r.max) {
        gr_hub_charge(); /* does not wait, or is wrong */
        return gr_syscall6(s->nr, s->a, s->b, s->c, s->d, s->e, s->f);
    }
    long rc = gr_look(&r.look, deadline_of((const struct timespec *)s->e), sig ? sig->mask : NULL);
    return r.got ? r.got : rc; /* however the wait ended */
}
