/* Blocking system calls made with syscall(2), also through a pointer from libc's handle. */
/* The waits are inside libc, where --no-deep leaves them alone: they block every thread. */
/* MODES: native native-bg green green-bg off */
#include "testlib.h"

#include <dlfcn.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

static int fds[2];

static long waits(int how, long (*call)(long, ...))
{
    struct pollfd pfd = {.fd = fds[0], .events = POLLIN};
    struct timespec ts = ts_of_ms(60);
    struct epoll_event event = {.events = EPOLLIN};
    char data[3];
    struct iovec iov = {data, 3};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    long rc;

    switch (how) {
    case 0:
        return call(SYS_read, fds[0], data, 3);
    case 1:
        return call(SYS_readv, fds[0], &iov, 1);
    case 2:
        return call(SYS_recvfrom, fds[0], data, 3, 0, NULL, NULL);
    case 3:
        return call(SYS_recvmsg, fds[0], &msg, 0);
    case 4:
        rc = call(SYS_ppoll, &pfd, 1, NULL, NULL, 8);
        return rc == 1 ? read(fds[0], data, 3) : rc;
    case 5: {
        int epoll = (int)SYS(epoll_create1(0));
        SYS(epoll_ctl(epoll, EPOLL_CTL_ADD, fds[0], &event));
        rc = call(SYS_epoll_pwait, epoll, &event, 1, -1, NULL, 8);
        close(epoll);
        return rc == 1 ? read(fds[0], data, 3) : rc;
    }
    case 6:
        return call(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &ts, NULL) == 0 &&
                       read(fds[0], data, 3) == 3
                   ? 3
                   : -1;
    case 7:
        return call(SYS_nanosleep, &ts, NULL) == 0 && read(fds[0], data, 3) == 3 ? 3 : -1;
    default:
        return -2;
    }
}

static void child(long (*call)(long, ...))
{
    int status = 0;

    OTHERS_RUN(100, {
        pid_t pid = (pid_t)SYS(fork());

        if (pid == 0) {
            usleep(100000);
            _exit(4);
        }
        CHECK_EQ(call(SYS_wait4, pid, &status, 0, NULL), pid);
    });
    CHECK_EQ(status, 4 << 8);
}

int test_main(void)
{
    long (*calls[2])(long, ...) = {syscall, NULL};
    void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);

    *(void **)&calls[1] = dlsym(libc, "syscall");
    unix_pair(fds);
    for (int c = 0; c < 2; c++) {
        for (int how = 0; how <= 7; how++) {
            pthread_t thread;

            OTHERS_RUN(60, {
                thread = write_after(fds[1], "abc", 60);
                CHECK_EQ(waits(how, calls[c]), 3);
            });
            finish(thread);
        }
        child(calls[c]);
    }
    return 0;
}
