/* select and pselect: sets, timeouts, the remaining time of select, errors. */
/* BUILD: -D_FORTIFY_SOURCE=2 */
#include "testlib.h"

#include <fcntl.h>
#include <sys/select.h>
#include <sys/socket.h>

static int fds[2];

static void *write_later(void *arg)
{
    settle();
    write_all(fds[1], "x", 1);
    return arg;
}

int test_main(void)
{
    fd_set in, out, except;
    struct timeval tv;
    struct timespec ts;

    for (int i = 0; i < 3; i++) {
        (i == 0 ? pipe_pair : i == 1 ? unix_pair : tcp_pair)(fds);
        FD_ZERO(&in);
        FD_SET(fds[0], &in);
        tv = (struct timeval){0, 0};
        CHECK_EQ(select(fds[0] + 1, &in, NULL, NULL, &tv), 0);
        CHECK(!FD_ISSET(fds[0], &in));

        FD_SET(fds[0], &in);
        tv = (struct timeval){0, 50000};
        TAKES(50, CHECK_EQ(select(fds[0] + 1, &in, NULL, NULL, &tv), 0));
        CHECK_EQ(tv.tv_sec, 0);
        CHECK_EQ(tv.tv_usec, 0);
        FD_SET(fds[0], &in);
        ts = ts_of_ms(50);
        TAKES(50, CHECK_EQ(pselect(fds[0] + 1, &in, NULL, NULL, &ts, NULL), 0));
        CHECK_EQ(ts.tv_nsec, 50000000);

        pthread_t thread = start(write_later, NULL);
        FD_SET(fds[0], &in);
        tv = (struct timeval){20, 0};
        TAKES(30, CHECK_EQ(select(fds[0] + 1, &in, NULL, NULL, &tv), 1));
        CHECK(FD_ISSET(fds[0], &in));
        CHECK(tv.tv_sec == 19 && tv.tv_usec > 0); /* what remains */
        finish(thread);

        FD_ZERO(&in);
        FD_ZERO(&out);
        FD_ZERO(&except);
        FD_SET(fds[0], &in);
        FD_SET(fds[1], &out);
        FD_SET(fds[0], &except);
        CHECK_EQ(select(fds[1] + 1, &in, &out, &except, NULL), 2);
        CHECK(FD_ISSET(fds[0], &in) && FD_ISSET(fds[1], &out) && !FD_ISSET(fds[0], &except));
        read_all(fds[0], &(char){0}, 1);
        thread = start(write_later, NULL);
        FD_SET(fds[0], &in);
        TAKES(30, CHECK_EQ(pselect(fds[0] + 1, &in, NULL, NULL, NULL, NULL), 1));
        finish(thread);

        if (i == 2) {
            CHECK_EQ(send(fds[1], "!", 1, MSG_OOB), 1);
            FD_ZERO(&except);
            FD_SET(fds[0], &except);
            CHECK_EQ(select(fds[0] + 1, NULL, NULL, &except, NULL), 1);
            CHECK(FD_ISSET(fds[0], &except));
        }
        SYS(close(fds[1]));
        FD_SET(fds[0], &in);
        CHECK_EQ(select(fds[0] + 1, &in, NULL, NULL, NULL), 1);
        SYS(close(fds[0]));
        FD_SET(fds[0], &in);
        CHECK_ERRNO(select(fds[0] + 1, &in, NULL, NULL, NULL), EBADF);
        tv = (struct timeval){5, 0};
        CHECK_ERRNO(select(fds[0] + 1, &in, NULL, NULL, &tv), EBADF);
    }
    int file = (int)SYS(open("/dev/null", O_RDWR));
    FD_ZERO(&in);
    FD_SET(file, &in);
    CHECK_EQ(select(file + 1, &in, NULL, NULL, NULL), 1);
    tv = (struct timeval){0, 40000};
    TAKES(40, CHECK_EQ(select(0, NULL, NULL, NULL, &tv), 0));
    CHECK_ERRNO(select(-1, NULL, NULL, NULL, &tv), EINVAL);
    tv = (struct timeval){-1, 0};
    CHECK_ERRNO(select(0, NULL, NULL, NULL, &tv), EINVAL);
    ts = (struct timespec){0, 1000000000};
    CHECK_ERRNO(pselect(0, NULL, NULL, NULL, &ts, NULL), EINVAL);
    return 0;
}
