/* MODES: native green nodeep harvest off */
/* Long waits for a process-shared semaphore: the processor is left alone meanwhile; the end comes
   by another process, a deadline, a signal, a cancellation. */
#include "testlib.h"

#include <semaphore.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

enum { THREADS = 5, LONG = 40 };

static sem_t *sem;
static int began;

static void *waits(void *arg)
{
    flag_add(&began, 1);
    SYS(sem_wait(sem));
    return arg;
}

static int post_later(void *arg)
{
    sleep_ms(LONG);
    for (int i = 0; i < (intptr_t)arg; i++)
        SYS(sem_post(sem));
    return 0;
}

static void by_another_process(void)
{
    pthread_t threads[THREADS];
    int value;

    for (int i = 0; i < THREADS; i++)
        threads[i] = start(waits, NULL);
    CHECK_EQ(run_child(post_later, (void *)(intptr_t)THREADS), 0);
    for (int i = 0; i < THREADS; i++)
        finish(threads[i]);
    SYS(sem_getvalue(sem, &value));
    CHECK_EQ(value, 0);
}

/* Somebody who looks every millisecond gives up the processor a thousand times in a second. */
static void idle(void)
{
    pthread_t threads[THREADS];
    struct rusage before, after;

    for (int i = 0; i < THREADS; i++)
        threads[i] = start(waits, NULL);
    sleep_ms(LONG);
    SYS(getrusage(RUSAGE_SELF, &before));
    sleep_ms(2000);
    SYS(getrusage(RUSAGE_SELF, &after));
    CHECK_LE(after.ru_nvcsw - before.ru_nvcsw, 200);
    for (int i = 0; i < THREADS; i++)
        SYS(sem_post(sem));
    for (int i = 0; i < THREADS; i++)
        finish(threads[i]);
}

static void *until_deadline(void *arg)
{
    for (int i = 0; i < 2; i++) {
        clockid_t clock = i ? CLOCK_MONOTONIC : CLOCK_REALTIME;
        struct timespec until = ts_after(clock, LONG);
        errno = 0;
        TAKES(LONG - 1, CHECK_ERRNO(sem_clockwait(sem, clock, &until), ETIMEDOUT));
    }
    return arg;
}

static void handler(int sig)
{
    (void)sig;
}

/* Without a deadline SA_RESTART goes on waiting. */
static void *until_signal(void *arg)
{
    struct timespec until = ts_after(CLOCK_REALTIME, 100000);
    int restarts = (int)(intptr_t)arg;

    flag_add(&began, 1);
    if (restarts)
        return SYS(sem_wait(sem)), NULL;
    CHECK_ERRNO(sem_wait(sem), EINTR);
    CHECK_ERRNO(sem_timedwait(sem, &until), EINTR);
    flag_add(&began, 1);
    return NULL;
}

static void by_signal(void)
{
    for (int restarts = 0; restarts < 2; restarts++) {
        struct sigaction act = {.sa_handler = handler, .sa_flags = restarts ? SA_RESTART : 0};
        SYS(sigaction(SIGUSR1, &act, NULL));
        flag_set(&began, 0);
        pthread_t thread = start(until_signal, (void *)(intptr_t)restarts);
        flag_wait(&began, 1);
        for (int i = 0; restarts ? i < 3 : flag_get(&began) < 2; i++) {
            sleep_ms(LONG);
            pthread_kill(thread, SIGUSR1);
        }
        if (restarts)
            SYS(sem_post(sem));
        finish(thread);
    }
}

static void by_cancellation(void)
{
    void *value;
    int left;

    pthread_t thread = start(waits, NULL);
    sleep_ms(LONG);
    CHECK_RC(pthread_cancel(thread), 0);
    CHECK_RC(pthread_join(thread, &value), 0);
    CHECK(value == PTHREAD_CANCELED);
    SYS(sem_post(sem));
    SYS(sem_getvalue(sem, &left));
    CHECK_EQ(left, 1);
    SYS(sem_trywait(sem));
}

int test_main(void)
{
    sem = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(sem != MAP_FAILED);
    SYS(sem_init(sem, 1, 0));
    by_another_process();
    idle();
    finish(start(until_deadline, NULL));
    by_signal();
    by_cancellation();
    SYS(sem_destroy(sem));
    return 0;
}
