/* flock, fcntl record locks, OFD locks and lockf against a child process; EDEADLK, EAGAIN. */
#include "testlib.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/wait.h>

static char name[] = "lock-XXXXXX";
static int ready[2], refused[2];

static int take(int how, int fd, int wait)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 10};

    switch (how) {
    case 0:
        return flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB));
    case 1:
        return fcntl(fd, wait ? F_SETLKW : F_SETLK, &lock);
    case 2:
        return fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &lock);
    default:
        return lockf(fd, wait ? F_LOCK : F_TLOCK, 10);
    }
}

static int child(void *arg)
{
    int fd = (int)SYS(open(name, O_RDWR));

    SYS(take((int)(intptr_t)arg, fd, 1));
    write_all(ready[1], "r", 1);
    read_all(refused[0], &(char){0}, 1);
    sleep_ms(60);
    return 0; /* the lock goes with the process */
}

static void *waits(void *arg)
{
    int how = (int)(intptr_t)arg, status;
    int fd = (int)SYS(open(name, O_RDWR));
    pid_t pid = (pid_t)SYS(fork());

    if (pid == 0)
        _exit(child(arg));
    read_all(ready[0], &(char){0}, 1);
    CHECK_ERRNO(take(how, fd, 0), how == 0 ? EWOULDBLOCK : EAGAIN);
    write_all(refused[1], "r", 1);
    SYS(take(how, fd, 1));
    SYS(waitpid(pid, &status, 0));
    CHECK_EQ(status, 0);
    SYS(close(fd));
    return NULL;
}

int test_main(void)
{
    pipe_pair(ready);
    pipe_pair(refused);
    close((int)SYS(mkstemp(name)));
    for (intptr_t how = 0; how < 4; how++) {
        waits((void *)how);
        finish(start(waits, (void *)how));
    }
    unlink(name);
    return 0;
}
