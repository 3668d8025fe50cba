/* pthread_atfork handlers: order, once each, also around fork in a thread; they may lock. */
#include "testlib.h"

#include <sys/wait.h>

static char trace[64];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int stop;

static void note(const char *text)
{
    strcat(trace, text);
}

static void prepare1(void)
{
    note("p1 ");
}

static void prepare2(void)
{
    pthread_mutex_lock(&mutex); /* held by others at times */
    note("p2 ");
}

static void parent1(void)
{
    note("f1 ");
}

static void parent2(void)
{
    note("f2 ");
    pthread_mutex_unlock(&mutex);
}

static void child1(void)
{
    note("c1 ");
}

static void child2(void)
{
    note("c2 ");
    pthread_mutex_unlock(&mutex);
}

static void *locker(void *arg)
{
    while (!flag_get(&stop)) {
        pthread_mutex_lock(&mutex);
        usleep(500);
        pthread_mutex_unlock(&mutex);
        usleep(200);
    }
    return arg;
}

static int child(void *arg)
{
    (void)arg;
    CHECK_STR(trace, "p2 p1 c1 c2 ");
    CHECK_RC(pthread_mutex_trylock(&mutex), 0);
    return 0;
}

static void *forks(void *arg)
{
    trace[0] = '\0';
    CHECK_EQ(run_child(child, NULL), 0);
    CHECK_STR(trace, "p2 p1 f1 f2 ");
    return arg;
}

int test_main(void)
{
    CHECK_RC(pthread_atfork(prepare1, parent1, child1), 0);
    CHECK_RC(pthread_atfork(prepare2, parent2, child2), 0);
    CHECK_RC(pthread_atfork(NULL, NULL, NULL), 0);
    pthread_t thread = start(locker, NULL);
    for (int i = 0; i < 10; i++) {
        forks(NULL);
        finish(start(forks, NULL));
    }
    flag_set(&stop, 1);
    finish(thread);
    return 0;
}
