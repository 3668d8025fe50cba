/* Mutual exclusion held across sleeps, by many threads and all types; two threads which lock,
   sleep and unlock in a loop both get on. */
#include "testlib.h"

enum { THREADS = 10, TURNS = 20 };
static pthread_mutex_t mutex;
static int inside, total, stop;

static void *body(void *arg)
{
    for (int i = 0; i < TURNS; i++) {
        CHECK_RC(pthread_mutex_lock(&mutex), 0);
        CHECK_EQ(flag_add(&inside, 1), 1);
        usleep(200);
        total++;
        CHECK_EQ(flag_add(&inside, -1), 0);
        CHECK_RC(pthread_mutex_unlock(&mutex), 0);
        if (i % 4 == 0)
            usleep(100);
    }
    return arg;
}

static void *greedy(void *arg)
{
    int *turns = arg;

    while (!flag_get(&stop)) {
        pthread_mutex_lock(&mutex);
        usleep(1000);
        flag_add(turns, 1);
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

static void *polite(void *arg)
{
    int *turns = arg;

    for (; *turns < 20; ++*turns) {
        pthread_mutex_lock(&mutex);
        pthread_mutex_unlock(&mutex);
        usleep(1000);
    }
    flag_set(&stop, 1);
    return NULL;
}

int test_main(void)
{
    static const int types[] = {PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE,
                                PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_ADAPTIVE_NP};
    pthread_t threads[THREADS];
    pthread_mutexattr_t attr;

    for (int t = 0; t < 4; t++) {
        CHECK_RC(pthread_mutexattr_init(&attr), 0);
        CHECK_RC(pthread_mutexattr_settype(&attr, types[t]), 0);
        CHECK_RC(pthread_mutex_init(&mutex, &attr), 0);
        total = 0;
        for (int i = 0; i < THREADS; i++)
            threads[i] = start(body, NULL);
        for (int i = 0; i < THREADS; i++)
            finish(threads[i]);
        CHECK_EQ(total, THREADS * TURNS);

        int a = 0, b = 0;
        stop = 0;
        threads[0] = start(greedy, &a);
        flag_wait(&a, 1);
        threads[1] = start(polite, &b);
        finish(threads[1]);
        finish(threads[0]);
        CHECK_EQ(b, 20);
        CHECK_GE(a, 1);
        CHECK_RC(pthread_mutex_destroy(&mutex), 0);
    }
    return 0;
}
