/* What the public functions share: deadlines, the start of the runtime, results of waits. */
#ifndef GR_API_API_H
#define GR_API_API_H

#include "runtime/core/hub.h"
#include "runtime/core/interrupt.h"
#include "runtime/core/lot.h"

#include <green/base.h>

#include <errno.h>

/*
 * gr_api_start - make sure that green threads run in this process, if they can. Called by whatever
 * makes or awaits greens; cheap when they run. Returns 0, or -ENOTSUP with one line said.
 */
int gr_api_start(void);

/* gr_api_deadline - absolute, for a @timeout as the public functions take it. */
static inline int64_t gr_api_deadline(int64_t timeout)
{
    return timeout == GREEN_FOREVER ? GR_FOREVER : gr_deadline_in(timeout);
}

/* The same; 0 for a @timeout that is over. */
static inline int64_t gr_api_deadline_or_now(int64_t timeout)
{
    return timeout <= 0 ? 0 : gr_api_deadline(timeout);
}

/* gr_api_result - what a wait that has been undone returns to the program: an interrupt is
 * delivered, a cancellation acted upon. */
static inline int gr_api_result(int rc)
{
    return GR_UNLIKELY(rc == -ECANCELED) ? gr_interrupt_act() : rc;
}

/* How waits of the public functions park. */
#define GR_API_PARK (GR_CANCEL | GR_STUCK)

/*
 * gr_api_wait_for - queue @w on the locked bucket @b, unlock it and wait for at most @timeout ns.
 * With a @timeout of 0 it only unlocks and returns -EAGAIN. Returns 0 when woken, -ETIMEDOUT,
 * -EDEADLK (main, when nothing can wake it), or what interrupted the wait; then @w is queued
 * nowhere. Handlers of signals run, and the wait goes on. gr_api_wait - for an object that has no
 * name in enum gr_why.
 */
int gr_api_wait_for(struct gr_bucket *b, struct gr_waiter *w, int64_t timeout, enum gr_why why);

static inline int gr_api_wait(struct gr_bucket *b, struct gr_waiter *w, int64_t timeout)
{
    return gr_api_wait_for(b, w, timeout, GR_WHY_OBJECT);
}

/* gr_api_wake_all - wake everybody who waits on @key in the locked bucket. */
static inline void gr_api_wake_all(struct gr_bucket *b, const void *key)
{
    struct gr_waiter *w;
    while ((w = gr_lot_first(b, key))) {
        gr_lot_take(b, w);
        gr_wake(w);
    }
}

#endif
