/* A handler that interrupts a wait ends its thread: what the wait holds is given back, or taken
   again, before the cleanup handlers run. */
#include "testlib.h"

#include <signal.h>
#include <stdbool.h>

static pthread_mutex_t mutex;
static pthread_cond_t cond;
static int waiting, cleanups;
static bool exits;

static void on_usr1(int sig)
{
    if (exits)
        pthread_exit(PTHREAD_CANCELED);
    pthread_cancel(pthread_self());
    pthread_testcancel();
    test_fail(__FILE__, __LINE__, "not cancelled in the handler of %d", sig);
}

static void clean(void *arg)
{
    CHECK(arg == &mutex);
    CHECK_RC(pthread_mutex_trylock(&mutex), EBUSY);
    CHECK_RC(pthread_mutex_unlock(&mutex), 0);
    flag_add(&cleanups, 1);
}

static void *wait_cond(void *timed)
{
    struct timespec end = ts_after(CLOCK_REALTIME, 600000);

    CHECK_RC(pthread_mutex_lock(&mutex), 0);
    pthread_cleanup_push(clean, &mutex);
    flag_add(&waiting, 1);
    for (;;)
        CHECK_RC(timed ? pthread_cond_timedwait(&cond, &mutex, &end)
                       : pthread_cond_wait(&cond, &mutex),
                 0);
    pthread_cleanup_pop(0);
    return NULL;
}

static void *wait_signal(void *arg)
{
    CHECK_RC(pthread_mutex_lock(&mutex), 0);
    flag_add(&waiting, 1);
    CHECK_RC(pthread_cond_wait(&cond, &mutex), 0);
    CHECK_RC(pthread_mutex_unlock(&mutex), 0);
    return arg;
}

static void start_waiting(pthread_t *thread, void *(*fn)(void *), void *arg)
{
    int before = flag_get(&waiting);

    *thread = start(fn, arg);
    flag_wait(&waiting, before + 1);
    CHECK_RC(pthread_mutex_lock(&mutex), 0); /* it is in the wait now */
    CHECK_RC(pthread_mutex_unlock(&mutex), 0);
}

/* Two threads end in the wait; a third one behind them gets the signal. */
static void in_cond_wait(int shared, int robust)
{
    pthread_mutexattr_t mutex_attr;
    pthread_condattr_t cond_attr;
    pthread_t threads[3];

    CHECK_RC(pthread_mutexattr_init(&mutex_attr), 0);
    CHECK_RC(pthread_mutexattr_setrobust(&mutex_attr, robust), 0);
    CHECK_RC(pthread_mutexattr_setpshared(&mutex_attr, shared), 0);
    CHECK_RC(pthread_mutex_init(&mutex, &mutex_attr), 0);
    CHECK_RC(pthread_condattr_init(&cond_attr), 0);
    CHECK_RC(pthread_condattr_setpshared(&cond_attr, shared), 0);
    CHECK_RC(pthread_cond_init(&cond, &cond_attr), 0);
    cleanups = 0;
    start_waiting(&threads[0], wait_cond, NULL);
    start_waiting(&threads[1], wait_cond, &cond);
    if (!shared)
        start_waiting(&threads[2], wait_signal, &cond);
    for (int i = 0; i < 2; i++) {
        CHECK_RC(pthread_kill(threads[i], SIGUSR1), 0);
        CHECK(finish(threads[i]) == PTHREAD_CANCELED);
    }
    CHECK_EQ(cleanups, 2);
    if (!shared) {
        CHECK_RC(pthread_cond_signal(&cond), 0);
        CHECK(finish(threads[2]) == &cond);
    }
    CHECK_RC(pthread_cond_destroy(&cond), 0);
    CHECK_RC(pthread_mutex_destroy(&mutex), 0);
    CHECK_RC(pthread_condattr_destroy(&cond_attr), 0);
    CHECK_RC(pthread_mutexattr_destroy(&mutex_attr), 0);
}

static void *end_when_told(void *told)
{
    flag_wait(told, 1);
    return told;
}

static void *join_other(void *other)
{
    flag_add(&waiting, 1);
    return finish(*(pthread_t *)other);
}

/* Somebody else may join in its place. */
static void in_join(void)
{
    int told = 0, before = flag_get(&waiting);
    pthread_t other = start(end_when_told, &told), joiner = start(join_other, &other);

    flag_wait(&waiting, before + 1);
    settle();
    CHECK_RC(pthread_kill(joiner, SIGUSR1), 0);
    CHECK(finish(joiner) == PTHREAD_CANCELED);
    flag_set(&told, 1);
    CHECK(finish(other) == &told);
}

int test_main(void)
{
    struct sigaction action = {.sa_handler = on_usr1};

    SYS(sigaction(SIGUSR1, &action, NULL));
    for (int i = 0; i < 2; i++) {
        exits = i;
        in_cond_wait(PTHREAD_PROCESS_PRIVATE, PTHREAD_MUTEX_STALLED);
        in_cond_wait(PTHREAD_PROCESS_PRIVATE, PTHREAD_MUTEX_ROBUST);
        in_cond_wait(PTHREAD_PROCESS_SHARED, PTHREAD_MUTEX_STALLED);
        in_join();
    }
    return 0;
}
