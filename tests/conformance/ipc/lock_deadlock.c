/* F_SETLKW: the kernel finds a deadlock between a waiting thread and another process. */
#include "testlib.h"

#include <fcntl.h>
#include <sys/wait.h>

static int file, say[2];

static int lock_byte(int cmd, off_t at, short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};

    return fcntl(file, cmd, &lock);
}

/* Holds 1 and wants 0, while the parent holds 0 and waits for 1. */
static int child(void *arg)
{
    (void)arg;
    SYS(lock_byte(F_SETLK, 1, F_WRLCK));
    write_all(say[1], "l", 1);
    usleep(100000);
    CHECK_ERRNO(lock_byte(F_SETLKW, 0, F_WRLCK), EDEADLK);
    return 0;
}

static void *wait_for_child(void *arg)
{
    read_all(say[0], &(char){0}, 1);
    TAKES(30, SYS(lock_byte(F_SETLKW, 1, F_WRLCK)));
    return arg;
}

int test_main(void)
{
    char name[] = "lock-XXXXXX";

    pipe_pair(say);
    file = (int)SYS(mkstemp(name));
    SYS(lock_byte(F_SETLK, 0, F_WRLCK));
    pthread_t thread = start(wait_for_child, NULL);
    CHECK_EQ(run_child(child, NULL), 0);
    finish(thread);
    return 0;
}
