/* exec from a thread that is not main, while others wait: process id, signal mask, ignored and
   pending signals, descriptors with their flags are as natively. */
#include "testlib.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

static void show(void)
{
    struct sigaction action;
    sigset_t mask, pending;

    for (int fd = 0; fd < 1024; fd++)
        if (fcntl(fd, F_GETFD) != -1)
            printf("fd %d flags %x %x\n", fd, fcntl(fd, F_GETFD), fcntl(fd, F_GETFL));
    SYS(sigprocmask(SIG_BLOCK, NULL, &mask));
    SYS(sigpending(&pending));
    for (int sig = 1; sig < NSIG; sig++) {
        int blocked = sigismember(&mask, sig) == 1, is_pending = sigismember(&pending, sig) == 1;
        int ignored = sigaction(sig, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
        if (blocked || is_pending || ignored)
            printf("signal %d blocked %d pending %d ignored %d\n", sig, blocked, is_pending,
                   ignored);
    }
}

static void on_signal(int sig)
{
    (void)sig;
}

static void *waits(void *arg)
{
    char c;

    (void)read(*(int *)arg, &c, 1);
    return NULL;
}

static void *execs(void *arg)
{
    sigset_t set;
    char pid[20];

    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGRTMIN + 5);
    CHECK_RC(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    CHECK_RC(pthread_kill(pthread_self(), SIGUSR2), 0);
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    CHECK_ERRNO(execl("/nowhere", "x", (char *)NULL), ENOENT);
    execl("/proc/self/exe", test_argv[0], "after", pid, (char *)NULL);
    return arg;
}

static int before(void)
{
    static int pipes[2], hidden[2], ends[2];
    sigset_t set;

    for (int sig = 1; sig < NSIG; sig++)
        signal(sig, SIG_DFL);
    sigemptyset(&set);
    SYS(sigprocmask(SIG_SETMASK, &set, NULL));
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGUSR1, on_signal);
    signal(SIGSEGV, on_signal);
    pipe_pair(pipes);
    SYS(pipe2(hidden, O_CLOEXEC | O_NONBLOCK));
    unix_pair(ends);
    SYS(listen((int)SYS(socket(AF_INET, SOCK_STREAM, 0)), 5));
    set_nonblock(ends[1], 1);
    start(waits, &pipes[0]);
    start(waits, &ends[0]);
    settle();
    start(execs, NULL);
    for (;;)
        pause();
}

int test_main(void)
{
    int status;

    if (test_argc > 2) {
        CHECK_EQ(atoi(test_argv[2]), getpid());
        show();
        return 0;
    }
    if (test_argc > 1)
        return before();
    status = run_self("before", NULL, 0);
    CHECK_EQ(status, 0);
    return 0;
}
