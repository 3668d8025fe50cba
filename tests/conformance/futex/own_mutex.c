/* A mutex and a condition made on futexes, as language runtimes do; exclusion under load. */
#include "testlib.h"

#include <linux/futex.h>
#include <sys/syscall.h>

static int lock_word, total, inside;

static void lock(void)
{
    int seen = 0;

    if (__atomic_compare_exchange_n(&lock_word, &seen, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        return;
    while (__atomic_exchange_n(&lock_word, 2, __ATOMIC_ACQUIRE) != 0)
        syscall(SYS_futex, &lock_word, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
}

static void unlock(void)
{
    if (__atomic_exchange_n(&lock_word, 0, __ATOMIC_RELEASE) == 2)
        syscall(SYS_futex, &lock_word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void *body(void *arg)
{
    for (int i = 0; i < 100; i++) {
        lock();
        CHECK_EQ(++inside, 1);
        if (i % 5 == 0)
            usleep(100);
        total++;
        --inside;
        unlock();
    }
    return arg;
}

int test_main(void)
{
    pthread_t threads[10];

    for (int i = 0; i < 10; i++)
        threads[i] = start(body, NULL);
    for (int i = 0; i < 10; i++)
        finish(threads[i]);
    CHECK_EQ(total, 1000);
    return 0;
}
