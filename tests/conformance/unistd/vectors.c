/* readv, writev, preadv, pwritev, preadv2 and pwritev2: order, limits, RWF_NOWAIT as asked. */
/* BUILD: -Wno-stringop-overflow -Wno-stringop-overread */
#include "testlib.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/uio.h>

static int fds[2];

static void *writer(void *arg)
{
    struct iovec iov[] = {{"abc", 3}, {"", 0}, {"defgh", 5}};

    settle();
    CHECK_EQ(writev(fds[1], iov, 3), 8);
    return arg;
}

int test_main(void)
{
    char a[4] = "", b[10] = "", name[] = "file-XXXXXX";
    struct iovec in[] = {{a, 3}, {b, 9}};

    for (int kind = 0; kind < 3; kind++) {
        (kind == 0 ? pipe_pair : kind == 1 ? unix_pair : tcp_pair)(fds);
        pthread_t thread = start(writer, NULL);
        TAKES(30, CHECK_EQ(readv(fds[0], in, 2), 8));
        finish(thread);
        CHECK_STR(a, "abc");
        CHECK_STR(b, "defgh");
        /* asked not to wait */
        if (kind == 0) {
            CHECK_ERRNO(preadv2(fds[0], in, 2, -1, RWF_NOWAIT), EAGAIN);
        }
        CHECK_ERRNO(preadv(fds[0], in, 2, 0), ESPIPE);
        CHECK_ERRNO(pwritev(fds[1], in, 2, 0), ESPIPE);
        CHECK_ERRNO(pread(fds[0], a, 1, 0), ESPIPE);
        CHECK_ERRNO(readv(fds[0], in, -1), EINVAL);
        CHECK_ERRNO(readv(fds[0], in, IOV_MAX + 1), EINVAL);
        struct iovec bad[] = {{(void *)16, 8}};
        CHECK_ERRNO(writev(fds[1], bad, 1), EFAULT);
        thread = start(writer, NULL);
        CHECK_EQ(preadv2(fds[0], in, 2, -1, 0), 8);
        finish(thread);
        SYS(close(fds[1]));
        CHECK_EQ(readv(fds[0], in, 2), 0);
        SYS(close(fds[0]));
    }

    int fd = (int)SYS(mkstemp(name));
    struct iovec out[] = {{"0123", 4}, {"456789", 6}};
    CHECK_EQ(writev(fd, out, 2), 10);
    CHECK_EQ(pwritev(fd, out, 2, 10), 20 - 10);
    memset(a, 0, sizeof(a));
    memset(b, 0, sizeof(b));
    CHECK_EQ(preadv(fd, in, 2, 2), 12);
    CHECK_STR(a, "234");
    CHECK(memcmp(b, "567890123", 9) == 0);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 10);
    CHECK_EQ(pwritev2(fd, out, 2, -1, RWF_APPEND), 10);
    CHECK_EQ(lseek(fd, 0, SEEK_END), 30);
    SYS(unlink(name));
    return 0;
}
