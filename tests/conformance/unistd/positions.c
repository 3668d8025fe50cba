/* pread, preadv and preadv2 of files that are in memory or not, at the end of the file and beyond,
   while other threads read and one appends; errors; a cancellation point. */
#include "testlib.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define SIZE    (2 << 20)
#define TAIL    1234
#define THREADS 6

static int file, log_file, stop;

static long by_number(int fd, void *data, size_t n, off_t off)
{
    struct iovec v = {data, n};

    return n % 2 ? syscall(SYS_pread64, fd, data, n, off)
                 : syscall(SYS_preadv, fd, &v, 1L, off, 0L);
}

static long in_two(int fd, void *data, size_t n, off_t off)
{
    struct iovec v[2] = {{data, n / 3}, {(char *)data + n / 3, n - n / 3}};

    return n % 2 ? preadv(fd, v, 2, off) : preadv2(fd, v, 2, off, 0);
}

static void *reads(void *arg)
{
    unsigned seed = (unsigned)(intptr_t)arg;
    unsigned char *data = malloc(SIZE);

    for (int i = 0; i < 120; i++) {
        size_t n = (size_t)rand_r(&seed) % (i % 10 ? 20000 : SIZE);
        off_t off = rand_r(&seed) % (SIZE + TAIL + 1000);
        long left = SIZE + TAIL - off, want = left < 0 ? 0 : left < (long)n ? left : (long)n;

        if (i % 3 == 0)
            CHECK_RC(posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED), 0);
        long got = i % 4 == 0   ? by_number(file, data, n, off)
                   : i % 4 == 1 ? in_two(file, data, n, off)
                                : pread(file, data, n, off);
        CHECK_EQ(got, want);
        CHECK(pattern_ok(data, (size_t)want, (uint64_t)off));
    }
    free(data);
    return NULL;
}

static void *appends(void *arg)
{
    unsigned char piece[100];

    for (uint64_t at = 0; !flag_get(&stop); at += sizeof(piece)) {
        fill_pattern(piece, sizeof(piece), at);
        write_all(log_file, piece, sizeof(piece));
        usleep(100);
    }
    return arg;
}

/* Of a file that grows: never less than there was before the call. */
static void *follows(void *arg)
{
    static unsigned char data[1 << 20];
    long last = 0;

    for (int i = 0; i < 200; i++) {
        long size = (long)SYS(lseek(log_file, 0, SEEK_END));
        long got = SYS(pread(log_file, data, sizeof(data), 0));

        CHECK_GE(got, size);
        CHECK_GE(got, last);
        CHECK(pattern_ok(data, (size_t)got, 0));
        last = got;
        usleep(200);
    }
    flag_set(&stop, 1);
    return arg;
}

static void *cancelled(void *arg)
{
    char c;

    CHECK_RC(pthread_cancel(pthread_self()), 0);
    CHECK_EQ(pread(file, &c, 1, 0), 99);
    return arg;
}

static void errors(void)
{
    char data[10];
    struct iovec v = {data, 10};
    int fds[2];
    volatile int negative = -1;

    CHECK_ERRNO(pread(file, data, 10, -1), EINVAL);
    CHECK_ERRNO(pread(file, data, 10, -2), EINVAL);
    CHECK_ERRNO(preadv(file, &v, negative, 0), EINVAL);
    CHECK_ERRNO(pread(-1, data, 10, 0), EBADF);
    pipe_pair(fds);
    CHECK_ERRNO(pread(fds[0], data, 10, 0), ESPIPE);
    CHECK_EQ(pread(file, data, 0, 0), 0);
    CHECK_EQ(pread(file, data, 10, 1LL << 40), 0);
    int fd = (int)SYS(open("/proc/self/status", O_RDONLY));
    CHECK_EQ(pread(fd, data, 5, 0), 5);
    CHECK_EQ(memcmp(data, "Name:", 5), 0);
}

int test_main(void)
{
    char name[] = "file-XXXXXX", log_name[] = "log-XXXXXX";
    pthread_t threads[THREADS];
    unsigned char *data = malloc(SIZE + TAIL);

    file = (int)SYS(mkstemp(name));
    log_file = (int)SYS(mkstemp(log_name));
    fill_pattern(data, SIZE + TAIL, 0);
    write_all(file, data, SIZE + TAIL);
    SYS(fsync(file));
    free(data);
    for (intptr_t i = 0; i < THREADS; i++)
        threads[i] = start(reads, (void *)(i + 1));
    pthread_t writer = start(appends, NULL), follower = start(follows, NULL);
    for (int i = 0; i < THREADS; i++)
        finish(threads[i]);
    finish(follower);
    finish(writer);
    CHECK(finish(start(cancelled, NULL)) == PTHREAD_CANCELED);
    errors();
    CHECK_EQ(lseek(file, 0, SEEK_CUR), SIZE + TAIL);
    return 0;
}
