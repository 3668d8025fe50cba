/* Timers that signal one thread (SIGEV_THREAD_ID): the handler runs there and nowhere else. */
#include "testlib.h"

#include <signal.h>

enum { COUNT = 3 };

static pid_t ids[COUNT];
static int ticks[COUNT], stray, ready, go;

static void on_tick(int sig, siginfo_t *info, void *context)
{
    int i = info->si_value.sival_int;

    CHECK(sig == SIGRTMIN + 1 && context);
    CHECK_EQ(info->si_code, SI_TIMER);
    if (gettid() == ids[i])
        flag_add(&ticks[i], 1);
    else
        flag_add(&stray, 1);
}

static timer_t make(int i, pid_t tid)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN + 1};
    struct itimerspec every = {{0, 5000000}, {0, 5000000}};
    timer_t timer;

    event.sigev_value.sival_int = i;
    event._sigev_un._tid = tid;
    SYS(timer_create(CLOCK_MONOTONIC, &event, &timer));
    SYS(timer_settime(timer, 0, &every, NULL));
    return timer;
}

static void *body(void *arg)
{
    int i = (int)(intptr_t)arg;

    ids[i] = gettid();
    flag_add(&ready, 1);
    while (!flag_get(&go)) /* ends early whenever the handler has run */
        usleep(20000);
    return NULL;
}

int test_main(void)
{
    struct sigaction act = {.sa_sigaction = on_tick, .sa_flags = SA_SIGINFO};
    pthread_t threads[COUNT];
    timer_t timers[COUNT];

    SYS(sigaction(SIGRTMIN + 1, &act, NULL));
    ids[0] = gettid();
    for (intptr_t i = 1; i < COUNT; i++)
        threads[i] = start(body, (void *)i);
    flag_wait(&ready, COUNT - 1);
    for (int i = 0; i < COUNT; i++)
        timers[i] = make(i, ids[i]);
    for (int i = 0; i < COUNT; i++)
        while (flag_get(&ticks[i]) < 5)
            usleep(1000);
    for (int i = 0; i < COUNT; i++)
        SYS(timer_delete(timers[i]));
    CHECK_EQ(stray, 0);
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN + 1};
    event._sigev_un._tid = getppid();
    CHECK_ERRNO(timer_create(CLOCK_MONOTONIC, &event, &timers[0]), EINVAL);
    flag_set(&go, 1);
    for (int i = 1; i < COUNT; i++)
        finish(threads[i]);
    return 0;
}
