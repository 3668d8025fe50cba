/* Epoll descriptors inside epoll, poll and select, while threads use what is inside. */
#include "testlib.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>

static int fds[2];

static void *write_later(void *arg)
{
    settle();
    write_all(fds[1], "x", 1);
    return arg;
}

int test_main(void)
{
    int inner = (int)SYS(epoll_create1(0)), outer = (int)SYS(epoll_create1(0));
    struct epoll_event event = {.events = EPOLLIN};
    struct pollfd pfd = {.fd = inner, .events = POLLIN};
    fd_set set;

    unix_pair(fds);
    event.data.fd = fds[0];
    SYS(epoll_ctl(inner, EPOLL_CTL_ADD, fds[0], &event));
    event.data.fd = inner;
    SYS(epoll_ctl(outer, EPOLL_CTL_ADD, inner, &event));
    CHECK_ERRNO(epoll_ctl(inner, EPOLL_CTL_ADD, outer, &event), ELOOP);

    for (int i = 0; i < 5; i++) {
        TAKES(30, CHECK_EQ(epoll_wait(outer, &event, 1, 30), 0));
        pthread_t thread = start(write_later, NULL);
        switch (i) {
        case 0:
            TAKES(30, CHECK_EQ(epoll_wait(outer, &event, 1, 20000), 1));
            CHECK_EQ(event.data.fd, inner);
            break;
        case 1:
            TAKES(30, CHECK_EQ(poll(&pfd, 1, 20000), 1));
            CHECK_EQ(pfd.revents, POLLIN);
            break;
        case 2:
            FD_ZERO(&set);
            FD_SET(inner, &set);
            TAKES(30, CHECK_EQ(select(inner + 1, &set, NULL, NULL, NULL), 1));
            break;
        case 3:
            pfd.fd = outer;
            TAKES(30, CHECK_EQ(poll(&pfd, 1, 20000), 1));
            break;
        default:
            TAKES(30, CHECK_EQ(epoll_wait(inner, &event, 1, 20000), 1));
            CHECK_EQ(event.data.fd, fds[0]);
        }
        finish(thread);
        CHECK_EQ(epoll_wait(inner, &event, 1, 0), 1);
        CHECK_EQ(event.data.fd, fds[0]);
        read_all(fds[0], &(char){0}, 1);
        CHECK_EQ(epoll_wait(outer, &event, 1, 0), 0);
    }
    return 0;
}
