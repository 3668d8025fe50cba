/* Things done once, by greens and by kernel threads that run no hub. */
#include "runtime/sync/once.h"

#include "sync.h"

#include <unistd.h>

TestSuite(once, .init = start, .timeout = 60);

static pthread_once_t word = PTHREAD_ONCE_INIT;
static atomic_int runs;
static atomic_bool finished;

static void slow_init(void)
{
    atomic_fetch_add(&runs, 1);
    (void)gr_sleep_until(gr_now() + MS(20), 0);
    atomic_store(&finished, true);
}

static void *call(void *arg)
{
    (void)arg;
    gr_once(&word, slow_init);
    cr_assert(atomic_load(&finished), "returned before it was done");
    return NULL;
}

Test(once, init_that_sleeps_runs_once_and_others_wait_for_it)
{
    struct green *g[5];
    pthread_t t[3];
    for (int i = 0; i < 5; i++) {
        g[i] = spawn(call, NULL);
    }
    for (int i = 0; i < 3; i++) {
        t[i] = foreign(call, NULL);
    }
    for (int i = 0; i < 5; i++) {
        join(g[i]);
    }
    for (int i = 0; i < 3; i++) {
        join_foreign(t[i]);
    }
    cr_assert_eq(runs, 1);
    cr_assert_eq(word, GR_ONCE_DONE);
}

static void init_that_ends_its_thread(void)
{
    if (atomic_fetch_add(&runs, 1) == 0) {
        gr_yield();
        gr_self->retval = (void *)5;
        pthread_exit((void *)5);
    }
}

static void *call_ending(void *arg)
{
    (void)arg;
    gr_once(&word, init_that_ends_its_thread);
    return NULL;
}

Test(once, init_that_did_not_return_is_run_by_the_next)
{
    struct green *a = spawn(call_ending, NULL);
    struct green *b = spawn(call_ending, NULL);
    cr_assert_eq((intptr_t)join(a), 5);
    cr_assert_eq((intptr_t)join(b), 0);
    cr_assert_eq(runs, 2);
    cr_assert_eq(word, GR_ONCE_DONE);
}

static void quick_init(void)
{
    atomic_fetch_add(&runs, 1);
}

Test(once, work_begun_in_a_parent_process_is_begun_again)
{
    word = GR_ONCE_BUSY | 1 << 30 | (int)((unsigned)getppid() << 2);
    gr_once(&word, quick_init);
    cr_assert_eq(runs, 1);
    cr_assert_eq(word, GR_ONCE_DONE);
}

static void init_by_libc(void)
{
    start();
    spawn(call, NULL);
    settle(); /* the green waits now */
    cr_assert_not(atomic_load(&finished));
    atomic_store(&finished, true);
}

Test(once_before_start, begun_by_libc_is_awaited)
{
    pthread_once(&word, init_by_libc);
    gr_once_wake(&word);
    settle();
    cr_assert_eq(gr_self->hub->n_greens, 1, "still waits");
    cr_assert_eq(runs, 0);
}
