/* Closing every descriptor by a loop, close_range and closefrom, as daemons do: blocking I/O by
   threads works afterwards, and the lowest numbers are handed out. */
#include "testlib.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/socket.h>

static int fds[2];

static void *writer(void *arg)
{
    settle();
    write_all(fds[1], arg, strlen(arg));
    return NULL;
}

static void *ticker(void *arg)
{
    while (!flag_get(arg))
        usleep(1000);
    return NULL;
}

static void works(const char *text)
{
    void (*kinds[])(int *) = {pipe_pair, unix_pair, tcp_pair};

    for (int i = 0; i < 3; i++) {
        char data[32] = "";

        kinds[i](fds);
        CHECK_EQ(fds[0] >= 3 && fds[1] <= 6, 1);
        pthread_t thread = start(writer, (void *)text);
        TAKES(30, CHECK_EQ(read(fds[0], data, sizeof(data)), (long)strlen(text)));
        CHECK_STR(data, text);
        finish(thread);
        SYS(close(fds[0]));
        SYS(close(fds[1]));
    }
}

int test_main(void)
{
    int stop = 0;
    pthread_t thread = start(ticker, &stop);

    settle();
    works("before");
    for (int fd = 3; fd < 1024; fd++)
        close(fd);
    works("after the loop");
    closefrom(3);
    works("after closefrom");
    SYS(close_range(3, ~0u, 0));
    works("after close_range");
    SYS(close_range(3, 20000, CLOSE_RANGE_UNSHARE));
    works("after unshare");
    int keep = (int)SYS(fcntl(0, F_DUPFD, 50));
    SYS(close_range(40, 60, CLOSE_RANGE_CLOEXEC));
    CHECK_EQ(fcntl(keep, F_GETFD), FD_CLOEXEC);
    SYS(close(keep));
    CHECK_ERRNO(close_range(5, 4, 0), EINVAL);
    for (int fd = sysconf(_SC_OPEN_MAX) - 1; fd >= 3; fd--)
        close(fd);
    works("after the whole range");
    int high = (int)SYS(dup2(0, 9999));
    CHECK_EQ(high, 9999);
    SYS(close(high));
    CHECK_EQ(SYS(dup(0)), 3);
    SYS(close(3));
    flag_set(&stop, 1);
    finish(thread);
    return 0;
}
