#include "runtime/sync/cond.h"

#include <limits.h>

#define POLL_NS 1000000 /* between looks at a condition variable that is destroyed while in use */

_Static_assert(sizeof(((pthread_cond_t *)0)->__data.__wrefs) == 4, "the hint is one word");

unsigned gr_cond_enter(pthread_cond_t *c)
{
    (void)__atomic_fetch_add(&c->__data.__wrefs, GR_COND_ENTERING, __ATOMIC_SEQ_CST);
    return GR_PEEK(&c->__data.__g_signals[0]);
}

void gr_cond_leave(pthread_cond_t *c)
{
    (void)__atomic_fetch_sub(&c->__data.__wrefs, GR_COND_ENTERING, __ATOMIC_SEQ_CST);
}

int gr_cond_block(pthread_cond_t *c, unsigned ticket, clockid_t clock, const struct timespec *abs)
{
    struct gr_waiter w;
    int64_t deadline = gr_until(clock, abs);
    gr_waiter_init(&w, c);
    struct gr_bucket *b = gr_lot_lock(c);
    if (GR_UNLIKELY(GR_PEEK(&c->__data.__g_signals[0]) != ticket)) {
        gr_cond_leave(c);
        gr_lot_unlock(b);
        return 0;
    }
    /* In one step, so that the hint never looks idle: no longer entering, but queued. */
    unsigned queued = gr_natives ? GR_COND_QUEUED : GR_PEEK(&c->__data.__wrefs) & GR_COND_QUEUED;
    (void)__atomic_fetch_sub(&c->__data.__wrefs, GR_COND_ENTERING - (GR_COND_QUEUED - queued),
                             __ATOMIC_SEQ_CST);
    int rc = gr_lot_wait(b, &w, deadline, GR_CANCEL, GR_WHY_COND);
    if (rc == -ETIMEDOUT && gr_too_early(clock, abs, &deadline)) {
        return 0; /* a signal may have passed since: let the caller look */
    }
    return rc;
}

/* Also when a handler ends the green during the wait: cleanup handlers expect to hold the mutex. */
static void relock(pthread_mutex_t **m)
{
    if (GR_UNLIKELY(*m)) {
        (void)gr_mutex_cond_lock(*m);
    }
}

int gr_cond_wait(pthread_cond_t *c, pthread_mutex_t *m, clockid_t clock, const struct timespec *abs)
{
    unsigned ticket = gr_cond_enter(c);
    int rc = gr_mutex_cond_unlock(m);
    if (GR_UNLIKELY(rc)) {
        gr_cond_leave(c);
        return rc;
    }
    pthread_mutex_t *unlocked __attribute__((cleanup(relock))) = m;
    rc = gr_cond_block(c, ticket, clock, abs);
    unlocked = NULL;
    int locked = gr_mutex_cond_lock(m);
    return locked ? locked : rc;
}

void gr_cond_wake(pthread_cond_t *c, bool all)
{
    struct gr_bucket *b = gr_lot_lock(c);
    unsigned count = GR_PEEK(&c->__data.__g_signals[0]);
    GR_STORE(&c->__data.__g_signals[0], gr_natives ? (count + 2) | 1 : count + 1);
    if (GR_UNLIKELY(gr_natives)) {
        GR_STORE(&c->__data.__g_signals[1], 1);
        gr_wake_natives(&c->__data.__g_signals[0], INT_MAX);
        gr_wake_natives(&c->__data.__g_signals[1], INT_MAX);
    }
    struct gr_waiter *w = gr_lot_first(b, c);
    struct gr_waiter *next = w ? gr_lot_next(b, w) : NULL;
    /* Last use of the object: the waiters woken below may destroy it. */
    if (!gr_natives && (all || !next) && (GR_PEEK(&c->__data.__wrefs) & GR_COND_QUEUED)) {
        (void)__atomic_fetch_and(&c->__data.__wrefs, ~GR_COND_QUEUED, __ATOMIC_SEQ_CST);
    }
    while (w) {
        gr_lot_take(b, w);
        gr_wake(w);
        if (!all) {
            break;
        }
        w = gr_lot_first(b, c);
    }
    gr_lot_unlock(b);
}

void gr_cond_destroy(pthread_cond_t *c)
{
    for (;;) {
        struct gr_bucket *b = gr_lot_lock(c);
        bool used = gr_lot_first(b, c) || GR_PEEK(&c->__data.__wrefs) >= GR_COND_ENTERING;
        gr_lot_unlock(b);
        if (GR_LIKELY(!used)) {
            return;
        }
        (void)gr_sleep_until(gr_deadline_in(POLL_NS), 0);
    }
}
