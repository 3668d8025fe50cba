/* syscall(SYS_futex): WAIT, WAKE, WAIT_BITSET, WAKE_BITSET, counts, EAGAIN, timeouts. */
#include "testlib.h"

#include <linux/futex.h>
#include <sys/syscall.h>

static int word, waiting, woken[3];

static long futex(int *at, int op, int value, const struct timespec *ts, int *at2, int value3)
{
    return syscall(SYS_futex, at, op, value, ts, at2, value3);
}

static void *waiter(void *arg)
{
    flag_add(&waiting, 1);
    while (flag_get(&word) == 0)
        if (futex(&word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0) == -1)
            CHECK_EQ(errno, EAGAIN);
    return arg;
}

static void *one_wait(void *arg)
{
    flag_add(&waiting, 1);
    CHECK_EQ(futex(&word, FUTEX_WAIT, 0, NULL, NULL, 0), 0);
    flag_add(arg, 1);
    return arg;
}

static void *bit_wait(void *arg)
{
    int which = (int)(intptr_t)arg;

    flag_add(&waiting, 1);
    CHECK_EQ(futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, 1 << which), 0);
    flag_add(&woken[which], 1);
    return NULL;
}

/* until the kernel or the library has them asleep: wakes are counted, so none may be missed */
static void wake_all(int op, int want, int bits)
{
    int total = 0;

    for (int i = 0; i < 20000 && total < want; i++) {
        total += (int)SYS(futex(&word, op, want - total, NULL, NULL, bits));
        usleep(200);
    }
    CHECK_EQ(total, want);
}

int test_main(void)
{
    pthread_t threads[20];
    struct timespec ts;
    int count = 0;

    CHECK_ERRNO(futex(&word, FUTEX_WAIT, 1, NULL, NULL, 0), EAGAIN);
    CHECK_EQ(futex(&word, FUTEX_WAKE, 10, NULL, NULL, 0), 0);
    ts = ts_of_ms(50);
    TAKES(50, CHECK_ERRNO(futex(&word, FUTEX_WAIT_PRIVATE, 0, &ts, NULL, 0), ETIMEDOUT));
    TAKES(49, ({
              ts = ts_after(CLOCK_MONOTONIC, 50);
              CHECK_ERRNO(futex(&word, FUTEX_WAIT_BITSET, 0, &ts, NULL, -1), ETIMEDOUT);
          }));
    TAKES(49, ({
              ts = ts_after(CLOCK_REALTIME, 50);
              CHECK_ERRNO(futex(&word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &ts, NULL, -1),
                          ETIMEDOUT);
          }));
    ts = ts_after(CLOCK_MONOTONIC, -1000);
    CHECK_ERRNO(futex(&word, FUTEX_WAIT_BITSET, 0, &ts, NULL, -1), ETIMEDOUT);
    ts.tv_nsec = -1;
    CHECK_ERRNO(futex(&word, FUTEX_WAIT, 0, &ts, NULL, 0), EINVAL);
    CHECK_ERRNO(futex(&word, FUTEX_WAIT_BITSET, 0, NULL, NULL, 0), EINVAL);
    CHECK_ERRNO(futex((int *)((char *)&word + 1), FUTEX_WAIT, 0, NULL, NULL, 0), EINVAL);
    CHECK_ERRNO(futex(&word, 126, 0, NULL, NULL, 0), ENOSYS);

    for (int i = 0; i < 20; i++)
        threads[i] = start(waiter, NULL);
    flag_wait(&waiting, 20);
    settle();
    flag_set(&word, 1);
    CHECK_GE(futex(&word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0), 0);
    for (int i = 0; i < 20; i++)
        finish(threads[i]);

    /* counted one by one: shared and private keys are apart */
    flag_set(&word, 0);
    flag_set(&waiting, 0);
    for (int i = 0; i < 10; i++)
        threads[i] = start(one_wait, &count);
    flag_wait(&waiting, 10);
    settle();
    for (int i = 0; i < 10; i++) {
        wake_all(FUTEX_WAKE, 1, 0);
        flag_wait(&count, i + 1);
        usleep(500);
        CHECK_EQ(flag_get(&count), i + 1);
    }
    for (int i = 0; i < 10; i++)
        finish(threads[i]);

    flag_set(&waiting, 0);
    for (intptr_t i = 0; i < 12; i++)
        threads[i] = start(bit_wait, (void *)(i % 3));
    flag_wait(&waiting, 12);
    settle();
    wake_all(FUTEX_WAKE_BITSET_PRIVATE, 4, 1 << 1);
    flag_wait(&woken[1], 4);
    CHECK_EQ(flag_get(&woken[0]) + flag_get(&woken[2]), 0);
    CHECK_EQ(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 10, NULL, NULL, 1 << 1), 0);
    wake_all(FUTEX_WAKE_BITSET_PRIVATE, 8, 1 << 0 | 1 << 2);
    for (int i = 0; i < 12; i++)
        finish(threads[i]);
    return 0;
}
