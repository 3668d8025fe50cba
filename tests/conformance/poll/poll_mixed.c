/* poll on a mix: files, pipes, sockets, bad and negative descriptors; HUP, ERR, NVAL, OUT. */
#include "testlib.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

static int wake[2];

static void *write_later(void *arg)
{
    settle();
    write_all(wake[1], "x", 1);
    return arg;
}

static short ask(int fd, short events)
{
    struct pollfd pfd = {.fd = fd, .events = events};

    SYS(poll(&pfd, 1, 0));
    return pfd.revents;
}

int test_main(void)
{
    int a[2], b[2], file, timer;
    uint16_t port;

    pipe_pair(wake);
    pipe_pair(a);
    unix_pair(b);
    file = (int)SYS(open("/dev/null", O_RDWR));
    timer = (int)SYS(timerfd_create(CLOCK_MONOTONIC, 0));
    CHECK_EQ(ask(file, POLLIN | POLLOUT), POLLIN | POLLOUT);
    CHECK_EQ(ask(999, POLLIN), POLLNVAL);
    CHECK_EQ(ask(a[1], POLLOUT), POLLOUT);
    CHECK_EQ(ask(a[0], POLLIN), 0);
    CHECK_EQ(ask(b[0], POLLIN | POLLOUT), POLLOUT);
    CHECK_EQ(ask(b[0], POLLIN | POLLOUT | POLLWRNORM), POLLOUT | POLLWRNORM);

    /* waits although all these are in the set */
    struct pollfd set[] = {{.fd = a[0], .events = POLLIN},    {.fd = b[0], .events = POLLIN},
                           {.fd = -1, .events = POLLIN},      {.fd = timer, .events = POLLIN},
                           {.fd = wake[0], .events = POLLIN}, {.fd = wake[0], .events = POLLIN}};
    pthread_t thread = start(write_later, NULL);
    TAKES(30, CHECK_EQ(poll(set, 6, 20000), 2));
    CHECK_EQ(set[4].revents, POLLIN);
    CHECK_EQ(set[5].revents, POLLIN);
    CHECK_EQ(set[0].revents | set[1].revents | set[2].revents | set[3].revents, 0);
    finish(thread);
    read_all(wake[0], &(char){0}, 1);

    struct itimerspec spec = {.it_value = ts_of_ms(40)};
    TAKES(40, ({
              SYS(timerfd_settime(timer, 0, &spec, NULL));
              CHECK_EQ(poll(set, 6, 20000), 1);
          }));
    CHECK_EQ(set[3].revents, POLLIN);

    /* a file in the set: at once, with the others looked at */
    set[2] = (struct pollfd){.fd = file, .events = POLLIN};
    set[1] = (struct pollfd){.fd = 888, .events = POLLIN};
    CHECK_EQ(poll(set, 3, -1), 2);
    CHECK_EQ(set[1].revents, POLLNVAL);
    CHECK_EQ(set[2].revents, POLLIN);

    SYS(close(a[1]));
    CHECK_EQ(ask(a[0], POLLIN), POLLHUP);
    CHECK_EQ(ask(a[0], 0), POLLHUP);
    pipe_pair(a);
    SYS(close(a[0]));
    CHECK_EQ(ask(a[1], POLLOUT), POLLOUT | POLLERR);
    write_all(b[1], "x", 1);
    SYS(close(b[1]));
    CHECK_EQ(ask(b[0], POLLIN | POLLOUT | POLLRDHUP), POLLIN | POLLOUT | POLLHUP | POLLRDHUP);

    int listener = tcp_listen(4, &port);
    CHECK_EQ(ask(listener, POLLIN), 0);
    int client = tcp_connect(port);
    struct pollfd pfd = {.fd = listener, .events = POLLIN};
    CHECK_EQ(poll(&pfd, 1, 10000), 1);
    CHECK_EQ(pfd.revents, POLLIN);
    CHECK_EQ(ask(client, POLLIN | POLLOUT), POLLOUT);
    int fresh = (int)SYS(socket(AF_INET, SOCK_STREAM, 0));
    CHECK_EQ(ask(fresh, POLLIN | POLLOUT), POLLOUT | POLLHUP);

    uint64_t most = UINT64_MAX - 1;
    int counter = (int)SYS(eventfd(0, 0));
    CHECK_EQ(ask(counter, POLLIN | POLLOUT), POLLOUT);
    write_all(counter, &most, 8);
    CHECK_EQ(ask(counter, POLLIN | POLLOUT), POLLIN);
    return 0;
}
