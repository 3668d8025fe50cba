/* What is pending for the main thread before it starts another stays its own; a signalfd reads what
   a thread has sent to itself. */
#include "testlib.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

static void *other(void *arg)
{
    sigset_t set;

    SYS(sigpending(&set));
    CHECK_EQ(sigismember(&set, SIGUSR1), 0);
    CHECK_EQ(sigismember(&set, SIGUSR2), 1);
    CHECK_EQ(sigismember(&set, SIGRTMIN + 1), 0);
    return arg;
}

static int take(const sigset_t *set, siginfo_t *info)
{
    struct timespec none = {0, 0};

    return sigtimedwait(set, info, &none);
}

int test_main(void)
{
    struct signalfd_siginfo read_info;
    struct pollfd poll_fd = {.events = POLLIN};
    siginfo_t info;
    sigset_t set;

    if (int_env("TEST_BACKGROUND", 0)) /* its threads have been started already */
        return 0;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGRTMIN + 1);
    SYS(sigprocmask(SIG_BLOCK, &set, NULL));
    SYS(raise(SIGUSR1));
    SYS(kill(getpid(), SIGUSR2));
    for (int i = 0; i < 3; i++)
        CHECK_RC(pthread_sigqueue(pthread_self(), SIGRTMIN + 1, (union sigval){.sival_int = i}), 0);
    finish(start(other, NULL));
    CHECK_EQ(take(&set, NULL), SIGUSR1);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(take(&set, &info), SIGRTMIN + 1);
        CHECK_EQ(info.si_value.sival_int, i);
    }
    CHECK_EQ(take(&set, NULL), SIGUSR2);
    CHECK_ERRNO(take(&set, NULL), EAGAIN);

    poll_fd.fd = (int)SYS(signalfd(-1, &set, SFD_NONBLOCK));
    CHECK_EQ(poll(&poll_fd, 1, 0), 0);
    SYS(raise(SIGUSR1));
    CHECK_RC(pthread_sigqueue(pthread_self(), SIGRTMIN + 1, (union sigval){.sival_int = 7}), 0);
    CHECK_EQ(poll(&poll_fd, 1, 0), 1);
    CHECK_EQ(read(poll_fd.fd, &read_info, sizeof(read_info)), sizeof(read_info));
    CHECK_EQ(read_info.ssi_signo, SIGUSR1);
    CHECK_EQ(read_info.ssi_code, SI_TKILL);
    CHECK_EQ(read(poll_fd.fd, &read_info, sizeof(read_info)), sizeof(read_info));
    CHECK_EQ(read_info.ssi_int, 7);
    CHECK_ERRNO(read(poll_fd.fd, &read_info, sizeof(read_info)), EAGAIN);
    return 0;
}
