/* Teams of OpenMP, whose threads wait on futexes by instructions of their own: alone, and while
   threads of the program wait. */
/* BUILD: -fopenmp */
#include "testlib.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int go;

static long sum(int n)
{
    long total = 0;
#pragma omp parallel for reduction(+ : total) num_threads(4)
    for (int i = 0; i < n; i++)
        total += i % 7;
    return total;
}

static void *wait_for_go(void *arg)
{
    pthread_mutex_lock(&mutex);
    while (!go)
        pthread_cond_wait(&cond, &mutex);
    pthread_mutex_unlock(&mutex);
    return arg;
}

static void *use_team(void *arg)
{
    *(long *)arg = sum(10000);
    return NULL;
}

int test_main(void)
{
    pthread_t waiting[3];
    long expected = 0;
    long got[2] = {0, 0};

    for (int i = 0; i < 10000; i++)
        expected += i % 7;
    for (int round = 0; round < 50; round++)
        CHECK_EQ(sum(10000), expected);
    for (int i = 0; i < 3; i++)
        waiting[i] = start(wait_for_go, NULL);
    settle();
    for (int round = 0; round < 50; round++)
        CHECK_EQ(sum(10000), expected);
    pthread_t first = start(use_team, &got[0]);
    pthread_t second = start(use_team, &got[1]);
    finish(first);
    finish(second);
    CHECK_EQ(got[0], expected);
    CHECK_EQ(got[1], expected);
#pragma omp parallel num_threads(4)
    {
        pthread_mutex_lock(&mutex);
        go++;
        pthread_mutex_unlock(&mutex);
#pragma omp barrier
    }
    CHECK_EQ(go, 4);
    pthread_cond_broadcast(&cond);
    for (int i = 0; i < 3; i++)
        finish(waiting[i]);
    return 0;
}
