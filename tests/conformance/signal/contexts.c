/* MODES: native native-bg green green-bg harvest off */
/* Contexts of <ucontext.h> have a signal mask: saved, restored, of the thread alone. */
#include "testlib.h"

#include <signal.h>
#include <ucontext.h>

enum { THREADS = 4, TURNS = 200, STACK = 65536 };

static int blocked(int sig)
{
    sigset_t now;

    CHECK_RC(pthread_sigmask(SIG_BLOCK, NULL, &now), 0);
    return sigismember(&now, sig);
}

static void set_blocked(int sig, int on)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, sig);
    CHECK_RC(pthread_sigmask(on ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL), 0);
}

static __thread volatile int handled;

static void handler(int sig)
{
    (void)sig;
    handled++;
}

/* The mask of getcontext() comes back, and what was pending is handled then. */
static void saved(void)
{
    ucontext_t context;
    volatile int turn = 0;

    for (int first = 0; first < 2; first++) {
        handled = 0;
        turn = 0;
        set_blocked(SIGUSR1, first);
        SYS(getcontext(&context));
        CHECK_EQ(sigismember(&context.uc_sigmask, SIGUSR1), first);
        CHECK_EQ(blocked(SIGUSR1), first);
        if (turn++ == 0) {
            set_blocked(SIGUSR1, 1);
            pthread_kill(pthread_self(), SIGUSR1);
            CHECK_EQ(handled, 0);
            setcontext(&context);
            test_fail(__FILE__, __LINE__, "setcontext returned");
        }
        CHECK_EQ(handled, !first);
        set_blocked(SIGUSR1, 0);
        CHECK_EQ(handled, 1);
    }
}

struct coroutine {
    ucontext_t outside, inside;
    int turns, ended;
    double sum;
};

static __thread struct coroutine *current;

/* Has SIGUSR1 blocked; the thread has SIGUSR2. */
static void inside(int a, int b, int c, int d, int e, int f, int g, int h)
{
    struct coroutine *self = current;

    CHECK_EQ(a + 10 * b + 100 * c + 1000 * d, 4321);
    CHECK_EQ(e + 10 * f + 100 * g + 1000 * h, 8765);
    for (int i = 0; i < TURNS; i++) {
        CHECK(blocked(SIGUSR1) && !blocked(SIGUSR2));
        self->turns++;
        self->sum += i / 2.0;
        SYS(swapcontext(&self->inside, &self->outside));
        CHECK(current == self);
    }
    self->ended = 1;
}

static void *coroutines(void *arg)
{
    struct coroutine self = {.turns = 0};
    void *stack = malloc(STACK);

    SYS(getcontext(&self.inside));
    CHECK(!blocked(SIGUSR1));
    sigaddset(&self.inside.uc_sigmask, SIGUSR1);
    self.inside.uc_stack.ss_sp = stack;
    self.inside.uc_stack.ss_size = STACK;
    self.inside.uc_link = &self.outside;
    makecontext(&self.inside, (void (*)(void))(void *)inside, 8, 1, 2, 3, 4, 5, 6, 7, 8);
    set_blocked(SIGUSR2, 1);
    current = &self;
    for (int i = 0; i <= TURNS; i++) {
        int before = i * 3;
        CHECK(!self.ended);
        SYS(swapcontext(&self.outside, &self.inside));
        CHECK(blocked(SIGUSR2) && !blocked(SIGUSR1));
        CHECK_EQ(before, i * 3);
        if (i % 16 == 0)
            sleep_ms(1);
    }
    CHECK(self.ended);
    CHECK_EQ(self.turns, TURNS);
    CHECK(self.sum == TURNS * (TURNS - 1) / 4.0);
    free(stack);
    set_blocked(SIGUSR2, 0);
    return arg;
}

/* A context may be gone back to as often as one likes, while its function runs. */
static void *many_times(void *arg)
{
    ucontext_t start, other;
    volatile int n = 0, stays = 7;
    char *stack = malloc(STACK);

    SYS(getcontext(&other));
    other.uc_stack.ss_sp = stack;
    other.uc_stack.ss_size = STACK;
    other.uc_link = &start;
    makecontext(&other, (void (*)(void))(void *)blocked, 1, SIGUSR1);
    SYS(swapcontext(&start, &other));
    CHECK_EQ(stays, 7);
    if (n++ < 5)
        setcontext(&start);
    CHECK_EQ(n, 6);
    free(stack);
    return arg;
}

static int go;

static void *goes_back(void *arg)
{
    ucontext_t context;
    volatile int turn = 0;

    SYS(getcontext(&context));
    if (turn++ == 0) {
        flag_set(&go, 1);
        flag_wait(&go, 2);
        setcontext(&context);
    }
    flag_set(&go, 3);
    flag_wait(&go, 4);
    return arg;
}

/* What one thread goes back to does not block the others. */
static void others(void)
{
    set_blocked(SIGUSR1, 1); /* all threads, then */
    pthread_t thread = start(goes_back, NULL);
    flag_wait(&go, 1);
    set_blocked(SIGUSR1, 0); /* this one no longer */
    flag_set(&go, 2);
    flag_wait(&go, 3);
    handled = 0;
    SYS(kill(getpid(), SIGUSR1));
    for (int i = 0; i < 10000 && !handled; i++)
        sleep_ms(1);
    CHECK_EQ(handled, 1);
    flag_set(&go, 4);
    finish(thread);
}

static void *alone(void *arg)
{
    saved();
    return arg;
}

int test_main(void)
{
    struct sigaction act = {.sa_handler = handler};
    pthread_t threads[THREADS];

    SYS(sigaction(SIGUSR1, &act, NULL));
    saved();
    coroutines(NULL);
    many_times(NULL);
    finish(start(alone, NULL));
    for (int i = 0; i < THREADS; i++)
        threads[i] = start(i % 2 ? coroutines : many_times, NULL);
    for (int i = 0; i < THREADS; i++)
        finish(threads[i]);
    saved();
    others();
    return 0;
}
