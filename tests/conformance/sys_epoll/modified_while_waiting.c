/* An epoll set changed by other threads while one waits in it; two threads in one set. */
#include "testlib.h"

#include <sys/epoll.h>

static int ep, fds[2], count;

static void *add_later(void *arg)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = 5};

    settle();
    SYS(epoll_ctl(ep, EPOLL_CTL_ADD, fds[0], &event)); /* ready already */
    return arg;
}

static void *mod_later(void *arg)
{
    struct epoll_event event = {.events = EPOLLOUT, .data.fd = 6};

    settle();
    SYS(epoll_ctl(ep, EPOLL_CTL_MOD, fds[0], &event));
    return arg;
}

static void *taker(void *arg)
{
    struct epoll_event event;
    char byte;

    for (;;) {
        CHECK_EQ(epoll_wait(ep, &event, 1, -1), 1);
        if (read(event.data.fd, &byte, 1) != 1)
            continue; /* the other thread had it */
        if (byte == 'q')
            return NULL;
        flag_add(&count, 1);
        ++*(int *)arg;
        usleep(300);
    }
}

int test_main(void)
{
    struct epoll_event event;

    for (int i = 0; i < 2; i++) {
        ep = (int)SYS(epoll_create1(0));
        (i ? unix_pair : tcp_pair)(fds);
        write_all(fds[1], "x", 1);
        pthread_t thread = start(add_later, NULL);
        TAKES(30, CHECK_EQ(epoll_wait(ep, &event, 1, 20000), 1));
        CHECK_EQ(event.data.fd, 5);
        finish(thread);
        read_all(fds[0], &(char){0}, 1);
        thread = start(mod_later, NULL);
        TAKES(30, CHECK_EQ(epoll_wait(ep, &event, 1, 20000), 1));
        CHECK_EQ(event.data.fd, 6);
        CHECK_EQ(event.events, EPOLLOUT);
        finish(thread);
        close(fds[0]);
        close(fds[1]);
        close(ep);
    }

    /* two threads share the work of 40 pipes */
    int pipes[40][2], mine[2] = {0, 0};
    ep = (int)SYS(epoll_create1(0));
    for (int i = 0; i < 40; i++) {
        pipe_pair(pipes[i]);
        set_nonblock(pipes[i][0], 1);
        event = (struct epoll_event){.events = EPOLLIN, .data.fd = pipes[i][0]};
        SYS(epoll_ctl(ep, EPOLL_CTL_ADD, pipes[i][0], &event));
    }
    pthread_t a = start(taker, &mine[0]), b = start(taker, &mine[1]);
    settle();
    for (int i = 0; i < 400; i++)
        write_all(pipes[i * 13 % 40][1], "x", 1);
    flag_wait(&count, 400);
    settle();
    CHECK_EQ(flag_get(&count), 400);
    write_all(pipes[0][1], "qq", 2);
    finish(a);
    finish(b);
    CHECK_GE(mine[0], 1);
    CHECK_GE(mine[1], 1);
    return 0;
}
