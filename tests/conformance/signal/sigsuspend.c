/* sigsuspend, ppoll, pselect and epoll_pwait put a mask in place for the wait only. */
#include "testlib.h"

#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>

static int caught, ep;

static void on_signal(int sig)
{
    (void)sig;
    flag_add(&caught, 1);
}

static void *kill_later(void *arg)
{
    settle();
    SYS(kill(getpid(), SIGUSR1));
    return arg;
}

static long wait_with(int what, const sigset_t *mask)
{
    struct timespec ts = {20, 0};
    struct epoll_event event;

    switch (what) {
    case 0:
        return sigsuspend(mask);
    case 1:
        return ppoll(NULL, 0, &ts, mask);
    case 2:
        return pselect(0, NULL, NULL, NULL, &ts, mask);
    case 3:
        return epoll_pwait(ep, &event, 1, 20000, mask);
    default:
        return epoll_pwait2(ep, &event, 1, &ts, mask);
    }
}

int test_main(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigset_t block, open, now;

    ep = (int)SYS(epoll_create1(0));
    SYS(sigaction(SIGUSR1, &action, NULL));
    sigemptyset(&open);
    sigemptyset(&block);
    sigaddset(&block, SIGUSR1);
    CHECK_RC(pthread_sigmask(SIG_BLOCK, &block, NULL), 0);
    for (int what = 0; what < 5; what++) {
        flag_set(&caught, 0);
        pthread_t thread = start(kill_later, NULL); /* inherits the block */
        TAKES(30, CHECK_ERRNO(wait_with(what, &open), EINTR));
        CHECK_EQ(caught, 1);
        CHECK_RC(pthread_sigmask(SIG_BLOCK, NULL, &now), 0);
        CHECK_EQ(sigismember(&now, SIGUSR1), 1);
        finish(thread);

        /* pending before: the wait ends at once */
        SYS(raise(SIGUSR1));
        settle();
        CHECK_EQ(flag_get(&caught), 1);
        CHECK_ERRNO(wait_with(what, &open), EINTR);
        CHECK_EQ(caught, 2);
    }
    /* blocked during the wait: not delivered, the wait lasts */
    struct timespec ts = ts_of_ms(80);
    CHECK_RC(pthread_sigmask(SIG_UNBLOCK, &block, NULL), 0);
    flag_set(&caught, 0);
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    pthread_t thread = start(kill_later, NULL);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    TAKES(80, CHECK_EQ(ppoll(NULL, 0, &ts, &block), 0));
    finish(thread);
    flag_wait(&caught, 1); /* on the return of the old mask */
    return 0;
}
