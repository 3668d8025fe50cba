/* SIGPIPE is the writing thread's: its handler runs there, and while it is blocked there it stays
   pending for this thread alone, whatever others block. As libpq and others count on. */
#include "testlib.h"

#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

static pthread_t handled_by;
static int handled;

static void on_signal(int sig)
{
    CHECK_EQ(sig, SIGPIPE);
    handled_by = pthread_self();
    flag_add(&handled, 1);
}

static int broken_pipe(void)
{
    int fds[2];

    pipe_pair(fds);
    close(fds[0]);
    return fds[1];
}

static sigset_t only(int sig)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, sig);
    return set;
}

static void *write_handled(void *arg)
{
    int fd = broken_pipe(), ends[2];
    FILE *stream = fdopen(fd, "w");

    flag_set(&handled, 0);
    CHECK_ERRNO(write(fd, "x", 1), EPIPE);
    CHECK_EQ(handled, 1);
    CHECK(pthread_equal(handled_by, pthread_self()));
    fputs("x", stream);
    CHECK_ERRNO(fflush(stream), EPIPE);
    CHECK_EQ(handled, 2);
    unix_pair(ends);
    close(ends[1]);
    CHECK_ERRNO(send(ends[0], "x", 1, MSG_NOSIGNAL), EPIPE);
    CHECK_EQ(handled, 2);
    CHECK_ERRNO(send(ends[0], "x", 1, 0), EPIPE);
    CHECK_EQ(handled, 3);
    CHECK(pthread_equal(handled_by, pthread_self()));
    return arg;
}

static void *not_pending(void *arg)
{
    sigset_t now, set = only(SIGPIPE);

    CHECK_RC(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    SYS(sigpending(&now));
    CHECK_EQ(sigismember(&now, SIGPIPE), 0);
    return arg;
}

/* Block it, write, take it, as a library does that must not disturb its program. */
static void *write_blocked(void *arg)
{
    struct timespec none = {0, 0};
    sigset_t now, set = only(SIGPIPE);
    siginfo_t info;
    int fd = broken_pipe();

    flag_set(&handled, 0);
    CHECK_RC(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    for (int i = 0; i < 3; i++) {
        CHECK_ERRNO(write(fd, "x", 1), EPIPE);
        SYS(sigpending(&now));
        CHECK_EQ(sigismember(&now, SIGPIPE), 1);
        finish(start(not_pending, NULL));
        CHECK_EQ(sigtimedwait(&set, &info, &none), SIGPIPE);
        CHECK_EQ(info.si_code, SI_USER);
        CHECK_ERRNO(sigtimedwait(&set, &info, &none), EAGAIN);
    }
    CHECK_EQ(handled, 0);
    close(fd);
    return arg;
}

static void *write_unblocked(void *arg)
{
    CHECK_ERRNO(write(broken_pipe(), "x", 1), EPIPE);
    return arg;
}

static int child(const char *what)
{
    sigset_t set = only(SIGPIPE);

    CHECK_RC(pthread_sigmask(SIG_UNBLOCK, &set, NULL), 0);
    signal(SIGPIPE, SIG_DFL);
    if (!strcmp(what, "blocked")) {
        finish(start(write_blocked, NULL));
        finish(start_without_signals(write_blocked, NULL));
        return 7;
    }
    if (!strcmp(what, "ignored")) {
        signal(SIGPIPE, SIG_IGN);
        finish(start(write_unblocked, NULL));
        return 8;
    }
    finish(start(write_unblocked, NULL));
    return 0;
}

int test_main(void)
{
    int status;

    if (test_argc > 1)
        return child(test_argv[1]);
    signal(SIGPIPE, on_signal);
    finish(start(write_handled, NULL));
    write_handled(NULL);
    finish(start(write_blocked, NULL));
    write_blocked(NULL);
    status = run_self("blocked", NULL, 0);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 7);
    status = run_self("ignored", NULL, 0);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 8);
    status = run_self("default", NULL, 0);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), SIGPIPE);
    return 0;
}
