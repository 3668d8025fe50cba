/* Megabytes of thread-local variables, aligned to a page: each thread has its own, as initialised.
 */
#include "testlib.h"

enum { ROUNDS = 20, THREADS = 8 };

static __thread char zeros[3 << 20];
static __thread int initial[1000] = {[0] = 7, [999] = 8};
static __thread char aligned[5] __attribute__((aligned(4096)));

static void *body(void *arg)
{
    CHECK_EQ(initial[0], 7);
    CHECK_EQ(initial[999], 8);
    CHECK_EQ((uintptr_t)aligned % 4096, 0);
    for (size_t i = 0; i < sizeof(zeros); i += 1000)
        CHECK_EQ(zeros[i], 0);
    initial[0] = initial[999] = 1;
    memset(aligned, 1, sizeof(aligned));
    memset(zeros, (int)(intptr_t)arg, sizeof(zeros));
    usleep(500);
    CHECK_EQ(zeros[0], (intptr_t)arg);
    CHECK_EQ(zeros[sizeof(zeros) - 1], (intptr_t)arg);
    return NULL;
}

int test_main(void)
{
    pthread_t threads[THREADS];

    for (int round = 0; round < ROUNDS; round++) {
        for (intptr_t i = 0; i < THREADS; i++)
            threads[i] = start(body, (void *)(i + 1));
        for (int i = 0; i < THREADS; i++)
            finish(threads[i]);
    }
    return 0;
}
