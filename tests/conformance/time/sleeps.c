/* The sleep family: never early, EINVAL, absolute and past times, while others run. */
#include "testlib.h"

#include <sys/time.h>

static int64_t real_ns(clockid_t clock)
{
    struct timespec ts;

    SYS(clock_gettime(clock, &ts));
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void *sleeper(void *arg)
{
    int us = (int)(intptr_t)arg;

    for (int i = 0; i < 20; i++) {
        int64_t begin = now_ns();

        CHECK_EQ(usleep((useconds_t)us), 0);
        CHECK_GE(now_ns() - begin, (int64_t)us * 1000);
    }
    return NULL;
}

int test_main(void)
{
    struct timespec ts;
    pthread_t threads[20];

    for (intptr_t i = 0; i < 20; i++)
        threads[i] = start(sleeper, (void *)(i * 150));
    for (int i = 0; i < 20; i++)
        finish(threads[i]);

    TAKES(40, CHECK_EQ(usleep(40000), 0));
    TAKES(1000, CHECK_EQ(sleep(1), 0));
    CHECK_EQ(sleep(0), 0);
    ts = ts_of_ms(40);
    TAKES(40, CHECK_EQ(nanosleep(&ts, NULL), 0));
    TAKES(40, CHECK_EQ(clock_nanosleep(CLOCK_REALTIME, 0, &ts, NULL), 0));
    TAKES(40, CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL), 0));
    TAKES(40, CHECK_EQ(clock_nanosleep(CLOCK_BOOTTIME, 0, &ts, NULL), 0));
    static const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI};
    for (int i = 0; i < 4; i++) {
        ts = ts_after(clocks[i], 40);
        TAKES(39, CHECK_RC(clock_nanosleep(clocks[i], TIMER_ABSTIME, &ts, NULL), 0));
        CHECK_GE(real_ns(clocks[i]), (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec);
        ts = ts_after(clocks[i], -5000);
        CHECK_RC(clock_nanosleep(clocks[i], TIMER_ABSTIME, &ts, NULL), 0);
    }
    ts = (struct timespec){.tv_nsec = 1000000000};
    CHECK_ERRNO(nanosleep(&ts, NULL), EINVAL);
    CHECK_RC(clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL), EINVAL);
    ts = (struct timespec){.tv_nsec = -1};
    CHECK_ERRNO(nanosleep(&ts, NULL), EINVAL);
    ts = (struct timespec){.tv_sec = -1};
    CHECK_ERRNO(nanosleep(&ts, NULL), EINVAL);
    CHECK_RC(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &ts, NULL), EINVAL);
    CHECK_RC(clock_nanosleep(12345, 0, &ts, NULL), EINVAL);
    ts = (struct timespec){.tv_sec = 0};
    CHECK_EQ(nanosleep(&ts, NULL), 0);
    /* errno is left alone */
    errno = 77;
    usleep(1000);
    CHECK_EQ(errno, 77);
    return 0;
}
