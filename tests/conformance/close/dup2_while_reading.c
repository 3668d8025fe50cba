/* dup2 over a descriptor another thread reads from: the reader keeps the old file; the new file
   at that number works, also for threads that come later. */
#include "testlib.h"

#include <fcntl.h>

static int fds[2];

static void *reader(void *arg)
{
    char data[16] = "";

    CHECK_EQ(read(fds[0], data, sizeof(data)), 3);
    CHECK_STR(data, arg);
    return NULL;
}

static void check(void (*make)(int *), void (*make_other)(int *))
{
    int other[2], old_writer;

    make(fds);
    pthread_t thread = start(reader, "old");
    settle();
    make_other(other);
    old_writer = fds[1];
    CHECK_EQ(dup2(other[0], fds[0]), fds[0]);
    SYS(close(other[0]));
    pthread_t late = start(reader, "new");
    settle();
    write_all(old_writer, "old", 3);
    finish(thread);
    write_all(other[1], "new", 3);
    finish(late);
    /* and once more through the number */
    late = start(reader, "tri");
    settle();
    write_all(other[1], "tri", 3);
    finish(late);
    SYS(close(other[1]));
    CHECK_EQ(read(fds[0], &(char){0}, 1), 0);
    SYS(close(fds[0]));
    SYS(close(old_writer));
}

int test_main(void)
{
    void (*kinds[])(int *) = {pipe_pair, unix_pair, tcp_pair};

    for (int i = 0; i < 9; i++)
        check(kinds[i / 3], kinds[i % 3]);
    unix_pair(fds);
    CHECK_EQ(dup2(fds[0], fds[0]), fds[0]);
    CHECK_ERRNO(dup2(555, fds[0]), EBADF);
    CHECK_ERRNO(dup3(fds[0], fds[0], 0), EINVAL);
    CHECK_EQ(dup3(fds[0], 77, O_CLOEXEC), 77);
    CHECK_EQ(fcntl(77, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(fcntl(fds[0], F_DUPFD, 300), 300);
    CHECK_EQ(fcntl(fds[0], F_DUPFD_CLOEXEC, 300), 301);
    pthread_t thread = start(reader, "301");
    settle();
    SYS(close(77));
    SYS(close(300));
    SYS(close(301));
    write_all(fds[1], "301", 3);
    finish(thread);
    return 0;
}
