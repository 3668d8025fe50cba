/* SO_RCVLOWAT: recv and poll wait for that many bytes. */
#include "testlib.h"

#include <poll.h>
#include <sys/socket.h>

static int fds[2];

static void *dribble(void *arg)
{
    for (int i = 0; i < 10; i++) {
        usleep(5000);
        write_all(fds[1], "0123456789", 10);
    }
    return arg;
}

int test_main(void)
{
    int low = 60;
    char data[200];

    tcp_pair(fds);
    SYS(setsockopt(fds[0], SOL_SOCKET, SO_RCVLOWAT, &low, sizeof(low)));
    pthread_t thread = start(dribble, NULL);
    TAKES(25, CHECK_GE(recv(fds[0], data, sizeof(data), 0), 60));
    finish(thread);
    while (recv(fds[0], data, sizeof(data), MSG_DONTWAIT) > 0)
        ;
    struct pollfd pfd = {.fd = fds[0], .events = POLLIN};
    thread = start(dribble, NULL);
    TAKES(25, CHECK_EQ(poll(&pfd, 1, 10000), 1));
    CHECK_GE(recv(fds[0], data, sizeof(data), 0), 60);
    finish(thread);
    return 0;
}
