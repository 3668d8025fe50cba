/* Processor time of single threads: CLOCK_THREAD_CPUTIME_ID, pthread_getcpuclockid(),
   RUSAGE_THREAD. Threads take turns, so that on any machine each uses what it says it does. */
#include "testlib.h"

#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>

enum { COUNT = 4, ROUNDS = 20 };

static int64_t read_clock(clockid_t clock)
{
    struct timespec ts;

    SYS(clock_gettime(clock, &ts));
    return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* Uses processor time, by the process's clock, which nobody else moves much meanwhile. */
static void burn(int ms)
{
    int64_t end = read_clock(CLOCK_PROCESS_CPUTIME_ID) + ms * 1000000LL;

    while (read_clock(CLOCK_PROCESS_CPUTIME_ID) < end)
        for (volatile int i = 0; i < 1000; i++)
            ;
}

static int turn, n_done, leave;
static int64_t used[COUNT];

static void *worker(void *arg)
{
    int me = (int)(intptr_t)arg;
    int64_t first = read_clock(CLOCK_THREAD_CPUTIME_ID), last = first;

    for (int round = 0; round < ROUNDS; round++) {
        while (flag_get(&turn) != me)
            usleep(100);
        if (round % 4 == me)
            burn(10);
        int64_t now = read_clock(CLOCK_THREAD_CPUTIME_ID);
        CHECK_GE(now, last);
        last = now;
        flag_set(&turn, (me + 1) % COUNT);
    }
    used[me] = last - first;
    flag_add(&n_done, 1);
    while (!flag_get(&leave))
        usleep(1000);
    return NULL;
}

static int64_t ns_of(struct timeval tv)
{
    return tv.tv_sec * 1000000000LL + tv.tv_usec * 1000LL;
}

static void *by_rusage(void *arg)
{
    struct rusage a, b;
    int64_t used_ns = read_clock(CLOCK_THREAD_CPUTIME_ID);

    SYS(getrusage(RUSAGE_THREAD, &a));
    burn(30);
    SYS(getrusage(RUSAGE_THREAD, &b));
    used_ns = read_clock(CLOCK_THREAD_CPUTIME_ID) - used_ns;
    int64_t shown = ns_of(b.ru_utime) + ns_of(b.ru_stime) - ns_of(a.ru_utime) - ns_of(a.ru_stime);
    CHECK_GE(shown, 20000000);
    CHECK_LE(shown, used_ns + 10000000);
    CHECK_GE(ns_of(b.ru_utime), ns_of(a.ru_utime));
    CHECK_GE(ns_of(b.ru_stime), ns_of(a.ru_stime));
    return arg;
}

static int64_t ticks;

static void on_tick(int sig)
{
    (void)sig;
    ticks++;
}

static void *with_timer(void *arg)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
    struct itimerspec every = {{0, 5000000}, {0, 5000000}};
    timer_t timer;
    clockid_t own;

    signal(SIGRTMIN, on_tick);
    CHECK_RC(pthread_getcpuclockid(pthread_self(), &own), 0);
    SYS(timer_create(own, &event, &timer));
    SYS(timer_settime(timer, 0, &every, NULL));
    burn(100);
    SYS(timer_delete(timer));
    settle(); /* the main thread's handler runs */
    CHECK_GE(ticks, 1);
    return arg;
}

static int child(void *arg)
{
    int64_t parent = *(int64_t *)arg;

    CHECK_LE(read_clock(CLOCK_THREAD_CPUTIME_ID), parent + 50000000);
    burn(20);
    CHECK_GE(read_clock(CLOCK_THREAD_CPUTIME_ID), 15000000);
    return 0;
}

static void *forks(void *arg)
{
    int64_t before;

    burn(20);
    before = read_clock(CLOCK_THREAD_CPUTIME_ID);
    CHECK_EQ(run_child(child, &before), 0);
    return arg;
}

static void *ends(void *arg)
{
    return arg;
}

int test_main(void)
{
    pthread_t threads[COUNT];
    clockid_t clock, own;
    struct timespec ts, past = {0};
    int64_t sum = 0, whole;

    /* From the first question on: before that the times are not compared. */
    int64_t main_first = read_clock(CLOCK_THREAD_CPUTIME_ID);
    for (intptr_t i = 0; i < COUNT; i++)
        threads[i] = start(worker, (void *)i);
    whole = read_clock(CLOCK_PROCESS_CPUTIME_ID);
    while (flag_get(&n_done) < COUNT)
        usleep(1000);
    whole = read_clock(CLOCK_PROCESS_CPUTIME_ID) - whole;
    for (int i = 0; i < COUNT; i++) {
        CHECK_RC(pthread_getcpuclockid(threads[i], &clock), 0);
        int64_t shown = read_clock(clock);
        CHECK_GE(shown, used[i]);
        CHECK_GE(used[i], 20000000);
        CHECK_LE(used[i], 150000000);
        sum += used[i];
        SYS(clock_getres(clock, &ts));
        CHECK_EQ(ts.tv_sec, 0);
    }
    sum += read_clock(CLOCK_THREAD_CPUTIME_ID) - main_first;
    if (!getenv("TEST_BACKGROUND"))
        CHECK_LE(sum, whole * 11 / 10 + 10000000);
    CHECK_GE(sum, whole / 2);
    CHECK_RC(pthread_getcpuclockid(pthread_self(), &own), 0);
    CHECK(own != clock);
    CHECK_LE(read_clock(own) - read_clock(CLOCK_THREAD_CPUTIME_ID), 0);
    SYS(syscall(SYS_clock_gettime, CLOCK_THREAD_CPUTIME_ID, &ts));
    CHECK_RC(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &past, NULL), EINVAL);
    CHECK_RC(clock_nanosleep(clock, TIMER_ABSTIME, &past, NULL), 0);
    flag_set(&leave, 1);
    for (int i = 0; i < COUNT; i++)
        finish(threads[i]);

    finish(start(by_rusage, NULL));
    finish(start(with_timer, NULL));
    finish(start(forks, NULL));
    pthread_t gone = start(ends, NULL);
    settle();
    CHECK_RC(pthread_getcpuclockid(gone, &clock), ESRCH);
    finish(gone);
    return 0;
}
