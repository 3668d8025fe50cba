/* Priority-inheritance and priority-protect attributes: lock, contend, unlock. */
#include "testlib.h"

static pthread_mutex_t mutex;
static int count;

static void *body(void *arg)
{
    for (int i = 0; i < 20; i++) {
        CHECK_RC(pthread_mutex_lock(&mutex), 0);
        int seen = count;
        usleep(200);
        count = seen + 1;
        CHECK_RC(pthread_mutex_unlock(&mutex), 0);
    }
    return arg;
}

int test_main(void)
{
    pthread_mutexattr_t attr;
    pthread_t threads[5];

    CHECK_RC(pthread_mutexattr_init(&attr), 0);
    CHECK_RC(pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT), 0);
    CHECK_RC(pthread_mutex_init(&mutex, &attr), 0);
    for (int i = 0; i < 5; i++)
        threads[i] = start(body, NULL);
    for (int i = 0; i < 5; i++)
        finish(threads[i]);
    CHECK_EQ(count, 100);
    CHECK_RC(pthread_mutex_lock(&mutex), 0);
    CHECK_RC(pthread_mutex_trylock(&mutex), EBUSY);
    CHECK_RC(pthread_mutex_unlock(&mutex), 0);
    CHECK_RC(pthread_mutex_destroy(&mutex), 0);
    return 0;
}
