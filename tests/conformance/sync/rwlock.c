/* Read-write locks: readers share, writers exclude, try and timed forms, EDEADLK. */
#include "testlib.h"

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static int readers, writers, peak, go, sum;

static void *reader(void *arg)
{
    CHECK_RC(pthread_rwlock_rdlock(&lock), 0);
    int now = flag_add(&readers, 1);
    if (now > flag_get(&peak))
        flag_set(&peak, now);
    flag_wait(&go, 1);
    CHECK_EQ(flag_get(&writers), 0);
    flag_add(&readers, -1);
    CHECK_RC(pthread_rwlock_unlock(&lock), 0);
    return arg;
}

static void *writer(void *arg)
{
    for (int i = 0; i < 20; i++) {
        CHECK_RC(pthread_rwlock_wrlock(&lock), 0);
        CHECK_EQ(flag_add(&writers, 1), 1);
        CHECK_EQ(flag_get(&readers), 0);
        usleep(300);
        sum++;
        flag_add(&writers, -1);
        CHECK_RC(pthread_rwlock_unlock(&lock), 0);
        usleep(200);
    }
    return arg;
}

static void *try_while_read(void *arg)
{
    struct timespec ts = ts_after(CLOCK_REALTIME, 30);

    CHECK_RC(pthread_rwlock_tryrdlock(&lock), 0);
    CHECK_RC(pthread_rwlock_unlock(&lock), 0);
    CHECK_RC(pthread_rwlock_trywrlock(&lock), EBUSY);
    CHECK_RC(pthread_rwlock_timedwrlock(&lock, &ts), ETIMEDOUT);
    TAKES(30, ({
              ts = ts_after(CLOCK_MONOTONIC, 30);
              CHECK_RC(pthread_rwlock_clockwrlock(&lock, CLOCK_MONOTONIC, &ts), ETIMEDOUT);
          }));
    ts.tv_nsec = -1;
    CHECK_RC(pthread_rwlock_timedwrlock(&lock, &ts), EINVAL);
    return arg;
}

static void *try_while_written(void *arg)
{
    struct timespec ts;

    CHECK_RC(pthread_rwlock_tryrdlock(&lock), EBUSY);
    CHECK_RC(pthread_rwlock_trywrlock(&lock), EBUSY);
    TAKES(30, ({
              ts = ts_after(CLOCK_MONOTONIC, 30);
              CHECK_RC(pthread_rwlock_clockrdlock(&lock, CLOCK_MONOTONIC, &ts), ETIMEDOUT);
          }));
    ts = ts_after(CLOCK_REALTIME, -1000);
    CHECK_RC(pthread_rwlock_timedrdlock(&lock, &ts), ETIMEDOUT);
    return arg;
}

int test_main(void)
{
    pthread_t threads[20];

    for (int i = 0; i < 10; i++)
        threads[i] = start(reader, NULL);
    flag_wait(&readers, 10);
    CHECK_EQ(peak, 10);
    finish(start(try_while_read, NULL));
    flag_set(&go, 1);
    for (int i = 0; i < 10; i++)
        finish(threads[i]);

    CHECK_RC(pthread_rwlock_wrlock(&lock), 0);
    CHECK_RC(pthread_rwlock_rdlock(&lock), EDEADLK);
    CHECK_RC(pthread_rwlock_wrlock(&lock), EDEADLK);
    finish(start(try_while_written, NULL));
    CHECK_RC(pthread_rwlock_unlock(&lock), 0);
    CHECK_RC(pthread_rwlock_tryrdlock(&lock), 0);
    CHECK_RC(pthread_rwlock_rdlock(&lock), 0); /* read locks nest */
    CHECK_RC(pthread_rwlock_unlock(&lock), 0);
    CHECK_RC(pthread_rwlock_unlock(&lock), 0);

    for (int i = 0; i < 20; i++)
        threads[i] = start(i % 2 ? reader : writer, NULL);
    for (int i = 0; i < 20; i++)
        finish(threads[i]);
    CHECK_EQ(sum, 200);
    CHECK_RC(pthread_rwlock_destroy(&lock), 0);

    pthread_rwlockattr_t attr;
    int kind = -1;
    CHECK_RC(pthread_rwlockattr_init(&attr), 0);
    CHECK_RC(pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP), 0);
    CHECK_RC(pthread_rwlockattr_getkind_np(&attr, &kind), 0);
    CHECK_EQ(kind, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    CHECK_RC(pthread_rwlock_init(&lock, &attr), 0);
    sum = 0;
    threads[0] = start(writer, NULL);
    threads[1] = start(reader, NULL);
    finish(threads[0]);
    finish(threads[1]);
    CHECK_EQ(sum, 20);
    return 0;
}
