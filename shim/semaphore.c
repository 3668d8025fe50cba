/* Semaphores: faces over runtime/sync/sem.h. Making and asking is left to libc. */
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
    int rc = GR_UNLIKELY(gr_sem_shared(sem)) ? gr_shared_sem_wait(sem, clock, abs)
                                             : gr_sem_wait(sem, clock, abs);
    if (GR_UNLIKELY(rc == -ECANCELED)) {
        rc = gr_interrupt_act();
    }
    gr_count_ops(1);
    return (int)gr_ret(rc);
}

/*
 * sem_wait - <semaphore.h>
 * Class:    EMULATE; libc's own before the first thread.
 * Waits:    until a permit is given to it, in order of arrival; EINTR after a handler without
 *           SA_RESTART.
 * Differs:  a process-shared one, named ones included, is polled at first (up to 1 ms late).
 * Cancel:   cancellation point.
 */
GR_SHIM int sem_wait(sem_t *sem)
{
    if (GR_UNLIKELY(is_libcs(sem))) {
        return real.sem_wait(sem);
    }
    GR_COUNT_GREEN(sem_wait);
    return wait_until(sem, CLOCK_REALTIME, NULL);
}

/* libc's own: it takes from the value where we keep it as well. */
GR_SHIM int sem_trywait(sem_t *sem)
{
    int rc = real.sem_trywait(sem);
    if (rc && gr_on_green()) {
        GR_COUNT(sem_trywait);
        gr_count_ops(GR_OPS_FAILED);
    }
    return rc;
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
