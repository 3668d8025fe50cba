/* A preloaded library that shows another time: sleeps and timed waits take as long as they say, by
   its clocks. */
/* PRELOAD: lib_clock.so */
#include "testlib.h"

#include <semaphore.h>

#define WAIT_NS (20 * 1000 * 1000L)

static int64_t show(clockid_t clock)
{
    struct timespec ts;

    CHECK_RC(clock_gettime(clock, &ts), 0);
    return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static struct timespec soon(clockid_t clock)
{
    int64_t at = show(clock) + WAIT_NS;

    return (struct timespec){.tv_sec = at / 1000000000, .tv_nsec = at % 1000000000};
}

static void wait_cond(clockid_t clock)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_condattr_t attr;
    pthread_cond_t cond;
    struct timespec at = soon(clock);

    pthread_condattr_init(&attr);
    CHECK_RC(pthread_condattr_setclock(&attr, clock), 0);
    CHECK_RC(pthread_cond_init(&cond, &attr), 0);
    pthread_mutex_lock(&mutex);
    while (pthread_cond_timedwait(&cond, &mutex, &at) == 0)
        ;
    pthread_mutex_unlock(&mutex);
    pthread_cond_destroy(&cond);
}

static void wait_sem(clockid_t clock)
{
    struct timespec at = soon(clock);
    sem_t sem;

    sem_init(&sem, 0, 0);
    CHECK_EQ(sem_timedwait(&sem, &at), -1);
    CHECK_EQ(errno, ETIMEDOUT);
}

static void sleep_until_soon(clockid_t clock)
{
    struct timespec at = soon(clock);

    CHECK_RC(clock_nanosleep(clock, TIMER_ABSTIME, &at, NULL), 0);
}

static void sleep_a_while(clockid_t clock)
{
    struct timespec ts = {.tv_nsec = WAIT_NS};

    CHECK_RC(clock_nanosleep(clock, 0, &ts, NULL), 0);
}

static void sleep_microseconds(clockid_t clock)
{
    (void)clock;
    usleep(WAIT_NS / 1000);
}

struct test {
    void (*wait)(clockid_t clock);
    clockid_t clock;
};

static void *timed(void *arg)
{
    const struct test *t = arg;
    int64_t begin = show(t->clock);

    t->wait(t->clock);
    CHECK_GE(show(t->clock) - begin, WAIT_NS);
    return NULL;
}

int test_main(void)
{
    static struct test tests[] = {
        {wait_cond, CLOCK_REALTIME},         {wait_cond, CLOCK_MONOTONIC},
        {wait_sem, CLOCK_REALTIME},          {sleep_until_soon, CLOCK_REALTIME},
        {sleep_until_soon, CLOCK_MONOTONIC}, {sleep_a_while, CLOCK_REALTIME},
        {sleep_a_while, CLOCK_MONOTONIC},    {sleep_microseconds, CLOCK_MONOTONIC},
    };
    enum { N = sizeof(tests) / sizeof(tests[0]) };
    pthread_t threads[N];

    for (int i = 0; i < N; i++)
        timed(&tests[i]);
    for (int i = 0; i < N; i++)
        threads[i] = start(timed, &tests[i]);
    for (int i = 0; i < N; i++)
        finish(threads[i]);
    return 0;
}
