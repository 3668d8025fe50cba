/* Many pairs of threads echoing over TCP, with pieces of odd sizes. */
#include "testlib.h"

#include <sys/socket.h>

enum { PAIRS = 50, TURNS = 50 };

static void *server(void *arg)
{
    int fd = *(int *)arg;
    char data[777];
    long n;

    while ((n = SYS(recv(fd, data, sizeof(data), 0))) > 0)
        for (long at = 0; at < n;)
            at += SYS(send(fd, data + at, (size_t)(n - at), 0));
    SYS(close(fd));
    return NULL;
}

static void *client(void *arg)
{
    int fd = *(int *)arg;
    unsigned char data[3000], back[3000];

    for (int i = 0; i < TURNS; i++) {
        size_t size = 1 + (size_t)(i * 997) % sizeof(data);
        fill_pattern(data, size, (uint64_t)i);
        CHECK_EQ(send(fd, data, size, 0), size);
        CHECK_EQ(recv(fd, back, size, MSG_WAITALL), size);
        CHECK(memcmp(data, back, size) == 0);
    }
    SYS(close(fd));
    return NULL;
}

int test_main(void)
{
    static int fds[PAIRS][2];
    pthread_t threads[PAIRS][2];

    for (int i = 0; i < PAIRS; i++) {
        tcp_pair(fds[i]);
        threads[i][0] = start(server, &fds[i][0]);
        threads[i][1] = start(client, &fds[i][1]);
    }
    for (int i = 0; i < PAIRS; i++) {
        finish(threads[i][0]);
        finish(threads[i][1]);
    }
    return 0;
}
