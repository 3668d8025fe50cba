/* accept: EINVAL when not listening, EBADF, ENOTSOCK, EOPNOTSUPP, a shutdown listener, EMFILE. */
#include "testlib.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

static int listener;

static void *acceptor(void *arg)
{
    CHECK_ERRNO(accept(listener, NULL, NULL), EINVAL);
    return arg;
}

int test_main(void)
{
    uint16_t port;
    int fds[2], fd;

    CHECK_ERRNO(accept(-1, NULL, NULL), EBADF);
    pipe_pair(fds);
    CHECK_ERRNO(accept(fds[0], NULL, NULL), ENOTSOCK);
    fd = (int)SYS(socket(AF_INET, SOCK_STREAM, 0));
    CHECK_ERRNO(accept(fd, NULL, NULL), EINVAL);
    close(fd);
    fd = (int)SYS(socket(AF_INET, SOCK_DGRAM, 0));
    CHECK_ERRNO(accept(fd, NULL, NULL), EOPNOTSUPP);
    close(fd);

    /* shutdown of the listener wakes the thread in accept with EINVAL */
    listener = tcp_listen(5, &port);
    pthread_t a = start(acceptor, NULL), b = start(acceptor, NULL);
    settle();
    SYS(shutdown(listener, SHUT_RDWR));
    finish(a);
    finish(b);
    close(listener);

    /* SO_RCVTIMEO also holds for accept */
    listener = tcp_listen(5, &port);
    struct timeval tv = {.tv_usec = 50000};
    SYS(setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
    TAKES(49, CHECK_ERRNO(accept(listener, NULL, NULL), EAGAIN));
    CHECK(!is_nonblock(listener));

    /* an already closed connection is still accepted */
    close(tcp_connect(port));
    usleep(2000);
    fd = (int)SYS(accept(listener, NULL, NULL));
    CHECK_EQ(read(fd, &(char){0}, 1), 0);
    close(fd);

    struct rlimit limit, old;
    SYS(getrlimit(RLIMIT_NOFILE, &old));
    int client = tcp_connect(port);
    int top = (int)SYS(dup(0));
    close(top);
    limit = old;
    limit.rlim_cur = (rlim_t)top;
    SYS(setrlimit(RLIMIT_NOFILE, &limit));
    CHECK_ERRNO(accept(listener, NULL, NULL), EMFILE);
    CHECK_ERRNO(dup(0), EMFILE);
    CHECK_ERRNO(socket(AF_INET, SOCK_STREAM, 0), EMFILE);
    SYS(setrlimit(RLIMIT_NOFILE, &old));
    fd = (int)SYS(accept(listener, NULL, NULL));
    close(fd);
    close(client);

    /* the peer's address of a unix connection, and truncation */
    struct sockaddr_un addr = {.sun_family = AF_UNIX, .sun_path = "sock"};
    int un = (int)SYS(socket(AF_UNIX, SOCK_STREAM, 0));
    SYS(bind(un, (struct sockaddr *)&addr, sizeof(addr)));
    SYS(listen(un, 1));
    client = (int)SYS(socket(AF_UNIX, SOCK_STREAM, 0));
    SYS(connect(client, (struct sockaddr *)&addr, sizeof(addr)));
    socklen_t len = 0;
    char nothing;
    fd = (int)SYS(accept(un, (struct sockaddr *)&nothing, &len));
    CHECK_EQ(len, 2);
    return 0;
}
