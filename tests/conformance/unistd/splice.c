/* sendfile, splice, tee, copy_file_range with slow readers. */
#include "testlib.h"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

enum { SIZE = 2 << 20 };

static void *slow_reader(void *arg)
{
    int fd = *(int *)arg;
    unsigned char block[30000];
    size_t offset = 0;
    long n;

    for (int i = 0; (n = SYS(read(fd, block, sizeof(block)))) > 0; i++) {
        CHECK(pattern_ok(block, (size_t)n, offset));
        offset += (size_t)n;
        if (i % 4 == 0)
            usleep(500);
    }
    return (void *)offset;
}

static int in_file;

static void *feed_pipe(void *arg)
{
    int fd = *(int *)arg;
    unsigned char *data = malloc(SIZE);

    fill_pattern(data, SIZE, 0);
    usleep(20000);
    write_all(fd, data, SIZE);
    SYS(close(fd));
    free(data);
    return NULL;
}

static void by_sendfile(void (*make)(int *))
{
    int fds[2];
    off_t offset = 0;

    make(fds);
    pthread_t reader = start(slow_reader, &fds[0]);
    while (offset < SIZE) {
        off_t before = offset;
        long n = SYS(sendfile(fds[1], in_file, &offset, (size_t)(SIZE - offset)));
        CHECK_EQ(offset, before + n);
        CHECK(n > 0);
    }
    CHECK_EQ(sendfile(fds[1], in_file, &offset, 100), 0);
    SYS(close(fds[1]));
    CHECK_EQ(finish(reader), SIZE);
    SYS(close(fds[0]));
}

static void by_splice(void (*make)(int *))
{
    int fds[2], feed[2];
    size_t total = 0;
    long n;

    make(fds);
    pipe_pair(feed);
    pthread_t reader = start(slow_reader, &fds[0]);
    pthread_t feeder = start(feed_pipe, &feed[1]);
    while ((n = SYS(splice(feed[0], NULL, fds[1], NULL, 65536, SPLICE_F_MOVE))) > 0)
        total += (size_t)n;
    CHECK_EQ(total, SIZE);
    SYS(close(fds[1]));
    CHECK_EQ(finish(reader), SIZE);
    finish(feeder);
    SYS(close(fds[0]));
    SYS(close(feed[0]));
}

static void by_tee(void)
{
    int a[2], b[2];
    size_t total = 0;
    unsigned char block[4096];
    long n;

    pipe_pair(a);
    pipe_pair(b);
    pthread_t reader = start(slow_reader, &b[0]);
    pthread_t feeder = start(feed_pipe, &a[1]);
    while ((n = SYS(tee(a[0], b[1], 4096, 0))) > 0) {
        read_all(a[0], block, (size_t)n);
        CHECK(pattern_ok(block, (size_t)n, total));
        total += (size_t)n;
    }
    CHECK_EQ(total, SIZE);
    SYS(close(b[1]));
    CHECK_EQ(finish(reader), SIZE);
    finish(feeder);
}

int test_main(void)
{
    char name[] = "file-XXXXXX", copy[] = "copy-XXXXXX";
    unsigned char *data = malloc(SIZE);
    loff_t from = 0;

    in_file = (int)SYS(mkstemp(name));
    fill_pattern(data, SIZE, 0);
    write_all(in_file, data, SIZE);
    by_sendfile(tcp_pair);
    by_sendfile(unix_pair);
    by_sendfile(pipe_pair);
    by_splice(tcp_pair);
    by_splice(unix_pair);
    by_splice(pipe_pair);
    by_tee();
    int out = (int)SYS(mkstemp(copy));
    while (from < SIZE)
        CHECK(SYS(copy_file_range(in_file, &from, out, NULL, (size_t)(SIZE - from), 0)) > 0);
    CHECK_EQ(pread(out, data, SIZE, 0), SIZE);
    CHECK(pattern_ok(data, SIZE, 0));
    int fds[2];
    pipe_pair(fds);
    CHECK_ERRNO(splice(fds[0], NULL, fds[1], NULL, 10, SPLICE_F_NONBLOCK), EINVAL);
    int other[2];
    pipe_pair(other);
    CHECK_ERRNO(splice(fds[0], NULL, other[1], NULL, 10, SPLICE_F_NONBLOCK), EAGAIN);
    free(data);
    return 0;
}
