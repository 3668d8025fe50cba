/* O_NONBLOCK set by every means: EAGAIN at once, flags shown as set, blocking again after. */
#include "testlib.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

static void empty_read(int fd)
{
    uint64_t value;

    CHECK_ERRNO(read(fd, &value, sizeof(value)), EAGAIN);
    CHECK(is_nonblock(fd));
}

static void fill(int fd)
{
    static char block[65536];
    long n, total = 0;

    while ((n = write(fd, block, sizeof(block))) > 0)
        total += n;
    CHECK_EQ(errno, EAGAIN);
    CHECK_GE(total, 1);
}

static void *write_later(void *arg)
{
    settle();
    write_all(*(int *)arg, "12345678", 8);
    return NULL;
}

static void toggles(int fds[2])
{
    set_nonblock(fds[0], 1);
    empty_read(fds[0]);
    CHECK(!is_nonblock(fds[1]));
    set_nonblock(fds[1], 1);
    fill(fds[1]);
    close(fds[1]);
    close(fds[0]);
}

static void by_ioctl(int fds[2])
{
    int on = 1, off = 0;
    uint64_t value;

    SYS(ioctl(fds[0], FIONBIO, &on));
    empty_read(fds[0]);
    SYS(ioctl(fds[0], FIONBIO, &off));
    CHECK(!is_nonblock(fds[0]));
    pthread_t thread = start(write_later, &fds[1]);
    TAKES(30, CHECK_EQ(read(fds[0], &value, 8), 8));
    finish(thread);

    /* shared by dup */
    int copy = (int)SYS(dup(fds[0]));
    set_nonblock(copy, 1);
    empty_read(fds[0]);
    set_nonblock(fds[0], 0);
    CHECK(!is_nonblock(copy));
    thread = start(write_later, &fds[1]);
    TAKES(30, CHECK_EQ(read(copy, &value, 8), 8));
    finish(thread);
    SYS(fcntl(fds[0], F_SETFL, O_NONBLOCK | O_APPEND));
    CHECK_EQ(fcntl(fds[0], F_GETFL) & (O_NONBLOCK | O_APPEND), O_NONBLOCK | O_APPEND);
    close(copy);
    close(fds[0]);
    close(fds[1]);
}

int test_main(void)
{
    int fds[2], fd;

    pipe_pair(fds);
    toggles(fds);
    unix_pair(fds);
    toggles(fds);
    tcp_pair(fds);
    toggles(fds);
    pipe_pair(fds);
    by_ioctl(fds);
    unix_pair(fds);
    by_ioctl(fds);
    tcp_pair(fds);
    by_ioctl(fds);

    SYS(pipe2(fds, O_NONBLOCK | O_CLOEXEC));
    empty_read(fds[0]);
    fill(fds[1]);
    CHECK_EQ(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
    SYS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds));
    empty_read(fds[0]);
    fill(fds[1]);
    SYS(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds));
    empty_read(fds[0]);
    fd = (int)SYS(eventfd(0, EFD_NONBLOCK));
    empty_read(fd);
    fd = (int)SYS(timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK));
    empty_read(fd);
    fd = (int)SYS(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0));
    empty_read(fd);

    uint16_t port;
    int listener = tcp_listen(5, &port);
    set_nonblock(listener, 1);
    CHECK_ERRNO(accept(listener, NULL, NULL), EAGAIN);
    CHECK_ERRNO(accept4(listener, NULL, NULL, SOCK_CLOEXEC), EAGAIN);
    int client = tcp_connect(port);
    fd = (int)SYS(accept(listener, NULL, NULL));
    CHECK(!is_nonblock(fd));
    close(fd);
    close(client);
    client = tcp_connect(port);
    set_nonblock(listener, 0);
    fd = (int)SYS(accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
    CHECK(is_nonblock(fd));
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    empty_read(fd);
    CHECK_ERRNO(accept4(listener, NULL, NULL, 0x12345), EINVAL);
    return 0;
}
