/* eventfd_read, eventfd_write, EFD_SEMAPHORE, and a write that waits for room. */
#include "testlib.h"

#include <sys/eventfd.h>

static int fd;

static void *adder(void *arg)
{
    settle();
    SYS(eventfd_write(fd, (eventfd_t)(intptr_t)arg));
    return NULL;
}

static void *drainer(void *arg)
{
    eventfd_t value;

    settle();
    SYS(eventfd_read(fd, &value));
    CHECK_EQ(value == UINT64_MAX - 1, 1);
    return arg;
}

int test_main(void)
{
    eventfd_t value = 0;

    fd = (int)SYS(eventfd(0, EFD_CLOEXEC));
    pthread_t thread = start(adder, (void *)7);
    TAKES(30, SYS(eventfd_read(fd, &value)));
    CHECK_EQ(value, 7);
    finish(thread);
    SYS(eventfd_write(fd, UINT64_MAX - 1));
    thread = start(drainer, NULL);
    TAKES(30, SYS(eventfd_write(fd, 5)));
    finish(thread);
    SYS(eventfd_read(fd, &value));
    CHECK_EQ(value, 5);
    close(fd);

    fd = (int)SYS(eventfd(2, EFD_SEMAPHORE));
    SYS(eventfd_read(fd, &value));
    CHECK_EQ(value, 1);
    SYS(eventfd_read(fd, &value));
    thread = start(adder, (void *)1);
    TAKES(30, SYS(eventfd_read(fd, &value)));
    CHECK_EQ(value, 1);
    finish(thread);
    return 0;
}
