/* Timers for one thread (SIGEV_THREAD_ID), overruns, a SIGEV_THREAD function that signals a thread,
   ITIMER_VIRTUAL and ITIMER_PROF for threads that compute. */
#include "testlib.h"

#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

enum { THREADS = 5 };

static _Thread_local int me;
static int hits[THREADS + 1], strays;
static volatile sig_atomic_t profiled;

static void on_timer(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    (void)context;
    CHECK_EQ(info->si_code, SI_TIMER);
    if (info->si_value.sival_int == me)
        flag_add(&hits[me], 1);
    else
        flag_add(&strays, 1);
}

static void *with_timer(void *arg)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN + 2};
    struct itimerspec spec = {.it_value = ts_of_ms(10), .it_interval = ts_of_ms(10)};
    timer_t timer;

    me = *(int *)arg;
    event.sigev_value.sival_int = me;
    event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
    SYS(timer_create(CLOCK_MONOTONIC, &event, &timer));
    SYS(timer_settime(timer, 0, &spec, NULL));
    while (flag_get(&hits[me]) < 5)
        sleep_ms(1);
    SYS(timer_delete(timer));
    sleep_ms(20);
    return NULL;
}

static void *sleeper(void *arg)
{
    pause();
    return arg;
}

static void overrun(void)
{
    struct sigevent event = {
        .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 3, .sigev_value.sival_int = 99};
    struct itimerspec spec = {.it_value = ts_of_ms(1), .it_interval = ts_of_ms(1)};
    siginfo_t info;
    sigset_t set;
    timer_t timer;

    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 3);
    SYS(timer_create(CLOCK_MONOTONIC, &event, &timer));
    SYS(timer_settime(timer, 0, &spec, NULL));
    sleep_ms(60);
    CHECK_EQ(SYS(sigwaitinfo(&set, &info)), SIGRTMIN + 3);
    CHECK_EQ(info.si_code, SI_TIMER);
    CHECK_EQ(info.si_value.sival_int, 99);
    CHECK_GE(info.si_overrun, 20);
    CHECK_GE(timer_getoverrun(timer), 20);
    SYS(timer_delete(timer));
}

static pthread_t target;
static int interrupted;

static void on_usr1(int sig)
{
    (void)sig;
    CHECK(pthread_equal(pthread_self(), target));
    interrupted = 1;
}

static void kill_target(union sigval value)
{
    (void)value;
    CHECK_RC(pthread_kill(target, SIGUSR1), 0);
}

static void *waits(void *arg)
{
    CHECK_ERRNO(pause(), EINTR);
    return arg;
}

static void *computes(void *arg)
{
    while (!interrupted)
        __asm__ volatile("" ::: "memory");
    return arg;
}

static void from_function(void *(*fn)(void *))
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = kill_target};
    struct itimerspec spec = {.it_value = ts_of_ms(50)};
    timer_t timer;

    interrupted = 0;
    SYS(timer_create(CLOCK_REALTIME, &event, &timer));
    target = start(fn, NULL);
    SYS(timer_settime(timer, 0, &spec, NULL));
    finish(target);
    CHECK_EQ(interrupted, 1);
    SYS(timer_delete(timer));
}

static void on_profile(int sig)
{
    (void)sig;
    profiled++;
}

static void *spins(void *arg)
{
    while (profiled < 5) {
    }
    return arg;
}

static void by_cpu_time(int which, int sig)
{
    struct itimerval spec = {{0, 1000}, {0, 1000}}, off = {{0, 0}, {0, 0}};

    profiled = 0;
    signal(sig, on_profile);
    pthread_t threads[2] = {start(spins, NULL), start(spins, NULL)};
    SYS(setitimer(which, &spec, NULL));
    finish(threads[0]);
    finish(threads[1]);
    SYS(setitimer(which, &off, NULL));
}

int test_main(void)
{
    struct sigaction action = {.sa_sigaction = on_timer, .sa_flags = SA_SIGINFO | SA_RESTART};
    int numbers[THREADS];
    pthread_t threads[THREADS];
    sigset_t set;

    SYS(sigaction(SIGRTMIN + 2, &action, NULL));
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i + 1;
        threads[i] = start(with_timer, &numbers[i]);
    }
    for (int i = 0; i < THREADS; i++)
        finish(threads[i]);
    CHECK_EQ(strays, 0);

    signal(SIGUSR1, on_usr1);
    from_function(waits);
    from_function(computes);
    by_cpu_time(ITIMER_VIRTUAL, SIGVTALRM);
    by_cpu_time(ITIMER_PROF, SIGPROF);

    if (!int_env("TEST_BACKGROUND", 0)) { /* its threads do not block the signal */
        sigemptyset(&set);
        sigaddset(&set, SIGRTMIN + 3);
        CHECK_RC(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
        start(sleeper, NULL);
        overrun();
    }
    return 0;
}
