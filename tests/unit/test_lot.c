/* The parking lot and futexes on top of it. */
#include "runtime/core/lot.h"

#include "sync.h"

#include <limits.h>
#include <stdlib.h>

TestSuite(lot, .init = start, .timeout = 60);

static uint32_t word;
static uint32_t other;
static int order[64];
static int n_order;
static atomic_int waiting;

struct wait {
    const uint32_t *addr;
    uint32_t bits;
    int ms; /* 0: no deadline */
    int id;
    int rc;
};

static int wait_on(const uint32_t *addr, uint32_t expected, int64_t deadline)
{
    return gr_futex_wait(addr, expected, GR_FUTEX_ALL, deadline, 0, GR_WHY_FUTEX);
}

static int wake(const uint32_t *addr, int n)
{
    return gr_futex_wake(addr, n, GR_FUTEX_ALL);
}

static void *wait_as_told(void *arg)
{
    struct wait *t = arg;
    int64_t deadline = t->ms ? gr_now() + MS(t->ms) : GR_FOREVER;
    atomic_fetch_add(&waiting, 1);
    t->rc = gr_futex_wait(t->addr, 0, t->bits, deadline, 0, GR_WHY_FUTEX);
    cr_assert(t->rc != -ETIMEDOUT || gr_now() >= deadline, "too early");
    order[n_order++] = t->id;
    return NULL;
}

/* @n greens that wait on @addr one after the other. */
static void make_waiters(int n, struct wait *waits, struct green **g, const uint32_t *addr)
{
    for (int i = 0; i < n; i++) {
        waits[i] = (struct wait){.addr = addr, .bits = GR_FUTEX_ALL, .id = i};
        g[i] = spawn(wait_as_told, &waits[i]);
        settle();
    }
}

static void join_all(int n, struct green **g)
{
    for (int i = 0; i < n; i++) {
        join(g[i]);
    }
}

/* Nothing is left that could wait on @addr. */
static void expect_nobody(const uint32_t *addr)
{
    cr_assert_eq(wake(addr, INT_MAX), 0);
}

/* --- wait and wake --- */

Test(lot, wait_for_another_value_is_eagain)
{
    word = 1;
    cr_assert_eq(wait_on(&word, 0, GR_FOREVER), -EAGAIN);
    expect_nobody(&word);
}

Test(lot, wake_without_waiters_wakes_none)
{
    cr_assert_eq(wake(&word, 1), 0);
    cr_assert_eq(wake(&word, INT_MAX), 0);
}

Test(lot, wake_takes_as_many_as_it_is_told_in_the_order_they_came)
{
    struct wait waits[6];
    struct green *g[6];
    make_waiters(6, waits, g, &word);
    cr_assert_eq(wake(&word, 0), 0);
    cr_assert_eq(wake(&word, 1), 1);
    cr_assert_eq(wake(&word, 2), 2);
    settle();
    cr_assert_eq(n_order, 3);
    cr_assert_eq(wake(&word, INT_MAX), 3);
    join_all(6, g);
    for (int i = 0; i < 6; i++) {
        cr_assert_eq(order[i], i);
        cr_assert_eq(waits[i].rc, 0);
    }
    expect_nobody(&word);
}

Test(lot, wake_elsewhere_wakes_nobody_here)
{
    static uint32_t words[200];
    struct wait waits[1];
    struct green *g[1];
    make_waiters(1, waits, g, &words[100]);
    for (int i = 0; i < 200; i++) {
        cr_assert_eq(wake(&words[i], INT_MAX), i == 100);
    }
    join(g[0]);
}

Test(lot, many_addresses_are_kept_apart)
{
    enum { N = 3000 }; /* more than there are buckets */
    static uint32_t words[N];
    struct wait *waits = calloc(N, sizeof(*waits));
    struct green **g = calloc(N, sizeof(struct green *));
    for (int i = 0; i < N; i++) {
        waits[i] = (struct wait){.addr = &words[i], .bits = GR_FUTEX_ALL, .id = -1};
        g[i] = spawn(wait_as_told, &waits[i]);
        n_order = 0;
    }
    settle();
    for (int i = N - 1; i >= 0; i--) {
        n_order = 0;
        cr_assert_eq(wake(&words[i], INT_MAX), 1);
        join(g[i]);
        cr_assert_eq(n_order, 1);
        expect_nobody(&words[i]);
    }
}

/* --- bits --- */

Test(lot, wake_passes_over_waiters_for_other_bits)
{
    struct wait waits[3] = {{.addr = &word, .bits = 1, .id = 0},
                            {.addr = &word, .bits = 2, .id = 1},
                            {.addr = &word, .bits = 3, .id = 2}};
    struct green *g[3];
    for (int i = 0; i < 3; i++) {
        g[i] = spawn(wait_as_told, &waits[i]);
        settle();
    }
    cr_assert_eq(gr_futex_wake(&word, INT_MAX, 4), 0);
    cr_assert_eq(gr_futex_wake(&word, 1, 2), 1);
    settle();
    cr_assert_eq(order[0], 1);
    cr_assert_eq(gr_futex_wake(&word, INT_MAX, 2), 1);
    settle();
    cr_assert_eq(order[1], 2);
    cr_assert_eq(gr_futex_wake(&word, INT_MAX, GR_FUTEX_ALL), 1);
    join_all(3, g);
}

/* --- requeue --- */

Test(lot, requeue_wakes_some_and_moves_the_rest)
{
    struct wait waits[5];
    struct green *g[5];
    int moved = -1;
    make_waiters(5, waits, g, &word);
    cr_assert_eq(gr_futex_requeue(&word, 1, 2, &other, NULL, &moved), 1);
    cr_assert_eq(moved, 2);
    settle();
    cr_assert_eq(n_order, 1);
    cr_assert_eq(wake(&other, INT_MAX), 2);
    cr_assert_eq(wake(&word, INT_MAX), 2);
    join_all(5, g);
    static const int expected[] = {0, 1, 2, 3, 4};
    cr_assert_arr_eq(order, expected, sizeof(expected));
}

Test(lot, requeue_counts_woken_and_moved)
{
    struct wait waits[5];
    struct green *g[5];
    make_waiters(5, waits, g, &word);
    cr_assert_eq(gr_futex_requeue(&word, 2, INT_MAX, &other, NULL, NULL), 5);
    cr_assert_eq(wake(&other, INT_MAX), 3);
    join_all(5, g);
}

Test(lot, requeue_with_another_value_is_eagain_and_does_nothing)
{
    struct wait waits[2];
    struct green *g[2];
    uint32_t check = 7;
    int moved = -1;
    make_waiters(2, waits, g, &word);
    cr_assert_eq(gr_futex_requeue(&word, 1, 1, &other, &check, &moved), -EAGAIN);
    expect_nobody(&other);
    check = 0;
    cr_assert_eq(gr_futex_requeue(&word, 0, 1, &other, &check, &moved), 0);
    cr_assert_eq(moved, 1);
    cr_assert_eq(wake(&other, 1), 1);
    cr_assert_eq(wake(&word, 1), 1);
    join_all(2, g);
}

Test(lot, requeue_to_the_same_address_moves_nobody)
{
    struct wait waits[3];
    struct green *g[3];
    int moved = -1;
    make_waiters(3, waits, g, &word);
    cr_assert_eq(gr_futex_requeue(&word, 1, INT_MAX, &word, NULL, &moved), 1);
    cr_assert_eq(moved, 0);
    cr_assert_eq(wake(&word, INT_MAX), 2);
    join_all(3, g);
}

Test(lot, moved_waiters_queue_behind_those_who_wait_there)
{
    struct wait there[2];
    struct wait waits[2];
    struct green *g[4];
    make_waiters(2, there, g, &other);
    make_waiters(2, waits, g + 2, &word);
    there[0].id = 10;
    there[1].id = 11;
    cr_assert_eq(gr_futex_requeue(&word, 0, INT_MAX, &other, NULL, NULL), 2);
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(wake(&other, 1), 1);
    }
    join_all(4, g);
    static const int expected[] = {10, 11, 0, 1};
    cr_assert_arr_eq(order, expected, sizeof(expected));
}

Test(lot, moved_waiter_still_times_out)
{
    struct wait t = {.addr = &word, .bits = GR_FUTEX_ALL, .ms = 20};
    struct green *g = spawn(wait_as_told, &t);
    gr_yield();
    cr_assert_eq(gr_futex_requeue(&word, 0, 1, &other, NULL, NULL), 1);
    join(g);
    cr_assert_eq(t.rc, -ETIMEDOUT);
    expect_nobody(&word);
    expect_nobody(&other);
}

/* --- timeouts --- */

Test(lot, wait_times_out_and_never_early)
{
    for (int i = 0; i < 10; i++) {
        int64_t deadline = gr_now() + MS(i);
        cr_assert_eq(wait_on(&word, 0, deadline), -ETIMEDOUT);
        cr_assert_geq(gr_now(), deadline);
        expect_nobody(&word);
    }
}

Test(lot, one_who_timed_out_takes_no_wake_from_the_next)
{
    struct wait first = {.addr = &word, .bits = GR_FUTEX_ALL, .ms = 5};
    struct wait second = {.addr = &word, .bits = GR_FUTEX_ALL};
    struct green *a = spawn(wait_as_told, &first);
    settle();
    struct green *b = spawn(wait_as_told, &second);
    join(a);
    cr_assert_eq(first.rc, -ETIMEDOUT);
    cr_assert_eq(wake(&word, 1), 1);
    join(b);
    cr_assert_eq(second.rc, 0);
}

static atomic_bool stop;
static atomic_long n_woken;
static atomic_long n_got;

static void *wake_until_stopped(void *arg)
{
    while (!atomic_load(&stop)) {
        atomic_fetch_add(&n_woken, wake(&word, 1));
        if (arg) {
            sched_yield();
        } else {
            gr_yield();
        }
    }
    return NULL;
}

static void *wait_and_count(void *arg)
{
    for (int i = 0; i < 500; i++) {
        int64_t deadline = gr_now() + (i + (int)(intptr_t)arg) % 50 * 1000;
        int rc = wait_on(&word, 0, deadline);
        cr_assert(rc == 0 || rc == -ETIMEDOUT);
        cr_assert(rc == 0 || gr_now() >= deadline, "too early");
        atomic_fetch_add(&n_got, rc == 0);
    }
    return NULL;
}

/* Every wake that was counted ends exactly one wait. */
Test(lot, wakes_and_timeouts_at_once_lose_nothing)
{
    struct green *g[10];
    pthread_t t[2];
    gr_hub_foreign();
    pthread_t waker = foreign(wake_until_stopped, &word);
    struct green *green_waker = spawn(wake_until_stopped, NULL);
    for (intptr_t i = 0; i < 10; i++) {
        g[i] = spawn(wait_and_count, (void *)i);
    }
    for (int i = 0; i < 2; i++) {
        t[i] = foreign(wait_and_count, NULL);
    }
    join_all(10, g);
    for (int i = 0; i < 2; i++) {
        join_foreign(t[i]);
    }
    atomic_store(&stop, true);
    join(green_waker);
    join_foreign(waker);
    cr_assert_eq(n_got, n_woken);
    expect_nobody(&word);
}

static void *requeue_until_stopped(void *arg)
{
    while (!atomic_load(&stop)) {
        int moved;
        atomic_fetch_add(&n_woken, gr_futex_requeue(&word, 1, 2, &other, NULL, &moved));
        atomic_fetch_add(&n_woken, gr_futex_requeue(&other, 1, 1, &word, NULL, &moved));
        sched_yield();
    }
    return arg;
}

Test(lot, requeues_wakes_and_timeouts_at_once_lose_nothing)
{
    struct green *g[10];
    gr_hub_foreign();
    pthread_t t = foreign(requeue_until_stopped, NULL);
    for (intptr_t i = 0; i < 10; i++) {
        g[i] = spawn(wait_and_count, (void *)i);
    }
    pthread_t u = foreign(wait_and_count, NULL);
    join_all(10, g);
    join_foreign(u);
    atomic_store(&stop, true);
    join_foreign(t);
    cr_assert_eq(n_got, n_woken);
    expect_nobody(&word);
    expect_nobody(&other);
}

/* --- kernel threads that run no hub --- */

static void *wait_in_thread(void *arg)
{
    struct wait *t = arg;
    atomic_fetch_add(&waiting, 1);
    t->rc = gr_futex_wait(t->addr, 0, GR_FUTEX_ALL, t->ms ? gr_now() + MS(t->ms) : GR_FOREVER, 0,
                          GR_WHY_FUTEX);
    return NULL;
}

Test(lot, greens_and_kernel_threads_wait_in_one_queue)
{
    struct wait waits[4] = {{.addr = &word}, {.addr = &word}, {.addr = &word}, {.addr = &word}};
    pthread_t t[2];
    struct green *g[2];
    int woken = 0;
    for (int i = 0; i < 2; i++) {
        waits[i].bits = GR_FUTEX_ALL;
        g[i] = spawn(wait_as_told, &waits[i]);
        t[i] = foreign(wait_in_thread, &waits[2 + i]);
    }
    await(&waiting, 4);
    while (woken < 4) {
        woken += wake(&word, INT_MAX);
        gr_sleep_until(gr_now() + MS(1), 0);
    }
    join_all(2, g);
    for (int i = 0; i < 2; i++) {
        join_foreign(t[i]);
    }
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(waits[i].rc, 0);
    }
    expect_nobody(&word);
}

Test(lot, kernel_thread_times_out)
{
    struct wait t = {.addr = &word, .ms = 10};
    join_foreign(foreign(wait_in_thread, &t));
    cr_assert_eq(t.rc, -ETIMEDOUT);
    expect_nobody(&word);
}

/* --- the lot itself --- */

static void *wait_with_tag(void *arg)
{
    struct gr_waiter w;
    struct gr_bucket *b = gr_lot_lock(&word);
    gr_waiter_init(&w, &word);
    w.arg = arg;
    return (void *)(intptr_t)gr_lot_wait(b, &w, GR_FOREVER, 0, GR_WHY_MUTEX);
}

Test(lot, waker_may_look_and_choose)
{
    struct green *g[3];
    for (intptr_t i = 0; i < 3; i++) {
        g[i] = spawn(wait_with_tag, (void *)(i + 1));
        settle();
    }
    struct gr_bucket *b = gr_lot_lock(&word);
    struct gr_waiter *first = gr_lot_first(b, &word);
    struct gr_waiter *second = gr_lot_next(b, first);
    struct gr_waiter *third = gr_lot_next(b, second);
    cr_assert_eq((intptr_t)first->arg, 1);
    cr_assert_eq((intptr_t)second->arg, 2);
    cr_assert_eq((intptr_t)third->arg, 3);
    cr_assert_null(gr_lot_next(b, third));
    cr_assert_null(gr_lot_first(b, &other));
    gr_lot_take(b, second);
    cr_assert_eq(gr_lot_next(b, first), third);
    gr_lot_unlock(b);
    gr_wake(second);
    join(g[1]);
    cr_assert_eq(wake(&word, INT_MAX), 0, "they wait for no bit at all");
    b = gr_lot_lock(&word);
    gr_lot_take(b, first);
    gr_lot_take(b, third);
    gr_wake(first);
    gr_wake(third);
    gr_lot_unlock(b);
    join(g[0]);
    join(g[2]);
}
