/* The signal thread pattern: all block, one waits by sigwait, sigwaitinfo, sigtimedwait. */
#include "testlib.h"

#include <signal.h>

static sigset_t set;
static int got, stop;

static void *signal_thread(void *arg)
{
    int sig = 0;
    siginfo_t info;
    struct timespec ts = ts_of_ms(40);

    CHECK_RC(sigwait(&set, &sig), 0);
    CHECK_EQ(sig, SIGTERM);
    flag_add(&got, 1);
    CHECK_EQ(sigwaitinfo(&set, &info), SIGUSR1);
    CHECK_EQ(info.si_signo, SIGUSR1);
    CHECK_EQ(info.si_pid, getpid());
    flag_add(&got, 1);
    TAKES(40, CHECK_ERRNO(sigtimedwait(&set, &info, &ts), EAGAIN));
    ts = ts_of_ms(0);
    CHECK_ERRNO(sigtimedwait(&set, NULL, &ts), EAGAIN);
    ts = ts_of_ms(20000);
    flag_add(&got, 1);
    CHECK_EQ(sigtimedwait(&set, &info, &ts), SIGUSR2);
    CHECK_EQ(info.si_code, SI_QUEUE);
    CHECK_EQ(info.si_value.sival_int, 1234);
    flag_add(&got, 1);
    return arg;
}

static void *worker(void *arg)
{
    while (!flag_get(&stop))
        CHECK_EQ(usleep(1000), 0);
    return arg;
}

int test_main(void)
{
    pthread_t threads[4];

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    CHECK_RC(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    threads[0] = start(signal_thread, NULL);
    for (int i = 1; i < 4; i++)
        threads[i] = start(worker, NULL);
    settle();
    SYS(kill(getpid(), SIGTERM));
    flag_wait(&got, 1);
    settle();
    SYS(kill(getpid(), SIGUSR1));
    flag_wait(&got, 3);
    settle();
    SYS(sigqueue(getpid(), SIGUSR2, (union sigval){.sival_int = 1234}));
    flag_wait(&got, 4);
    flag_set(&stop, 1);
    for (int i = 0; i < 4; i++)
        finish(threads[i]);
    /* pending before the wait: taken at once */
    SYS(kill(getpid(), SIGUSR1));
    int sig = 0;
    CHECK_RC(sigwait(&set, &sig), 0);
    CHECK_EQ(sig, SIGUSR1);
    /* directed at one thread */
    CHECK_RC(pthread_kill(pthread_self(), SIGUSR2), 0);
    CHECK_RC(sigwait(&set, &sig), 0);
    CHECK_EQ(sig, SIGUSR2);
    return 0;
}
