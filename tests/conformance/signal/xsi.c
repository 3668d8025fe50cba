/* sigset, sighold, sigrelse, sigignore and sigpause concern the calling thread, and wait alone. */
#define _XOPEN_SOURCE 700
#include "testlib.h"

#include <signal.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

static int caught, waits;

static void on_signal(int sig)
{
    (void)sig;
    flag_add(&caught, 1);
}

static void *pauser(void *arg)
{
    CHECK_EQ(sighold(SIGUSR1), 0);
    flag_set(&waits, 1);
    CHECK_ERRNO(sigpause(SIGUSR1), EINTR);
    CHECK_EQ(flag_get(&caught), 1);
    CHECK_EQ((long)sigset(SIGUSR1, SIG_HOLD), (long)SIG_HOLD); /* blocked again */
    return arg;
}

int test_main(void)
{
    sigset_t set;

    CHECK(sigset(SIGUSR1, on_signal) == SIG_DFL);
    pthread_t thread = start(pauser, NULL);
    flag_wait(&waits, 1);
    settle();
    CHECK_RC(pthread_sigmask(SIG_BLOCK, NULL, &set), 0);
    CHECK_EQ(sigismember(&set, SIGUSR1), 0); /* only in the other thread */
    CHECK_RC(pthread_kill(thread, SIGUSR1), 0);
    finish(thread);
    CHECK_EQ(caught, 1);

    CHECK_EQ(sighold(SIGUSR1), 0);
    SYS(raise(SIGUSR1));
    CHECK_EQ(caught, 1);
    CHECK_EQ(sigrelse(SIGUSR1), 0);
    CHECK_EQ(caught, 2);

    CHECK(sigset(SIGUSR1, SIG_HOLD) == on_signal);
    SYS(raise(SIGUSR1));
    CHECK_EQ(caught, 2);
    CHECK(sigset(SIGUSR1, on_signal) == SIG_HOLD); /* unblocks */
    CHECK_EQ(caught, 3);

    CHECK_EQ(sigignore(SIGUSR1), 0);
    SYS(raise(SIGUSR1));
    CHECK_EQ(caught, 3);
    CHECK_ERRNO(sighold(0), EINVAL);
    CHECK_ERRNO(sigrelse(1000), EINVAL);
    CHECK(sigset(SIGKILL, on_signal) == SIG_ERR);
    CHECK_EQ(errno, EINVAL);
    return 0;
}
