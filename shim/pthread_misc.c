/* Barriers, spin locks, once, giving up the CPU. */
#include "runtime/sync/barrier.h"
#include "runtime/sync/once.h"
#include "shim/pthread_shared.h"
#include "shim/shim.h"

#include <limits.h>
#include <linux/futex.h>
#include <sched.h>

static void wake_word(const struct gr_barrier *b, unsigned *word)
{
    int op = b->shared ? FUTEX_WAKE : FUTEX_WAKE | FUTEX_PRIVATE_FLAG;
    (void)GR_SYS(SYS_futex, word, op, INT_MAX, NULL, NULL, 0);
}

static unsigned barrier_limit(const struct gr_barrier *b)
{
    return UINT_MAX / 2 - UINT_MAX / 2 % b->count;
}

/*
 * libc's barrier has no way to try, so this follows its protocol. @in counts arrivals; whoever sees
 * enough of them moves @round on by whole rounds; @out counts departures. At a limit, a multiple of
 * @count, late arrivals wait until the last one to leave has set all three back to zero.
 */
static int shared_wait(pthread_barrier_t *barrier)
{
    struct gr_barrier *b = (struct gr_barrier *)(void *)barrier;
    struct gr_pace pace = {0};
    unsigned count = b->count;
    unsigned limit = barrier_limit(b);
    unsigned n;
    while ((n = __atomic_add_fetch(&b->in, 1, __ATOMIC_ACQ_REL)) > limit) {
        while (GR_LOAD(&b->in) > limit) {
            (void)gr_pace_wait(&pace, GR_FOREVER, 0);
        }
    }
    unsigned round = GR_LOAD(&b->round);
    while (n > round) {
        if (n - round < count) {
            (void)gr_pace_wait(&pace, GR_FOREVER, 0);
            round = GR_LOAD(&b->round);
            continue;
        }
        unsigned full = round + (n - round) / count * count;
        if (GR_CAS(&b->round, round, full)) {
            wake_word(b, &b->round);
            round = full;
        }
    }
    if (__atomic_add_fetch(&b->out, 1, __ATOMIC_ACQ_REL) == limit) {
        GR_STORE(&b->round, 0);
        GR_STORE(&b->out, 0);
        GR_STORE(&b->in, 0);
        wake_word(b, &b->in);
    }
    return n % count == 0 ? PTHREAD_BARRIER_SERIAL_THREAD : 0;
}

static int shared_destroy(pthread_barrier_t *barrier)
{
    struct gr_barrier *b = (struct gr_barrier *)(void *)barrier;
    struct gr_pace pace = {0};
    unsigned in = GR_LOAD(&b->in);
    /* As if the limit was reached: the last one to leave says so. */
    if (__atomic_fetch_add(&b->out, barrier_limit(b) - in, __ATOMIC_ACQ_REL) < in) {
        while (GR_LOAD(&b->in)) {
            (void)gr_pace_wait(&pace, GR_FOREVER, 0);
        }
    }
    return 0;
}

/*
 * pthread_barrier_wait - <pthread.h>
 * Class:    EMULATE; libc's own before the first thread.
 * Waits:    for the others of the round; handlers of signals run meanwhile.
 * Differs:  a process-shared one is polled (up to 1 ms late).
 */
GR_SHIM int pthread_barrier_wait(pthread_barrier_t *barrier)
{
    if (GR_UNLIKELY(!gr_active)) {
        return real.pthread_barrier_wait(barrier);
    }
    if (GR_UNLIKELY(gr_barrier_shared(barrier))) {
        return gr_on_green() ? shared_wait(barrier) : real.pthread_barrier_wait(barrier);
    }
    GR_COUNT_GREEN(pthread_barrier_wait);
    return gr_barrier_wait(barrier);
}

GR_SHIM int pthread_barrier_destroy(pthread_barrier_t *barrier)
{
    if (GR_UNLIKELY(!gr_active)) {
        return real.pthread_barrier_destroy(barrier);
    }
    if (GR_UNLIKELY(gr_barrier_shared(barrier))) {
        return gr_on_green() ? shared_destroy(barrier) : real.pthread_barrier_destroy(barrier);
    }
    GR_COUNT_GREEN(pthread_barrier_destroy);
    gr_barrier_destroy(barrier);
    return 0;
}

/*
 * pthread_spin_lock - <pthread.h>
 * Class:    EMULATE on greens: the holder may be another green, which spinning would keep from
 * running.
 */
GR_SHIM int pthread_spin_lock(pthread_spinlock_t *lock)
{
    if (!gr_on_green()) {
        return real.pthread_spin_lock(lock);
    }
    GR_COUNT(pthread_spin_lock);
    struct gr_pace pace = {0};
    int rc;
    while ((rc = real.pthread_spin_trylock(lock)) == EBUSY) {
        (void)gr_pace_wait(&pace, GR_FOREVER, 0);
    }
    gr_count_ops(1);
    return rc;
}

GR_SHIM int pthread_spin_trylock(pthread_spinlock_t *lock)
{
    int rc = real.pthread_spin_trylock(lock);
    if (rc && gr_on_green()) {
        GR_COUNT(pthread_spin_trylock);
        gr_count_ops(GR_OPS_FAILED);
    }
    return rc;
}

static void wake_after_libc(const int *const *word)
{
    if (gr_active) {
        gr_once_wake(*word);
    }
}

/* libc runs @init; it may start the first thread, and then others wait in our way. */
static int once_by_libc(pthread_once_t *control, void (*init)(void))
{
    __attribute__((cleanup(wake_after_libc))) const int *word = control;
    (void)word;
    return real.pthread_once(control, init);
}

/*
 * pthread_once - <pthread.h>
 * Class:    EMULATE; libc's own before the first thread.
 * Waits:    while another thread runs @init.
 */
GR_SHIM int pthread_once(pthread_once_t *control, void (*init)(void))
{
    if (GR_LIKELY(GR_LOAD(control) & GR_ONCE_DONE)) {
        return 0;
    }
    if (!gr_active) {
        return once_by_libc(control, init);
    }
    GR_COUNT_GREEN(pthread_once);
    gr_once(control, init);
    gr_count_ops(1);
    return 0;
}

/*
 * sched_yield, pthread_yield - <sched.h>
 * Class:    EMULATE on greens: every other green that is ready runs once.
 */
GR_SHIM int sched_yield(void)
{
    const struct green *g = gr_on_green();
    if (!g) {
        return real.sched_yield();
    }
    GR_COUNT(sched_yield);
    gr_yield();
    gr_look_for_async_cancel(g);
    return 0;
}
