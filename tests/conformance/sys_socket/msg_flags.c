/* MSG_DONTWAIT, PEEK, WAITALL, TRUNC, OOB, MORE, and a WAITALL cut short by the end. */
#include "testlib.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static int fds[2];

static void *dribble(void *arg)
{
    for (int i = 0; i < 10; i++) {
        usleep(5000);
        write_all(fds[1], "0123456789", 10);
    }
    if (arg)
        SYS(shutdown(fds[1], SHUT_WR));
    return NULL;
}

static void *peek_waits(void *arg)
{
    char data[20];

    CHECK_GE(recv(fds[0], data, sizeof(data), MSG_PEEK), 1);
    return arg;
}

static void streams(void (*make)(int *))
{
    char data[200];
    int available;

    make(fds);
    CHECK_ERRNO(recv(fds[0], data, 1, MSG_DONTWAIT), EAGAIN);
    CHECK(!is_nonblock(fds[0]));
    pthread_t thread = start(dribble, NULL);
    TAKES(45, CHECK_EQ(recv(fds[0], data, 100, MSG_WAITALL), 100));
    finish(thread);
    thread = start(dribble, &fds);
    CHECK_EQ(recv(fds[0], data, 150, MSG_WAITALL), 100);
    finish(thread);
    CHECK_EQ(recv(fds[0], data, 10, 0), 0);
    CHECK_EQ(recv(fds[0], data, 10, MSG_DONTWAIT), 0);
    close(fds[0]);
    close(fds[1]);

    make(fds);
    thread = start(peek_waits, NULL);
    usleep(10000);
    write_all(fds[1], "hello", 5);
    finish(thread);
    CHECK_EQ(recv(fds[0], data, sizeof(data), MSG_PEEK), 5);
    CHECK_EQ(recv(fds[0], data, 2, MSG_PEEK | MSG_WAITALL), 2);
    SYS(ioctl(fds[0], FIONREAD, &available));
    CHECK_EQ(available, 5);
    CHECK_EQ(recv(fds[0], data, sizeof(data), 0), 5);
    CHECK(memcmp(data, "hello", 5) == 0);

    static char block[1 << 20];
    long sent = 0, n;
    while ((n = send(fds[1], block, sizeof(block), MSG_DONTWAIT)) > 0)
        sent += n;
    CHECK_EQ(errno, EAGAIN);
    CHECK(!is_nonblock(fds[1]));
    while (sent > 0)
        sent -= SYS(recv(fds[0], block, sizeof(block), 0));
    CHECK_ERRNO(recv(fds[0], block, 1, MSG_DONTWAIT), EAGAIN);
    close(fds[0]);
    close(fds[1]);
}

static void urgent(void)
{
    char data[20];
    struct pollfd pfd;

    tcp_pair(fds);
    CHECK_EQ(send(fds[1], "ab", 2, 0), 2);
    CHECK_EQ(send(fds[1], "!", 1, MSG_OOB), 1);
    CHECK_EQ(send(fds[1], "cd", 2, 0), 2);
    pfd = (struct pollfd){.fd = fds[0], .events = POLLPRI};
    CHECK_EQ(poll(&pfd, 1, 5000), 1);
    CHECK_EQ(pfd.revents, POLLPRI);
    CHECK_EQ(read(fds[0], data, sizeof(data)), 2); /* up to the mark */
    CHECK_EQ(sockatmark(fds[0]), 1);
    CHECK_EQ(recv(fds[0], data, 1, MSG_OOB), 1);
    CHECK_EQ(data[0], '!');
    CHECK_EQ(read(fds[0], data, sizeof(data)), 2);
    CHECK_ERRNO(recv(fds[0], data, 1, MSG_OOB), EINVAL);
    close(fds[0]);
    close(fds[1]);
}

static void datagrams(void)
{
    char data[20];

    SYS(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds));
    write_all(fds[1], "0123456789", 10);
    CHECK_EQ(recv(fds[0], data, 4, MSG_TRUNC | MSG_PEEK), 10);
    struct iovec iov = {data, 4};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    CHECK_EQ(recvmsg(fds[0], &msg, 0), 4);
    CHECK_EQ(msg.msg_flags, MSG_TRUNC);
    CHECK_ERRNO(recv(fds[0], data, 4, MSG_DONTWAIT), EAGAIN);
    CHECK_EQ(send(fds[1], "", 0, 0), 0);
    CHECK_EQ(recv(fds[0], data, 4, 0), 0); /* an empty datagram is not the end */
    write_all(fds[1], "xy", 2);
    CHECK_EQ(recv(fds[0], data, sizeof(data), MSG_WAITALL), 2);
    close(fds[0]);
    close(fds[1]);
}

int test_main(void)
{
    streams(tcp_pair);
    streams(unix_pair);
    urgent();
    datagrams();
    return 0;
}
