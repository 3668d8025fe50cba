/* Threads with different sleeps end in the order of their times, and sleeps overlap. */
#include "testlib.h"

enum { COUNT = 200 };
static int sequence[COUNT], next;

static void *body(void *arg)
{
    int rank = (int)(intptr_t)arg;

    sleep_ms(100 + rank * 40);
    sequence[flag_add(&next, 1) - 1] = rank;
    return NULL;
}

static void *same(void *arg)
{
    sleep_ms(200);
    return arg;
}

int test_main(void)
{
    static pthread_t threads[COUNT];
    enum { RANKS = 8 };

    for (intptr_t i = 0; i < RANKS; i++)
        threads[i] = start(body, (void *)(i * 5 % RANKS));
    for (int i = 0; i < RANKS; i++)
        finish(threads[i]);
    for (int i = 0; i < RANKS; i++)
        if (sequence[i] != i)
            test_inconclusive(__FILE__, __LINE__, "end %d was of thread %d", i, sequence[i]);
    int64_t begin = now_ms();
    for (int i = 0; i < COUNT; i++)
        threads[i] = start(same, NULL);
    for (int i = 0; i < COUNT; i++)
        finish(threads[i]);
    CHECK_GE(now_ms() - begin, 200);
    CHECK_LE(now_ms() - begin, 200 * COUNT / 4); /* together, not one after the other */
    return 0;
}
