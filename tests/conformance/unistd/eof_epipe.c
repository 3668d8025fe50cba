/* End of file wakes blocked readers; EPIPE and SIGPIPE for writers, blocked ones too. */
#include "testlib.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

static int fds[2], pipes_seen;

static void on_pipe(int sig)
{
    CHECK_EQ(sig, SIGPIPE);
    flag_add(&pipes_seen, 1);
}

static void *reader(void *arg)
{
    char byte;

    CHECK_EQ(read(fds[0], &byte, 1), 0);
    CHECK_EQ(read(fds[0], &byte, 1), 0);
    return arg;
}

static void *blocked_writer(void *arg)
{
    static char block[1 << 20];
    long n;

    /* fills the pipe, waits, and is told when the reader goes */
    n = write(fds[1], block, sizeof(block));
    if (n == -1)
        CHECK_EQ(errno, EPIPE);
    else
        CHECK_LE(n, sizeof(block) - 1);
    CHECK_ERRNO(write(fds[1], block, 1), EPIPE);
    return arg;
}

static int dies_of_sigpipe(void *arg)
{
    (void)arg;
    signal(SIGPIPE, SIG_DFL);
    pipe_pair(fds);
    close(fds[0]);
    if (write(fds[1], "x", 1) == -1)
        return 5;
    return 6;
}

int test_main(void)
{
    void (*pairs[])(int *) = {pipe_pair, unix_pair, tcp_pair};
    struct sigaction action = {.sa_handler = on_pipe};

    SYS(sigaction(SIGPIPE, &action, NULL));
    for (int i = 0; i < 3; i++) {
        pairs[i](fds);
        pthread_t a = start(reader, NULL), b = start(reader, NULL);
        settle();
        SYS(close(fds[1]));
        finish(a);
        finish(b);
        SYS(close(fds[0]));
    }
    for (int i = 0; i < 2; i++) {
        pairs[i](fds);
        pipes_seen = 0;
        pthread_t thread = start(blocked_writer, NULL);
        settle();
        SYS(close(fds[0]));
        finish(thread);
        CHECK_GE(pipes_seen, 1);
        SYS(close(fds[1]));
    }
    unix_pair(fds);
    SYS(close(fds[0]));
    pipes_seen = 0;
    CHECK_ERRNO(send(fds[1], "x", 1, MSG_NOSIGNAL), EPIPE);
    CHECK_EQ(pipes_seen, 0);
    CHECK_ERRNO(send(fds[1], "x", 1, 0), EPIPE);
    CHECK_EQ(pipes_seen, 1);
    signal(SIGPIPE, SIG_IGN);
    CHECK_ERRNO(write(fds[1], "x", 1), EPIPE);
    CHECK_EQ(pipes_seen, 1);

    int status = run_child(dies_of_sigpipe, NULL);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), SIGPIPE);
    return 0;
}
