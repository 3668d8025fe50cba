/* fsync and its like: results and errors; other threads run while the disk works. */
#include "testlib.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>

static int turns, stop;

static void *spins(void *arg)
{
    while (!flag_get(&stop)) {
        flag_add(&turns, 1);
        sched_yield();
    }
    return arg;
}

static int others_ran(int fd, int (*call)(int fd))
{
    static char block[65536];

    for (int i = 0; i < 200; i++) {
        memset(block, i, sizeof(block));
        CHECK_EQ(pwrite(fd, block, sizeof(block), 0), sizeof(block));
        int before = flag_get(&turns);
        SYS(call(fd));
        if (flag_get(&turns) != before)
            return 1;
    }
    return 0;
}

static int by_number(int fd)
{
    return (int)syscall(SYS_fsync, fd);
}

static int map_sync(int fd)
{
    char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    CHECK(map != MAP_FAILED);
    map[0] = 'x';
    int rc = msync(map, 4096, MS_SYNC);
    munmap(map, 4096);
    return rc;
}

static void results(int fd)
{
    char name[] = "copy-XXXXXX", data[8] = "";
    struct stat st;
    off64_t from = 2, to = 1;
    int fds[2], copy = (int)SYS(mkstemp(name));

    pipe_pair(fds);
    CHECK_ERRNO(fsync(-1), EBADF);
    CHECK_ERRNO(fdatasync(fds[0]), EINVAL);
    CHECK_ERRNO(syncfs(-1), EBADF);
    CHECK_ERRNO(sync_file_range(-1, 0, 0, SYNC_FILE_RANGE_WAIT_AFTER), EBADF);
    SYS(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER));
    CHECK_ERRNO(msync((void *)1, 4096, MS_SYNC), EINVAL);
    CHECK_ERRNO(fallocate(copy, 0, 0, 0), EINVAL);
    SYS(fallocate(copy, 0, 0, 5000));
    SYS(fstat(copy, &st));
    CHECK_EQ(st.st_size, 5000);
    CHECK_RC(posix_fallocate(copy, 0, 9000), 0);
    SYS(fstat(copy, &st));
    CHECK_EQ(st.st_size, 9000);
    errno = 0;
    CHECK_RC(posix_fallocate(-1, 0, 1), EBADF);
    CHECK_EQ(errno, 0);
    CHECK_EQ(pwrite(fd, "abcdef", 6, 0), 6);
    CHECK_EQ(copy_file_range(fd, &from, copy, &to, 3, 0), 3);
    CHECK_EQ(from, 5);
    CHECK_EQ(to, 4);
    CHECK_EQ(pread(copy, data, 3, 1), 3);
    CHECK_STR(data, "cde");
    CHECK_ERRNO(copy_file_range(fd, NULL, fds[0], NULL, 1, 0), EINVAL);
    CHECK_ERRNO(tcdrain(fds[0]), ENOTTY);
    CHECK_ERRNO(tcsendbreak(fds[0], 0), ENOTTY);
    unlink(name);
}

int test_main(void)
{
    char name[] = "file-XXXXXX";
    int fd = (int)SYS(mkstemp(name));

    results(fd);
    pthread_t thread = start(spins, NULL);
    flag_wait(&turns, 1);
    CHECK(others_ran(fd, fsync));
    CHECK(others_ran(fd, fdatasync));
    CHECK(others_ran(fd, by_number));
    CHECK(others_ran(fd, map_sync));
    results(fd);
    flag_set(&stop, 1);
    finish(thread);
    unlink(name);
    return 0;
}
