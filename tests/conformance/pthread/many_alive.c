/* 10 000 threads alive at once, each sleeping, working under a mutex, and joined. */
/* TIMEOUT: 90 */
#include "testlib.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int alive, go, sum;
static _Thread_local int mine = 3;

static void *body(void *arg)
{
    int id = (int)(intptr_t)arg;

    mine += id;
    pthread_mutex_lock(&lock);
    alive++;
    pthread_cond_broadcast(&changed);
    while (!go)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    usleep(1000);
    CHECK_EQ(mine, id + 3);
    __atomic_add_fetch(&sum, 1, __ATOMIC_RELAXED);
    return arg;
}

int test_main(void)
{
    enum { COUNT = 10000 };
    static pthread_t threads[COUNT];
    pthread_attr_t attr;

    CHECK_RC(pthread_attr_init(&attr), 0);
    CHECK_RC(pthread_attr_setstacksize(&attr, 64 << 10), 0);
    for (intptr_t i = 0; i < COUNT; i++)
        CHECK_RC(pthread_create(&threads[i], &attr, body, (void *)i), 0);
    flag_wait(&alive, COUNT);
    pthread_mutex_lock(&lock);
    go = 1;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    for (intptr_t i = 0; i < COUNT; i++)
        CHECK_EQ(finish(threads[i]), i);
    CHECK_EQ(sum, COUNT);
    return 0;
}
