/* Robust mutexes: EOWNERDEAD after the owner ended, consistent, ENOTRECOVERABLE; who may unlock. */
#include "testlib.h"

static pthread_mutex_t mutex;

static void *die_holding(void *arg)
{
    CHECK_RC(pthread_mutex_lock(&mutex), 0);
    return arg;
}

static void init(int type, int shared)
{
    pthread_mutexattr_t attr;

    CHECK_RC(pthread_mutexattr_init(&attr), 0);
    CHECK_RC(pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST), 0);
    CHECK_RC(pthread_mutexattr_settype(&attr, type), 0);
    CHECK_RC(pthread_mutexattr_setpshared(&attr, shared), 0);
    CHECK_RC(pthread_mutex_init(&mutex, &attr), 0);
    CHECK_RC(pthread_mutexattr_destroy(&attr), 0);
}

/* Another thread holds it. */
static void *not_mine(void *arg)
{
    struct timespec end = ts_after(CLOCK_REALTIME, 2);

    CHECK_RC(pthread_mutex_unlock(&mutex), EPERM);
    CHECK_RC(pthread_mutex_trylock(&mutex), EBUSY);
    CHECK_RC(pthread_mutex_timedlock(&mutex, &end), ETIMEDOUT);
    CHECK_RC(pthread_mutex_unlock(&mutex), EPERM);
    return arg;
}

static void held(int type)
{
    struct timespec end = ts_after(CLOCK_REALTIME, 2);
    int again = type == PTHREAD_MUTEX_RECURSIVE    ? 0
                : type == PTHREAD_MUTEX_ERRORCHECK ? EDEADLK
                                                   : ETIMEDOUT;

    CHECK_RC(pthread_mutex_lock(&mutex), 0);
    finish(start(not_mine, NULL));
    CHECK_RC(pthread_mutex_timedlock(&mutex, &end), again);
    if (again == 0)
        CHECK_RC(pthread_mutex_unlock(&mutex), 0);
    finish(start(not_mine, NULL));
    CHECK_RC(pthread_mutex_unlock(&mutex), 0);
    CHECK_RC(pthread_mutex_unlock(&mutex), EPERM);
}

static void owner_ends(void)
{
    finish(start(die_holding, NULL));
    CHECK_RC(pthread_mutex_unlock(&mutex), EPERM);
    CHECK_RC(pthread_mutex_lock(&mutex), EOWNERDEAD);
    finish(start(not_mine, NULL));
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
}

int test_main(void)
{
    static const int types[] = {PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE,
                                PTHREAD_MUTEX_ERRORCHECK};

    for (int i = 0; i < 6; i++) {
        init(types[i % 3], i < 3 ? PTHREAD_PROCESS_PRIVATE : PTHREAD_PROCESS_SHARED);
        held(types[i % 3]);
        owner_ends();
    }
    return 0;
}
