/* Worker threads around one epoll set with EPOLLONESHOT and re-arming, as servers do; also with
   EPOLLET and non-blocking sockets. */
#include "testlib.h"

#include <sys/epoll.h>
#include <sys/socket.h>

enum { CLIENTS = 20, WORKERS = 4, TURNS = 30 };
static int ep, stop[2];

static void *worker(void *arg)
{
    uint32_t mode = (uint32_t)(uintptr_t)arg;
    struct epoll_event event;
    char data[64];

    for (;;) {
        long n;

        CHECK_EQ(epoll_wait(ep, &event, 1, -1), 1);
        if (event.data.fd == stop[0])
            return NULL;
        while ((n = recv(event.data.fd, data, sizeof(data), MSG_DONTWAIT)) > 0)
            CHECK_EQ(send(event.data.fd, data, (size_t)n, 0), n);
        if (n == -1)
            CHECK_EQ(errno, EAGAIN);
        if (n != 0 && mode == EPOLLONESHOT) {
            event.events = EPOLLIN | mode;
            SYS(epoll_ctl(ep, EPOLL_CTL_MOD, event.data.fd, &event));
        }
    }
}

static void *client(void *arg)
{
    int fd = *(int *)arg, back;

    for (int i = 0; i < TURNS; i++) {
        write_all(fd, &i, sizeof(i));
        read_all(fd, &back, sizeof(back));
        CHECK_EQ(back, i);
    }
    return NULL;
}

static void serve(uint32_t mode)
{
    static int fds[CLIENTS][2];
    pthread_t workers[WORKERS], clients[CLIENTS];
    struct epoll_event event;

    ep = (int)SYS(epoll_create1(0));
    pipe_pair(stop);
    event = (struct epoll_event){.events = EPOLLIN, .data.fd = stop[0]};
    SYS(epoll_ctl(ep, EPOLL_CTL_ADD, stop[0], &event));
    for (intptr_t i = 0; i < WORKERS; i++)
        workers[i] = start(worker, (void *)(uintptr_t)mode);
    for (int i = 0; i < CLIENTS; i++) {
        (i % 2 ? tcp_pair : unix_pair)(fds[i]);
        event = (struct epoll_event){.events = EPOLLIN | mode, .data.fd = fds[i][0]};
        SYS(epoll_ctl(ep, EPOLL_CTL_ADD, fds[i][0], &event));
        clients[i] = start(client, &fds[i][1]);
    }
    for (int i = 0; i < CLIENTS; i++)
        finish(clients[i]);
    write_all(stop[1], "x", 1);
    for (int i = 0; i < WORKERS; i++)
        finish(workers[i]);
    for (int i = 0; i < CLIENTS; i++) {
        close(fds[i][0]);
        close(fds[i][1]);
    }
    close(ep);
    close(stop[0]);
    close(stop[1]);
}

int test_main(void)
{
    serve(EPOLLONESHOT);
    serve(EPOLLET);
    return 0;
}
