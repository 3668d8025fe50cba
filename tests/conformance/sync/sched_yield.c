/* sched_yield lets others run: two threads hand a turn to each other by yielding only. */
#include "testlib.h"

#include <sched.h>

static int turn;

static void *body(void *arg)
{
    int self = (int)(intptr_t)arg;

    for (int i = 0; i < 500; i++) {
        while (flag_get(&turn) % 3 != self)
            CHECK_EQ(sched_yield(), 0);
        flag_add(&turn, 1);
    }
    return NULL;
}

static void *yield_pthread(void *arg)
{
    int (*yield)(void) = sched_yield;

    for (int i = 0; i < 100; i++)
        CHECK_EQ(yield(), 0);
    return arg;
}

int test_main(void)
{
    pthread_t threads[3];

    for (intptr_t i = 0; i < 3; i++)
        threads[i] = start(body, (void *)i);
    for (int i = 0; i < 3; i++)
        finish(threads[i]);
    CHECK_EQ(turn, 1500);
    finish(start(yield_pthread, NULL));
    return 0;
}
