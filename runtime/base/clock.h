/*
 * Time: absolute deadlines on the monotonic clock, in nanoseconds.
 *
 * There are two views of a clock: the kernel's, which is ours, and our callers', in which they give
 * times. They differ if a library preloaded behind us shows another time (libfaketime). One in
 * front of us has turned times into the kernel's before it calls us.
 */
#ifndef GR_BASE_CLOCK_H
#define GR_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define GR_FOREVER INT64_MAX /* no deadline */
#define GR_NSEC    1000000000LL

typedef int gr_clock_fn(clockid_t clock, struct timespec *ts);

extern gr_clock_fn *gr_clock_kernel;  /* libc's clock_gettime */
extern gr_clock_fn *gr_clock_callers; /* the first clock_gettime behind us */

/* Current monotonic time in ns (vDSO, never a system call of ours). */
static inline int64_t gr_now(void)
{
    struct timespec ts;
    (void)gr_clock_kernel(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * GR_NSEC + ts.tv_nsec;
}

/* ns of @ts, saturated; the caller has checked its range with gr_timespec_ok(). */
static inline int64_t gr_timespec_ns(const struct timespec *ts)
{
    int64_t ns;
    if (__builtin_mul_overflow((int64_t)ts->tv_sec, GR_NSEC, &ns) ||
        __builtin_add_overflow(ns, ts->tv_nsec, &ns)) {
        return ts->tv_sec < 0 ? INT64_MIN : GR_FOREVER;
    }
    return ns;
}

static inline bool gr_timespec_ok(const struct timespec *ts)
{
    return ts->tv_nsec >= 0 && ts->tv_nsec < GR_NSEC;
}

static inline struct timespec gr_ns_timespec(int64_t ns)
{
    return (struct timespec){.tv_sec = ns / GR_NSEC, .tv_nsec = ns % GR_NSEC};
}

/* Deadline @ns from now; negative means now, saturates to GR_FOREVER. */
static inline int64_t gr_deadline_in(int64_t ns)
{
    int64_t now = gr_now();
    int64_t when;
    if (ns <= 0) {
        return now;
    }
    return __builtin_add_overflow(now, ns, &when) ? GR_FOREVER : when;
}

/* Monotonic deadline for an absolute time @abs on the callers' @clock. A past time gives a deadline
 * that has passed. */
static inline int64_t gr_deadline_at(clockid_t clock, const struct timespec *abs)
{
    int64_t when = gr_timespec_ns(abs);
    if ((clock == CLOCK_MONOTONIC && gr_clock_callers == gr_clock_kernel) || when == GR_FOREVER) {
        return when;
    }
    struct timespec ts;
    (void)gr_clock_callers(clock, &ts);
    int64_t left;
    if (__builtin_sub_overflow(when, gr_timespec_ns(&ts), &left)) {
        return when < 0 ? 0 : GR_FOREVER;
    }
    return left <= 0 ? 0 : gr_deadline_in(left);
}

#endif
