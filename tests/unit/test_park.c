/* Blocking and waking. */
#include "runtime/core/park.h"

#include "sync.h"

#include <stdlib.h>

TestSuite(park, .init = start, .timeout = 60);

static struct gr_waiter w;
static int order[64];
static int n_order;

/* The waiter of whoever waits, for a waker in another kernel thread. */
static _Atomic(struct gr_waiter *) offered;

static void *wake_offered(void *arg)
{
    for (int i = 0; i < (int)(intptr_t)arg; i++) {
        struct gr_waiter *it;
        while (!(it = atomic_exchange(&offered, NULL))) {
            sched_yield();
        }
        gr_wake(it);
    }
    return NULL;
}

static void *wait_once(void *arg)
{
    struct gr_waiter *mine = arg;
    gr_waiter_init(mine, NULL);
    return (void *)(intptr_t)gr_park(mine, GR_FOREVER, 0, GR_WHY_SLEEP);
}

static struct gr_waiter many[100];

static void *wait_and_note(void *arg)
{
    void *rc = wait_once(arg);
    order[n_order++] = (int)((struct gr_waiter *)arg - many);
    return rc;
}

Test(park, wake_before_park_is_not_lost)
{
    gr_waiter_init(&w, NULL);
    gr_wake(&w);
    cr_assert_eq(gr_park(&w, GR_FOREVER, 0, GR_WHY_SLEEP), 0);
}

Test(park, wake_counts_even_when_the_deadline_has_passed)
{
    gr_waiter_init(&w, NULL);
    gr_wake(&w);
    cr_assert_eq(gr_park(&w, 0, 0, GR_WHY_SLEEP), 0);
}

Test(park, wake_ends_the_wait_of_a_green)
{
    struct green *g = spawn(wait_once, &w);
    settle();
    cr_assert_eq(g->state, GR_PARKED);
    gr_wake(&w);
    cr_assert_eq((intptr_t)join(g), 0);
}

Test(park, woken_ones_run_in_the_order_they_were_woken)
{
    static const int turns[] = {3, 0, 4, 1, 2};
    struct green *g[5];
    for (int i = 0; i < 5; i++) {
        g[i] = spawn(wait_and_note, &many[i]);
    }
    settle();
    for (int i = 0; i < 5; i++) {
        gr_wake(&many[turns[i]]);
    }
    cr_assert_eq(n_order, 0, "a wake never switches");
    for (int i = 0; i < 5; i++) {
        cr_assert_eq((intptr_t)join(g[i]), 0);
    }
    cr_assert_arr_eq(order, turns, sizeof(turns));
}

Test(park, times_out_and_never_early)
{
    for (int i = 0; i < 20; i++) {
        int64_t deadline = gr_now() + 100000 * i;
        gr_waiter_init(&w, NULL);
        cr_assert_eq(gr_park(&w, deadline, 0, GR_WHY_SLEEP), -ETIMEDOUT);
        cr_assert_geq(gr_now(), deadline, "too early");
    }
}

Test(park, passed_deadline_times_out)
{
    static const int64_t past[] = {0, 1, -1, INT64_MIN};
    for (int i = 0; i < 4; i++) {
        gr_waiter_init(&w, NULL);
        cr_assert_eq(gr_park(&w, past[i], 0, GR_WHY_SLEEP), -ETIMEDOUT);
    }
}

Test(park, leaves_errno_alone)
{
    errno = EDOM;
    gr_waiter_init(&w, NULL);
    cr_assert_eq(gr_park(&w, gr_now() + MS(1), 0, GR_WHY_SLEEP), -ETIMEDOUT);
    cr_assert_eq(errno, EDOM);
}

static void *time_out_at(void *arg)
{
    struct gr_waiter mine;
    int64_t deadline = *(int64_t *)arg;
    gr_waiter_init(&mine, NULL);
    cr_assert_eq(gr_park(&mine, deadline, 0, GR_WHY_SLEEP), -ETIMEDOUT);
    cr_assert_geq(gr_now(), deadline, "too early");
    n_order++;
    return NULL;
}

Test(park, many_may_time_out_at_the_same_time)
{
    struct green *g[100];
    int64_t deadline = gr_now() + MS(20);
    for (int i = 0; i < 100; i++) {
        g[i] = spawn(time_out_at, &deadline);
    }
    for (int i = 0; i < 100; i++) {
        join(g[i]);
    }
    cr_assert_eq(n_order, 100);
}

/* --- sleep --- */

static int64_t base;

static void *sleep_and_note(void *arg)
{
    int ms = (int)(intptr_t)arg;
    cr_assert_eq(gr_sleep_until(base + MS(ms), 0), 0);
    cr_assert_geq(gr_now(), base + MS(ms), "too early");
    order[n_order++] = ms;
    return NULL;
}

Test(park, sleepers_wake_in_the_order_of_their_deadlines)
{
    static const int times[] = {15, 3, 9, 27, 6, 21, 12, 24, 18, 30};
    struct green *g[10];
    base = gr_now() + MS(5);
    for (int i = 0; i < 10; i++) {
        g[i] = spawn(sleep_and_note, (void *)(intptr_t)times[i]);
    }
    for (int i = 0; i < 10; i++) {
        join(g[i]);
    }
    for (int i = 0; i < 10; i++) {
        cr_assert_eq(order[i], 3 * (i + 1));
    }
}

static void *sleep_at_random(void *arg)
{
    unsigned seed = (unsigned)(intptr_t)arg;
    for (int i = 0; i < 20; i++) {
        int64_t deadline = gr_now() + rand_r(&seed) % 3000000;
        cr_assert_eq(gr_sleep_until(deadline, 0), 0);
        cr_assert_geq(gr_now(), deadline, "too early");
    }
    return NULL;
}

Test(park, hundreds_of_sleepers_never_wake_early)
{
    struct green *g[300];
    for (intptr_t i = 0; i < 300; i++) {
        g[i] = spawn(sleep_at_random, (void *)(i + 1));
    }
    for (int i = 0; i < 300; i++) {
        join(g[i]);
    }
}

/* --- wakes from other kernel threads --- */

Test(park, kernel_thread_wakes_greens)
{
    enum { ROUNDS = 2000 };
    pthread_t t = foreign(wake_offered, (void *)ROUNDS);
    gr_hub_foreign();
    for (int i = 0; i < ROUNDS; i++) {
        gr_waiter_init(&w, NULL);
        atomic_store(&offered, &w);
        cr_assert_eq(gr_park(&w, GR_FOREVER, 0, GR_WHY_SLEEP), 0);
    }
    join_foreign(t);
}

static void *wake_late(void *arg)
{
    usleep(20000);
    gr_wake(arg);
    return NULL;
}

Test(park, kernel_thread_wakes_a_sleeping_hub)
{
    gr_waiter_init(&w, NULL);
    pthread_t t = foreign(wake_late, &w);
    gr_hub_foreign();
    cr_assert_eq(gr_park(&w, GR_FOREVER, 0, GR_WHY_SLEEP), 0);
    join_foreign(t);
}

/* As everybody does whose waiter may be found by a waker: who takes it off the list wakes it. */
static bool take_back(struct gr_waiter *mine)
{
    struct gr_waiter *expected = mine;
    return atomic_compare_exchange_strong(&offered, &expected, NULL);
}

static atomic_bool stop;
static atomic_int n_woken;

static void *wake_until_stopped(void *arg)
{
    unsigned seed = 1;
    while (!atomic_load(&stop)) {
        struct gr_waiter *it = atomic_exchange(&offered, NULL);
        if (it) {
            atomic_fetch_add(&n_woken, 1);
            gr_wake(it);
        }
        for (int n = rand_r(&seed) % 2000; n > 0; n--) {
            atomic_signal_fence(memory_order_seq_cst);
        }
    }
    return arg;
}

Test(park, wake_and_deadline_at_once_give_each_wake_to_one_wait)
{
    int woken = 0;
    pthread_t t = foreign(wake_until_stopped, NULL);
    gr_hub_foreign();
    for (int i = 0; i < 3000; i++) {
        gr_waiter_init(&w, NULL);
        atomic_store(&offered, &w);
        int rc = gr_park(&w, gr_now() + i % 20 * 1000, 0, GR_WHY_SLEEP);
        if (rc == -ETIMEDOUT && !take_back(&w)) {
            rc = gr_park(&w, GR_FOREVER, 0, GR_WHY_SLEEP); /* the wake is on its way */
        }
        woken += rc == 0;
    }
    atomic_store(&stop, true);
    join_foreign(t);
    cr_assert_eq(woken, n_woken);
}

/* --- waits of other kernel threads --- */

static atomic_int n_inside;

static void *wait_in_thread(void *arg)
{
    struct gr_waiter *mine = arg;
    gr_waiter_init(mine, NULL);
    atomic_fetch_add(&n_inside, 1);
    return (void *)(intptr_t)gr_park(mine, GR_FOREVER, 0, GR_WHY_SLEEP);
}

Test(park, green_wakes_a_kernel_thread)
{
    pthread_t t = foreign(wait_in_thread, &w);
    await(&n_inside, 1);
    gr_wake(&w);
    join_foreign(t);
}

static void *time_out_in_thread(void *arg)
{
    struct gr_waiter mine;
    int64_t deadline = gr_now() + MS(20);
    gr_waiter_init(&mine, NULL);
    cr_assert_eq(gr_park(&mine, deadline, 0, GR_WHY_SLEEP), -ETIMEDOUT);
    cr_assert_geq(gr_now(), deadline, "too early");
    cr_assert_eq(gr_sleep_until(gr_now() + MS(1), 0), 0);
    gr_yield();
    *(bool *)arg = true;
    return NULL;
}

Test(park, kernel_thread_may_wait_with_a_deadline)
{
    bool done = false;
    join_foreign(foreign(time_out_in_thread, &done));
    cr_assert(done);
}

/* --- cancellation --- */

Test(park, pending_cancellation_ends_a_wait_that_allows_it)
{
    gr_self->cancel_pending = true;
    gr_waiter_init(&w, NULL);
    cr_assert_eq(gr_park(&w, GR_FOREVER, GR_CANCEL, GR_WHY_SLEEP), -ECANCELED);
    cr_assert_eq(gr_park(&w, gr_now() + MS(1), 0, GR_WHY_SLEEP), -ETIMEDOUT, "not asked for");
    gr_self->cancel_disabled = true;
    cr_assert_eq(gr_park(&w, gr_now() + MS(1), GR_CANCEL, GR_WHY_SLEEP), -ETIMEDOUT, "disabled");
}
