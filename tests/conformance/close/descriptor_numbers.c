/* The program sees only its own descriptors low down: numbers go up by one from 3, open ones are
   those that a native run has. */
#include "testlib.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>

static void *idle(void *arg)
{
    flag_wait(arg, 1);
    return NULL;
}

int test_main(void)
{
    int flag = 0, fds[20];
    pthread_t threads[10];

    for (int i = 0; i < 10; i++)
        threads[i] = start(idle, &flag);
    settle();
    for (int i = 0; i < 20; i++) {
        fds[i] = (int)SYS(i % 2 ? open("/dev/null", O_RDONLY) : epoll_create1(0));
        CHECK_EQ(fds[i], i + 3);
    }
    for (int i = 0; i < 20; i++)
        close(fds[i]);
    for (int fd = 0; fd < 64; fd++)
        printf("%d %s\n", fd, fcntl(fd, F_GETFD) == -1 ? "closed" : "open");
    flag_set(&flag, 1);
    for (int i = 0; i < 10; i++)
        finish(threads[i]);
    return 0;
}
