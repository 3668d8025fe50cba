/* epoll_wait, epoll_pwait, epoll_pwait2: timeouts, data, LT, ET, ONESHOT, errors. */
#include "testlib.h"

#include <fcntl.h>
#include <sys/epoll.h>

static int fds[2];

static void *write_later(void *arg)
{
    settle();
    write_all(fds[1], "x", 1);
    return arg;
}

static void add(int ep, int fd, uint32_t events, uint64_t data)
{
    struct epoll_event event = {.events = events, .data.u64 = data};

    SYS(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event));
}

static int wait_ms(int ep, int ms)
{
    struct epoll_event events[4];

    return (int)SYS(epoll_wait(ep, events, 4, ms));
}

int test_main(void)
{
    struct epoll_event events[4];
    struct timespec ts;

    for (int i = 0; i < 3; i++) {
        int ep = (int)SYS(epoll_create1(EPOLL_CLOEXEC));

        (i == 0 ? pipe_pair : i == 1 ? unix_pair : tcp_pair)(fds);
        add(ep, fds[0], EPOLLIN, 0x123456789abcdef0);
        CHECK_EQ(wait_ms(ep, 0), 0);
        TAKES(40, CHECK_EQ(wait_ms(ep, 40), 0));
        TAKES(40, CHECK_EQ(epoll_pwait(ep, events, 4, 40, NULL), 0));
        ts = ts_of_ms(40);
        TAKES(40, CHECK_EQ(epoll_pwait2(ep, events, 4, &ts, NULL), 0));
        ts = (struct timespec){.tv_nsec = 300000};
        TAKES(0, CHECK_EQ(epoll_pwait2(ep, events, 4, &ts, NULL), 0));

        pthread_t thread = start(write_later, NULL);
        TAKES(30, CHECK_EQ(epoll_wait(ep, events, 4, -1), 1));
        CHECK_EQ(events[0].events, EPOLLIN);
        CHECK_EQ(events[0].data.u64, 0x123456789abcdef0);
        finish(thread);
        CHECK_EQ(wait_ms(ep, 0), 1); /* level-triggered */
        read_all(fds[0], &(char){0}, 1);
        CHECK_EQ(wait_ms(ep, 0), 0);

        struct epoll_event event = {.events = EPOLLIN | EPOLLET};
        SYS(epoll_ctl(ep, EPOLL_CTL_MOD, fds[0], &event));
        thread = start(write_later, NULL);
        TAKES(30, CHECK_EQ(epoll_pwait2(ep, events, 4, NULL, NULL), 1));
        finish(thread);
        TAKES(40, CHECK_EQ(wait_ms(ep, 40), 0)); /* edge seen, data still there */
        write_all(fds[1], "y", 1);
        CHECK_EQ(wait_ms(ep, 5000), 1);
        SYS(epoll_ctl(ep, EPOLL_CTL_MOD, fds[0], &event)); /* re-arms */
        CHECK_EQ(wait_ms(ep, 5000), 1);

        event.events = EPOLLIN | EPOLLONESHOT;
        SYS(epoll_ctl(ep, EPOLL_CTL_MOD, fds[0], &event));
        CHECK_EQ(wait_ms(ep, 5000), 1);
        TAKES(40, CHECK_EQ(wait_ms(ep, 40), 0));
        SYS(epoll_ctl(ep, EPOLL_CTL_MOD, fds[0], &event));
        CHECK_EQ(wait_ms(ep, 5000), 1);

        event.events = EPOLLIN | EPOLLRDHUP;
        SYS(epoll_ctl(ep, EPOLL_CTL_MOD, fds[0], &event));
        SYS(close(fds[1]));
        CHECK_EQ(epoll_wait(ep, events, 4, 5000), 1);
        CHECK(events[0].events & (EPOLLHUP | EPOLLRDHUP));
        CHECK_ERRNO(epoll_ctl(ep, EPOLL_CTL_ADD, fds[0], &event), EEXIST);
        SYS(epoll_ctl(ep, EPOLL_CTL_DEL, fds[0], NULL));
        CHECK_EQ(wait_ms(ep, 0), 0);
        CHECK_ERRNO(epoll_ctl(ep, EPOLL_CTL_DEL, fds[0], NULL), ENOENT);
        CHECK_ERRNO(epoll_ctl(ep, EPOLL_CTL_MOD, fds[0], &event), ENOENT);
        CHECK_ERRNO(epoll_ctl(ep, EPOLL_CTL_ADD, ep, &event), EINVAL);
        CHECK_ERRNO(epoll_ctl(ep, EPOLL_CTL_ADD, 999, &event), EBADF);
        SYS(close(fds[0]));
        SYS(close(ep));
    }
    char name[] = "file-XXXXXX";
    int file = (int)SYS(mkstemp(name)), ep = (int)SYS(epoll_create(1));
    struct epoll_event event = {.events = EPOLLIN};
    CHECK_ERRNO(epoll_ctl(ep, EPOLL_CTL_ADD, file, &event), EPERM);
    CHECK_ERRNO(epoll_create(0), EINVAL);
    CHECK_ERRNO(epoll_create1(77), EINVAL);
    TAKES(40, CHECK_EQ(wait_ms(ep, 40), 0)); /* an empty set */
    ts.tv_nsec = -1;
    CHECK_ERRNO(epoll_pwait2(ep, events, 4, &ts, NULL), EINVAL);
    return 0;
}
