/* A pool of connections, each served by a member: it is full, and it is shut down. */
#define _GNU_SOURCE
#include <errno.h>
#include <green/green.h>
#include <green/pool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct socket_pool {
    struct green_pool *members;
};

/* Answers each line until the other side closes, or the pool is killed. */
static void *serve(void *arg)
{
    int fd = (int)(long)arg;
    char buf[100];
    ssize_t n;

    while ((n = read(fd, buf, sizeof(buf))) > 0)
        write(fd, buf, (size_t)n);
    if (n < 0)
        printf("a handler ends: %s\n", strerrorname_np(errno));
    close(fd);
    return NULL;
}

/* The side of the client, or -1 if the pool is full. */
static int add_handler(struct socket_pool *p)
{
    int fd[2];

    if (green_pool_full(p->members))
        return -1;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd))
        return -1;
    if (green_pool_spawn(p->members, serve, (void *)(long)fd[0], NULL, 0)) {
        close(fd[0]);
        close(fd[1]);
        return -1;
    }
    return fd[1];
}

static void ask(int fd, const char *what)
{
    char buf[100];

    write(fd, what, strlen(what) + 1);
    if (read(fd, buf, sizeof(buf)) > 0)
        printf("%s\n", buf);
}

int main(void)
{
    struct socket_pool pool = {green_pool_new(3)};
    int client[4];

    for (int i = 0; i < 4; i++) {
        client[i] = add_handler(&pool);
        printf("client %d: %s, room for %d\n", i, client[i] < 0 ? "the pool is full" : "served",
               green_pool_free_count(pool.members));
    }
    ask(client[0], "hello from 0");
    ask(client[2], "hello from 2");
    close(client[1]);
    printf("room again: %d\n", green_pool_wait_available(pool.members, GREEN_FOREVER));
    client[1] = add_handler(&pool);
    ask(client[1], "hello from 1");
    green_pool_kill(pool.members, 0, GREEN_FOREVER);
    printf("members left: %zu\n", green_pool_count(pool.members));
    for (int i = 0; i < 3; i++)
        close(client[i]);
    green_pool_free(pool.members);
    return 0;
}
