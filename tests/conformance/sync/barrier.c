/* Barriers: nobody passes early, exactly one PTHREAD_BARRIER_SERIAL_THREAD, reuse. */
#include "testlib.h"

enum { COUNT = 10, ROUNDS = 30 };
static pthread_barrier_t barrier;
static int arrived[ROUNDS], serial[ROUNDS];

static void *body(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        if (((intptr_t)arg + i) % 3 == 0)
            usleep(500);
        flag_add(&arrived[i], 1);
        int rc = pthread_barrier_wait(&barrier);
        CHECK_EQ(flag_get(&arrived[i]), COUNT);
        if (rc == PTHREAD_BARRIER_SERIAL_THREAD)
            flag_add(&serial[i], 1);
        else
            CHECK_RC(rc, 0);
    }
    return NULL;
}

int test_main(void)
{
    pthread_t threads[COUNT];

    CHECK_RC(pthread_barrier_init(&barrier, NULL, 0), EINVAL);
    CHECK_RC(pthread_barrier_init(&barrier, NULL, COUNT), 0);
    for (intptr_t i = 0; i < COUNT; i++)
        threads[i] = start(body, (void *)i);
    for (int i = 0; i < COUNT; i++)
        finish(threads[i]);
    for (int i = 0; i < ROUNDS; i++)
        CHECK_EQ(serial[i], 1);
    CHECK_RC(pthread_barrier_destroy(&barrier), 0);
    CHECK_RC(pthread_barrier_init(&barrier, NULL, 1), 0);
    CHECK_EQ(pthread_barrier_wait(&barrier), PTHREAD_BARRIER_SERIAL_THREAD);
    CHECK_RC(pthread_barrier_destroy(&barrier), 0);
    return 0;
}
