/* Mutex types and static initialisers: relock, trylock, unlock by another thread. */
#include "testlib.h"

static pthread_mutex_t plain = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t recursive = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static pthread_mutex_t checking = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
static pthread_mutex_t adaptive = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP;

struct
try {
    pthread_mutex_t *mutex;
    int lock, unlock;
};

static void *try_it(void *arg)
{
    struct try *try = arg;

    try->lock = pthread_mutex_trylock(try->mutex);
    if (try->lock == 0)
        CHECK_RC(pthread_mutex_unlock(try->mutex), 0);
    try->unlock = pthread_mutex_unlock(try->mutex);
    return NULL;
}

static void by_other(pthread_mutex_t *mutex, int want_lock, int want_unlock)
{
    struct try try = {mutex, -1, -1};

    if (want_unlock == 0)
        return; /* undefined for this type: not asked */
    finish(start(try_it, &try));
    CHECK_RC(try.lock, want_lock);
    CHECK_RC(try.unlock, want_unlock);
}

static void *only_try(void *arg)
{
    struct try *try = arg;

    try->lock = pthread_mutex_trylock(try->mutex);
    return NULL;
}

static void check_plain(pthread_mutex_t *mutex)
{
    struct try try = {mutex, -1, -1};

    CHECK_RC(pthread_mutex_lock(mutex), 0);
    CHECK_RC(pthread_mutex_trylock(mutex), EBUSY);
    finish(start(only_try, &try));
    CHECK_RC(try.lock, EBUSY);
    CHECK_RC(pthread_mutex_unlock(mutex), 0);
    CHECK_RC(pthread_mutex_trylock(mutex), 0);
    CHECK_RC(pthread_mutex_unlock(mutex), 0);
}

static void check_recursive(pthread_mutex_t *mutex)
{
    for (int i = 0; i < 1000; i++)
        CHECK_RC(pthread_mutex_lock(mutex), 0);
    CHECK_RC(pthread_mutex_trylock(mutex), 0);
    by_other(mutex, EBUSY, EPERM);
    for (int i = 0; i < 1001; i++)
        CHECK_RC(pthread_mutex_unlock(mutex), 0);
    CHECK_RC(pthread_mutex_unlock(mutex), EPERM);
    by_other(mutex, 0, EPERM);
}

static void check_errors(pthread_mutex_t *mutex)
{
    struct timespec ts = ts_after(CLOCK_REALTIME, 1000);

    CHECK_RC(pthread_mutex_unlock(mutex), EPERM);
    CHECK_RC(pthread_mutex_lock(mutex), 0);
    CHECK_RC(pthread_mutex_lock(mutex), EDEADLK);
    CHECK_RC(pthread_mutex_timedlock(mutex, &ts), EDEADLK);
    CHECK_RC(pthread_mutex_trylock(mutex), EBUSY);
    by_other(mutex, EBUSY, EPERM);
    CHECK_RC(pthread_mutex_unlock(mutex), 0);
    CHECK_RC(pthread_mutex_unlock(mutex), EPERM);
    by_other(mutex, 0, EPERM);
}

static void with_attr(int type, void (*check)(pthread_mutex_t *))
{
    pthread_mutexattr_t attr;
    pthread_mutex_t mutex;
    int got = -1;

    CHECK_RC(pthread_mutexattr_init(&attr), 0);
    CHECK_RC(pthread_mutexattr_settype(&attr, type), 0);
    CHECK_RC(pthread_mutexattr_gettype(&attr, &got), 0);
    CHECK_EQ(got, type);
    CHECK_RC(pthread_mutex_init(&mutex, &attr), 0);
    CHECK_RC(pthread_mutexattr_destroy(&attr), 0);
    for (int i = 0; i < 3; i++)
        check(&mutex);
    CHECK_RC(pthread_mutex_destroy(&mutex), 0);
}

int test_main(void)
{
    pthread_mutexattr_t attr;
    pthread_mutex_t mutex;
    int got = -1;

    check_plain(&plain);
    check_plain(&adaptive);
    check_recursive(&recursive);
    check_errors(&checking);
    with_attr(PTHREAD_MUTEX_NORMAL, check_plain);
    with_attr(PTHREAD_MUTEX_DEFAULT, check_plain);
    with_attr(PTHREAD_MUTEX_ADAPTIVE_NP, check_plain);
    with_attr(PTHREAD_MUTEX_RECURSIVE, check_recursive);
    with_attr(PTHREAD_MUTEX_ERRORCHECK, check_errors);

    CHECK_RC(pthread_mutexattr_init(&attr), 0);
    CHECK_RC(pthread_mutexattr_settype(&attr, 99), EINVAL);
    CHECK_RC(pthread_mutexattr_getpshared(&attr, &got), 0);
    CHECK_EQ(got, PTHREAD_PROCESS_PRIVATE);
    CHECK_RC(pthread_mutexattr_getrobust(&attr, &got), 0);
    CHECK_EQ(got, PTHREAD_MUTEX_STALLED);
    CHECK_RC(pthread_mutexattr_getprotocol(&attr, &got), 0);
    CHECK_EQ(got, PTHREAD_PRIO_NONE);
    CHECK_RC(pthread_mutex_init(&mutex, &attr), 0);
    CHECK_RC(pthread_mutex_lock(&mutex), 0);
    CHECK_RC(pthread_mutex_destroy(&mutex), EBUSY);
    CHECK_RC(pthread_mutex_unlock(&mutex), 0);
    CHECK_RC(pthread_mutex_destroy(&mutex), 0);
    return 0;
}
