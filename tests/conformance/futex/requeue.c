/* FUTEX_REQUEUE, CMP_REQUEUE and WAKE_OP between threads. */
#include "testlib.h"

#include <linux/futex.h>
#include <sys/syscall.h>

static int from, to, waiting, woken;

static long futex(int *at, int op, long value, uintptr_t value2, int *at2, int value3)
{
    return syscall(SYS_futex, at, op, value, value2, at2, value3);
}

static void *waiter(void *arg)
{
    flag_add(&waiting, 1);
    CHECK_EQ(futex(arg, FUTEX_WAIT_PRIVATE, 0, 0, NULL, 0), 0);
    flag_add(&woken, 1);
    return NULL;
}

static void begin(pthread_t *threads, int count, int *at)
{
    flag_set(&waiting, 0);
    flag_set(&woken, 0);
    for (int i = 0; i < count; i++)
        threads[i] = start(waiter, at);
    flag_wait(&waiting, count);
    settle();
}

int test_main(void)
{
    pthread_t threads[10], more[5];

    /* wake 2, move the other 8 */
    begin(threads, 10, &from);
    CHECK_ERRNO(futex(&from, FUTEX_CMP_REQUEUE_PRIVATE, 2, 100, &to, 5), EAGAIN);
    CHECK_EQ(futex(&from, FUTEX_CMP_REQUEUE_PRIVATE, 2, 100, &to, 0), 10);
    flag_wait(&woken, 2);
    CHECK_EQ(futex(&from, FUTEX_WAKE_PRIVATE, 100, 0, NULL, 0), 0);
    settle();
    CHECK_EQ(flag_get(&woken), 2);
    CHECK_EQ(futex(&to, FUTEX_WAKE_PRIVATE, 3, 0, NULL, 0), 3);
    flag_wait(&woken, 5);
    CHECK_EQ(futex(&to, FUTEX_WAKE_PRIVATE, 100, 0, NULL, 0), 5);
    for (int i = 0; i < 10; i++)
        finish(threads[i]);

    /* no more moved than asked for */
    begin(threads, 6, &from);
    CHECK_EQ(futex(&from, FUTEX_REQUEUE_PRIVATE, 1, 2, &to, 0), 3); /* woken and moved */
    CHECK_EQ(futex(&from, FUTEX_WAKE_PRIVATE, 100, 0, NULL, 0), 3);
    CHECK_EQ(futex(&to, FUTEX_WAKE_PRIVATE, 100, 0, NULL, 0), 2);
    for (int i = 0; i < 6; i++)
        finish(threads[i]);

    /* WAKE_OP: to = 7, and wake there too because its old value was 0 */
    begin(threads, 3, &from);
    begin(more, 3, &to);
    int op = FUTEX_OP(FUTEX_OP_SET, 7, FUTEX_OP_CMP_EQ, 0);
    CHECK_EQ(futex(&from, FUTEX_WAKE_OP_PRIVATE, 2, 1, &to, op), 3);
    CHECK_EQ(flag_get(&to), 7);
    op = FUTEX_OP(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_GT, 100);
    CHECK_EQ(futex(&from, FUTEX_WAKE_OP_PRIVATE, 2, 5, &to, op), 1);
    CHECK_EQ(flag_get(&to), 8);
    CHECK_EQ(futex(&to, FUTEX_WAKE_PRIVATE, 100, 0, NULL, 0), 2);
    for (int i = 0; i < 3; i++) {
        finish(threads[i]);
        finish(more[i]);
    }
    return 0;
}
