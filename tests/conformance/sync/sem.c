/* Semaphores: values, waiting, timed waits, overflow, post from a signal handler. */
#include "testlib.h"

#include <limits.h>
#include <semaphore.h>
#include <signal.h>

static sem_t sem, from_handler;
static int passed;

static void *waiter(void *arg)
{
    SYS(sem_wait(&sem));
    flag_add(&passed, 1);
    return arg;
}

static void on_signal(int sig)
{
    (void)sig;
    sem_post(&from_handler);
}

static void *post_later(void *arg)
{
    usleep(20000);
    SYS(sem_post(arg));
    return NULL;
}

static void *kill_later(void *arg)
{
    usleep(20000);
    SYS(kill(getpid(), SIGUSR1));
    return arg;
}

int test_main(void)
{
    pthread_t threads[20];
    struct timespec ts;
    int value = -1;

    SYS(sem_init(&sem, 0, 3));
    SYS(sem_getvalue(&sem, &value));
    CHECK_EQ(value, 3);
    SYS(sem_wait(&sem));
    SYS(sem_trywait(&sem));
    SYS(sem_wait(&sem));
    CHECK_ERRNO(sem_trywait(&sem), EAGAIN);
    SYS(sem_getvalue(&sem, &value));
    CHECK_EQ(value, 0);

    TAKES(50, ({
              ts = ts_after(CLOCK_MONOTONIC, 50);
              CHECK_ERRNO(sem_clockwait(&sem, CLOCK_MONOTONIC, &ts), ETIMEDOUT);
          }));
    TAKES(49, ({
              ts = ts_after(CLOCK_REALTIME, 50);
              CHECK_ERRNO(sem_timedwait(&sem, &ts), ETIMEDOUT);
          }));
    ts = ts_after(CLOCK_REALTIME, -1000);
    CHECK_ERRNO(sem_timedwait(&sem, &ts), ETIMEDOUT);
    ts.tv_nsec = 1000000000;
    CHECK_ERRNO(sem_timedwait(&sem, &ts), EINVAL);
    SYS(sem_post(&sem));
    SYS(sem_timedwait(&sem, &(struct timespec){.tv_sec = 0}));

    for (int i = 0; i < 20; i++)
        threads[i] = start(waiter, NULL);
    for (int i = 0; i < 20; i++) {
        flag_wait(&passed, i);
        usleep(300);
        CHECK_EQ(flag_get(&passed), i);
        SYS(sem_post(&sem));
    }
    for (int i = 0; i < 20; i++)
        finish(threads[i]);

    pthread_t poster = start(post_later, &sem);
    ts = ts_after(CLOCK_REALTIME, 20000);
    SYS(sem_timedwait(&sem, &ts));
    finish(poster);

    CHECK_ERRNO(sem_init(&sem, 0, (unsigned)SEM_VALUE_MAX + 1u), EINVAL);
    SYS(sem_init(&sem, 0, SEM_VALUE_MAX));
    CHECK_ERRNO(sem_post(&sem), EOVERFLOW);
    SYS(sem_destroy(&sem));

    SYS(sem_init(&from_handler, 0, 0));
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    SYS(sigaction(SIGUSR1, &action, NULL));
    poster = start(kill_later, NULL);
    while (sem_wait(&from_handler) == -1)
        CHECK_EQ(errno, EINTR);
    finish(poster);
    return 0;
}
