/* time.h, unistd.h: sleeping. */
#include "shim/time.h"

#include "runtime/base/clock.h"
#include "shim/shim.h"

/* How often a clock is looked at during a sleep: one that can be set, one that runs only while the
 * process does. */
#define SETTABLE_NS (1000 * 1000 * 1000LL)
#define CPU_NS      (5 * 1000 * 1000LL)

/* The kernel's word on whether @clock can be slept on, and whether the time in @request is one; a
 * sleep of no length. */
static int check(clockid_t clock, const struct timespec *request)
{
    struct timespec past = {0};
    const struct green *g = gr_clock_green(clock);
    int rc = 0;
    if (g) {
        rc = g == gr_self ? -EINVAL : 0;
    } else if (clock != CLOCK_MONOTONIC && clock != CLOCK_REALTIME) {
        rc = (int)GR_SYS(SYS_clock_nanosleep, clock, TIMER_ABSTIME, &past, NULL);
    }
    return rc ? rc : request->tv_sec < 0 || !gr_timespec_ok(request) ? -EINVAL : 0;
}

/* Sleep until a monotonic time; natively if nothing else can run. */
static int sleep_until(int64_t deadline)
{
    long ret;
    struct timespec at = gr_ns_timespec(deadline);
    if (gr_hub_quiet() &&
        gr_native(&ret, SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, (long)&at, 0, 0, 0)) {
        return (int)ret;
    }
    int rc = gr_sleep_until(deadline, GR_INTR);
    return gr_eintr(rc);
}

static int64_t read_clock(clockid_t clock)
{
    struct timespec ts;
    return gr_clock_read(clock, &ts) ? GR_FOREVER : gr_timespec_ns(&ts);
}

static bool is_wall(clockid_t clock)
{
    return clock == CLOCK_MONOTONIC || clock == CLOCK_REALTIME || clock == CLOCK_BOOTTIME ||
           clock == CLOCK_TAI || clock == CLOCK_REALTIME_ALARM || clock == CLOCK_BOOTTIME_ALARM;
}

/* Sleep until the callers' @clock shows @when. */
static int sleep_on(clockid_t clock, int64_t when)
{
    if (clock == CLOCK_MONOTONIC && gr_clock_callers == gr_clock_kernel) {
        return sleep_until(when);
    }
    int64_t slice = is_wall(clock) ? SETTABLE_NS : CPU_NS;
    for (;;) {
        int64_t now = read_clock(clock);
        if (now >= when) {
            return 0;
        }
        int64_t wait = when - now;
        int rc = sleep_until(gr_deadline_in(wait < slice ? wait : slice));
        if (rc) {
            return rc;
        }
    }
}

/* Setting a clock does not change relative sleeps. */
static int sleep_for(clockid_t clock, int64_t ns, struct timespec *left)
{
    bool wall = is_wall(clock);
    int64_t when;
    if (__builtin_add_overflow(wall ? gr_now() : read_clock(clock), ns, &when)) {
        when = GR_FOREVER;
    }
    int rc = wall ? sleep_until(when) : sleep_on(clock, when);
    if (rc == -EINTR) {
        int64_t rest = when - (wall ? gr_now() : read_clock(clock));
        if (rest <= 0) {
            return 0;
        }
        if (left) {
            *left = gr_ns_timespec(rest);
        }
    }
    return rc;
}

int gr_clock_sleep(clockid_t clock, int flags, const struct timespec *request,
                   struct timespec *left)
{
    if (!request) {
        return -EFAULT;
    }
    int rc = check(clock, request);
    if (rc) {
        return rc;
    }
    int64_t ns = gr_timespec_ns(request);
    if (flags & TIMER_ABSTIME) {
        if (read_clock(clock) >= ns) {
            gr_yield();
            return 0;
        }
        return sleep_on(clock, ns);
    }
    if (ns == 0) {
        gr_yield();
        return 0;
    }
    return sleep_for(clock, ns, left);
}

/*
 * nanosleep - <time.h>; POSIX.1-2024 nanosleep(), clock_nanosleep(), sleep(); usleep(3)
 * Class:    YIELD.
 * Waits:    for the time asked, never less; until a handler (EINTR and the time left, SA_RESTART or
 * not). A sleep until an absolute time follows its clock when that is set, within a second.
 * Differs:  a sleep of no length lets the other threads run once instead of passing a timer tick.
 */
GR_SHIM int nanosleep(const struct timespec *request, struct timespec *left)
{
    if (!gr_on_green()) {
        return real.nanosleep(request, left);
    }
    GR_CANCEL_POINT(nanosleep);
    return (int)gr_ret(gr_clock_sleep(CLOCK_REALTIME, 0, request, left));
}

GR_SHIM int clock_nanosleep(clockid_t clock, int flags, const struct timespec *request,
                            struct timespec *left)
{
    if (!gr_on_green()) {
        return real.clock_nanosleep(clock, flags, request, left);
    }
    GR_CANCEL_POINT(clock_nanosleep);
    if (clock == CLOCK_THREAD_CPUTIME_ID) {
        return EINVAL;
    }
    return gr_ret_pos(gr_clock_sleep(clock, flags, request, left));
}

GR_SHIM unsigned sleep(unsigned seconds)
{
    if (!gr_on_green()) {
        return real.sleep(seconds);
    }
    GR_CANCEL_POINT(sleep);
    struct timespec ts = {.tv_sec = seconds};
    return gr_ret(gr_clock_sleep(CLOCK_REALTIME, 0, &ts, &ts)) ? (unsigned)ts.tv_sec : 0;
}

GR_SHIM int usleep(useconds_t us)
{
    if (!gr_on_green()) {
        return real.usleep(us);
    }
    GR_CANCEL_POINT(usleep);
    struct timespec ts = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    return (int)gr_ret(gr_clock_sleep(CLOCK_REALTIME, 0, &ts, NULL));
}
