/* Waiters that time out while others are signalled: no token is lost, none counted twice. */
#include "testlib.h"

enum { WAITERS = 20, TOKENS = 400 };
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int tokens, taken, timeouts, stop;

static void *taker(void *arg)
{
    unsigned seed = (unsigned)(intptr_t)arg;

    pthread_mutex_lock(&mutex);
    while (!stop) {
        struct timespec ts = ts_after(CLOCK_REALTIME, 1 + rand_r(&seed) % 4);

        if (tokens > 0) {
            tokens--;
            taken++;
        } else if (pthread_cond_timedwait(&cond, &mutex, &ts) == ETIMEDOUT) {
            timeouts++;
        }
    }
    pthread_mutex_unlock(&mutex);
    return NULL;
}

int test_main(void)
{
    pthread_t threads[WAITERS];
    int done = 0;

    for (intptr_t i = 0; i < WAITERS; i++)
        threads[i] = start(taker, (void *)(i + 1));
    for (int i = 0; i < TOKENS; i++) {
        pthread_mutex_lock(&mutex);
        tokens++;
        pthread_cond_signal(&cond);
        pthread_mutex_unlock(&mutex);
        usleep(i % 5 * 400);
    }
    while (!done) {
        usleep(1000);
        pthread_mutex_lock(&mutex);
        done = tokens == 0;
        pthread_mutex_unlock(&mutex);
    }
    pthread_mutex_lock(&mutex);
    stop = 1;
    pthread_cond_broadcast(&cond);
    pthread_mutex_unlock(&mutex);
    for (int i = 0; i < WAITERS; i++)
        finish(threads[i]);
    CHECK_EQ(taken, TOKENS);
    CHECK_GE(timeouts, 1);
    return 0;
}
