/* alarm() interrupts a blocking read in main, also with other threads; SIGCHLD handlers run. */
#include "testlib.h"

#include <signal.h>
#include <sys/wait.h>

static int alarms, children, stop;

static void on_signal(int sig)
{
    int saved = errno;

    if (sig == SIGALRM)
        flag_add(&alarms, 1);
    while (sig == SIGCHLD && waitpid(-1, NULL, WNOHANG) > 0)
        flag_add(&children, 1);
    errno = saved;
}

static void *ticker(void *arg)
{
    sigset_t all;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    while (!flag_get(&stop))
        usleep(1000);
    return arg;
}

int test_main(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    int fds[2];

    pipe_pair(fds);
    SYS(sigaction(SIGALRM, &action, NULL));
    pthread_t thread = start(ticker, NULL);
    settle();
    CHECK_EQ(alarm(50), 0);
    CHECK_GE(alarm(1), 49);
    TAKES(900, CHECK_ERRNO(read(fds[0], &(char){0}, 1), EINTR));
    CHECK_EQ(alarms, 1);
    CHECK_EQ(alarm(0), 0);
    CHECK_EQ(ualarm(20000, 0), 0);
    CHECK_ERRNO(pause(), EINTR);
    CHECK_EQ(alarms, 2);

    action.sa_flags = SA_RESTART;
    SYS(sigaction(SIGCHLD, &action, NULL));
    for (int i = 0; i < 5; i++)
        if (SYS(fork()) == 0) {
            usleep(5000);
            _exit(i);
        }
    flag_wait(&children, 5);
    CHECK_ERRNO(waitpid(-1, NULL, 0), ECHILD);
    flag_set(&stop, 1);
    finish(thread);
    return 0;
}
