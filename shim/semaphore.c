/* Semaphores: faces over runtime/sync/sem.h. Creating, asking and trying is left to libc: the
 * object looks as it expects. */
#include "runtime/sync/sem.h"

#include "shim/pthread_shared.h"
#include "shim/shim.h"

static bool is_libcs(const sem_t *sem)
{
    return !gr_active || (gr_sem_shared(sem) && !gr_on_green());
}

static int wait_until(sem_t *sem, clockid_t clock, const struct timespec *abs)
{
    if (abs && !gr_timespec_ok(abs)) {
        return (int)gr_ret(-EINVAL);
    }
    gr_look_for_cancel();
    if (GR_UNLIKELY(gr_sem_shared(sem))) {
        return (int)gr_ret(gr_shared_sem_wait(sem, clock, abs));
    }
    return (int)gr_ret(gr_sem_wait(sem, clock, abs));
}

/*
 * sem_wait - <semaphore.h>
 * Class:    EMULATE; libc's own before the first thread.
 * Waits:    until a permit is given to it, in order of arrival; EINTR after a handler without
 *           SA_RESTART.
 * Differs:  a process-shared one, named ones included, is polled (up to 1 ms late).
 * Cancel:   cancellation point; a request that comes while it waits is acted upon later.
 */
GR_SHIM int sem_wait(sem_t *sem)
{
    if (GR_UNLIKELY(is_libcs(sem))) {
        return real.sem_wait(sem);
    }
    GR_COUNT_GREEN(sem_wait);
    return wait_until(sem, CLOCK_REALTIME, NULL);
}

GR_SHIM int sem_timedwait(sem_t *sem, const struct timespec *abs)
{
    if (GR_UNLIKELY(is_libcs(sem))) {
        return real.sem_timedwait(sem, abs);
    }
    GR_COUNT_GREEN(sem_timedwait);
    return wait_until(sem, CLOCK_REALTIME, abs);
}

GR_SHIM int sem_clockwait(sem_t *sem, clockid_t clock, const struct timespec *abs)
{
    if (GR_UNLIKELY(is_libcs(sem))) {
        return real.sem_clockwait(sem, clock, abs);
    }
    GR_COUNT_GREEN(sem_clockwait);
    if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC) {
        return (int)gr_ret(-EINVAL);
    }
    return wait_until(sem, clock, abs);
}

/*
 * sem_post - <semaphore.h>
 * Class:    EMULATE, async-signal-safe; libc's own before the first thread and for process-shared
 * semaphores.
 */
GR_SHIM int sem_post(sem_t *sem)
{
    if (GR_UNLIKELY(!gr_active || gr_sem_shared(sem))) {
        return real.sem_post(sem);
    }
    GR_COUNT_GREEN(sem_post);
    return (int)gr_ret(gr_sem_post(sem));
}
