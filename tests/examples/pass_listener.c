/*
 * A program hands its listening socket to a child that serves from it: the program itself, called
 * anew. The socket blocks there as it does here, though greens wait at it here.
 */
#include <green/green.h>
#include <green/subprocess.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* In the child: one connection. */
static int serve(int listener)
{
    if (fcntl(listener, F_GETFL) & O_NONBLOCK) {
        printf("the socket does not block\n");
        return 1;
    }
    int fd = accept(listener, NULL, NULL);
    return fd < 0 || dprintf(fd, "served by a child\n") < 0;
}

static void *wait_here(void *arg)
{
    int fd = accept(*(int *)arg, NULL, NULL);
    if (fd >= 0) {
        dprintf(fd, "served by a green\n");
        close(fd);
    }
    return NULL;
}

static void ask(const struct sockaddr_in *to)
{
    char answer[100] = "";
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) == 0 &&
        read(fd, answer, sizeof(answer) - 1) > 0)
        printf("%s", answer);
    close(fd);
}

int main(int argc, char **argv)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(any);
    struct greenlet *g;
    struct green_popen *p;
    char number[16];
    if (argc == 2)
        return serve(atoi(argv[1]));
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&any, sizeof(any)) || listen(listener, 5) ||
        getsockname(listener, (struct sockaddr *)&any, &len))
        return 1;
    green_spawn(wait_here, &listener, &g);
    green_sleep(GREEN_MS(1));
    ask(&any);
    green_join(g, GREEN_FOREVER);
    green_unref(g);

    snprintf(number, sizeof(number), "%d", listener);
    struct green_command c = {.argv = (char *[]){argv[0], number, NULL},
                              .executable = "/proc/self/exe",
                              .pass_fds = &listener,
                              .n_pass_fds = 1};
    if (green_popen(&c, &p))
        return 1;
    ask(&any);
    green_popen_wait(p, GREEN_FOREVER);
    printf("child: %d\n", (int)green_popen_returncode(p));
    green_popen_free(p);
    return 0;
}
