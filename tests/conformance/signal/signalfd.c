/* signalfd: read blocks until a signal, poll and epoll see it. */
#include "testlib.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

static void *kill_later(void *arg)
{
    settle();
    SYS(kill(getpid(), (int)(intptr_t)arg));
    return NULL;
}

int test_main(void)
{
    struct signalfd_siginfo info;
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGTERM);
    CHECK_RC(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    int fd = (int)SYS(signalfd(-1, &set, SFD_CLOEXEC));
    pthread_t thread = start(kill_later, (void *)SIGUSR1);
    TAKES(30, CHECK_EQ(read(fd, &info, sizeof(info)), sizeof(info)));
    CHECK_EQ(info.ssi_signo, SIGUSR1);
    CHECK_EQ(info.ssi_pid, getpid());
    finish(thread);
    struct pollfd pfd = {.fd = fd, .events = POLLIN};
    CHECK_EQ(poll(&pfd, 1, 0), 0);
    thread = start(kill_later, (void *)SIGTERM);
    TAKES(30, CHECK_EQ(poll(&pfd, 1, 20000), 1));
    CHECK_EQ(read(fd, &info, sizeof(info)), sizeof(info));
    CHECK_EQ(info.ssi_signo, SIGTERM);
    finish(thread);
    set_nonblock(fd, 1);
    CHECK_ERRNO(read(fd, &info, sizeof(info)), EAGAIN);
    return 0;
}
