/*
 * Condition variables that belong to this process alone.
 *
 * Waiters queue in the lot. Fields of libc's object in use: __wrefs (attributes in the low three
 * bits, as libc keeps them; above them our hint, zero when nobody can be waiting) and
 * __g_signals[0], which counts signals.
 *
 * A waiter first announces itself, then unlocks the mutex, then queues: a signal sent in between
 * finds nobody in the queue, but changes the count, and the waiter returns at once. Only the
 * announcement keeps the object in use: a waiter that was taken off the queue, or left it at its
 * deadline, does not touch the object again.
 *
 * With gr_natives libc's count of waiters is in the same bits as the hint, so there is no hint.
 * Whoever waits by libc's protocol finds an odd count of signals, which says to him that his group
 * is closed: he returns, as if there had been a signal.
 */
#ifndef GR_SYNC_COND_H
#define GR_SYNC_COND_H

#include "runtime/sync/mutex.h"

#define GR_COND_SHARED    1u
#define GR_COND_MONOTONIC 2u
#define GR_COND_ATTRS     7u
#define GR_COND_QUEUED    8u  /* the lot may hold waiters; changes under its lock only */
#define GR_COND_ENTERING  16u /* one for each waiter that announced itself and is not queued yet */

static inline bool gr_cond_shared(const pthread_cond_t *c)
{
    return (c->__data.__wrefs & GR_COND_SHARED) != 0;
}

static inline clockid_t gr_cond_clock(const pthread_cond_t *c)
{
    return c->__data.__wrefs & GR_COND_MONOTONIC ? CLOCK_MONOTONIC : CLOCK_REALTIME;
}

/*
 * gr_cond_wait - unlock @m, wait for a signal, lock @m.
 * @abs: deadline on @clock, checked by the caller; NULL for none
 *
 * Returns 0 (perhaps without a signal), -ETIMEDOUT; -EPERM when @m is not the caller's, if its type
 * tells; -ECANCELED when the green was cancelled while it waited.
 * Switches: yes. Handlers of signals run meanwhile, the wait goes on.
 */
int gr_cond_wait(pthread_cond_t *c, pthread_mutex_t *m, clockid_t clock,
                 const struct timespec *abs);

/*
 * The steps of gr_cond_wait(), for mutexes of another kind: enter with the mutex held; unlock it;
 * then block, which leaves, or leave when unlocking failed. @ticket is what gr_cond_enter()
 * returned.
 */
unsigned gr_cond_enter(pthread_cond_t *c);
void gr_cond_leave(pthread_cond_t *c);
int gr_cond_block(pthread_cond_t *c, unsigned ticket, clockid_t clock, const struct timespec *abs);

void gr_cond_wake(pthread_cond_t *c, bool all);

/* Might somebody wait? */
static inline bool gr_cond_used(const pthread_cond_t *c)
{
    return GR_LOAD(&c->__data.__wrefs) > GR_COND_ATTRS || gr_natives;
}

/* gr_cond_signal / gr_cond_broadcast - wake the waiter that came first, or all. Never switch. */
static inline void gr_cond_signal(pthread_cond_t *c)
{
    if (GR_UNLIKELY(gr_cond_used(c))) {
        gr_cond_wake(c, false);
    }
}

static inline void gr_cond_broadcast(pthread_cond_t *c)
{
    if (GR_UNLIKELY(gr_cond_used(c))) {
        gr_cond_wake(c, true);
    }
}

/* gr_cond_destroy - wait until nobody uses @c. With waiters that nobody signals that is for ever,
 * as with libc. */
void gr_cond_destroy(pthread_cond_t *c);

#endif
