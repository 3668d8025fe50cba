/* Threads with 32 KiB stacks doing socket I/O, formatting and sleeping. */
#include "testlib.h"

#include <sys/socket.h>

static void *echo(void *arg)
{
    int fd = *(int *)arg;
    char data[4096];
    long n;

    while ((n = SYS(recv(fd, data, sizeof(data), 0))) > 0)
        write_all(fd, data, (size_t)n);
    usleep(500);
    SYS(close(fd));
    return NULL;
}

static void *client(void *arg)
{
    int fd = *(int *)arg;
    char text[64], back[64];

    for (int i = 0; i < 20; i++) {
        int n = snprintf(text, sizeof(text), "%d %p %.3f", i, arg, i / 7.0);

        write_all(fd, text, (size_t)n);
        read_all(fd, back, (size_t)n);
        CHECK(memcmp(text, back, (size_t)n) == 0);
    }
    SYS(shutdown(fd, SHUT_WR));
    CHECK_EQ(read(fd, back, 1), 0);
    SYS(close(fd));
    return NULL;
}

int test_main(void)
{
    enum { PAIRS = 50 };
    static int fds[PAIRS][2];
    pthread_t threads[PAIRS * 2];
    pthread_attr_t attr;

    CHECK_RC(pthread_attr_init(&attr), 0);
    CHECK_RC(pthread_attr_setstacksize(&attr, 32 << 10), 0);
    for (int i = 0; i < PAIRS; i++) {
        if (i % 2)
            unix_pair(fds[i]);
        else
            tcp_pair(fds[i]);
        CHECK_RC(pthread_create(&threads[2 * i], &attr, echo, &fds[i][0]), 0);
        CHECK_RC(pthread_create(&threads[2 * i + 1], &attr, client, &fds[i][1]), 0);
    }
    for (int i = 0; i < PAIRS * 2; i++)
        finish(threads[i]);
    pthread_attr_destroy(&attr);
    return 0;
}
