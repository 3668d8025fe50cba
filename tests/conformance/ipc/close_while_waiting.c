/* The descriptor of a lock or a message queue is closed by another thread during the wait: the wait
   goes on, and its end is the kernel's. */
#include "testlib.h"

#include <fcntl.h>
#include <mqueue.h>
#include <sys/file.h>

static int own;
static mqd_t queue;

static int lock_file(void)
{
    return (int)SYS(open("lock", O_RDWR | O_CREAT, 0600));
}

static void *locks(void *arg)
{
    (void)arg;
    return (void *)(intptr_t)(flock(own, LOCK_EX) ? errno : 0);
}

static void *ofd_locks(void *arg)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    (void)arg;
    return (void *)(intptr_t)(fcntl(own, F_OFD_SETLKW, &lock) ? errno : 0);
}

static void *receives(void *arg)
{
    char text[64] = "";

    (void)arg;
    CHECK_EQ(mq_receive(queue, text, sizeof(text), NULL), 4);
    CHECK_STR(text, "text");
    return NULL;
}

int test_main(void)
{
    struct mq_attr attr = {.mq_maxmsg = 2, .mq_msgsize = 64};
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char name[64];
    int held = lock_file();

    SYS(flock(held, LOCK_EX));
    own = lock_file();
    pthread_t thread = start(locks, NULL);
    settle();
    SYS(close(own));
    settle();
    SYS(flock(held, LOCK_UN));
    printf("flock: %d\n", (int)(intptr_t)finish(thread));
    SYS(flock(held, LOCK_EX | LOCK_NB)); /* the other lock went with its file */
    SYS(flock(held, LOCK_UN));

    SYS(fcntl(held, F_OFD_SETLK, &lock));
    own = lock_file();
    thread = start(ofd_locks, NULL);
    settle();
    SYS(close(own));
    settle();
    lock.l_type = F_UNLCK;
    SYS(fcntl(held, F_OFD_SETLK, &lock));
    printf("OFD: %d\n", (int)(intptr_t)finish(thread));
    lock.l_type = F_WRLCK;
    SYS(fcntl(held, F_OFD_SETLK, &lock));
    SYS(close(held));

    snprintf(name, sizeof(name), "/conformance-%d", (int)getpid());
    queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr);
    if (queue == (mqd_t)-1)
        test_skip("no message queues");
    mqd_t other = (mqd_t)SYS(mq_open(name, O_WRONLY));
    SYS(mq_unlink(name));
    thread = start(receives, NULL);
    settle();
    SYS(mq_close(queue));
    settle();
    SYS(mq_send(other, "text", 4, 0));
    finish(thread);
    SYS(mq_close(other));
    return 0;
}
