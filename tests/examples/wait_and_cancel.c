/* Waits for a descriptor that somebody else ends, those of libc too; the descriptor stays. */
#include <errno.h>
#include <green/green.h>
#include <green/io.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SIZE 100

static int fd[2];
static char said[2][SIZE];

static void *wait_for_data(void *arg)
{
    int rc = green_wait_read(fd[0], GREEN_FOREVER);
    snprintf(arg, SIZE, "wait_read: %s", rc ? strerror(-rc) : "ready");
    return NULL;
}

static void *read_data(void *arg)
{
    char buf[10];
    ssize_t n = read(fd[0], buf, sizeof(buf));
    snprintf(arg, SIZE, "read: %s", n < 0 ? strerror(errno) : buf);
    return NULL;
}

static void spawn_both(struct greenlet *g[2])
{
    green_spawn(wait_for_data, said[0], &g[0]);
    green_spawn(read_data, said[1], &g[1]);
}

static void join_both(struct greenlet *g[2])
{
    for (int i = 0; i < 2; i++) {
        green_join(g[i], GREEN_FOREVER);
        green_unref(g[i]);
        printf("%s\n", said[i]);
    }
}

int main(void)
{
    struct greenlet *g[2];

    socketpair(AF_UNIX, SOCK_STREAM, 0, fd);
    printf("nothing yet: %s\n", strerror(-green_wait_read(fd[0], 0)));
    spawn_both(g);
    for (int n = 0; n < 2; n += green_cancel_wait(fd[0]))
        green_sleep(GREEN_MS(1));
    join_both(g);
    spawn_both(g);
    green_wait_write(fd[1], GREEN_FOREVER);
    write(fd[1], "data", 5);
    green_join(g[1], GREEN_FOREVER);
    write(fd[1], "more", 5);
    join_both(g);
    return 0;
}
