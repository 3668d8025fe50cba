/* 4 MiB through pipes and sockets to a slow reader: write returns all of it, bytes in order. */
#include "testlib.h"

#include <sys/socket.h>
#include <sys/uio.h>

enum { SIZE = 4 << 20 };
static unsigned char *data;

static void *slow_reader(void *arg)
{
    static const size_t sizes[] = {1, 100, 65536, 7, 30000, 4096, 200000};
    int fd = *(int *)arg;
    unsigned char *block = malloc(200000);
    size_t offset = 0;
    long n;

    for (int i = 0; (n = SYS(read(fd, block, sizes[i % 7]))) > 0; i++) {
        CHECK(pattern_ok(block, (size_t)n, offset));
        offset += (size_t)n;
        if (i % 8 == 0)
            usleep(500);
    }
    free(block);
    return (void *)offset;
}

static long by_write(int fd)
{
    return write(fd, data, SIZE);
}

static long by_send(int fd)
{
    return send(fd, data, SIZE, 0);
}

static long by_writev(int fd)
{
    struct iovec iov[] = {{data, 100},
                          {data + 100, 0},
                          {data + 100, 3000000},
                          {NULL, 0},
                          {data + 3000100, SIZE - 3000100}};

    return writev(fd, iov, 5);
}

static long by_sendmsg(int fd)
{
    struct iovec iov[] = {{data, 1}, {data + 1, SIZE - 1}};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};

    return sendmsg(fd, &msg, MSG_NOSIGNAL);
}

static void transfer(void (*make)(int *), int in, long (*put)(int))
{
    int fds[2];

    make(fds);
    pthread_t reader = start(slow_reader, &fds[in]);
    CHECK_EQ(put(fds[1 - in]), SIZE);
    CHECK(!is_nonblock(fds[1 - in]));
    SYS(close(fds[1 - in]));
    CHECK_EQ(finish(reader), SIZE);
    SYS(close(fds[in]));
}

int test_main(void)
{
    data = malloc(SIZE);
    fill_pattern(data, SIZE, 0);
    transfer(pipe_pair, 0, by_write);
    transfer(pipe_pair, 0, by_writev);
    transfer(unix_pair, 0, by_write);
    transfer(unix_pair, 1, by_send);
    transfer(unix_pair, 0, by_sendmsg);
    transfer(tcp_pair, 0, by_write);
    transfer(tcp_pair, 1, by_send);
    transfer(tcp_pair, 0, by_writev);
    transfer(tcp_pair, 1, by_sendmsg);
    free(data);
    return 0;
}
