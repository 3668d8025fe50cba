/* Read-write locks: faces over runtime/sync/rwlock.h. */
#include "runtime/sync/rwlock.h"

#include "shim/pthread_shared.h"
#include "shim/shim.h"

static bool bad_deadline(clockid_t clock, const struct timespec *abs)
{
    return (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC) || !gr_timespec_ok(abs);
}

/* Process-shared, and the caller must not block in libc. */
static bool is_polled(const pthread_rwlock_t *rw)
{
    return gr_rwlock_shared(rw) && gr_on_green();
}

static bool is_libcs(const pthread_rwlock_t *rw)
{
    return !gr_active || (gr_rwlock_shared(rw) && !gr_on_green());
}

/*
 * pthread_rwlock_rdlock, pthread_rwlock_wrlock - <pthread.h>
 * Class:    EMULATE; libc's own before the first thread.
 * Waits:    until it is granted. Readers pass waiting writers, unless the lock has
 *           PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP; handlers of signals run meanwhile.
 * Differs:  a process-shared one is polled (up to 1 ms late).
 */
GR_SHIM int pthread_rwlock_rdlock(pthread_rwlock_t *rw)
{
    if (GR_UNLIKELY(is_libcs(rw))) {
        return real.pthread_rwlock_rdlock(rw);
    }
    GR_COUNT_GREEN(pthread_rwlock_rdlock);
    if (GR_UNLIKELY(is_polled(rw))) {
        return gr_shared_rwlock_lock(rw, real.pthread_rwlock_tryrdlock, CLOCK_REALTIME, NULL);
    }
    return -gr_rwlock_read(rw, CLOCK_REALTIME, NULL);
}

GR_SHIM int pthread_rwlock_wrlock(pthread_rwlock_t *rw)
{
    if (GR_UNLIKELY(is_libcs(rw))) {
        return real.pthread_rwlock_wrlock(rw);
    }
    GR_COUNT_GREEN(pthread_rwlock_wrlock);
    if (GR_UNLIKELY(is_polled(rw))) {
        return gr_shared_rwlock_lock(rw, gr_shared_rwlock_trywrite, CLOCK_REALTIME, NULL);
    }
    return -gr_rwlock_write(rw, CLOCK_REALTIME, NULL);
}

GR_SHIM int pthread_rwlock_tryrdlock(pthread_rwlock_t *rw)
{
    if (GR_UNLIKELY(!gr_active || gr_rwlock_shared(rw))) {
        return gr_tried(real.pthread_rwlock_tryrdlock(rw));
    }
    GR_COUNT_GREEN(pthread_rwlock_tryrdlock);
    return gr_tried(-gr_rwlock_tryread(rw));
}

GR_SHIM int pthread_rwlock_trywrlock(pthread_rwlock_t *rw)
{
    if (GR_UNLIKELY(is_libcs(rw))) {
        return real.pthread_rwlock_trywrlock(rw);
    }
    GR_COUNT_GREEN(pthread_rwlock_trywrlock);
    if (GR_UNLIKELY(is_polled(rw))) {
        return gr_tried(gr_shared_rwlock_trywrite(rw));
    }
    return gr_tried(-gr_rwlock_trywrite(rw));
}

GR_SHIM int pthread_rwlock_timedrdlock(pthread_rwlock_t *rw, const struct timespec *abs)
{
    if (GR_UNLIKELY(is_libcs(rw))) {
        return real.pthread_rwlock_timedrdlock(rw, abs);
    }
    return pthread_rwlock_clockrdlock(rw, CLOCK_REALTIME, abs);
}

GR_SHIM int pthread_rwlock_timedwrlock(pthread_rwlock_t *rw, const struct timespec *abs)
{
    if (GR_UNLIKELY(is_libcs(rw))) {
        return real.pthread_rwlock_timedwrlock(rw, abs);
    }
    return pthread_rwlock_clockwrlock(rw, CLOCK_REALTIME, abs);
}

GR_SHIM int pthread_rwlock_clockrdlock(pthread_rwlock_t *rw, clockid_t clock,
                                       const struct timespec *abs)
{
    if (GR_UNLIKELY(is_libcs(rw))) {
        return real.pthread_rwlock_clockrdlock(rw, clock, abs);
    }
    GR_COUNT_GREEN(pthread_rwlock_clockrdlock);
    if (bad_deadline(clock, abs)) {
        return EINVAL;
    }
    if (GR_UNLIKELY(is_polled(rw))) {
        return gr_shared_rwlock_lock(rw, real.pthread_rwlock_tryrdlock, clock, abs);
    }
    return -gr_rwlock_read(rw, clock, abs);
}

GR_SHIM int pthread_rwlock_clockwrlock(pthread_rwlock_t *rw, clockid_t clock,
                                       const struct timespec *abs)
{
    if (GR_UNLIKELY(is_libcs(rw))) {
        return real.pthread_rwlock_clockwrlock(rw, clock, abs);
    }
    GR_COUNT_GREEN(pthread_rwlock_clockwrlock);
    if (bad_deadline(clock, abs)) {
        return EINVAL;
    }
    if (GR_UNLIKELY(is_polled(rw))) {
        return gr_shared_rwlock_lock(rw, gr_shared_rwlock_trywrite, clock, abs);
    }
    return -gr_rwlock_write(rw, clock, abs);
}

GR_SHIM int pthread_rwlock_unlock(pthread_rwlock_t *rw)
{
    if (GR_UNLIKELY(is_libcs(rw))) {
        return real.pthread_rwlock_unlock(rw);
    }
    GR_COUNT_GREEN(pthread_rwlock_unlock);
    if (GR_UNLIKELY(is_polled(rw))) {
        return gr_shared_rwlock_unlock(rw);
    }
    gr_rwlock_unlock(rw);
    gr_count_ops(1);
    return 0;
}
