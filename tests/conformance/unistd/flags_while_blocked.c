/* F_GETFL shows exactly what the program set while other threads block on the descriptor, and
   another process that shares it sees no O_NONBLOCK either. */
#include "testlib.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

struct job {
    int fd;
    int listener;
};

static void *blocked(void *arg)
{
    struct job *job = arg;
    char data[64];

    if (job->listener)
        return (void *)SYS(accept(job->fd, NULL, NULL));
    return (void *)SYS(read(job->fd, data, sizeof(data)));
}

/* what the kernel says: bit 04000 of the flags in fdinfo */
static int kernel_nonblock(int fd)
{
    char path[64], line[100];
    unsigned flags = ~0u;

    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
    FILE *f = fopen(path, "r");
    CHECK(f);
    while (fgets(line, sizeof(line), f))
        if (sscanf(line, "flags: %o", &flags) == 1)
            break;
    fclose(f);
    return (flags & O_NONBLOCK) != 0;
}

static int child_flags(void *arg)
{
    return is_nonblock(*(int *)arg) ? 1 : 0;
}

static void check(int fd, int listener, int peer, uint16_t port)
{
    struct job job = {fd, listener};
    int flags = (int)SYS(fcntl(fd, F_GETFL));
    pthread_t thread = start(blocked, &job);

    for (int i = 0; i < 5; i++) {
        usleep(5000);
        CHECK_EQ(fcntl(fd, F_GETFL), flags);
        if (!listener)
            CHECK_EQ(kernel_nonblock(fd), 0);
    }
    CHECK_EQ(run_child(child_flags, &fd), 0);
    if (listener)
        close(tcp_connect(port));
    else
        write_all(peer, "12345678", 8);
    finish(thread);
    CHECK_EQ(fcntl(fd, F_GETFL), flags);
}

int test_main(void)
{
    int fds[2];
    uint16_t port;

    pipe_pair(fds);
    check(fds[0], 0, fds[1], 0);
    unix_pair(fds);
    check(fds[0], 0, fds[1], 0);
    tcp_pair(fds);
    check(fds[0], 0, fds[1], 0);
    int fd = (int)SYS(eventfd(0, 0));
    check(fd, 0, fd, 0);
    int listener = tcp_listen(5, &port);
    check(listener, 1, -1, port);
    return 0;
}
