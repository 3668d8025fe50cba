/* Handler details: siginfo, the mask during it, SA_NODEFER, SA_RESETHAND, nested signals, errno,
   waking threads from a handler by write and sem_post, siglongjmp. */
#include "testlib.h"

#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>

static volatile int depth, deepest, calls;
static int wake[2];
static sem_t sem;
static sigjmp_buf jump;

static void with_info(int sig, siginfo_t *info, void *context)
{
    sigset_t set;

    CHECK_EQ(sig, SIGUSR1);
    CHECK_EQ(info->si_code, SI_USER);
    CHECK_EQ(info->si_pid, getpid());
    CHECK(context != NULL);
    SYS(sigprocmask(SIG_BLOCK, NULL, &set));
    CHECK_EQ(sigismember(&set, SIGUSR1), 1);
    CHECK_EQ(sigismember(&set, SIGUSR2), 1); /* sa_mask */
    CHECK_EQ(sigismember(&set, SIGHUP), 0);
    calls++;
    errno = 5;
}

static void nested(int sig)
{
    if (++depth > deepest)
        deepest = depth;
    if (depth < 4)
        raise(sig);
    depth--;
}

static void wakes(int sig)
{
    (void)sig;
    if (write(wake[1], "x", 1) != 1 || sem_post(&sem) != 0)
        abort();
}

static void jumps(int sig)
{
    siglongjmp(jump, sig);
}

static void *woken(void *arg)
{
    read_all(wake[0], &(char){0}, 1);
    SYS(sem_wait(&sem));
    return arg;
}

int test_main(void)
{
    struct sigaction action = {.sa_sigaction = with_info, .sa_flags = SA_SIGINFO}, old;
    sigset_t set;

    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGUSR2);
    SYS(sigaction(SIGUSR1, &action, NULL));
    SYS(sigaction(SIGUSR1, NULL, &old));
    CHECK(old.sa_sigaction == with_info);
    CHECK_EQ(old.sa_flags & SA_SIGINFO, SA_SIGINFO);
    CHECK_EQ(sigismember(&old.sa_mask, SIGUSR2), 1);
    SYS(kill(getpid(), SIGUSR1));
    CHECK_EQ(calls, 1);

    action = (struct sigaction){.sa_handler = nested, .sa_flags = SA_NODEFER};
    SYS(sigaction(SIGUSR1, &action, NULL));
    SYS(raise(SIGUSR1));
    CHECK_EQ(deepest, 4);

    action = (struct sigaction){.sa_handler = nested, .sa_flags = SA_RESETHAND};
    SYS(sigaction(SIGURG, &action, NULL));
    depth = 10;
    SYS(raise(SIGURG));
    SYS(sigaction(SIGURG, NULL, &old));
    CHECK(old.sa_handler == SIG_DFL);

    pipe_pair(wake);
    SYS(sem_init(&sem, 0, 0));
    action = (struct sigaction){.sa_handler = wakes, .sa_flags = SA_RESTART};
    SYS(sigaction(SIGUSR1, &action, NULL));
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        threads[i] = start(woken, NULL);
    settle();
    for (int i = 0; i < 4; i++)
        SYS(kill(getpid(), SIGUSR1));
    for (int i = 0; i < 4; i++)
        finish(threads[i]);

    signal(SIGUSR1, jumps);
    sigemptyset(&set);
    int got = sigsetjmp(jump, 1);
    if (got == 0)
        raise(SIGUSR1);
    CHECK_EQ(got, SIGUSR1);
    SYS(sigprocmask(SIG_BLOCK, NULL, &set));
    CHECK_EQ(sigismember(&set, SIGUSR1), 0);
    CHECK_ERRNO(sigaction(SIGKILL, &action, NULL), EINVAL);
    CHECK_ERRNO(sigaction(0, &action, NULL), EINVAL);
    CHECK_ERRNO(kill(getpid(), 999), EINVAL);
    return 0;
}
