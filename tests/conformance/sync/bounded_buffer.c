/* Producers and consumers on a bounded buffer, once with mutex and conditions, once with
   semaphores; a thousand threads for the first. */
#include "testlib.h"

#include <semaphore.h>

enum { THREADS = 500, EACH = 40, SLOTS = 7 };
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t not_full = PTHREAD_COND_INITIALIZER, not_empty = PTHREAD_COND_INITIALIZER;
static int slot[SLOTS], head, tail, use_sem;
static long long sum;
static sem_t room, items, guard;

static void put(int value)
{
    if (use_sem) {
        SYS(sem_wait(&room));
        SYS(sem_wait(&guard));
    } else {
        pthread_mutex_lock(&mutex);
        while (tail - head == SLOTS)
            pthread_cond_wait(&not_full, &mutex);
    }
    CHECK_LE(tail - head, SLOTS - 1);
    slot[tail++ % SLOTS] = value;
    if (use_sem) {
        SYS(sem_post(&guard));
        SYS(sem_post(&items));
    } else {
        pthread_cond_signal(&not_empty);
        pthread_mutex_unlock(&mutex);
    }
}

static int take(void)
{
    if (use_sem) {
        SYS(sem_wait(&items));
        SYS(sem_wait(&guard));
    } else {
        pthread_mutex_lock(&mutex);
        while (tail == head)
            pthread_cond_wait(&not_empty, &mutex);
    }
    CHECK_GE(tail - head, 1);
    int value = slot[head++ % SLOTS];
    sum += value;
    if (use_sem) {
        SYS(sem_post(&guard));
        SYS(sem_post(&room));
    } else {
        pthread_cond_signal(&not_full);
        pthread_mutex_unlock(&mutex);
    }
    return value;
}

static void *producer(void *arg)
{
    for (int i = 0; i < EACH; i++)
        put((int)(intptr_t)arg + i);
    return NULL;
}

static void *consumer(void *arg)
{
    for (int i = 0; i < EACH; i++)
        take();
    return arg;
}

static void run(int pairs)
{
    static pthread_t threads[THREADS][2];
    long long want = 0;

    head = tail = 0;
    sum = 0;
    for (intptr_t i = 0; i < pairs; i++) {
        threads[i][0] = start(consumer, NULL);
        threads[i][1] = start(producer, (void *)i);
        want += (long long)EACH * i + EACH * (EACH - 1) / 2;
    }
    for (int i = 0; i < pairs; i++) {
        finish(threads[i][0]);
        finish(threads[i][1]);
    }
    CHECK_EQ(sum, want);
}

int test_main(void)
{
    run(THREADS);
    use_sem = 1;
    SYS(sem_init(&room, 0, SLOTS));
    SYS(sem_init(&items, 0, 0));
    SYS(sem_init(&guard, 0, 1));
    run(20);
    return 0;
}
