/* Mutexes of greens, also shared with kernel threads that run no hub. */
#include "runtime/sync/mutex.h"

#include "sync.h"

TestSuite(mutex, .init = start, .timeout = 60);

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t recursive = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static pthread_mutex_t errorcheck = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
static pthread_mutex_t adaptive = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP;

static int order[16];
static int n_order;
static long counter;
static atomic_int arrived;
static atomic_bool stop;

static void *lock_note_unlock(void *arg)
{
    cr_assert_eq(gr_mutex_lock(&m), 0);
    order[n_order++] = (int)(intptr_t)arg;
    cr_assert_eq(gr_mutex_unlock(&m), 0);
    return NULL;
}

static void *add_slowly(void *arg)
{
    pthread_mutex_t *mutex = arg;
    for (int i = 0; i < 200; i++) {
        cr_assert_eq(gr_mutex_lock(mutex), 0);
        long seen = counter;
        gr_yield();
        counter = seen + 1;
        cr_assert_eq(gr_mutex_unlock(mutex), 0);
    }
    return NULL;
}

static void expect_exclusion(pthread_mutex_t *mutex)
{
    struct green *g[8];
    counter = 0;
    for (int i = 0; i < 8; i++) {
        g[i] = spawn(add_slowly, mutex);
    }
    for (int i = 0; i < 8; i++) {
        join(g[i]);
    }
    cr_assert_eq(counter, 8 * 200);
}

Test(mutex, of_any_type_excludes_greens_that_switch_while_holding_it)
{
    expect_exclusion(&m);
    expect_exclusion(&recursive);
    expect_exclusion(&errorcheck);
    expect_exclusion(&adaptive);
}

Test(mutex, is_handed_over_in_order_of_arrival)
{
    struct green *g[5];
    gr_mutex_lock(&m);
    for (int i = 0; i < 5; i++) {
        g[i] = spawn(lock_note_unlock, (void *)(intptr_t)i);
        settle();
    }
    gr_mutex_unlock(&m);
    cr_assert_eq(gr_mutex_trylock(&m), -EBUSY, "taken past the waiters");
    for (int i = 0; i < 5; i++) {
        join(g[i]);
    }
    for (int i = 0; i < 5; i++) {
        cr_assert_eq(order[i], i);
    }
}

static void *take_turns(void *arg)
{
    long *turns = arg;
    while (!stop) {
        gr_mutex_lock(&m);
        gr_yield();
        ++*turns;
        gr_mutex_unlock(&m);
    }
    return NULL;
}

Test(mutex, looping_green_does_not_starve_another)
{
    long turns[2] = {0, 0};
    struct green *a = spawn(take_turns, &turns[0]);
    struct green *b = spawn(take_turns, &turns[1]);
    for (int i = 0; i < 200; i++) {
        gr_yield();
    }
    stop = true;
    join(a);
    join(b);
    cr_assert_gt(turns[0], 10);
    cr_assert_leq(labs(turns[0] - turns[1]), 1);
}

Test(mutex, recursive_counts_its_levels)
{
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(gr_mutex_lock(&recursive), 0);
    }
    cr_assert_eq(gr_mutex_trylock(&recursive), 0);
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(gr_mutex_unlock(&recursive), 0);
    }
    cr_assert_eq(gr_mutex_unlock(&recursive), -EPERM);
}

Test(mutex, recursive_says_when_it_cannot_count_on)
{
    gr_mutex_lock(&recursive);
    recursive.__data.__count = UINT32_MAX;
    cr_assert_eq(gr_mutex_lock(&recursive), -EAGAIN);
    cr_assert_eq(gr_mutex_trylock(&recursive), -EAGAIN);
}

static void *unlock_foreign(void *arg)
{
    return (void *)(intptr_t)gr_mutex_unlock(arg);
}

Test(mutex, errorcheck_refuses_what_is_wrong)
{
    cr_assert_eq(gr_mutex_unlock(&errorcheck), -EPERM);
    cr_assert_eq(gr_mutex_lock(&errorcheck), 0);
    cr_assert_eq(gr_mutex_lock(&errorcheck), -EDEADLK);
    cr_assert_eq(gr_mutex_trylock(&errorcheck), -EBUSY);
    cr_assert_eq((intptr_t)join(spawn(unlock_foreign, &errorcheck)), -EPERM);
    cr_assert_eq(gr_mutex_unlock(&errorcheck), 0);
}

static void *expect_timeout(void *arg)
{
    clockid_t clock = *(clockid_t *)arg;
    struct timespec abs = in_ms(clock, 20);
    cr_assert_eq(gr_mutex_lock_until(&m, clock, &abs), -ETIMEDOUT);
    cr_assert(has_passed(clock, &abs), "too early");
    return NULL;
}

Test(mutex, timed_wait_ends_at_its_deadline_and_not_before)
{
    clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC};
    gr_mutex_lock(&m);
    for (int i = 0; i < 2; i++) {
        join(spawn(expect_timeout, &clocks[i]));
        pthread_t t = foreign(expect_timeout, &clocks[i]);
        join_foreign(t);
    }
    gr_mutex_unlock(&m);
    struct timespec past = {0, 0};
    cr_assert_eq(gr_mutex_lock_until(&m, CLOCK_REALTIME, &past), 0, "free, so it does not wait");
}

static void *bad_deadlines(void *arg)
{
    (void)arg;
    struct timespec bad = {1, -1};
    struct timespec worse = {-5, 2000000000};
    cr_assert_eq(gr_mutex_lock_until(&m, CLOCK_REALTIME, &bad), -EINVAL);
    cr_assert_eq(gr_mutex_lock_until(&m, CLOCK_REALTIME, &worse), -ETIMEDOUT);
    return NULL;
}

Test(mutex, bad_deadline_matters_only_when_waiting)
{
    struct timespec bad = {1, 1000000000};
    cr_assert_eq(gr_mutex_lock_until(&m, CLOCK_REALTIME, &bad), 0);
    join(spawn(bad_deadlines, NULL));
}

Test(mutex, waiter_that_gave_up_is_passed_over)
{
    clockid_t clock = CLOCK_MONOTONIC;
    gr_mutex_lock(&m);
    struct green *a = spawn(expect_timeout, &clock);
    settle();
    struct green *b = spawn(lock_note_unlock, (void *)7);
    join(a);
    cr_assert_eq(n_order, 0);
    gr_mutex_unlock(&m);
    join(b);
    cr_assert_eq(order[0], 7);
}

Test(mutex, looks_untouched_after_contended_use)
{
    pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;
    expect_exclusion(&m);
    cr_assert_arr_eq(&m, &fresh, sizeof(m));
    cr_assert_eq(pthread_mutex_destroy(&m), 0);
}

Test(mutex, held_one_is_busy_for_libc_too)
{
    gr_mutex_lock(&m);
    cr_assert_eq(pthread_mutex_destroy(&m), EBUSY);
    cr_assert_eq(pthread_mutex_trylock(&m), EBUSY);
    cr_assert_eq(pthread_mutex_unlock(&m), 0);
    cr_assert_eq(pthread_mutex_destroy(&m), 0);
}

Test(mutex_before_start, locked_through_libc_is_unlocked_by_us)
{
    pthread_mutex_lock(&m);
    pthread_mutex_lock(&recursive);
    pthread_mutex_lock(&recursive);
    pthread_mutex_lock(&errorcheck);
    start();
    cr_assert_eq(gr_mutex_lock(&errorcheck), -EDEADLK);
    struct green *g = spawn(lock_note_unlock, (void *)3);
    settle();
    cr_assert_eq(n_order, 0);
    cr_assert_eq((intptr_t)join(spawn(unlock_foreign, &recursive)), -EPERM);
    cr_assert_eq(gr_mutex_unlock(&m), 0);
    cr_assert_eq(gr_mutex_unlock(&recursive), 0);
    cr_assert_eq(gr_mutex_unlock(&recursive), 0);
    cr_assert_eq(gr_mutex_unlock(&errorcheck), 0);
    cr_assert_eq(gr_mutex_unlock(&recursive), -EPERM);
    join(g);
    cr_assert_eq(n_order, 1);
}

Test(mutex, keeps_its_user_while_a_condition_is_awaited)
{
    pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;
    gr_mutex_lock(&m);
    cr_assert_eq(gr_mutex_cond_unlock(&m), 0);
    cr_assert_eq(pthread_mutex_destroy(&m), EBUSY);
    cr_assert_eq(gr_mutex_cond_lock(&m), 0);
    cr_assert_eq(gr_mutex_unlock(&m), 0);
    cr_assert_arr_eq(&m, &fresh, sizeof(m));
}

#define ROUNDS 20000

static void *add_often(void *arg)
{
    bool timed = arg != NULL;
    for (int i = 0; i < ROUNDS;) {
        struct timespec abs = in_ms(CLOCK_MONOTONIC, 0);
        int rc =
            timed && i % 2 ? gr_mutex_lock_until(&m, CLOCK_MONOTONIC, &abs) : gr_mutex_lock(&m);
        if (rc) {
            cr_assert_eq(rc, -ETIMEDOUT);
            continue;
        }
        long seen = counter;
        if (i % 64 == 0) {
            gr_yield();
        }
        counter = seen + 1;
        cr_assert_eq(gr_mutex_unlock(&m), 0);
        i++;
    }
    return NULL;
}

Test(mutex, excludes_greens_and_kernel_threads_from_each_other)
{
    struct green *g[4];
    pthread_t t[3];
    for (int i = 0; i < 3; i++) {
        t[i] = foreign(add_often, i == 2 ? &m : NULL);
    }
    for (int i = 0; i < 4; i++) {
        g[i] = spawn(add_often, i == 3 ? &m : NULL);
    }
    for (int i = 0; i < 4; i++) {
        join(g[i]);
    }
    for (int i = 0; i < 3; i++) {
        join_foreign(t[i]);
    }
    cr_assert_eq(counter, 7L * ROUNDS);
    cr_assert_eq(m.__data.__lock, 0);
}

static void *lock_once(void *arg)
{
    (void)arg;
    atomic_store(&arrived, 1);
    gr_mutex_lock(&m);
    atomic_store(&arrived, 2);
    gr_mutex_unlock(&m);
    return NULL;
}

Test(mutex, looping_greens_do_not_starve_a_kernel_thread)
{
    long turns[2] = {0, 0};
    struct green *a = spawn(take_turns, &turns[0]);
    struct green *b = spawn(take_turns, &turns[1]);
    settle();
    pthread_t t = foreign(lock_once, NULL);
    await(&arrived, 2);
    stop = true;
    join(a);
    join(b);
    join_foreign(t);
}
