/* vfork, before the first thread and in threads: the parent waits, and sees what the child writes
   to memory; what it does to its descriptors, signals and mask is the child's alone. */
/* MODES: native green nodeep harvest off */
#include "testlib.h"

#include <sys/wait.h>

static volatile int written;

static void shares_memory(void)
{
    int fds[2], status;

    pipe_pair(fds);
    written = 0;
    pid_t pid = vfork();
    if (pid == 0) {
        close(fds[0]);
        usleep(20000); /* a parent that ran on would look meanwhile */
        execl("/no/such/program", "program", (char *)NULL);
        written = errno;
        _exit(7);
    }
    CHECK(pid > 0);
    CHECK_EQ(written, ENOENT);
    CHECK_EQ(SYS(waitpid(pid, &status, 0)), pid);
    CHECK_EQ(WEXITSTATUS(status), 7);
    SYS(close(fds[0])); /* the child closed its own */
    SYS(close(fds[1]));
}

static void runs_a_program(void)
{
    int status;
    pid_t pid = vfork();

    if (pid == 0) {
        execlp("sh", "sh", "-c", "exit 5", (char *)NULL);
        _exit(127);
    }
    CHECK_EQ(SYS(waitpid(pid, &status, 0)), pid);
    CHECK_EQ(WEXITSTATUS(status), 5);
}

static void ignore(int sig)
{
    (void)sig;
}

static void changes_itself(void)
{
    int fds[2], status;
    sigset_t set, mine;
    struct sigaction sa;
    char c = 0;

    pipe_pair(fds);
    signal(SIGUSR2, ignore);
    pid_t pid = vfork();
    if (pid == 0) {
        signal(SIGUSR2, SIG_IGN);
        sigfillset(&set);
        sigprocmask(SIG_SETMASK, &set, NULL);
        dup2(fds[1], 1);
        close(fds[0]);
        close(fds[1]);
        execlp("sh", "sh", "-c", "printf x; kill -USR2 $$; exit 6", (char *)NULL);
        _exit(127);
    }
    SYS(close(fds[1]));
    CHECK_EQ(SYS(read(fds[0], &c, 1)), 1);
    CHECK_EQ(c, 'x');
    CHECK_EQ(SYS(read(fds[0], &c, 1)), 0);
    SYS(close(fds[0]));
    CHECK_EQ(SYS(waitpid(pid, &status, 0)), pid);
    CHECK_EQ(WEXITSTATUS(status), 6);
    SYS(sigaction(SIGUSR2, NULL, &sa));
    CHECK(sa.sa_handler == ignore);
    CHECK_RC(pthread_sigmask(SIG_SETMASK, NULL, &mine), 0);
    CHECK(!sigismember(&mine, SIGUSR1));
}

static void *in_thread(void *arg)
{
    for (int i = 0; i < 10; i++) {
        runs_a_program();
        changes_itself();
        usleep(1000);
    }
    return arg;
}

/* One at a time, for it looks at one variable. */
static void *shares(void *arg)
{
#if defined(__x86_64__)
    shares_memory();
#endif
    return arg;
}

int test_main(void)
{
    for (int i = 0; i < 100; i++)
        runs_a_program();
    shares_memory();
    changes_itself();

    pthread_t t[3];
    for (int i = 0; i < 3; i++)
        t[i] = start(in_thread, NULL);
    in_thread(NULL);
    for (int i = 0; i < 3; i++)
        finish(t[i]);
    finish(start(shares, NULL));
    shares(NULL);
    runs_a_program();
    return 0;
}
