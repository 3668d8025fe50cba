/* pidfd_open with poll, waitid(P_PIDFD), pidfd_send_signal. */
#include "testlib.h"

#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

int test_main(void)
{
    siginfo_t info;
    pid_t pid = (pid_t)SYS(fork());

    if (pid == 0) {
        usleep(60000);
        _exit(9);
    }
    int fd = (int)SYS(pidfd_open(pid, 0));
    struct pollfd pfd = {.fd = fd, .events = POLLIN};
    CHECK_EQ(poll(&pfd, 1, 0), 0);
    TAKES(40, CHECK_EQ(poll(&pfd, 1, 20000), 1));
    SYS(waitid(P_PIDFD, (id_t)fd, &info, WEXITED));
    CHECK_EQ(info.si_status, 9);
    close(fd);
    pid = (pid_t)SYS(fork());
    if (pid == 0)
        for (;;)
            pause();
    fd = (int)SYS(pidfd_open(pid, 0));
    SYS(pidfd_send_signal(fd, SIGKILL, NULL, 0));
    SYS(waitid(P_PIDFD, (id_t)fd, &info, WEXITED));
    CHECK_EQ(info.si_code, CLD_KILLED);
    return 0;
}
