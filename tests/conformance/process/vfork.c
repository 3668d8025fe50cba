/* vfork before the first thread: the parent waits, and sees what the child writes to memory. */
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

static void *in_thread(void *arg)
{
    runs_a_program();
    return arg;
}

int test_main(void)
{
    for (int i = 0; i < 100; i++)
        runs_a_program();
    shares_memory();
    finish(start(in_thread, NULL));
    runs_a_program();
    return 0;
}
