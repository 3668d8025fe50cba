/* A signal ends a sleep early with EINTR and the time that remains. */
#include "testlib.h"

#include <signal.h>

static int caught;

static void on_signal(int sig)
{
    (void)sig;
    flag_add(&caught, 1);
}

static void *kill_later(void *arg)
{
    settle();
    SYS(kill(getpid(), SIGUSR1));
    return arg;
}

int test_main(void)
{
    /* SA_RESTART makes no difference for sleeps */
    for (int restart = 0; restart < 2; restart++) {
        struct sigaction action = {.sa_handler = on_signal, .sa_flags = restart ? SA_RESTART : 0};
        struct timespec ts = ts_of_ms(30000), left = {0};

        SYS(sigaction(SIGUSR1, &action, NULL));
        pthread_t thread = start(kill_later, NULL);
        TAKES(30, CHECK_ERRNO(nanosleep(&ts, &left), EINTR));
        CHECK(left.tv_sec == 29 && left.tv_nsec > 0);
        finish(thread);
        thread = start(kill_later, NULL);
        TAKES(30, CHECK_RC(clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, &left), EINTR));
        CHECK_EQ(left.tv_sec, 29);
        finish(thread);
        thread = start(kill_later, NULL);
        ts = ts_after(CLOCK_MONOTONIC, 30000);
        left.tv_sec = 5;
        TAKES(30, CHECK_RC(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, &left), EINTR));
        CHECK_EQ(left.tv_sec, 5); /* untouched for absolute times */
        finish(thread);
        thread = start(kill_later, NULL);
        unsigned rest = 0;
        TAKES(30, rest = sleep(30));
        CHECK(rest == 29 || rest == 30);
        finish(thread);
        thread = start(kill_later, NULL);
        TAKES(30, CHECK_ERRNO(usleep(20000000), EINTR));
        finish(thread);
    }
    CHECK_EQ(caught, 10);
    return 0;
}
