/* A prefork server: children accept on a shared listener, each with threads of its own; the
   parent had threads before the fork, too. */
#include "testlib.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { CHILDREN = 3, CLIENTS = 10 };
static int listener;
static uint16_t port;

static void *serve(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char data[64];
    long n;

    while ((n = SYS(recv(fd, data, sizeof(data), 0))) > 0)
        write_all(fd, data, (size_t)n);
    SYS(close(fd));
    return NULL;
}

static void child(void)
{
    for (;;) {
        int fd = (int)SYS(accept(listener, NULL, NULL));
        CHECK_RC(pthread_detach(start(serve, (void *)(intptr_t)fd)), 0);
    }
}

static void *client(void *arg)
{
    for (int i = 0; i < 10; i++) {
        int fd = tcp_connect(port);
        for (int turn = 0; turn < 5; turn++) {
            char text[32], back[32];
            int n = snprintf(text, sizeof(text), "%d %d %p", i, turn, arg);
            write_all(fd, text, (size_t)n);
            read_all(fd, back, (size_t)n);
            CHECK(memcmp(text, back, (size_t)n) == 0);
        }
        SYS(close(fd));
    }
    return NULL;
}

static void *nap(void *arg)
{
    usleep(1000);
    return arg;
}

int test_main(void)
{
    pthread_t threads[CLIENTS];
    pid_t pids[CHILDREN];
    int status;

    finish(start(nap, NULL));
    listener = tcp_listen(64, &port);
    for (int i = 0; i < CHILDREN; i++)
        if ((pids[i] = (pid_t)SYS(fork())) == 0) {
            child();
            _exit(0);
        }
    for (int i = 0; i < CLIENTS; i++)
        threads[i] = start(client, &threads[i]);
    for (int i = 0; i < CLIENTS; i++)
        finish(threads[i]);
    for (int i = 0; i < CHILDREN; i++) {
        CHECK_EQ(waitpid(pids[i], &status, WNOHANG), 0); /* all alive */
        SYS(kill(pids[i], SIGTERM));
        CHECK_EQ(SYS(waitpid(pids[i], &status, 0)), pids[i]);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    }
    return 0;
}
