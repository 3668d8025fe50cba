/* poll and ppoll: timeouts of 0, finite (never early) and infinite. */
#include "testlib.h"

#include <poll.h>
#include <signal.h>

static int fds[2];

static void *write_later(void *arg)
{
    settle();
    write_all(fds[1], "x", 1);
    return arg;
}

int test_main(void)
{
    struct timespec ts;

    for (int i = 0; i < 3; i++) {
        (i == 0 ? pipe_pair : i == 1 ? unix_pair : tcp_pair)(fds);
        struct pollfd pfd[2] = {{.fd = fds[0], .events = POLLIN}, {.fd = -5, .events = POLLIN}};

        CHECK_EQ(poll(pfd, 2, 0), 0);
        CHECK_EQ(pfd[0].revents, 0);
        static const int times[] = {1, 2, 3, 7, 15, 30, 60};
        for (int t = 0; t < 7; t++) {
            TAKES(times[t], CHECK_EQ(poll(pfd, 2, times[t]), 0));
            ts = ts_of_ms(times[t]);
            TAKES(times[t], CHECK_EQ(ppoll(pfd, 2, &ts, NULL), 0));
            CHECK_EQ(ts.tv_nsec, times[t] * 1000000); /* not modified */
        }
        ts = (struct timespec){.tv_nsec = 1};
        CHECK_EQ(ppoll(pfd, 2, &ts, NULL), 0);
        pthread_t thread = start(write_later, NULL);
        TAKES(30, CHECK_EQ(poll(pfd, 2, -1), 1));
        CHECK_EQ(pfd[0].revents, POLLIN);
        CHECK_EQ(pfd[1].revents, 0);
        finish(thread);
        CHECK_EQ(poll(pfd, 2, 0), 1);
        read_all(fds[0], &(char){0}, 1);
        thread = start(write_later, NULL);
        TAKES(30, CHECK_EQ(ppoll(pfd, 2, NULL, NULL), 1));
        finish(thread);
        pfd[0].events = 0;
        TAKES(30, CHECK_EQ(poll(pfd, 2, 30), 0));
        SYS(close(fds[0]));
        SYS(close(fds[1]));
    }
    TAKES(40, CHECK_EQ(poll(NULL, 0, 40), 0));
    ts.tv_nsec = -1;
    CHECK_ERRNO(ppoll(NULL, 0, &ts, NULL), EINVAL);
    ts.tv_nsec = 1000000000;
    CHECK_ERRNO(ppoll(NULL, 0, &ts, NULL), EINVAL);
    struct pollfd *many = calloc(200000, sizeof(*many));
    CHECK_ERRNO(poll(many, 200000, 0), EINVAL);
    free(many);
    return 0;
}
