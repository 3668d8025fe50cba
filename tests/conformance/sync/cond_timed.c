/* pthread_cond_timedwait on both clocks and clockwait: never early, the mutex is held after. */
#include "testlib.h"

static pthread_mutex_t mutex = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
static pthread_cond_t cond;

static void not_before(clockid_t clock, struct timespec want)
{
    struct timespec now;

    SYS(clock_gettime(clock, &now));
    CHECK(now.tv_sec > want.tv_sec || (now.tv_sec == want.tv_sec && now.tv_nsec >= want.tv_nsec));
}

static void *signaller(void *arg)
{
    pthread_mutex_lock(&mutex);
    *(int *)arg = 1;
    pthread_cond_signal(&cond);
    pthread_mutex_unlock(&mutex);
    return NULL;
}

static int wait_flag_until(int *flag, clockid_t clock, struct timespec ts)
{
    int rc = 0;

    while (!*flag && rc == 0)
        rc = pthread_cond_clockwait(&cond, &mutex, clock, &ts);
    return rc;
}

int test_main(void)
{
    static const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC};
    pthread_condattr_t attr;
    struct timespec ts;
    clockid_t clock;
    int flag;

    for (int i = 0; i < 2; i++) {
        CHECK_RC(pthread_condattr_init(&attr), 0);
        CHECK_RC(pthread_condattr_setclock(&attr, clocks[i]), 0);
        CHECK_RC(pthread_condattr_getclock(&attr, &clock), 0);
        CHECK_EQ(clock, clocks[i]);
        CHECK_RC(pthread_condattr_setclock(&attr, CLOCK_PROCESS_CPUTIME_ID), EINVAL);
        CHECK_RC(pthread_cond_init(&cond, &attr), 0);
        CHECK_RC(pthread_condattr_destroy(&attr), 0);
        CHECK_RC(pthread_mutex_lock(&mutex), 0);
        for (int j = 0; j < 5; j++) {
            TAKES(29, ({
                      ts = ts_after(clocks[i], 30);
                      int rc;
                      while ((rc = pthread_cond_timedwait(&cond, &mutex, &ts)) == 0)
                          ;
                      CHECK_RC(rc, ETIMEDOUT);
                  }));
            not_before(clocks[i], ts);
            CHECK_RC(pthread_mutex_lock(&mutex), EDEADLK); /* held */
            ts = ts_after(clocks[1 - i], 7);
            flag = 0;
            CHECK_RC(wait_flag_until(&flag, clocks[1 - i], ts), ETIMEDOUT);
            not_before(clocks[1 - i], ts);
        }
        ts = ts_after(clocks[i], -1000);
        CHECK_RC(pthread_cond_timedwait(&cond, &mutex, &ts), ETIMEDOUT);
        CHECK_RC(pthread_mutex_lock(&mutex), EDEADLK);
        ts.tv_nsec = 1000000000;
        CHECK_RC(pthread_cond_timedwait(&cond, &mutex, &ts), EINVAL);
        ts.tv_nsec = -1;
        CHECK_RC(pthread_cond_timedwait(&cond, &mutex, &ts), EINVAL);

        /* signalled long before the time */
        flag = 0;
        pthread_t thread = start(signaller, &flag);
        CHECK_RC(wait_flag_until(&flag, clocks[i], ts_after(clocks[i], 20000)), 0);
        CHECK_EQ(flag, 1);
        CHECK_RC(pthread_mutex_unlock(&mutex), 0);
        finish(thread);
        CHECK_RC(pthread_cond_destroy(&cond), 0);
    }
    return 0;
}
