/* The same descriptor numbers used for files, pipes, sockets and listeners one after the other by
   many threads: no readiness or state is left over. */
#include "testlib.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

static void *writer(void *arg)
{
    usleep(300);
    write_all((int)(intptr_t)arg, "12345678", 8);
    return NULL;
}

static void blocking_pair(void (*make)(int *))
{
    int fds[2];
    char data[8];

    make(fds);
    CHECK(!is_nonblock(fds[0]));
    pthread_t thread = start(writer, (void *)(intptr_t)fds[1]);
    read_all(fds[0], data, 8);
    finish(thread);
    set_nonblock(fds[0], 1);
    CHECK_ERRNO(read(fds[0], data, 8), EAGAIN);
    SYS(close(fds[1]));
    CHECK_EQ(read(fds[0], data, 8), 0);
    SYS(close(fds[0]));
}

static void *body(void *arg)
{
    int self = (int)(intptr_t)arg;

    for (int i = 0; i < 40; i++) {
        uint64_t value = 3;
        uint16_t port;
        char data[8];
        int fd;

        switch ((self + i) % 6) {
        case 0:
            blocking_pair(pipe_pair);
            break;
        case 1:
            blocking_pair(unix_pair);
            break;
        case 2:
            blocking_pair(tcp_pair);
            break;
        case 3:
            fd = (int)SYS(open("/proc/self/cmdline", O_RDONLY));
            CHECK(SYS(read(fd, data, 8)) > 0);
            SYS(close(fd));
            break;
        case 4:
            fd = (int)SYS(eventfd(0, 0));
            write_all(fd, &value, 8);
            CHECK_EQ(read(fd, &value, 8), 8);
            SYS(close(fd));
            break;
        default:
            fd = tcp_listen(3, &port);
            int client = tcp_connect(port);
            int server = (int)SYS(accept(fd, NULL, NULL));
            write_all(server, "x", 1);
            CHECK_EQ(recv(client, data, 8, 0), 1);
            SYS(close(server));
            CHECK_EQ(recv(client, data, 8, 0), 0);
            SYS(close(client));
            SYS(close(fd));
        }
    }
    return NULL;
}

int test_main(void)
{
    pthread_t threads[12];

    for (intptr_t i = 0; i < 12; i++)
        threads[i] = start(body, (void *)i);
    for (int i = 0; i < 12; i++)
        finish(threads[i]);
    return 0;
}
