/* connect: success, refused, in progress, already, isconn, unix backlog full, timeout, abort. */
#include "testlib.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct sockaddr_in in_addr(uint16_t port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port)};

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return addr;
}

static int un_listener;

static void *accept_later(void *arg)
{
    settle();
    (void)arg;
    return (void *)SYS(accept(un_listener, NULL, NULL));
}

static void unix_backlog(void)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX, .sun_path = "sock"};
    int fds[64], count = 0;

    un_listener = (int)SYS(socket(AF_UNIX, SOCK_STREAM, 0));
    SYS(bind(un_listener, (struct sockaddr *)&addr, sizeof(addr)));
    SYS(listen(un_listener, 1));
    for (; count < 64; count++) {
        fds[count] = (int)SYS(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
        if (connect(fds[count], (struct sockaddr *)&addr, sizeof(addr)) == -1)
            break;
    }
    CHECK_EQ(errno, EAGAIN);
    CHECK_GE(count, 1);
    /* a blocking connect waits for room */
    int fd = (int)SYS(socket(AF_UNIX, SOCK_STREAM, 0));
    pthread_t thread = start(accept_later, NULL);
    TAKES(30, SYS(connect(fd, (struct sockaddr *)&addr, sizeof(addr))));
    finish(thread);
    CHECK(!is_nonblock(fd));
    /* and no longer than SO_SNDTIMEO */
    struct timeval tv = {.tv_usec = 50000};
    fd = (int)SYS(socket(AF_UNIX, SOCK_STREAM, 0));
    SYS(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)));
    TAKES(49, CHECK_ERRNO(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), EAGAIN));
    addr.sun_path[0] = 'x';
    CHECK_ERRNO(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), ENOENT);
}

static void *connector(void *arg)
{
    for (int i = 0; i < 20; i++) {
        int fd = tcp_connect(*(uint16_t *)arg);
        CHECK(!is_nonblock(fd));
        close(fd);
    }
    return NULL;
}

int test_main(void)
{
    uint16_t port, closed_port;
    int listener = tcp_listen(512, &port), fd, error;
    struct sockaddr_in addr = in_addr(port);
    pthread_t threads[10];

    for (int i = 0; i < 10; i++)
        threads[i] = start(connector, &port);
    for (int i = 0; i < 10; i++)
        finish(threads[i]);

    fd = tcp_connect(port);
    CHECK_ERRNO(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), EISCONN);
    close(fd);

    close(tcp_listen(1, &closed_port));
    addr = in_addr(closed_port);
    fd = (int)SYS(socket(AF_INET, SOCK_STREAM, 0));
    CHECK_ERRNO(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), ECONNREFUSED);
    socklen_t len = sizeof(error);
    SYS(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len));
    CHECK_EQ(error, 0);
    CHECK(!is_nonblock(fd));
    addr = in_addr(port);
    SYS(connect(fd, (struct sockaddr *)&addr, sizeof(addr))); /* Linux: usable again */
    close(fd);

    /* non-blocking: the program sees EINPROGRESS, poll and SO_ERROR */
    fd = (int)SYS(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    CHECK_ERRNO(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), EINPROGRESS);
    struct pollfd pfd = {.fd = fd, .events = POLLOUT};
    CHECK_EQ(poll(&pfd, 1, 10000), 1);
    SYS(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len));
    CHECK_EQ(error, 0);
    close(fd);
    fd = (int)SYS(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    addr = in_addr(closed_port);
    CHECK_ERRNO(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), EINPROGRESS);
    pfd.fd = fd;
    CHECK_EQ(poll(&pfd, 1, 10000), 1);
    CHECK_EQ(pfd.revents, POLLOUT | POLLERR | POLLHUP);
    SYS(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len));
    CHECK_EQ(error, ECONNREFUSED);
    close(fd);

    /* a full TCP backlog: a timed connect gives EINPROGRESS, not early */
    uint16_t full_port;
    int full = tcp_listen(0, &full_port);
    struct timeval tv = {.tv_usec = 60000};
    int rc = 0, tries = 0;
    addr = in_addr(full_port);
    for (; tries < 10 && rc == 0; tries++) {
        struct span span = span_begin();
        fd = (int)SYS(socket(AF_INET, SOCK_STREAM, 0));
        SYS(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)));
        rc = connect(fd, (struct sockaddr *)&addr, sizeof(addr));
        if (rc == -1) {
            CHECK_EQ(errno, EINPROGRESS);
            span_end(&span, 59, __FILE__, __LINE__);
        }
    }
    CHECK_EQ(rc, -1);
    CHECK(!is_nonblock(fd));
    close(full);

    CHECK_ERRNO(connect(-1, (struct sockaddr *)&addr, sizeof(addr)), EBADF);
    CHECK_ERRNO(connect(0, (struct sockaddr *)&addr, sizeof(addr)), ENOTSOCK);
    fd = (int)SYS(socket(AF_INET, SOCK_STREAM, 0));
    CHECK_ERRNO(connect(fd, (struct sockaddr *)&addr, 3), EINVAL);
    addr.sin_family = 77;
    CHECK_ERRNO(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), EAFNOSUPPORT);
    unix_backlog();
    close(listener);
    return 0;
}
