/* Default actions end a process with threads: SIGTERM gives status 15, and so on; SIGKILL,
   abort, a fault in a thread; SIG_IGN; SIGSTOP and SIGCONT. */
#include "testlib.h"

#include <signal.h>
#include <sys/wait.h>

static void *sleeper(void *arg)
{
    for (;;)
        usleep(1000);
    return arg;
}

static void *faulty(void *arg)
{
    usleep(20000);
    *(volatile int *)arg = 1;
    return NULL;
}

static void *aborts(void *arg)
{
    usleep(20000);
    abort();
    return arg;
}

static int child(const char *what)
{
    stay_quiet();
    for (int i = 0; i < 5; i++)
        start(sleeper, NULL);
    if (!strcmp(what, "segv"))
        start(faulty, (void *)8);
    else if (!strcmp(what, "abort"))
        start(aborts, NULL);
    else if (!strcmp(what, "raise"))
        raise(SIGTERM);
    else {
        write_all(1, "r", 1);
    }
    signal(SIGHUP, SIG_IGN);
    for (int i = 0; i < 100; i++)
        sleep(100);
    return 0;
}

static int killed_by(int sig)
{
    int fds[2], status;
    char byte;

    pipe_pair(fds);
    pid_t pid = (pid_t)SYS(fork());
    if (pid == 0) {
        dup2(fds[1], 1);
        signal(sig, SIG_DFL); /* a shell ignores some for what it starts in the background */
        execl("/proc/self/exe", test_argv[0], "wait", (char *)NULL);
        _exit(100);
    }
    close(fds[1]);
    read_all(fds[0], &byte, 1);
    close(fds[0]);
    settle();
    SYS(kill(pid, SIGHUP));   /* ignored */
    SYS(kill(pid, SIGWINCH)); /* ignored by default */
    SYS(kill(pid, SIGSTOP));
    CHECK_EQ(SYS(waitpid(pid, &status, WUNTRACED)), pid);
    CHECK(WIFSTOPPED(status));
    CHECK_EQ(WSTOPSIG(status), SIGSTOP);
    SYS(kill(pid, SIGCONT));
    CHECK_EQ(SYS(waitpid(pid, &status, WCONTINUED)), pid);
    CHECK(WIFCONTINUED(status));
    settle();
    CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
    SYS(kill(pid, sig));
    CHECK_EQ(SYS(waitpid(pid, &status, 0)), pid);
    return status;
}

int test_main(void)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGKILL, SIGUSR1, SIGALRM, SIGPIPE};
    int status;

    if (test_argc > 1)
        return child(test_argv[1]);
    for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
        status = killed_by(signals[i]);
        CHECK(WIFSIGNALED(status));
        CHECK_EQ(WTERMSIG(status), signals[i]);
    }
    status = run_self("segv", NULL, 0);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), SIGSEGV);
    status = run_self("abort", NULL, 0);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), SIGABRT);
    status = run_self("raise", NULL, 0);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), SIGTERM);
    return 0;
}
