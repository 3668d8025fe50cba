/* Signal masks are per thread, inherited at creation; a process signal goes to a thread that has
   it unblocked. */
#include "testlib.h"

#include <signal.h>

static int caught_by_main, caught_by_open, ready, stop;
static pthread_t main_thread, open_thread;

static void on_signal(int sig)
{
    (void)sig;
    if (pthread_equal(pthread_self(), main_thread))
        flag_add(&caught_by_main, 1);
    else if (pthread_equal(pthread_self(), open_thread))
        flag_add(&caught_by_open, 1);
    else
        CHECK(!"caught by a thread that blocks it");
}

static void expect_mask(int usr1, int usr2)
{
    sigset_t set;

    CHECK_RC(pthread_sigmask(SIG_BLOCK, NULL, &set), 0);
    CHECK_EQ(sigismember(&set, SIGUSR1), usr1);
    CHECK_EQ(sigismember(&set, SIGUSR2), usr2);
    SYS(sigprocmask(SIG_BLOCK, NULL, &set));
    CHECK_EQ(sigismember(&set, SIGUSR1), usr1);
}

static void change(int how, int sig)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, sig);
    CHECK_RC(pthread_sigmask(how, &set, NULL), 0);
}

static void *grandchild(void *arg)
{
    expect_mask(1, 1);
    return arg;
}

static void *blocked(void *arg)
{
    expect_mask(1, 0); /* inherited */
    change(SIG_BLOCK, SIGUSR2);
    expect_mask(1, 1);
    finish(start(grandchild, NULL));
    flag_add(&ready, 1);
    while (!flag_get(&stop)) {
        CHECK_EQ(usleep(1000), 0);
        expect_mask(1, 1);
    }
    return arg;
}

static void *open_for_usr1(void *arg)
{
    open_thread = pthread_self();
    change(SIG_UNBLOCK, SIGUSR1);
    flag_add(&ready, 1);
    while (!flag_get(&stop)) {
        usleep(1000);
        expect_mask(0, 0);
    }
    return arg;
}

int test_main(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    pthread_t threads[5];

    main_thread = pthread_self();
    SYS(sigaction(SIGUSR1, &action, NULL));
    SYS(sigaction(SIGUSR2, &action, NULL));
    change(SIG_BLOCK, SIGUSR1);
    for (int i = 0; i < 4; i++)
        threads[i] = start(blocked, NULL);
    flag_wait(&ready, 4);
    expect_mask(1, 0);

    /* main has SIGUSR2 open */
    for (int i = 0; i < 5; i++)
        SYS(kill(getpid(), SIGUSR2)), flag_wait(&caught_by_main, i + 1);
    /* nobody has SIGUSR1 open: pending until a thread opens it */
    SYS(kill(getpid(), SIGUSR1));
    sigset_t pending;
    SYS(sigpending(&pending));
    CHECK_EQ(sigismember(&pending, SIGUSR1), 1);
    CHECK_EQ(sigismember(&pending, SIGUSR2), 0);
    settle();
    CHECK_EQ(flag_get(&caught_by_main), 5);
    threads[4] = start(open_for_usr1, NULL);
    flag_wait(&ready, 5);
    flag_wait(&caught_by_open, 1);
    for (int i = 0; i < 5; i++)
        SYS(kill(getpid(), SIGUSR1)), flag_wait(&caught_by_open, i + 2);
    CHECK_EQ(flag_get(&caught_by_main), 5);
    flag_set(&stop, 1);
    for (int i = 0; i < 5; i++)
        finish(threads[i]);
    CHECK_RC(pthread_sigmask(99, &pending, NULL), EINVAL);
    CHECK_RC(pthread_sigmask(99, NULL, NULL), 0);
    return 0;
}
