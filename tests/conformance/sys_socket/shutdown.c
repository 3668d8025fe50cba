/* Half close, shutdown waking blocked threads on both sides, RST. */
#include "testlib.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

static int fds[2];

static void *reader(void *arg)
{
    char byte;

    CHECK_EQ(recv(fds[0], &byte, 1, 0), 0);
    return arg;
}

static void *writer(void *arg)
{
    static char block[16 << 20];
    long n = send(fds[0], block, sizeof(block), MSG_NOSIGNAL);

    CHECK(n == -1 ? errno == EPIPE || errno == ECONNRESET : n < (long)sizeof(block));
    return arg;
}

static void *reset_reader(void *arg)
{
    char byte;

    CHECK_ERRNO(recv(fds[0], &byte, 1, 0), ECONNRESET);
    CHECK_EQ(recv(fds[0], &byte, 1, 0), 0);
    return arg;
}

static void *poller(void *arg)
{
    struct pollfd pfd = {.fd = fds[0], .events = POLLIN | POLLRDHUP};

    CHECK_EQ(poll(&pfd, 1, 20000), 1);
    CHECK(pfd.revents & POLLRDHUP);
    return arg;
}

int test_main(void)
{
    void (*pairs[])(int *) = {tcp_pair, unix_pair};
    char data[10];

    for (int i = 0; i < 2; i++) {
        /* by this process on the same socket */
        pairs[i](fds);
        pthread_t a = start(reader, NULL), b = start(reader, NULL), c = start(poller, NULL);
        settle();
        SYS(shutdown(fds[0], SHUT_RD));
        finish(a);
        finish(b);
        finish(c);
        close(fds[0]);
        close(fds[1]);

        pairs[i](fds);
        a = start(writer, NULL);
        settle();
        SYS(shutdown(fds[0], SHUT_WR));
        finish(a);
        CHECK_ERRNO(send(fds[0], "x", 1, MSG_NOSIGNAL), EPIPE);
        close(fds[0]);
        close(fds[1]);

        /* half close: the other direction goes on */
        pairs[i](fds);
        a = start(reader, NULL);
        settle();
        SYS(shutdown(fds[1], SHUT_WR));
        finish(a);
        write_all(fds[0], "still", 5);
        CHECK_EQ(recv(fds[1], data, sizeof(data), 0), 5);
        CHECK_ERRNO(send(fds[1], "x", 1, MSG_NOSIGNAL), EPIPE);
        struct pollfd pfd = {.fd = fds[0], .events = POLLIN | POLLRDHUP | POLLOUT};
        CHECK_EQ(poll(&pfd, 1, 0), 1);
        CHECK_EQ(pfd.revents, POLLIN | POLLRDHUP | POLLOUT);
        close(fds[0]);
        close(fds[1]);
    }
    CHECK_ERRNO(shutdown(0, SHUT_RD), ENOTSOCK);
    int fd = (int)SYS(socket(AF_INET, SOCK_STREAM, 0));
    CHECK_ERRNO(shutdown(fd, SHUT_RD), ENOTCONN);
    fd = (int)SYS(socket(AF_INET, SOCK_STREAM, 0));
    CHECK_ERRNO(recv(fd, data, 1, 0), ENOTCONN);
    CHECK_ERRNO(send(fd, data, 1, MSG_NOSIGNAL), EPIPE);

    tcp_pair(fds);
    pthread_t a = start(reset_reader, NULL);
    settle();
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    SYS(setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
    SYS(close(fds[1]));
    finish(a);
    signal(SIGPIPE, SIG_IGN);
    CHECK_ERRNO(write(fds[0], "x", 1), EPIPE);
    return 0;
}
