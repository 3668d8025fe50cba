/* A handler begins with the standard rounding mode, whatever its thread has set, which has its own
   back afterwards. Sent by itself, by another thread, and while it waits. */
/* BUILD: -lm */
#include "testlib.h"

#include <fenv.h>
#include <signal.h>

static int handled;

static void on_signal(int sig)
{
    (void)sig;
    CHECK_EQ(fegetround(), FE_TONEAREST);
    fesetround(FE_DOWNWARD);
    flag_add(&handled, 1);
}

static void *waits(void *arg)
{
    fesetround(*(int *)arg);
    for (int i = 0; i < 5; i++) {
        CHECK_ERRNO(pause(), EINTR);
        CHECK_EQ(fegetround(), *(int *)arg);
    }
    return NULL;
}

int test_main(void)
{
    static int modes[] = {FE_UPWARD, FE_TOWARDZERO};
    sigset_t set;

    signal(SIGUSR1, on_signal);
    fesetround(FE_UPWARD);
    SYS(raise(SIGUSR1));
    SYS(kill(getpid(), SIGUSR1));
    CHECK_EQ(fegetround(), FE_UPWARD);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    CHECK_RC(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    SYS(raise(SIGUSR1));
    CHECK_RC(pthread_sigmask(SIG_UNBLOCK, &set, NULL), 0);
    CHECK_EQ(fegetround(), FE_UPWARD);
    CHECK_EQ(handled, 3);
    for (size_t i = 0; i < 2; i++) {
        pthread_t thread = start(waits, &modes[i]);
        for (int k = 0; k < 5; k++) {
            settle();
            CHECK_RC(pthread_kill(thread, SIGUSR1), 0);
            flag_wait(&handled, 4 + 5 * (int)i + k);
        }
        finish(thread);
    }
    CHECK_EQ(fegetround(), FE_UPWARD);
    return 0;
}
