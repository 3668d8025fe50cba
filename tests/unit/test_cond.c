/* Condition variables of greens, also shared with kernel threads that run no hub. */
#include "runtime/sync/cond.h"

#include "sync.h"

TestSuite(cond, .init = start, .timeout = 60);

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static int order[64];
static int n_order;
static int items;
static atomic_long eaten;
static bool closed;
static atomic_int waiting;

static int wait_for_signal(void)
{
    return gr_cond_wait(&c, &m, CLOCK_REALTIME, NULL);
}

static void *wait_and_note(void *arg)
{
    gr_mutex_lock(&m);
    atomic_fetch_add(&waiting, 1);
    cr_assert_eq(wait_for_signal(), 0);
    order[n_order++] = (int)(intptr_t)arg;
    cr_assert_eq(m.__data.__lock != 0, 1, "returned without the mutex");
    gr_mutex_unlock(&m);
    return NULL;
}

Test(cond, signal_wakes_who_waits_longest)
{
    struct green *g[4];
    for (int i = 0; i < 4; i++) {
        g[i] = spawn(wait_and_note, (void *)(intptr_t)i);
        settle();
    }
    for (int i = 0; i < 4; i++) {
        gr_cond_signal(&c);
        settle();
        cr_assert_eq(n_order, i + 1, "woke not exactly one");
        cr_assert_eq(order[i], i);
    }
    for (int i = 0; i < 4; i++) {
        join(g[i]);
    }
}

Test(cond, broadcast_wakes_all)
{
    struct green *g[50];
    for (int i = 0; i < 50; i++) {
        g[i] = spawn(wait_and_note, (void *)(intptr_t)i);
    }
    settle();
    gr_mutex_lock(&m);
    gr_cond_broadcast(&c);
    settle();
    cr_assert_eq(n_order, 0, "ran without the mutex");
    gr_mutex_unlock(&m);
    for (int i = 0; i < 50; i++) {
        join(g[i]);
    }
    cr_assert_eq(n_order, 50);
}

Test(cond, broadcast_wakes_kernel_threads_and_greens)
{
    struct green *g[5];
    pthread_t t[3];
    for (int i = 0; i < 3; i++) {
        t[i] = foreign(wait_and_note, NULL);
    }
    for (int i = 0; i < 5; i++) {
        g[i] = spawn(wait_and_note, NULL);
    }
    await(&waiting, 8);
    gr_mutex_lock(&m);
    gr_cond_broadcast(&c);
    gr_mutex_unlock(&m);
    for (int i = 0; i < 3; i++) {
        join_foreign(t[i]);
    }
    for (int i = 0; i < 5; i++) {
        join(g[i]);
    }
    cr_assert_eq(n_order, 8);
}

Test(cond, looks_untouched_when_nobody_waits)
{
    struct green *g = spawn(wait_and_note, NULL);
    settle();
    gr_cond_signal(&c);
    join(g);
    cr_assert_eq(c.__data.__wrefs, 0);
    pthread_cond_t before = c;
    gr_cond_signal(&c);
    gr_cond_broadcast(&c);
    cr_assert_arr_eq(&before, &c, sizeof(c), "a signal without waiters leaves a mark");
}

struct until {
    clockid_t clock;
    int rc;
};

static void *wait_20_ms(void *arg)
{
    struct until *u = arg;
    struct timespec abs = in_ms(u->clock, 20);
    gr_mutex_lock(&m);
    u->rc = gr_cond_wait(&c, &m, u->clock, &abs);
    gr_mutex_unlock(&m);
    cr_assert(u->rc == 0 || has_passed(u->clock, &abs), "too early");
    return NULL;
}

Test(cond, timed_wait_ends_at_its_deadline_and_not_before)
{
    struct until u[] = {{.clock = CLOCK_REALTIME}, {.clock = CLOCK_MONOTONIC}};
    for (int i = 0; i < 2; i++) {
        join(spawn(wait_20_ms, &u[i]));
        cr_assert_eq(u[i].rc, -ETIMEDOUT);
        pthread_t t = foreign(wait_20_ms, &u[i]);
        join_foreign(t);
        cr_assert_eq(u[i].rc, -ETIMEDOUT);
    }
}

Test(cond, waiter_that_left_takes_no_signal_with_it)
{
    struct until u = {.clock = CLOCK_MONOTONIC};
    struct green *a = spawn(wait_20_ms, &u);
    settle();
    struct green *b = spawn(wait_and_note, (void *)9);
    join(a);
    cr_assert_eq(u.rc, -ETIMEDOUT);
    gr_cond_signal(&c);
    join(b);
    cr_assert_eq(order[0], 9);
}

Test(cond, signalled_waiter_is_not_late)
{
    struct until u = {.clock = CLOCK_MONOTONIC};
    struct green *g = spawn(wait_20_ms, &u);
    settle();
    int64_t end = gr_now() + MS(60);
    while (gr_now() < end) {
    }
    gr_cond_signal(&c); /* its deadline is past, but it did not leave yet */
    join(g);
    cr_assert_eq(u.rc, 0);
}

Test(cond, wait_without_the_mutex_is_refused)
{
    pthread_mutex_t errorcheck = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
    pthread_mutex_t recursive = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
    cr_assert_eq(gr_cond_wait(&c, &errorcheck, CLOCK_REALTIME, NULL), -EPERM);
    cr_assert_eq(gr_cond_wait(&c, &recursive, CLOCK_REALTIME, NULL), -EPERM);
    cr_assert_eq(c.__data.__wrefs, 0);
}

Test(cond_before_start, waited_on_through_libc_is_taken_over)
{
    struct timespec past = {0, 0};
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&c, &attr);
    pthread_mutex_lock(&m);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(pthread_cond_timedwait(&c, &m, &past), ETIMEDOUT);
    }
    pthread_mutex_unlock(&m);
    start();
    cr_assert_eq(gr_cond_clock(&c), CLOCK_MONOTONIC);
    cr_assert_not(gr_cond_shared(&c));
    struct green *g = spawn(wait_and_note, NULL);
    settle();
    cr_assert_eq(gr_cond_clock(&c), CLOCK_MONOTONIC);
    gr_cond_signal(&c);
    join(g);
    gr_cond_destroy(&c);
}

static void *eat(void *arg)
{
    (void)arg;
    for (;;) {
        gr_mutex_lock(&m);
        while (items == 0 && !closed) {
            cr_assert_eq(wait_for_signal(), 0);
        }
        if (items == 0) {
            gr_mutex_unlock(&m);
            return NULL;
        }
        items--;
        atomic_fetch_add(&eaten, 1);
        gr_mutex_unlock(&m);
    }
}

#define MEALS 20000

static void *cook(void *arg)
{
    bool signal_locked = arg != NULL;
    for (int i = 0; i < MEALS; i++) {
        gr_mutex_lock(&m);
        items++;
        if (signal_locked) {
            gr_cond_signal(&c);
        }
        gr_mutex_unlock(&m);
        if (!signal_locked) {
            gr_cond_signal(&c);
        }
        if (i % 32 == 0) {
            gr_yield();
        }
    }
    return NULL;
}

Test(cond, no_signal_is_lost_between_greens_and_kernel_threads)
{
    struct green *eaters[8];
    struct green *cooks[2];
    pthread_t t[4];
    for (int i = 0; i < 8; i++) {
        eaters[i] = spawn(eat, NULL);
    }
    for (int i = 0; i < 4; i++) {
        t[i] = foreign(i < 2 ? eat : cook, i % 2 ? &m : NULL);
    }
    for (int i = 0; i < 2; i++) {
        cooks[i] = spawn(cook, i ? &m : NULL);
    }
    for (int i = 0; i < 2; i++) {
        join(cooks[i]);
        join_foreign(t[2 + i]);
    }
    int64_t give_up = gr_now() + 20 * GR_NSEC;
    while (atomic_load(&eaten) < 4L * MEALS && gr_now() < give_up) {
        (void)gr_sleep_until(gr_now() + MS(1), 0);
    }
    cr_assert_eq(atomic_load(&eaten), 4L * MEALS, "%ld eaten: a wake-up was lost",
                 atomic_load(&eaten));
    gr_mutex_lock(&m);
    closed = true;
    gr_cond_broadcast(&c);
    gr_mutex_unlock(&m);
    for (int i = 0; i < 8; i++) {
        join(eaters[i]);
    }
    for (int i = 0; i < 2; i++) {
        join_foreign(t[i]);
    }
    cr_assert_eq(items, 0);
}

/* One use of a condition variable that is destroyed as soon as the standard allows. */
struct meeting {
    pthread_mutex_t m;
    pthread_cond_t c;
    bool done;
};

static void *meet(void *arg)
{
    struct meeting *p = arg;
    gr_mutex_lock(&p->m);
    atomic_fetch_add(&waiting, 1);
    while (!p->done) {
        struct timespec abs = in_ms(CLOCK_MONOTONIC, 1);
        (void)gr_cond_wait(&p->c, &p->m, CLOCK_MONOTONIC, &abs);
    }
    gr_mutex_unlock(&p->m);
    atomic_fetch_sub(&waiting, 1);
    return NULL;
}

Test(cond, may_be_destroyed_right_after_broadcast)
{
    static struct meeting p;
    for (int i = 0; i < 200; i++) {
        p = (struct meeting){.m = PTHREAD_MUTEX_INITIALIZER, .c = PTHREAD_COND_INITIALIZER};
        pthread_t t = foreign(meet, &p);
        struct green *g = spawn(meet, &p);
        await(&waiting, 2);
        gr_mutex_lock(&p.m);
        p.done = true;
        gr_cond_broadcast(&p.c);
        gr_cond_destroy(&p.c);
        memset(&p.c, 0x5a, sizeof(p.c));
        gr_mutex_unlock(&p.m);
        join(g);
        join_foreign(t);
        for (size_t k = 0; k < sizeof(p.c); k++) {
            cr_assert_eq(((char *)&p.c)[k], 0x5a, "touched after it was destroyed");
        }
    }
}
