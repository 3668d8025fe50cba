/* close of a descriptor that other threads poll, select or have in epoll. */
#include "testlib.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>

static int fds[2], ep;

static void *poller(void *arg)
{
    struct pollfd pfd = {.fd = fds[0], .events = POLLIN};

    /* sees what happens to the old file */
    CHECK_EQ(poll(&pfd, 1, 20000), 1);
    CHECK(pfd.revents & (POLLIN | POLLHUP | POLLNVAL));
    return arg;
}

static void *epoller(void *arg)
{
    struct epoll_event event;

    /* closing the last descriptor takes the file out of the set */
    TAKES(100, CHECK_EQ(epoll_wait(ep, &event, 1, 100), 0));
    return arg;
}

int test_main(void)
{
    struct epoll_event event = {.events = EPOLLIN};

    for (int i = 0; i < 3; i++) {
        (i == 0 ? pipe_pair : i == 1 ? unix_pair : tcp_pair)(fds);
        pthread_t thread = start(poller, NULL);
        settle();
        SYS(close(fds[0]));
        settle();
        if (i != 0)
            write_all(fds[1], "x", 1);
        SYS(close(fds[1]));
        finish(thread);

        (i == 0 ? pipe_pair : i == 1 ? unix_pair : tcp_pair)(fds);
        ep = (int)SYS(epoll_create1(0));
        SYS(epoll_ctl(ep, EPOLL_CTL_ADD, fds[0], &event));
        thread = start(epoller, NULL);
        settle();
        SYS(close(fds[0]));
        finish(thread);
        CHECK_ERRNO(epoll_ctl(ep, EPOLL_CTL_MOD, fds[0], &event), EBADF);
        SYS(close(fds[1]));
        SYS(close(ep));
    }
    return 0;
}
