/* A thread per connection: 1 000 at once, idle for a while, all answered, in any order. */
/* TIMEOUT: 60 */
#include "testlib.h"

#include <sys/socket.h>

enum { COUNT = 1000 };
static int listener, served;

static void *serve(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char data[64];
    long n;

    while ((n = SYS(recv(fd, data, sizeof(data), 0))) > 0)
        CHECK_EQ(send(fd, data, (size_t)n, 0), n);
    SYS(close(fd));
    flag_add(&served, 1);
    return NULL;
}

static void *acceptor(void *arg)
{
    pthread_attr_t attr;
    pthread_t thread;

    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    for (int i = 0; i < COUNT; i++) {
        int fd = (int)SYS(accept(listener, NULL, NULL));
        CHECK_RC(pthread_create(&thread, &attr, serve, (void *)(intptr_t)fd), 0);
    }
    pthread_attr_destroy(&attr);
    return arg;
}

int test_main(void)
{
    static int fds[COUNT];
    uint16_t port;

    listener = tcp_listen(512, &port);
    pthread_t thread = start(acceptor, NULL);
    for (int i = 0; i < COUNT; i++)
        fds[i] = tcp_connect(port);
    finish(thread);
    settle();
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < COUNT; i++) {
            int which = i * 7 % COUNT;
            CHECK_EQ(send(fds[which], &which, sizeof(which), 0), sizeof(which));
        }
        for (int i = 0; i < COUNT; i++) {
            int back = -1;
            CHECK_EQ(recv(fds[i], &back, sizeof(back), MSG_WAITALL), sizeof(back));
            CHECK_EQ(back, i);
        }
    }
    for (int i = 0; i < COUNT; i++)
        SYS(i % 2 ? shutdown(fds[i], SHUT_WR) : close(fds[i]));
    flag_wait(&served, COUNT);
    return 0;
}
