/* setitimer, timer_create (signal and thread notification) and timerfd with threads about. */
#include "testlib.h"

#include <signal.h>
#include <sys/time.h>

static int alarms, notified;

static void on_alarm(int sig)
{
    (void)sig;
    flag_add(&alarms, 1);
}

static void on_notify(union sigval value)
{
    flag_add(&notified, value.sival_int);
}

int test_main(void)
{
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    struct itimerval every = {{0, 5000}, {0, 5000}};
    struct sigevent event = {.sigev_notify = SIGEV_THREAD,
                             .sigev_notify_function = on_notify,
                             .sigev_value.sival_int = 3};
    struct itimerspec spec = {.it_value = ts_of_ms(20)};
    timer_t timer;

    SYS(sigaction(SIGALRM, &action, NULL));
    SYS(setitimer(ITIMER_REAL, &every, NULL));
    flag_wait(&alarms, 10);
    every = (struct itimerval){{0, 0}, {0, 0}};
    SYS(setitimer(ITIMER_REAL, &every, NULL));
    int seen = flag_get(&alarms);
    sleep_ms(30);
    CHECK_LE(flag_get(&alarms), seen + 1);

    SYS(timer_create(CLOCK_MONOTONIC, NULL, &timer)); /* SIGALRM */
    SYS(timer_settime(timer, 0, &spec, NULL));
    flag_set(&alarms, 0);
    flag_wait(&alarms, 1);
    SYS(timer_delete(timer));

    SYS(timer_create(CLOCK_REALTIME, &event, &timer));
    SYS(timer_settime(timer, 0, &spec, NULL));
    flag_wait(&notified, 3);
    SYS(timer_delete(timer));
    return 0;
}
