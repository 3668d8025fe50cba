/* The fortified forms block and wake like the plain ones, and still catch overflows. */
/* BUILD: -D_FORTIFY_SOURCE=2 */
#include "testlib.h"

#include <poll.h>
#include <signal.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>

static int fds[2];

static void *write_later(void *arg)
{
    settle();
    write_all(fds[1], "abc", 3);
    return arg;
}

static int child(const char *what)
{
    volatile size_t size = 64;
    char small[8];
    struct pollfd pfds[2] = {{.fd = -1}, {.fd = -1}};

    stay_quiet();
    unix_pair(fds);
    write_all(fds[1], "abc", 3);
    if (!strcmp(what, "read"))
        return (int)read(fds[0], small, size);
    if (!strcmp(what, "recv"))
        return (int)recv(fds[0], small, size, 0);
    return poll(pfds, size, 0);
}

int test_main(void)
{
    volatile size_t size = 5;
    char data[16] = "";
    struct pollfd pfd[1];
    static const char *const bad[] = {"read", "recv", "poll"};

    if (test_argc > 1)
        return child(test_argv[1]);
    unix_pair(fds);
    pthread_t thread = start(write_later, NULL);
    TAKES(30, CHECK_EQ(read(fds[0], data, size), 3));
    finish(thread);
    thread = start(write_later, NULL);
    TAKES(30, CHECK_EQ(recv(fds[0], data, size, 0), 3));
    finish(thread);
    thread = start(write_later, NULL);
    TAKES(30, CHECK_EQ(recvfrom(fds[0], data, size, 0, NULL, NULL), 3));
    finish(thread);
    thread = start(write_later, NULL);
    volatile nfds_t one = 1;
    pfd[0] = (struct pollfd){.fd = fds[0], .events = POLLIN};
    TAKES(30, CHECK_EQ(poll(pfd, one, 5000), 1));
    finish(thread);
    pfd[0].revents = 0;
    CHECK_EQ(ppoll(pfd, one, NULL, NULL), 1);
    fd_set set;
    FD_ZERO(&set);
    FD_SET(fds[0], &set);
    CHECK_EQ(select(fds[0] + 1, &set, NULL, NULL, NULL), 1);
    for (int i = 0; i < 3; i++) {
        int status = run_self(bad[i], NULL, 0);
        CHECK(WIFSIGNALED(status));
        CHECK_EQ(WTERMSIG(status), SIGABRT);
    }
    return 0;
}
