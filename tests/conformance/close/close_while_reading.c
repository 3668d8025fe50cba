/* close of a descriptor another thread reads from: the reader keeps the old file, gets what is
   sent to it, and never touches the file that has the number next. */
#include "testlib.h"

#include <fcntl.h>

struct job {
    int fd;
    char data[16];
    long n;
    int error;
};

static void *reader(void *arg)
{
    struct job *job = arg;

    job->n = read(job->fd, job->data, sizeof(job->data));
    job->error = errno;
    return NULL;
}

static void move(int *fd, int number)
{
    SYS(dup2(*fd, number));
    SYS(close(*fd));
    *fd = number;
}

static void check(void (*make)(int *))
{
    int fds[2], other[2];
    struct job job = {0};

    make(fds);
    move(&fds[0], 40);
    job.fd = fds[0];
    pthread_t thread = start(reader, &job);
    settle();
    SYS(close(fds[0]));
    CHECK_ERRNO(close(fds[0]), EBADF);
    CHECK_ERRNO(fcntl(fds[0], F_GETFD), EBADF);

    /* the number is used again at once, with data waiting there */
    pipe_pair(other);
    move(&other[0], 40);
    write_all(other[1], "wrong", 5);
    settle();
    write_all(fds[1], "right", 5);
    finish(thread);
    CHECK_EQ(job.n, 5);
    CHECK(memcmp(job.data, "right", 5) == 0);
    CHECK_EQ(read(other[0], job.data, 16), 5);
    CHECK(memcmp(job.data, "wrong", 5) == 0);
    SYS(close(other[0]));
    SYS(close(other[1]));
    SYS(close(fds[1]));

    /* the other side's close ends the read */
    make(fds);
    job.fd = fds[0];
    thread = start(reader, &job);
    settle();
    SYS(close(fds[0]));
    SYS(close(fds[1]));
    finish(thread);
    CHECK_EQ(job.n, 0);
}

int test_main(void)
{
    for (int i = 0; i < 3; i++) {
        check(pipe_pair);
        check(unix_pair);
        check(tcp_pair);
    }
    return 0;
}
