/* SO_RCVTIMEO and SO_SNDTIMEO: EAGAIN, never early, partial results, and off again. */
#include "testlib.h"

#include <sys/socket.h>
#include <sys/uio.h>

static int fds[2];

static void set(int fd, int which, int ms)
{
    struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000}, back;
    socklen_t len = sizeof(back);

    SYS(setsockopt(fd, SOL_SOCKET, which, &tv, sizeof(tv)));
    SYS(getsockopt(fd, SOL_SOCKET, which, &back, &len));
    CHECK_EQ(back.tv_sec, tv.tv_sec);
    CHECK_GE(back.tv_usec, tv.tv_usec);
}

static void *write_later(void *arg)
{
    usleep(100000);
    write_all(fds[1], "abc", 3);
    return arg;
}

static void check(void (*make)(int *))
{
    static char block[8 << 20];
    char data[10];
    struct iovec iov = {data, sizeof(data)};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    make(fds);
    set(fds[0], SO_RCVTIMEO, 70);
    TAKES(60, CHECK_ERRNO(recv(fds[0], data, sizeof(data), 0), EAGAIN));
    TAKES(60, CHECK_ERRNO(read(fds[0], data, sizeof(data)), EAGAIN));
    TAKES(60, CHECK_ERRNO(recvfrom(fds[0], data, sizeof(data), 0, NULL, NULL), EAGAIN));
    TAKES(60, CHECK_ERRNO(recvmsg(fds[0], &msg, 0), EAGAIN));
    TAKES(60, CHECK_ERRNO(readv(fds[0], &iov, 1), EAGAIN));
    CHECK(!is_nonblock(fds[0]));
    write_all(fds[1], "abc", 3);
    TAKES(60, CHECK_EQ(recv(fds[0], data, sizeof(data), MSG_WAITALL), 3));
    set(fds[0], SO_RCVTIMEO, 5000);
    pthread_t thread = start(write_later, NULL);
    TAKES(90, CHECK_EQ(recv(fds[0], data, sizeof(data), 0), 3));
    finish(thread);
    set(fds[0], SO_RCVTIMEO, 0); /* for ever */
    thread = start(write_later, NULL);
    TAKES(90, CHECK_EQ(recv(fds[0], data, sizeof(data), 0), 3));
    finish(thread);

    set(fds[1], SO_SNDTIMEO, 70);
    long n = 0;
    TAKES(60, n = SYS(send(fds[1], block, sizeof(block), 0)));
    CHECK(n > 0 && n < (long)sizeof(block));
    TAKES(60, ({
              while (write(fds[1], block, 65536) > 0)
                  ;
              CHECK_EQ(errno, EAGAIN);
          }));
    CHECK(!is_nonblock(fds[1]));
    close(fds[0]);
    close(fds[1]);
}

static void dgram_pair(int pair[2])
{
    SYS(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
}

int test_main(void)
{
    char data[10];

    check(tcp_pair);
    check(unix_pair);
    dgram_pair(fds);
    set(fds[0], SO_RCVTIMEO, 70);
    TAKES(60, CHECK_ERRNO(recv(fds[0], data, sizeof(data), 0), EAGAIN));
    set(fds[1], SO_SNDTIMEO, 70);
    TAKES(60, ({
              while (send(fds[1], data, sizeof(data), 0) > 0)
                  ;
              CHECK_EQ(errno, EAGAIN);
          }));
    struct timeval bad = {.tv_usec = 1000000};
    CHECK_ERRNO(setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &bad, sizeof(bad)), EDOM);
    return 0;
}
