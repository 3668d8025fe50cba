/* select() of libc waits for one greenlet only; the others go on. */
#include <green/green.h>
#include <stdio.h>
#include <sys/select.h>
#include <unistd.h>

static int ends[2];

static void *poller(void *arg)
{
    fd_set fds;

    FD_ZERO(&fds);
    FD_SET(ends[0], &fds);
    printf("%s starts polling\n", (char *)arg);
    int n = select(ends[0] + 1, &fds, NULL, NULL, NULL);
    printf("%s ends polling: %d ready\n", (char *)arg, n);
    return arg;
}

static void *worker(void *arg)
{
    printf("let's do some work while they poll\n");
    usleep(2000); /* libc's sleep yields as green_sleep() does */
    printf("that's enough\n");
    if (write(ends[1], "x", 1) != 1)
        perror("write");
    return arg;
}

int main(void)
{
    struct greenlet *g[3];

    if (pipe(ends)) {
        perror("pipe");
        return 1;
    }
    green_spawn(poller, "first", &g[0]);
    green_spawn(poller, "second", &g[1]);
    green_spawn(worker, NULL, &g[2]);
    green_joinall(g, 3, NULL, 0, 0, GREEN_FOREVER);
    for (int i = 0; i < 3; i++)
        green_unref(g[i]);
    return 0;
}
