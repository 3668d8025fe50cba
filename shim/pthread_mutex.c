/* Mutexes: faces over runtime/sync/mutex.h, or over libc for those that keep its protocol. */
#include "runtime/sync/mutex.h"

#include "shim/pthread_shared.h"
#include "shim/shim.h"

/* No cancellation point: a green is cancelled while it waits only if it asked for that at any time.
 */
static int locked(int rc)
{
    if (GR_UNLIKELY(rc == -ECANCELED)) {
        pthread_testcancel();
    }
    return -rc;
}

/*
 * pthread_mutex_lock - <pthread.h>
 * Class:    EMULATE; libc's own before the first thread, and for robust, priority-protocol and
 *           process-shared mutexes.
 * Waits:    until it is handed over, in order of arrival; handlers of signals run meanwhile.
 * Differs:  one that keeps libc's protocol is polled (up to 1 ms late).
 */
GR_SHIM int pthread_mutex_lock(pthread_mutex_t *m)
{
    if (GR_UNLIKELY(!gr_active)) {
        return real.pthread_mutex_lock(m);
    }
    if (GR_UNLIKELY(gr_mutex_foreign(m))) {
        return gr_on_green() ? gr_shared_mutex_lock(m, CLOCK_REALTIME, NULL)
                             : real.pthread_mutex_lock(m);
    }
    GR_COUNT_GREEN(pthread_mutex_lock);
    return locked(gr_mutex_lock(m));
}

GR_SHIM int pthread_mutex_unlock(pthread_mutex_t *m)
{
    if (GR_UNLIKELY(!gr_active)) {
        return real.pthread_mutex_unlock(m);
    }
    if (GR_UNLIKELY(gr_mutex_foreign(m))) {
        return gr_on_green() ? gr_shared_mutex_unlock(m) : real.pthread_mutex_unlock(m);
    }
    GR_COUNT_GREEN(pthread_mutex_unlock);
    int rc = -gr_mutex_unlock(m);
    gr_count_ops(1);
    return rc;
}

GR_SHIM int pthread_mutex_trylock(pthread_mutex_t *m)
{
    if (GR_UNLIKELY(!gr_active)) {
        return real.pthread_mutex_trylock(m);
    }
    if (GR_UNLIKELY(gr_mutex_foreign(m))) {
        return gr_on_green() ? gr_tried(gr_shared_mutex_trylock(m)) : real.pthread_mutex_trylock(m);
    }
    GR_COUNT_GREEN(pthread_mutex_trylock);
    return gr_tried(-gr_mutex_trylock(m));
}

GR_SHIM int pthread_mutex_timedlock(pthread_mutex_t *m, const struct timespec *abs)
{
    if (GR_UNLIKELY(!gr_active)) {
        return real.pthread_mutex_timedlock(m, abs);
    }
    if (GR_UNLIKELY(gr_mutex_foreign(m))) {
        return gr_on_green() ? gr_shared_mutex_lock(m, CLOCK_REALTIME, abs)
                             : real.pthread_mutex_timedlock(m, abs);
    }
    GR_COUNT_GREEN(pthread_mutex_timedlock);
    return locked(gr_mutex_lock_until(m, CLOCK_REALTIME, abs));
}

GR_SHIM int pthread_mutex_clocklock(pthread_mutex_t *m, clockid_t clock, const struct timespec *abs)
{
    if (GR_UNLIKELY(!gr_active)) {
        return real.pthread_mutex_clocklock(m, clock, abs);
    }
    if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC) {
        return EINVAL;
    }
    if (GR_UNLIKELY(gr_mutex_foreign(m))) {
        return gr_on_green() ? gr_shared_mutex_lock(m, clock, abs)
                             : real.pthread_mutex_clocklock(m, clock, abs);
    }
    GR_COUNT_GREEN(pthread_mutex_clocklock);
    return locked(gr_mutex_lock_until(m, clock, abs));
}
