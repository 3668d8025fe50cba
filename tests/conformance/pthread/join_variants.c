/* pthread_tryjoin_np, timedjoin_np, clockjoin_np: EBUSY, ETIMEDOUT not early, values. */
#include "testlib.h"

static void *body(void *arg)
{
    flag_wait(arg, 1);
    return arg;
}

int test_main(void)
{
    int flag = 0;
    void *value = NULL;
    pthread_t thread = start(body, &flag);
    struct timespec ts;

    CHECK_RC(pthread_tryjoin_np(thread, &value), EBUSY);
    TAKES(50, ({
              ts = ts_after(CLOCK_REALTIME, 51);
              CHECK_RC(pthread_timedjoin_np(thread, &value, &ts), ETIMEDOUT);
          }));
    TAKES(50, ({
              ts = ts_after(CLOCK_MONOTONIC, 50);
              CHECK_RC(pthread_clockjoin_np(thread, &value, CLOCK_MONOTONIC, &ts), ETIMEDOUT);
          }));
    ts = ts_after(CLOCK_REALTIME, -1000);
    CHECK_RC(pthread_timedjoin_np(thread, &value, &ts), ETIMEDOUT);
    flag_set(&flag, 1);
    ts = ts_after(CLOCK_REALTIME, 20000);
    CHECK_RC(pthread_timedjoin_np(thread, &value, &ts), 0);
    CHECK(value == &flag);

    thread = start(body, &flag);
    int rc;
    while ((rc = pthread_tryjoin_np(thread, &value)) == EBUSY)
        usleep(500);
    CHECK_RC(rc, 0);
    CHECK(value == &flag);

    thread = start(body, &flag);
    CHECK_RC(pthread_timedjoin_np(thread, &value, NULL), 0);
    CHECK(value == &flag);
    return 0;
}
