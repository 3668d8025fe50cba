/*
 * Mutexes of the types normal, recursive, errorcheck and adaptive that belong to this process
 * alone.
 *
 * __lock is 0 free, 1 held, 2 held with waiters in the lot; it turns into 2 and back only under the
 * lot's lock. Who unlocks with waiters present hands the mutex to the first of them, so a thread
 * that unlocks and locks again cannot starve the others. With gr_natives it may turn into 2 at any
 * time, and stays 2 until nobody waits in the lot.
 */
#ifndef GR_SYNC_MUTEX_H
#define GR_SYNC_MUTEX_H

#include "runtime/sync/sync.h"

#define GR_MUTEX_TYPE   0x03 /* PTHREAD_MUTEX_NORMAL, _RECURSIVE, _ERRORCHECK, _ADAPTIVE_NP */
#define GR_MUTEX_ROBUST 0x10
#define GR_MUTEX_FOREIGN                                                                           \
    0xf0 /* robust, priority protocols, process-shared; all set once destroyed */

/* gr_mutex_foreign - does @m keep libc's protocol? Then nothing below may be used on it. */
static inline bool gr_mutex_foreign(const pthread_mutex_t *m)
{
    return (m->__data.__kind & GR_MUTEX_FOREIGN) != 0;
}

/* The rest of lock and unlock, for whatever the inline path does not cover. */
int gr_mutex_lock_until(pthread_mutex_t *m, clockid_t clock, const struct timespec *abs);
int gr_mutex_unlock_slow(pthread_mutex_t *m);
void gr_mutex_hand_over(pthread_mutex_t *m);

/* gr_mutex_trylock - 0, -EBUSY, or -EAGAIN (recursion count exhausted). Never switches. */
int gr_mutex_trylock(pthread_mutex_t *m);

/*
 * gr_mutex_lock - wait for @m.
 *
 * Returns 0, -EDEADLK (errorcheck, held by the caller), -EAGAIN (recursion count exhausted).
 * gr_mutex_lock_until() also -ETIMEDOUT, and -EINVAL for bad nanoseconds, both only when it would
 * have to wait; -ECANCELED only on a green that may be cancelled at any time.
 * Switches: if it has to wait. Handlers of signals run meanwhile, the wait goes on.
 */
static inline int gr_mutex_lock(pthread_mutex_t *m)
{
    int state = 0;
    if (GR_LIKELY((m->__data.__kind & GR_MUTEX_TYPE) == PTHREAD_MUTEX_NORMAL) &&
        GR_LIKELY(GR_CAS(&m->__data.__lock, state, 1))) {
        GR_POKE(&m->__data.__owner, gr_owner_self());
        m->__data.__nusers++;
        return 0;
    }
    return gr_mutex_lock_until(m, CLOCK_REALTIME, NULL);
}

/* gr_mutex_unlock - 0, or -EPERM (recursive, errorcheck: not the owner). Never switches. */
static inline int gr_mutex_unlock(pthread_mutex_t *m)
{
    if (GR_UNLIKELY((m->__data.__kind & GR_MUTEX_TYPE) != PTHREAD_MUTEX_NORMAL)) {
        return gr_mutex_unlock_slow(m);
    }
    int state = 1;
    GR_POKE(&m->__data.__owner, 0);
    m->__data.__nusers--;
    if (GR_UNLIKELY(!GR_CAS(&m->__data.__lock, state, 0))) {
        gr_mutex_hand_over(m);
    }
    return 0;
}

/*
 * gr_mutex_cond_unlock / gr_mutex_cond_lock - around the wait on a condition variable: the caller
 * stays counted as a user, so that destroying the mutex meanwhile says EBUSY.
 */
int gr_mutex_cond_unlock(pthread_mutex_t *m);
int gr_mutex_cond_lock(pthread_mutex_t *m);

#endif
