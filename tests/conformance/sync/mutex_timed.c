/* pthread_mutex_timedlock and clocklock: never early, past times, bad times, success. */
#include "testlib.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int release;

static void *holder(void *arg)
{
    pthread_mutex_lock(&mutex);
    flag_set(arg, 1);
    flag_wait(&release, 1);
    pthread_mutex_unlock(&mutex);
    return NULL;
}

int test_main(void)
{
    struct timespec ts = {.tv_sec = 0, .tv_nsec = 0};
    int held = 0;

    /* free: taken at once, whatever the time */
    CHECK_RC(pthread_mutex_timedlock(&mutex, &ts), 0);
    pthread_mutex_unlock(&mutex);

    pthread_t thread = start(holder, &held);
    flag_wait(&held, 1);
    for (int i = 0; i < 5; i++) {
        TAKES(30, ({
                  ts = ts_after(CLOCK_MONOTONIC, 30);
                  CHECK_RC(pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &ts), ETIMEDOUT);
              }));
        ts = ts_after(CLOCK_REALTIME, 30);
        CHECK_RC(pthread_mutex_timedlock(&mutex, &ts), ETIMEDOUT);
        struct timespec now = ts_after(CLOCK_REALTIME, 0);
        CHECK(now.tv_sec > ts.tv_sec || (now.tv_sec == ts.tv_sec && now.tv_nsec >= ts.tv_nsec));
    }
    ts = ts_after(CLOCK_REALTIME, -5000);
    CHECK_RC(pthread_mutex_timedlock(&mutex, &ts), ETIMEDOUT);
    ts.tv_sec = -5;
    CHECK_RC(pthread_mutex_timedlock(&mutex, &ts), ETIMEDOUT);
    ts = ts_after(CLOCK_REALTIME, 5000);
    ts.tv_nsec = -1;
    CHECK_RC(pthread_mutex_timedlock(&mutex, &ts), EINVAL);
    ts.tv_nsec = 1000000000;
    CHECK_RC(pthread_mutex_timedlock(&mutex, &ts), EINVAL);
    CHECK_RC(pthread_mutex_clocklock(&mutex, CLOCK_PROCESS_CPUTIME_ID, &ts), EINVAL);

    flag_set(&release, 1);
    ts = ts_after(CLOCK_REALTIME, 20000);
    CHECK_RC(pthread_mutex_timedlock(&mutex, &ts), 0);
    finish(thread);
    CHECK_RC(pthread_mutex_trylock(&mutex), EBUSY);
    pthread_mutex_unlock(&mutex);
    return 0;
}
