/* Waiting for room to write: poll, select and epoll with a reader that makes room later. */
#include "testlib.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>

static int fds[2];

static void *drain_later(void *arg)
{
    char block[65536];
    long total = (long)(intptr_t)arg;

    settle();
    while (total > 0)
        total -= SYS(read(fds[0], block, sizeof(block)));
    return NULL;
}

static long fill(void)
{
    static char block[65536];
    long n, total = 0;

    set_nonblock(fds[1], 1);
    while ((n = write(fds[1], block, sizeof(block))) > 0)
        total += n;
    CHECK_EQ(errno, EAGAIN);
    set_nonblock(fds[1], 0);
    return total;
}

int test_main(void)
{
    for (int i = 0; i < 3; i++) {
        struct pollfd pfd;
        struct epoll_event event = {.events = EPOLLOUT};
        fd_set set;

        (i == 0 ? pipe_pair : i == 1 ? unix_pair : tcp_pair)(fds);
        pfd = (struct pollfd){.fd = fds[1], .events = POLLOUT};
        CHECK_EQ(poll(&pfd, 1, 0), 1);
        long total = fill();
        CHECK_EQ(poll(&pfd, 1, 0), 0);
        pthread_t thread = start(drain_later, (void *)total);
        TAKES(30, CHECK_EQ(poll(&pfd, 1, 20000), 1));
        CHECK_EQ(pfd.revents, POLLOUT);
        finish(thread);

        thread = start(drain_later, (void *)fill());
        FD_ZERO(&set);
        FD_SET(fds[1], &set);
        TAKES(30, CHECK_EQ(select(fds[1] + 1, NULL, &set, NULL, NULL), 1));
        finish(thread);

        int ep = (int)SYS(epoll_create1(0));
        SYS(epoll_ctl(ep, EPOLL_CTL_ADD, fds[1], &event));
        CHECK_EQ(epoll_wait(ep, &event, 1, 0), 1);
        thread = start(drain_later, (void *)fill());
        TAKES(30, CHECK_EQ(epoll_wait(ep, &event, 1, 20000), 1));
        CHECK_EQ(event.events, EPOLLOUT);
        finish(thread);
        close(ep);
        close(fds[0]);
        close(fds[1]);
    }
    return 0;
}
