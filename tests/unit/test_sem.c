/* Semaphores of greens, also shared with kernel threads that run no hub. */
#include "runtime/sync/sem.h"

#include "sync.h"

TestSuite(sem, .init = start, .timeout = 60);

static sem_t s;
static int order[8];
static int n_order;
static atomic_long taken;

static int wait_for_permit(void)
{
    return gr_sem_wait(&s, CLOCK_REALTIME, NULL);
}

static int value(void)
{
    int v = -1;
    cr_assert_eq(sem_getvalue(&s, &v), 0);
    return v;
}

static void *wait_and_note(void *arg)
{
    cr_assert_eq(wait_for_permit(), 0);
    order[n_order++] = (int)(intptr_t)arg;
    return NULL;
}

Test(sem, permits_are_taken_until_there_are_none)
{
    sem_init(&s, 0, 2);
    cr_assert_eq(wait_for_permit(), 0);
    cr_assert_eq(wait_for_permit(), 0);
    cr_assert_eq(sem_trywait(&s), -1);
    struct green *g = spawn(wait_and_note, NULL);
    settle();
    cr_assert_eq(n_order, 0);
    cr_assert_eq(gr_sem_post(&s), 0);
    join(g);
    cr_assert_eq(value(), 0);
}

Test(sem, post_gives_to_who_waits_longest)
{
    sem_init(&s, 0, 0);
    struct green *g[4];
    for (int i = 0; i < 4; i++) {
        g[i] = spawn(wait_and_note, (void *)(intptr_t)i);
        settle();
    }
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(gr_sem_post(&s), 0);
        cr_assert_eq(sem_trywait(&s), -1, "the permit is the waiter's");
    }
    for (int i = 0; i < 4; i++) {
        join(g[i]);
        cr_assert_eq(order[i], i);
    }
}

Test(sem, refuses_a_permit_too_many)
{
    sem_init(&s, 0, SEM_VALUE_MAX);
    cr_assert_eq(gr_sem_post(&s), -EOVERFLOW);
    cr_assert_eq(value(), SEM_VALUE_MAX);
}

static void *expect_timeout(void *arg)
{
    clockid_t clock = *(clockid_t *)arg;
    struct timespec abs = in_ms(clock, 20);
    cr_assert_eq(gr_sem_wait(&s, clock, &abs), -ETIMEDOUT);
    cr_assert(has_passed(clock, &abs), "too early");
    return NULL;
}

Test(sem, timed_wait_ends_at_its_deadline_and_takes_nothing)
{
    clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC};
    sem_init(&s, 0, 0);
    for (int i = 0; i < 2; i++) {
        join(spawn(expect_timeout, &clocks[i]));
        pthread_t t = foreign(expect_timeout, &clocks[i]);
        join_foreign(t);
    }
    cr_assert_eq(gr_sem_post(&s), 0);
    cr_assert_eq(value(), 1);
    cr_assert_eq(sem_trywait(&s), 0);
}

Test(sem, looks_untouched_after_contended_use)
{
    sem_t fresh = {0};
    sem_init(&fresh, 0, 0);
    sem_init(&s, 0, 0);
    struct green *g = spawn(wait_and_note, NULL);
    settle();
    gr_sem_post(&s);
    join(g);
    cr_assert_arr_eq(&s, &fresh, sizeof(s));
}

Test(sem, knows_shared_ones)
{
    sem_init(&s, 0, 0);
    cr_assert_not(gr_sem_shared(&s));
    sem_init(&s, 1, 0);
    cr_assert(gr_sem_shared(&s));
}

#define ROUNDS 20000

static void *post_often(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        cr_assert_eq(gr_sem_post(&s), 0);
        if (i % 64 == 0) {
            gr_yield();
        }
    }
    return NULL;
}

static void *wait_often(void *arg)
{
    bool timed = arg != NULL;
    for (int i = 0; i < ROUNDS;) {
        struct timespec abs = in_ms(CLOCK_MONOTONIC, 0);
        int rc = timed ? gr_sem_wait(&s, CLOCK_MONOTONIC, &abs) : wait_for_permit();
        if (rc == 0) {
            atomic_fetch_add(&taken, 1);
            i++;
        } else {
            cr_assert_eq(rc, -ETIMEDOUT);
            gr_yield();
        }
    }
    return NULL;
}

Test(sem, no_permit_is_lost_between_greens_and_kernel_threads)
{
    struct green *g[6];
    pthread_t t[4];
    sem_init(&s, 0, 0);
    for (int i = 0; i < 4; i++) {
        t[i] = foreign(i < 2 ? wait_often : post_often, i == 1 ? &s : NULL);
    }
    for (int i = 0; i < 6; i++) {
        g[i] = spawn(i < 3 ? wait_often : post_often, i == 2 ? &s : NULL);
    }
    for (int i = 0; i < 6; i++) {
        join(g[i]);
    }
    for (int i = 0; i < 4; i++) {
        join_foreign(t[i]);
    }
    cr_assert_eq(atomic_load(&taken), 5L * ROUNDS);
    cr_assert_eq(value(), 0);
}

static void *post_and_forget(void *arg)
{
    gr_sem_post(arg);
    return NULL;
}

Test(sem, may_be_destroyed_by_the_waiter_that_got_the_permit)
{
    for (int i = 0; i < 300; i++) {
        sem_t once;
        sem_init(&once, 0, 0);
        pthread_t t = foreign(post_and_forget, &once);
        cr_assert_eq(gr_sem_wait(&once, CLOCK_REALTIME, NULL), 0);
        sem_destroy(&once);
        memset(&once, 0x5a, sizeof(once));
        join_foreign(t);
        for (size_t k = 0; k < sizeof(once); k++) {
            cr_assert_eq(((char *)&once)[k], 0x5a, "touched after it was destroyed");
        }
    }
}
