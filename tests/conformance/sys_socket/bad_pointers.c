/* BUILD: -Wno-stringop-overflow -Wno-stringop-overread */
/* Wrong arguments give EFAULT, EINVAL and EBADF also when the call would have to wait. */
#include "testlib.h"

#include <sys/epoll.h>
#include <sys/socket.h>

static int fds[2];

static void *write_later(void *arg)
{
    settle();
    write_all(fds[1], "abcd", 4);
    return arg;
}

int test_main(void)
{
    void *bad = (void *)16;
    char byte;

    for (int i = 0; i < 2; i++) {
        (i ? unix_pair : tcp_pair)(fds);
        pthread_t thread = start(write_later, NULL);
        CHECK_ERRNO(recv(fds[0], bad, 1, 0), EFAULT); /* found out when data comes */
        finish(thread);
        CHECK_EQ(recv(fds[0], &byte, 1, 0), 1);
        CHECK_ERRNO(recvmsg(fds[0], bad, 0), EFAULT);
        CHECK_ERRNO(sendmsg(fds[1], bad, 0), EFAULT);
        CHECK_ERRNO(send(fds[1], bad, 1, 0), EFAULT);
        CHECK_ERRNO(write(fds[1], bad, 1), EFAULT);
        if (i == 0)
            CHECK_ERRNO(recv(fds[0], &byte, 1, MSG_ERRQUEUE), EAGAIN);
    }
    struct epoll_event event;
    int ep = (int)SYS(epoll_create1(0));
    CHECK_ERRNO(epoll_wait(ep, &event, 0, 10), EINVAL);
    CHECK_ERRNO(epoll_wait(ep, &event, -1, 10), EINVAL);
    CHECK_ERRNO(epoll_wait(fds[0], &event, 1, 10), EINVAL);
    CHECK_ERRNO(epoll_wait(-1, &event, 1, 10), EBADF);
    return 0;
}
