/* daemon() and a double fork: the daemon goes on in the background with threads and sockets. */
#include "testlib.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>

static int listener;

static void *serve(void *arg)
{
    int fd = *(int *)arg;
    char data[16];
    long n;

    while ((n = SYS(recv(fd, data, sizeof(data), 0))) > 0)
        write_all(fd, data, (size_t)n);
    SYS(close(fd));
    return NULL;
}

static int daemon_main(void *arg)
{
    if (arg)
        usleep(1000);
    SYS(daemon(1, 0));
    pthread_t threads[3];
    int fds[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = (int)SYS(accept(listener, NULL, NULL));
        threads[i] = start(serve, &fds[i]);
    }
    for (int i = 0; i < 3; i++)
        finish(threads[i]);
    _exit(0);
}

static void *idle(void *arg)
{
    flag_wait(arg, 1);
    return NULL;
}

int test_main(void)
{
    uint16_t port;
    int flag = 0, fds[3];
    pthread_t thread = start(idle, &flag);

    for (int round = 0; round < 2; round++) {
        listener = tcp_listen(5, &port);
        CHECK_EQ(run_child(daemon_main, round ? &round : NULL), 0); /* the daemon's parent */
        SYS(close(listener));
        for (int i = 0; i < 3; i++)
            fds[i] = tcp_connect(port);
        for (int turn = 0; turn < 10; turn++)
            for (int i = 0; i < 3; i++) {
                char data[8] = "";
                write_all(fds[i], "hello", 5);
                read_all(fds[i], data, 5);
                CHECK_STR(data, "hello");
            }
        for (int i = 0; i < 3; i++)
            SYS(shutdown(fds[i], SHUT_WR));
        for (int i = 0; i < 3; i++) {
            CHECK_EQ(read(fds[i], &(char){0}, 1), 0);
            SYS(close(fds[i]));
        }
    }
    sleep_ms(50); /* lets the daemons end */
    flag_set(&flag, 1);
    finish(thread);
    return 0;
}
