/* Condition variables: faces over runtime/sync/cond.h. */
#include "runtime/sync/cond.h"

#include "shim/pthread_shared.h"
#include "shim/shim.h"

#define POLL_NS 1000000 /* between looks at a process-shared condition variable */

static int unlock_any(pthread_mutex_t *m)
{
    if (!gr_mutex_foreign(m)) {
        return -gr_mutex_cond_unlock(m);
    }
    return gr_on_green() ? gr_shared_mutex_unlock(m) : real.pthread_mutex_unlock(m);
}

static int lock_any(pthread_mutex_t *m)
{
    if (!gr_mutex_foreign(m)) {
        return -gr_mutex_cond_lock(m);
    }
    return gr_on_green() ? gr_shared_mutex_lock(m, CLOCK_REALTIME, NULL)
                         : real.pthread_mutex_lock(m);
}

/* Also when a handler ends the green during the wait: cleanup handlers expect to hold the mutex. */
static void relock(pthread_mutex_t **m)
{
    if (GR_UNLIKELY(*m)) {
        (void)lock_any(*m);
    }
}

/*
 * A process-shared condition variable: let go of the mutex for a moment, then report a wake-up. The
 * caller finds out by its predicate whether there was one; waiters of other processes lose none to
 * us.
 */
static int wait_shared(pthread_mutex_t *m, clockid_t clock, const struct timespec *abs)
{
    int64_t deadline = gr_until(clock, abs);
    int64_t until = gr_deadline_in(POLL_NS);
    int rc = unlock_any(m);
    if (rc) {
        return rc;
    }
    pthread_mutex_t *unlocked __attribute__((cleanup(relock))) = m;
    int ended = gr_sleep_until(until < deadline ? until : deadline, GR_CANCEL);
    unlocked = NULL;
    rc = lock_any(m);
    if (rc == 0 && ended == -ECANCELED) {
        return ECANCELED;
    }
    if (rc == 0 && deadline <= until && !gr_too_early(clock, abs, &deadline)) {
        return ETIMEDOUT;
    }
    return rc;
}

/* A private condition variable with a mutex that keeps libc's protocol. */
static int wait_mixed(pthread_cond_t *c, pthread_mutex_t *m, clockid_t clock,
                      const struct timespec *abs)
{
    unsigned ticket = gr_cond_enter(c);
    int rc = unlock_any(m);
    if (rc) {
        gr_cond_leave(c);
        return rc;
    }
    pthread_mutex_t *unlocked __attribute__((cleanup(relock))) = m;
    rc = -gr_cond_block(c, ticket, clock, abs);
    unlocked = NULL;
    int locked = lock_any(m);
    return locked ? locked : rc;
}

static int wait_any(pthread_cond_t *c, pthread_mutex_t *m, clockid_t clock,
                    const struct timespec *abs)
{
    int rc;
    if (abs && !gr_timespec_ok(abs)) {
        return EINVAL;
    }
    gr_look_for_cancel();
    if (GR_UNLIKELY(gr_cond_shared(c))) {
        rc = wait_shared(m, clock, abs);
    } else if (GR_UNLIKELY(gr_mutex_foreign(m))) {
        rc = wait_mixed(c, m, clock, abs);
    } else {
        rc = -gr_cond_wait(c, m, clock, abs);
    }
    if (GR_UNLIKELY(rc == ECANCELED)) {
        return -gr_interrupt_act(); /* with the mutex held, as cleanup handlers expect */
    }
    return rc;
}

/* libc can do it alone: everything in sight keeps its protocol, and the caller may block. */
static bool is_libcs(const pthread_cond_t *c, const pthread_mutex_t *m)
{
    return !gr_active || (gr_cond_shared(c) && gr_mutex_foreign(m) && !gr_on_green());
}

/*
 * pthread_cond_wait - <pthread.h>
 * Class:    EMULATE; libc's own before the first thread.
 * Waits:    for a signal, in order of arrival; handlers of signals run meanwhile.
 * Differs:  a process-shared one wakes up every millisecond.
 * Cancel:   cancellation point.
 */
GR_SHIM int pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m)
{
    if (GR_UNLIKELY(is_libcs(c, m))) {
        return real.pthread_cond_wait(c, m);
    }
    GR_COUNT_GREEN(pthread_cond_wait);
    return wait_any(c, m, CLOCK_REALTIME, NULL);
}

GR_SHIM int pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m,
                                   const struct timespec *abs)
{
    if (GR_UNLIKELY(is_libcs(c, m))) {
        return real.pthread_cond_timedwait(c, m, abs);
    }
    GR_COUNT_GREEN(pthread_cond_timedwait);
    return wait_any(c, m, gr_cond_clock(c), abs);
}

GR_SHIM int pthread_cond_clockwait(pthread_cond_t *c, pthread_mutex_t *m, clockid_t clock,
                                   const struct timespec *abs)
{
    if (GR_UNLIKELY(is_libcs(c, m))) {
        return real.pthread_cond_clockwait(c, m, clock, abs);
    }
    if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC) {
        return EINVAL;
    }
    GR_COUNT_GREEN(pthread_cond_clockwait);
    return wait_any(c, m, clock, abs);
}

GR_SHIM int pthread_cond_signal(pthread_cond_t *c)
{
    if (GR_UNLIKELY(!gr_active || gr_cond_shared(c))) {
        return real.pthread_cond_signal(c);
    }
    GR_COUNT_GREEN(pthread_cond_signal);
    gr_cond_signal(c);
    gr_count_ops(1);
    return 0;
}

GR_SHIM int pthread_cond_broadcast(pthread_cond_t *c)
{
    if (GR_UNLIKELY(!gr_active || gr_cond_shared(c))) {
        return real.pthread_cond_broadcast(c);
    }
    GR_COUNT_GREEN(pthread_cond_broadcast);
    gr_cond_broadcast(c);
    gr_count_ops(1);
    return 0;
}

GR_SHIM int pthread_cond_destroy(pthread_cond_t *c)
{
    if (GR_UNLIKELY(!gr_active || gr_cond_shared(c))) {
        return real.pthread_cond_destroy(c);
    }
    GR_COUNT_GREEN(pthread_cond_destroy);
    gr_cond_destroy(c);
    return 0;
}
