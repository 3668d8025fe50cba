/* A file stays in an epoll set while a duplicate is open, and a child's closing of descriptors
   does not change the parent's waiting. */
#include "testlib.h"

#include <sys/epoll.h>
#include <sys/wait.h>

static int fds[2];

static int close_all(void *arg)
{
    (void)arg;
    for (int fd = 3; fd < 256; fd++)
        close(fd);
    return 0;
}

static void *reader(void *arg)
{
    char data[8];

    CHECK_EQ(read(fds[0], data, sizeof(data)), 3);
    return arg;
}

int test_main(void)
{
    int ep = (int)SYS(epoll_create1(0));
    struct epoll_event event = {.events = EPOLLIN, .data.fd = 42};

    unix_pair(fds);
    SYS(epoll_ctl(ep, EPOLL_CTL_ADD, fds[0], &event));
    int copy = (int)SYS(dup(fds[0]));
    SYS(close(fds[0]));
    write_all(fds[1], "x", 1);
    CHECK_EQ(epoll_wait(ep, &event, 1, 5000), 1);
    CHECK_EQ(event.data.fd, 42);
    SYS(close(copy));
    CHECK_EQ(epoll_wait(ep, &event, 1, 0), 0);
    SYS(close(fds[1]));

    for (int i = 0; i < 3; i++) {
        (i == 0 ? pipe_pair : i == 1 ? unix_pair : tcp_pair)(fds);
        pthread_t thread = start(reader, NULL);
        settle();
        CHECK_EQ(run_child(close_all, NULL), 0);
        write_all(fds[1], "abc", 3);
        finish(thread);
        close(fds[0]);
        close(fds[1]);
    }
    return 0;
}
