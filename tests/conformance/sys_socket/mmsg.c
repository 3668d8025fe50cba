/* sendmmsg and recvmmsg: counts, MSG_WAITFORONE, timeouts, partial results. */
#include "testlib.h"

#include <sys/socket.h>

static int fds[2];

static void *trickle(void *arg)
{
    for (int i = 0; i < 5; i++) {
        usleep(5000);
        CHECK_EQ(send(fds[1], &i, sizeof(i), 0), sizeof(i));
    }
    return arg;
}

int test_main(void)
{
    struct mmsghdr msgs[10];
    struct iovec iov[10];
    int values[10];

    SYS(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds));
    memset(msgs, 0, sizeof(msgs));
    for (int i = 0; i < 10; i++) {
        iov[i] = (struct iovec){&values[i], sizeof(int)};
        msgs[i].msg_hdr.msg_iov = &iov[i];
        msgs[i].msg_hdr.msg_iovlen = 1;
        values[i] = i * 11;
    }
    CHECK_EQ(sendmmsg(fds[1], msgs, 8, 0), 8);
    CHECK_EQ(msgs[7].msg_len, 4);
    memset(values, 0, sizeof(values));
    CHECK_EQ(recvmmsg(fds[0], msgs, 10, MSG_DONTWAIT, NULL), 8);
    for (int i = 0; i < 8; i++)
        CHECK_EQ(values[i], i * 11);
    CHECK_ERRNO(recvmmsg(fds[0], msgs, 10, MSG_DONTWAIT, NULL), EAGAIN);

    /* waits for all that were asked for */
    pthread_t thread = start(trickle, NULL);
    TAKES(24, CHECK_EQ(recvmmsg(fds[0], msgs, 5, 0, NULL), 5));
    finish(thread);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(values[i], i);
    /* waits for the first only */
    thread = start(trickle, NULL);
    int n = 0, total = 0;
    while (total < 5) {
        n = (int)SYS(recvmmsg(fds[0], msgs, 10, MSG_WAITFORONE, NULL));
        CHECK(n > 0);
        total += n;
    }
    CHECK_EQ(total, 5);
    finish(thread);
    /* the timeout is looked at after each message */
    thread = start(trickle, NULL);
    struct timespec ts = ts_of_ms(12);
    n = (int)SYS(recvmmsg(fds[0], msgs, 5, 0, &ts));
    CHECK(n >= 1 && n <= 5);
    finish(thread);
    while (n < 5)
        n += (int)SYS(recvmmsg(fds[0], msgs, 5, MSG_DONTWAIT, NULL));
    CHECK_EQ(n, 5);
    /* a blocked sendmmsg reports what went out */
    struct timeval tv = {.tv_usec = 50000};
    SYS(setsockopt(fds[1], SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)));
    total = 0;
    while ((n = sendmmsg(fds[1], msgs, 10, 0)) > 0)
        total += n;
    CHECK_EQ(errno, EAGAIN);
    CHECK_GE(total, 1);
    return 0;
}
