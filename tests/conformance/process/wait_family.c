/* waitpid, wait, wait4, waitid: by pid, any, group, WNOHANG, WUNTRACED, WNOWAIT, errors. */
#include "testlib.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

static pid_t child(int ms, int status)
{
    pid_t pid = (pid_t)SYS(fork());

    if (pid == 0) {
        sleep_ms(ms);
        _exit(status);
    }
    return pid;
}

int test_main(void)
{
    int status = -1;
    siginfo_t info;
    struct rusage usage;
    pid_t pid, other;

    CHECK_ERRNO(waitpid(-1, &status, 0), ECHILD);
    CHECK_ERRNO(wait(&status), ECHILD);
    CHECK_ERRNO(waitpid(1, &status, 0), ECHILD);
    CHECK_ERRNO(waitpid(-1, &status, 0x7000000), EINVAL);

    pid = child(60, 1);
    CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
    TAKES(40, CHECK_EQ(waitpid(pid, &status, 0), pid));
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    CHECK_ERRNO(waitpid(pid, &status, 0), ECHILD);

    pid = child(60, 2);
    TAKES(40, CHECK_EQ(wait(&status), pid));
    CHECK_EQ(WEXITSTATUS(status), 2);

    pid = child(60, 3);
    memset(&usage, 0xff, sizeof(usage));
    TAKES(40, CHECK_EQ(wait4(-1, &status, 0, &usage), pid));
    CHECK_EQ(WEXITSTATUS(status), 3);
    CHECK(usage.ru_utime.tv_sec == 0);
    pid = child(30, 4);
    CHECK_EQ(wait3(&status, 0, &usage), pid);

    pid = child(60, 5);
    memset(&info, 0, sizeof(info));
    CHECK_EQ(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG), 0);
    CHECK_EQ(info.si_pid, 0);
    TAKES(40, CHECK_EQ(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0));
    CHECK_EQ(info.si_pid, pid);
    CHECK_EQ(info.si_status, 5);
    CHECK_EQ(info.si_code, CLD_EXITED);
    CHECK_EQ(info.si_signo, SIGCHLD);
    CHECK_EQ(waitid(P_ALL, 0, &info, WEXITED), 0);
    CHECK_EQ(info.si_pid, pid);
    CHECK_ERRNO(waitid(P_PID, (id_t)pid, &info, WEXITED), ECHILD);
    CHECK_ERRNO(waitid(P_PID, (id_t)pid, &info, 0), EINVAL);

    /* a group of its own */
    pid = child(60, 6);
    other = child(10, 7);
    SYS(setpgid(pid, pid));
    TAKES(30, CHECK_EQ(waitpid(-pid, &status, 0), pid));
    CHECK_EQ(WEXITSTATUS(status), 6);
    CHECK_EQ(waitpid(0, &status, 0), other);
    CHECK_EQ(WEXITSTATUS(status), 7);

    pid = child(20000, 0);
    SYS(kill(pid, SIGSTOP));
    CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
    CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    SYS(kill(pid, SIGCONT));
    CHECK_EQ(waitpid(pid, &status, WCONTINUED), pid);
    CHECK(WIFCONTINUED(status));
    SYS(kill(pid, SIGKILL));
    CHECK_EQ(waitpid(pid, NULL, 0), pid);

    /* any child: each exactly once */
    int seen = 0;
    for (int i = 0; i < 10; i++)
        child(i * 7 % 10 * 4, i);
    for (int i = 0; i < 10; i++) {
        SYS(waitpid(-1, &status, 0));
        seen |= 1 << WEXITSTATUS(status);
    }
    CHECK_EQ(seen, 1023);
    CHECK_ERRNO(wait(NULL), ECHILD);

    /* nobody waits for the ignored */
    signal(SIGCHLD, SIG_IGN);
    child(30, 1);
    CHECK_ERRNO(waitpid(-1, &status, 0), ECHILD);
    return 0;
}
