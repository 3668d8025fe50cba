/* Condition variables: signal wakes one, broadcast all, the mutex is released and retaken,
   recursive mutexes, many waiters without a lost wake. */
#include "testlib.h"

enum { WAITERS = 50 };
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int waiting, tokens, taken;

static void *take(void *arg)
{
    CHECK_RC(pthread_mutex_lock(&mutex), 0);
    waiting++;
    while (tokens == 0)
        CHECK_RC(pthread_cond_wait(&cond, &mutex), 0);
    tokens--;
    waiting--;
    taken++;
    CHECK_RC(pthread_mutex_unlock(&mutex), 0);
    return arg;
}

static int wait_for(int *what, int want)
{
    for (int i = 0; i < 20000; i++) {
        pthread_mutex_lock(&mutex);
        int now = *what;
        pthread_mutex_unlock(&mutex);
        if (now == want)
            return 1;
        usleep(500);
    }
    return 0;
}

static void *give_one_by_one(void *arg)
{
    for (int i = 0; i < WAITERS; i++) {
        pthread_mutex_lock(&mutex);
        tokens++;
        CHECK_RC(pthread_cond_signal(&cond), 0);
        pthread_mutex_unlock(&mutex);
        if (i % 7 == 0)
            usleep(300);
    }
    return arg;
}

static void *recursive_wait(void *arg)
{
    static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
    static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
    static int turn;
    int self = (int)(intptr_t)arg;

    CHECK_RC(pthread_mutex_lock(&lock), 0);
    for (int i = 0; i < 50; i++) {
        while (turn % 2 != self)
            CHECK_RC(pthread_cond_wait(&changed, &lock), 0);
        turn++;
        CHECK_RC(pthread_cond_signal(&changed), 0);
    }
    CHECK_RC(pthread_mutex_unlock(&lock), 0);
    return NULL;
}

int test_main(void)
{
    pthread_t threads[WAITERS], giver;

    /* signalling nobody is not remembered */
    CHECK_RC(pthread_cond_signal(&cond), 0);
    CHECK_RC(pthread_cond_broadcast(&cond), 0);

    /* one at a time */
    for (int i = 0; i < WAITERS; i++)
        threads[i] = start(take, NULL);
    CHECK(wait_for(&waiting, WAITERS));
    giver = start(give_one_by_one, NULL);
    for (int i = 0; i < WAITERS; i++)
        finish(threads[i]);
    finish(giver);
    CHECK_EQ(taken, WAITERS);
    CHECK_EQ(tokens, 0);

    /* all at once, with and without the mutex held */
    for (int held = 0; held < 2; held++) {
        for (int i = 0; i < WAITERS; i++)
            threads[i] = start(take, NULL);
        CHECK(wait_for(&waiting, WAITERS));
        pthread_mutex_lock(&mutex);
        tokens = WAITERS;
        if (!held)
            pthread_mutex_unlock(&mutex);
        CHECK_RC(pthread_cond_broadcast(&cond), 0);
        if (held) {
            usleep(1000);
            CHECK_EQ(tokens, WAITERS); /* nobody gets in meanwhile */
            pthread_mutex_unlock(&mutex);
        }
        for (int i = 0; i < WAITERS; i++)
            finish(threads[i]);
        CHECK_EQ(tokens, 0);
    }

    pthread_t a = start(recursive_wait, (void *)0), b = start(recursive_wait, (void *)1);
    finish(a);
    finish(b);
    CHECK_RC(pthread_cond_destroy(&cond), 0);
    return 0;
}
