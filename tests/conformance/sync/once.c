/* pthread_once: one call, everybody waits for its end even if it sleeps; nested onces. */
#include "testlib.h"

static pthread_once_t slow_once = PTHREAD_ONCE_INIT, outer_once = PTHREAD_ONCE_INIT,
                      inner_once = PTHREAD_ONCE_INIT;
static int calls, done, inner_calls, outer_calls;

static void slow(void)
{
    calls++;
    usleep(50000);
    flag_set(&done, 1);
}

static void inner(void)
{
    usleep(5000);
    inner_calls++;
}

static void outer(void)
{
    CHECK_RC(pthread_once(&inner_once, inner), 0);
    outer_calls++;
}

static void *body(void *arg)
{
    CHECK_RC(pthread_once(&slow_once, slow), 0);
    CHECK_EQ(flag_get(&done), 1);
    CHECK_RC(pthread_once((intptr_t)arg % 2 ? &outer_once : &inner_once,
                          (intptr_t)arg % 2 ? outer : inner),
             0);
    return NULL;
}

int test_main(void)
{
    pthread_t threads[20];

    for (intptr_t i = 0; i < 20; i++)
        threads[i] = start(body, (void *)i);
    for (int i = 0; i < 20; i++)
        finish(threads[i]);
    CHECK_EQ(calls, 1);
    CHECK_EQ(inner_calls, 1);
    CHECK_EQ(outer_calls, 1);
    return 0;
}
