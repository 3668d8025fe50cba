/*
 * <time.h>, <pthread.h>, <sys/resource.h>: processor time of one thread.
 *
 * The kernel knows the carrier's alone. A clock id that names a green's by its thread id is served
 * here; where the kernel must do the work (timers) it gets the carrier's clock instead.
 */
#include "runtime/base/clock.h"
#include "runtime/core/tid.h"
#include "shim/shim.h"
#include "shim/time.h"

#include <sys/resource.h>

/* A clock id of the kernel's for processor time: ~id << 3, whether of a thread, which clock. */
#define PER_THREAD 4
#define SCHEDULED  2

static bool is_thread_clock(clockid_t clock)
{
    return clock == CLOCK_THREAD_CPUTIME_ID || (clock < 0 && (clock & PER_THREAD));
}

struct green *gr_clock_green(clockid_t clock)
{
    struct green *g = gr_on_green();
    if (!g || !is_thread_clock(clock)) {
        return NULL;
    }
    int tid = clock == CLOCK_THREAD_CPUTIME_ID ? 0 : ~(clock >> 3);
    return tid ? gr_tid_green(tid) : g;
}

static clockid_t clock_of(int tid)
{
    return (clockid_t)(~(unsigned)tid << 3 | PER_THREAD | SCHEDULED);
}

clockid_t gr_kernel_clock(clockid_t clock)
{
    const struct green *g = gr_clock_green(clock);
    return g ? clock_of(g->hub->tid) : clock;
}

int gr_clock_read(clockid_t clock, struct timespec *now)
{
    struct green *g = GR_UNLIKELY(is_thread_clock(clock)) ? gr_clock_green(clock) : NULL;
    if (GR_LIKELY(!g)) {
        return real.clock_gettime(clock, now);
    }
    GR_COUNT(clock_gettime);
    *now = gr_ns_timespec(gr_cpu_ns(g));
    return 0;
}

/*
 * clock_gettime, clock_getres, pthread_getcpuclockid - <time.h>, <pthread.h>
 * Class:    EMULATE for the clocks of green threads.
 * Differs:  what a thread has used before somebody first asks for such a clock is an estimate.
 */
GR_SHIM int clock_gettime(clockid_t clock, struct timespec *now)
{
    return gr_clock_read(clock, now);
}

GR_SHIM int clock_getres(clockid_t clock, struct timespec *res)
{
    return real.clock_getres(gr_kernel_clock(clock), res);
}

GR_SHIM int pthread_getcpuclockid(pthread_t t, clockid_t *clock)
{
    const struct green *g = gr_thread_green(t);
    if (!g) {
        return real.pthread_getcpuclockid(t, clock);
    }
    if (g->state == GR_DONE || g->state == GR_FREE) {
        return ESRCH;
    }
    *clock = clock_of(g->tid);
    return 0;
}

static int64_t timeval_ns(const struct timeval *tv)
{
    return tv->tv_sec * 1000000000LL + tv->tv_usec * 1000LL;
}

static struct timeval ns_timeval(int64_t ns)
{
    return (struct timeval){.tv_sec = ns / 1000000000, .tv_usec = ns % 1000000000 / 1000};
}

/*
 * getrusage - <sys/resource.h>; getrusage(2)
 * Class:    EMULATE with RUSAGE_THREAD.
 * Differs:  with RUSAGE_THREAD only the times are the thread's own.
 */
GR_SHIM int getrusage(__rusage_who_t who, struct rusage *usage)
{
    int rc = real.getrusage(who, usage);
    struct green *g = gr_on_green();
    if (rc || !g || who != RUSAGE_THREAD) {
        return rc;
    }
    int64_t user = timeval_ns(&usage->ru_utime);
    int64_t system = timeval_ns(&usage->ru_stime);
    gr_cpu_split(g, &user, &system);
    usage->ru_utime = ns_timeval(user);
    usage->ru_stime = ns_timeval(system);
    return 0;
}
