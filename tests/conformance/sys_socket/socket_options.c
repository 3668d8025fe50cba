/* Options and names of sockets are untouched by blocking calls of other threads. */
#include "testlib.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

static void *blocked(void *arg)
{
    char byte;

    CHECK_EQ(recv(*(int *)arg, &byte, 1, 0), 1);
    return NULL;
}

static int option(int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof(value);

    SYS(getsockopt(fd, level, name, &value, &len));
    return value;
}

int test_main(void)
{
    int fds[2], on = 1;

    tcp_pair(fds);
    pthread_t thread = start(blocked, &fds[0]);
    settle();
    CHECK_EQ(option(fds[0], SOL_SOCKET, SO_TYPE), SOCK_STREAM);
    CHECK_EQ(option(fds[0], SOL_SOCKET, SO_ERROR), 0);
    CHECK_EQ(option(fds[0], SOL_SOCKET, SO_RCVLOWAT), 1);
    CHECK_EQ(option(fds[0], SOL_SOCKET, SO_OOBINLINE), 0);
    CHECK_EQ(option(fds[0], SOL_SOCKET, SO_ACCEPTCONN), 0);
    CHECK_EQ(option(fds[0], IPPROTO_TCP, TCP_NODELAY), 0);
    SYS(setsockopt(fds[0], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)));
    CHECK_EQ(option(fds[0], IPPROTO_TCP, TCP_NODELAY), 1);
    struct timeval tv = {-1, -1};
    socklen_t len = sizeof(tv);
    SYS(getsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &tv, &len));
    CHECK_EQ(tv.tv_sec, 0);
    CHECK_EQ(tv.tv_usec, 0);
    struct sockaddr_in a, b;
    len = sizeof(a);
    SYS(getsockname(fds[0], (struct sockaddr *)&a, &len));
    SYS(getpeername(fds[1], (struct sockaddr *)&b, &len));
    CHECK_EQ(a.sin_port, b.sin_port);
    write_all(fds[1], "x", 1);
    finish(thread);
    CHECK_ERRNO(socketpair(AF_INET, SOCK_STREAM, 0, fds), EOPNOTSUPP);
    CHECK_ERRNO(socket(999, SOCK_STREAM, 0), EAFNOSUPPORT);
    return 0;
}
