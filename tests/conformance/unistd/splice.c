/* sendfile, splice, tee, vmsplice, copy_file_range with slow readers; also by number. */
#include "testlib.h"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

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

static int in_file, by_number;

static long do_sendfile(int out, int in, off_t *offset, size_t n)
{
    return by_number ? syscall(SYS_sendfile, out, in, offset, n) : sendfile(out, in, offset, n);
}

static long do_splice(int in, int out, size_t n)
{
    return by_number ? syscall(SYS_splice, in, NULL, out, NULL, n, 0L)
                     : splice(in, NULL, out, NULL, n, SPLICE_F_MOVE);
}

static long do_tee(int in, int out, size_t n)
{
    return by_number ? syscall(SYS_tee, in, out, n, 0L) : tee(in, out, n, 0);
}

static long do_vmsplice(int fd, void *data, size_t n)
{
    struct iovec v = {data, n};

    return by_number ? syscall(SYS_vmsplice, fd, &v, 1L, 0L) : vmsplice(fd, &v, 1, 0);
}

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
        long n = SYS(do_sendfile(fds[1], in_file, &offset, (size_t)(SIZE - offset)));
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
    while ((n = SYS(do_splice(feed[0], fds[1], 65536))) > 0)
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
    while ((n = SYS(do_tee(a[0], b[1], 4096))) > 0) {
        read_all(a[0], block, (size_t)n);
        CHECK(pattern_ok(block, (size_t)n, total));
        total += (size_t)n;
    }
    CHECK_EQ(total, SIZE);
    SYS(close(b[1]));
    CHECK_EQ(finish(reader), SIZE);
    finish(feeder);
}

/* A pipe that is full, and one that is empty. */
static void by_vmsplice(void)
{
    unsigned char *data = malloc(SIZE), block[5000];
    int fds[2];
    size_t done = 0;
    long n;

    pipe_pair(fds);
    fill_pattern(data, SIZE, 0);
    pthread_t reader = start(slow_reader, &fds[0]);
    while (done < SIZE) {
        n = SYS(do_vmsplice(fds[1], data + done, SIZE - done));
        CHECK(n > 0);
        done += (size_t)n;
    }
    SYS(close(fds[1]));
    CHECK_EQ(finish(reader), SIZE);
    SYS(close(fds[0]));
    free(data);

    pipe_pair(fds);
    pthread_t feeder = start(feed_pipe, &fds[1]);
    for (done = 0; (n = SYS(do_vmsplice(fds[0], block, sizeof(block)))) > 0; done += (size_t)n)
        CHECK(pattern_ok(block, (size_t)n, done));
    CHECK_EQ(done, SIZE);
    finish(feeder);
    SYS(close(fds[0]));
}

/* At the end of a pipe there is no offset, which the kernel takes in two parts. */
static void vectors_by_number(void)
{
    int fds[2];
    char data[4] = "";
    struct iovec out = {"abc", 3}, in = {data, 3};

    pipe_pair(fds);
    pthread_t thread = write_after(fds[1], "xyz", 30);
    CHECK_EQ(syscall(SYS_preadv2, fds[0], &in, 1L, -1L, -1L, 0L), 3);
    CHECK_STR(data, "xyz");
    finish(thread);
    CHECK_EQ(syscall(SYS_pwritev2, fds[1], &out, 1L, -1L, -1L, 0L), 3);
    read_all(fds[0], data, 3);
    CHECK_STR(data, "abc");
    CHECK_EQ(syscall(SYS_preadv2, in_file, &in, 1L, 1000L, 0L, 0L), 3);
    CHECK(pattern_ok((unsigned char *)data, 3, 1000));
}

int test_main(void)
{
    char name[] = "file-XXXXXX", copy[] = "copy-XXXXXX";
    unsigned char *data = malloc(SIZE);
    loff_t from = 0;

    in_file = (int)SYS(mkstemp(name));
    fill_pattern(data, SIZE, 0);
    write_all(in_file, data, SIZE);
    for (by_number = 0; by_number <= 1; by_number++) {
        by_sendfile(tcp_pair);
        by_sendfile(unix_pair);
        by_sendfile(pipe_pair);
        by_splice(tcp_pair);
        by_splice(unix_pair);
        by_splice(pipe_pair);
        by_tee();
        by_vmsplice();
    }
    vectors_by_number();
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
