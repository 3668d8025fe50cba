/* Robust mutexes: EOWNERDEAD after the owner ended, consistent, ENOTRECOVERABLE. */
#include "testlib.h"

static pthread_mutex_t mutex;

static void *die_holding(void *arg)
{
    CHECK_RC(pthread_mutex_lock(&mutex), 0);
    return arg;
}

static void init(void)
{
    pthread_mutexattr_t attr;

    CHECK_RC(pthread_mutexattr_init(&attr), 0);
    CHECK_RC(pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST), 0);
    CHECK_RC(pthread_mutex_init(&mutex, &attr), 0);
    CHECK_RC(pthread_mutexattr_destroy(&attr), 0);
}

int test_main(void)
{
    init();
    finish(start(die_holding, NULL));
    CHECK_RC(pthread_mutex_lock(&mutex), EOWNERDEAD);
    CHECK_RC(pthread_mutex_consistent(&mutex), 0);
    CHECK_RC(pthread_mutex_unlock(&mutex), 0);
    CHECK_RC(pthread_mutex_lock(&mutex), 0);
    CHECK_RC(pthread_mutex_consistent(&mutex), EINVAL);
    CHECK_RC(pthread_mutex_unlock(&mutex), 0);

    finish(start(die_holding, NULL));
    CHECK_RC(pthread_mutex_trylock(&mutex), EOWNERDEAD);
    CHECK_RC(pthread_mutex_unlock(&mutex), 0);
    CHECK_RC(pthread_mutex_lock(&mutex), ENOTRECOVERABLE);
    CHECK_RC(pthread_mutex_destroy(&mutex), 0);
    return 0;
}
