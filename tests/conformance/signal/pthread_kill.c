/* pthread_kill: the thread itself runs the handler, its blocking call gives EINTR; others are
   not disturbed. */
#include "testlib.h"

#include <poll.h>
#include <semaphore.h>
#include <signal.h>

enum { THREADS = 6 };
static _Thread_local volatile int caught;
static int ready, done, interrupted[THREADS];
static int fds[2];
static sem_t sem;
static pthread_t threads[THREADS];

static void on_signal(int sig)
{
    CHECK_EQ(sig, SIGUSR1);
    caught++;
}

static int block(int what)
{
    struct pollfd pfd = {.fd = fds[0], .events = POLLIN};
    struct timespec ts = ts_of_ms(30000);

    switch (what) {
    case 0:
        return (int)read(fds[0], &(char){0}, 1);
    case 1:
        return poll(&pfd, 1, -1);
    case 2:
        return nanosleep(&ts, NULL);
    case 3:
        return sem_wait(&sem);
    case 4:
        return pause();
    default:
        return usleep(30000000);
    }
}

static void *body(void *arg)
{
    int self = (int)(intptr_t)arg;

    flag_add(&ready, 1);
    errno = 0;
    CHECK_EQ(block(self), -1);
    CHECK_EQ(errno, EINTR);
    CHECK_EQ(caught, 1);
    flag_set(&interrupted[self], 1);
    flag_add(&done, 1);
    return arg;
}

static void *raiser(void *arg)
{
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(caught, 1);
    CHECK_RC(pthread_kill(pthread_self(), SIGUSR1), 0);
    CHECK_EQ(caught, 2);
    return arg;
}

int test_main(void)
{
    struct sigaction action = {.sa_handler = on_signal};

    pipe_pair(fds);
    SYS(sem_init(&sem, 0, 0));
    SYS(sigaction(SIGUSR1, &action, NULL));
    for (intptr_t i = 0; i < THREADS; i++)
        threads[i] = start(body, (void *)i);
    flag_wait(&ready, THREADS);
    settle();
    for (int i = 0; i < THREADS; i++) {
        CHECK_RC(pthread_kill(threads[i], 0), 0); /* only looks */
        CHECK_RC(pthread_kill(threads[i], SIGUSR1), 0);
        flag_wait(&done, i + 1);
        for (int j = 0; j < THREADS; j++)
            CHECK_EQ(flag_get(&interrupted[j]), j <= i);
    }
    for (int i = 0; i < THREADS; i++)
        finish(threads[i]);
    CHECK_EQ(caught, 0);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(caught, 1);
    finish(start(raiser, NULL));
    CHECK_EQ(caught, 1);
    CHECK_RC(pthread_kill(pthread_self(), 9999), EINVAL);
    union sigval value = {.sival_int = 5};
    CHECK_RC(pthread_sigqueue(pthread_self(), SIGUSR1, value), 0);
    CHECK_EQ(caught, 2);
    return 0;
}
