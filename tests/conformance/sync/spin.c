/* Spin locks: exclusion, trylock, and a holder that sleeps while another spins. */
#include "testlib.h"

static pthread_spinlock_t spin;
static int count, held;

static void *body(void *arg)
{
    for (int i = 0; i < 2000; i++) {
        CHECK_RC(pthread_spin_lock(&spin), 0);
        int seen = count;
        if (i % 200 == 0)
            usleep(100);
        count = seen + 1;
        CHECK_RC(pthread_spin_unlock(&spin), 0);
    }
    return arg;
}

static void *holder(void *arg)
{
    CHECK_RC(pthread_spin_lock(&spin), 0);
    flag_set(&held, 1);
    usleep(50000);
    CHECK_RC(pthread_spin_unlock(&spin), 0);
    return arg;
}

int test_main(void)
{
    pthread_t threads[5];

    CHECK_RC(pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE), 0);
    for (int i = 0; i < 5; i++)
        threads[i] = start(body, NULL);
    for (int i = 0; i < 5; i++)
        finish(threads[i]);
    CHECK_EQ(count, 10000);
    threads[0] = start(holder, NULL);
    flag_wait(&held, 1);
    CHECK_RC(pthread_spin_trylock(&spin), EBUSY);
    CHECK_RC(pthread_spin_lock(&spin), 0);
    CHECK_RC(pthread_spin_unlock(&spin), 0);
    finish(threads[0]);
    CHECK_RC(pthread_spin_trylock(&spin), 0);
    CHECK_RC(pthread_spin_unlock(&spin), 0);
    CHECK_RC(pthread_spin_destroy(&spin), 0);
    return 0;
}
