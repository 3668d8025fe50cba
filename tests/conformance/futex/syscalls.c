/* syscall() for other calls passes through, blocking ones let threads run or at least work. */
#include "testlib.h"

#include <fcntl.h>
#include <sys/syscall.h>

static void *body(void *arg)
{
    CHECK_EQ(syscall(SYS_getpid), getpid());
    CHECK_EQ(syscall(SYS_gettid), gettid());
    CHECK_ERRNO(syscall(SYS_close, -1), EBADF);
    CHECK_ERRNO(syscall(99999), ENOSYS);
    int fd = (int)SYS(syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR));
    CHECK_EQ(syscall(SYS_write, fd, "abc", 3), 3);
    CHECK_EQ(syscall(SYS_read, fd, &(char){0}, 1), 0);
    SYS(syscall(SYS_close, fd));
    unsigned char random[16];
    CHECK_EQ(syscall(SYS_getrandom, random, sizeof(random), 0), sizeof(random));
    struct timespec ts;
    SYS(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &ts));
    CHECK_EQ(syscall(SYS_sched_yield), 0);
    return arg;
}

int test_main(void)
{
    pthread_t threads[10];

    body(NULL);
    for (int i = 0; i < 10; i++)
        threads[i] = start(body, NULL);
    for (int i = 0; i < 10; i++)
        finish(threads[i]);
    return 0;
}
