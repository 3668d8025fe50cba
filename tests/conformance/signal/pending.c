/* Pending signals of a thread and of the process: standard ones once, real-time ones in order and
   with their values; what ignoring does to them; which handler of several comes first. */
#include "testlib.h"

#include <signal.h>

static int calls[40], order[40];
static _Thread_local int me;

static void on_signal(int sig, siginfo_t *info, void *context)
{
    (void)context;
    order[flag_add(&calls[0], 1) - 1] = sig;
    if (sig >= SIGRTMIN && info->si_code == SI_QUEUE)
        CHECK_EQ(info->si_value.sival_int, calls[sig]);
    flag_add(&calls[sig], 1);
}

static void forget(void)
{
    memset(calls, 0, sizeof(calls));
}

static int is_pending(int sig)
{
    sigset_t set;

    SYS(sigpending(&set));
    return sigismember(&set, sig);
}

static int take(const sigset_t *set, siginfo_t *info)
{
    struct timespec none = {0, 0};

    return sigtimedwait(set, info, &none);
}

static void block(int how, const sigset_t *set)
{
    CHECK_RC(pthread_sigmask(how, set, NULL), 0);
}

/* In a thread: each signal directed at it. */
static void *directed(void *arg)
{
    sigset_t *set = arg;
    siginfo_t info;

    for (int round = 0; round < 2; round++) {
        forget();
        block(SIG_BLOCK, set);
        for (int i = 0; i < 5; i++)
            CHECK_RC(pthread_sigqueue(pthread_self(), SIGRTMIN + 1, (union sigval){.sival_int = i}),
                     0);
        for (int i = 0; i < 3; i++)
            CHECK_RC(pthread_kill(pthread_self(), SIGUSR1), 0);
        CHECK_RC(pthread_kill(pthread_self(), SIGUSR2), 0);
        CHECK_EQ(is_pending(SIGRTMIN + 1) + is_pending(SIGUSR1) + is_pending(SIGUSR2), 3);
        if (round == 0) { /* each interrupts the one before it, before that has begun */
            block(SIG_UNBLOCK, set);
            CHECK_EQ(calls[0], 7);
            for (int i = 0; i < 5; i++)
                CHECK_EQ(order[i], SIGRTMIN + 1);
            CHECK_EQ(order[5], SIGUSR2);
            CHECK_EQ(order[6], SIGUSR1);
            continue;
        }
        CHECK_EQ(take(set, &info), SIGUSR1);
        CHECK_EQ(info.si_code, SI_USER); /* libc says so for SI_TKILL */
        CHECK_EQ(info.si_pid, getpid());
        CHECK_EQ(take(set, NULL), SIGUSR2);
        for (int i = 0; i < 5; i++) {
            CHECK_EQ(take(set, &info), SIGRTMIN + 1);
            CHECK_EQ(info.si_value.sival_int, i);
            CHECK_EQ(info.si_code, SI_QUEUE);
        }
        CHECK_ERRNO(take(set, NULL), EAGAIN);
    }
    return NULL;
}

/* More than any table of ours is long. */
static void *many(void *arg)
{
    sigset_t *set = arg;
    siginfo_t info;
    int n = 0;

    block(SIG_BLOCK, set);
    while (n < 2000 &&
           pthread_sigqueue(pthread_self(), SIGRTMIN + 1, (union sigval){.sival_int = n}) == 0)
        n++;
    CHECK_GE(n, 300); /* the user's limit may be low */
    for (int i = 0; i < n; i++) {
        CHECK_EQ(take(set, &info), SIGRTMIN + 1);
        CHECK_EQ(info.si_value.sival_int, i);
    }
    CHECK_ERRNO(take(set, NULL), EAGAIN);
    return NULL;
}

static void to_process(sigset_t *set)
{
    forget();
    block(SIG_BLOCK, set);
    for (int i = 0; i < 5; i++)
        SYS(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = i}));
    SYS(kill(getpid(), SIGUSR1));
    SYS(kill(getpid(), SIGUSR1));
    CHECK_EQ(is_pending(SIGRTMIN + 1) + is_pending(SIGUSR1), 2);
    CHECK_EQ(is_pending(SIGUSR2), 0);
    block(SIG_UNBLOCK, set);
    CHECK_EQ(calls[SIGRTMIN + 1], 5);
    CHECK_EQ(calls[SIGUSR1], 1);
    CHECK_EQ(calls[0], 6);
}

static void *unblocks(void *arg)
{
    me = 1;
    block(SIG_UNBLOCK, arg);
    return NULL;
}

static void *sends_and_ends(void *arg)
{
    SYS(kill(getpid(), SIGUSR1));
    return arg;
}

/* All block it when it is sent; it outlives its sender, and goes to the first who unblocks it. */
static void to_the_first(sigset_t *set)
{
    forget();
    block(SIG_BLOCK, set);
    finish(start(sends_and_ends, NULL));
    CHECK_EQ(is_pending(SIGUSR1), 1);
    finish(start(unblocks, set));
    CHECK_EQ(calls[SIGUSR1], 1);
    CHECK_EQ(is_pending(SIGUSR1), 0);
    block(SIG_UNBLOCK, set);
    CHECK_EQ(calls[0], 1);
}

/* What is blocked stays pending though it is ignored; to begin to ignore it throws it away. */
static void ignored(sigset_t *set, const struct sigaction *action)
{
    forget();
    block(SIG_BLOCK, set);
    signal(SIGUSR1, SIG_IGN);
    CHECK_RC(pthread_kill(pthread_self(), SIGUSR1), 0);
    CHECK_EQ(is_pending(SIGUSR1), 1);
    CHECK_EQ(take(set, NULL), SIGUSR1);
    for (int to_self = 0; to_self < 2; to_self++) {
        SYS(sigaction(SIGUSR1, action, NULL));
        if (to_self)
            CHECK_RC(pthread_kill(pthread_self(), SIGUSR1), 0);
        else
            SYS(kill(getpid(), SIGUSR1));
        CHECK_EQ(is_pending(SIGUSR1), 1);
        signal(SIGUSR1, SIG_IGN);
        CHECK_EQ(is_pending(SIGUSR1), 0);
    }
    SYS(sigaction(SIGUSR1, action, NULL));
    block(SIG_UNBLOCK, set);
    CHECK_EQ(calls[0], 0);
}

static void *sleeper(void *arg)
{
    pause();
    return arg;
}

int test_main(void)
{
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGRTMIN + 1);
    SYS(sigaction(SIGUSR1, &action, NULL));
    SYS(sigaction(SIGUSR2, &action, NULL));
    SYS(sigaction(SIGRTMIN + 1, &action, NULL));
    finish(start(directed, &set));
    directed(&set);
    block(SIG_UNBLOCK, &set);
    finish(start(many, &set));

    start_without_signals(sleeper, NULL);
    settle();
    to_process(&set);
    if (!int_env("TEST_BACKGROUND", 0)) { /* its threads block nothing */
        to_the_first(&set);
        ignored(&set, &action);
    }
    return 0;
}
