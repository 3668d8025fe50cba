/* flock and OFD locks between two threads with descriptions of their own: the second waits until
   the first lets go. */
#include "testlib.h"

#include <fcntl.h>
#include <sys/file.h>

static char name[] = "lock-XXXXXX";
static int held, holders;

static void *body(void *arg)
{
    for (int i = 0; i < 5; i++) {
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 10};
        int fd = (int)SYS(open(name, O_RDWR));

        SYS(arg ? flock(fd, LOCK_EX) : fcntl(fd, F_OFD_SETLKW, &lock));
        CHECK_EQ(flag_add(&holders, 1), 1);
        flag_set(&held, 1);
        usleep(2000);
        flag_add(&holders, -1);
        SYS(close(fd));
    }
    return NULL;
}

int test_main(void)
{
    pthread_t threads[4];

    close((int)SYS(mkstemp(name)));
    for (int kind = 0; kind < 2; kind++) {
        for (int i = 0; i < 4; i++)
            threads[i] = start(body, kind ? &held : NULL);
        for (int i = 0; i < 4; i++)
            finish(threads[i]);
    }
    unlink(name);
    return 0;
}
