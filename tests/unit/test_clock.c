/* Deadlines. */
#include "runtime/base/clock.h"

#include <criterion/criterion.h>

TestSuite(clock, .timeout = 60);

static struct timespec ts(time_t s, long ns)
{
    return (struct timespec){.tv_sec = s, .tv_nsec = ns};
}

#define NS(s, ns) gr_timespec_ns(&(struct timespec){.tv_sec = (s), .tv_nsec = (ns)})

static struct timespec shifted(clockid_t clock, int64_t by)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return gr_ns_timespec(gr_timespec_ns(&now) + by);
}

Test(clock, now_never_goes_back)
{
    int64_t last = gr_now();
    for (int i = 0; i < 100000; i++) {
        int64_t now = gr_now();
        cr_assert_geq(now, last);
        last = now;
    }
}

Test(clock, now_is_the_monotonic_clock)
{
    int64_t before = gr_now();
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    cr_assert_leq(before, gr_timespec_ns(&t));
    cr_assert_geq(gr_now(), gr_timespec_ns(&t));
}

Test(clock, times_are_converted_exactly)
{
    cr_assert_eq(NS(0, 0), 0);
    cr_assert_eq(NS(1, 1), GR_NSEC + 1);
    cr_assert_eq(NS(-1, 999999999), -1);
    struct timespec t = gr_ns_timespec(3 * GR_NSEC + 7);
    cr_assert_eq(t.tv_sec, 3);
    cr_assert_eq(t.tv_nsec, 7);
}

Test(clock, the_latest_time_saturates)
{
    time_t last = GR_FOREVER / GR_NSEC;
    cr_assert_eq(NS(INT64_MAX, 0), GR_FOREVER);
    cr_assert_eq(NS(last + 1, 0), GR_FOREVER);
    cr_assert_eq(NS(last, 999999999), GR_FOREVER);
    cr_assert_lt(NS(last, 0), GR_FOREVER);
}

Test(clock, the_earliest_time_saturates)
{
    cr_assert_eq(NS(INT64_MIN, 0), INT64_MIN);
    cr_assert_eq(NS(-(GR_FOREVER / GR_NSEC) - 2, 0), INT64_MIN);
}

Test(clock, nanoseconds_out_of_range_are_not_ok)
{
    struct timespec bad[] = {ts(0, -1), ts(0, GR_NSEC), ts(0, INT64_MAX), ts(0, INT64_MIN)};
    struct timespec good[] = {ts(0, 0), ts(5, GR_NSEC - 1), ts(-1, 0)};
    for (int i = 0; i < 4; i++) {
        cr_assert(!gr_timespec_ok(&bad[i]));
    }
    for (int i = 0; i < 3; i++) {
        cr_assert(gr_timespec_ok(&good[i]));
    }
}

Test(clock, deadline_in_a_while_is_that_far_ahead)
{
    int64_t before = gr_now();
    int64_t d = gr_deadline_in(GR_NSEC);
    cr_assert_geq(d, before + GR_NSEC);
    cr_assert_leq(d, gr_now() + GR_NSEC);
}

Test(clock, deadline_in_no_time_has_passed)
{
    cr_assert_leq(gr_deadline_in(0), gr_now());
    cr_assert_leq(gr_deadline_in(-GR_NSEC), gr_now());
    cr_assert_leq(gr_deadline_in(INT64_MIN), gr_now());
}

Test(clock, deadline_beyond_the_range_is_forever)
{
    cr_assert_eq(gr_deadline_in(GR_FOREVER), GR_FOREVER);
    cr_assert_eq(gr_deadline_in(GR_FOREVER - 1), GR_FOREVER);
}

Test(clock, monotonic_deadline_is_the_time_itself)
{
    struct timespec t = ts(12, 34);
    cr_assert_eq(gr_deadline_at(CLOCK_MONOTONIC, &t), 12 * GR_NSEC + 34);
}

Test(clock, realtime_deadline_is_as_far_ahead_on_the_monotonic_clock)
{
    int64_t before = gr_now();
    struct timespec t = shifted(CLOCK_REALTIME, 5 * GR_NSEC);
    int64_t d = gr_deadline_at(CLOCK_REALTIME, &t);
    cr_assert_geq(d, before + 4 * GR_NSEC);
    cr_assert_leq(d, gr_now() + 5 * GR_NSEC);
}

Test(clock, past_time_on_another_clock_has_passed)
{
    struct timespec past = shifted(CLOCK_REALTIME, -GR_NSEC);
    struct timespec negative = ts(INT64_MIN, 0);
    struct timespec epoch = ts(0, 0);
    cr_assert_leq(gr_deadline_at(CLOCK_REALTIME, &past), gr_now());
    cr_assert_leq(gr_deadline_at(CLOCK_REALTIME, &negative), gr_now());
    cr_assert_leq(gr_deadline_at(CLOCK_REALTIME, &epoch), gr_now());
}

Test(clock, endless_time_is_forever_on_every_clock)
{
    struct timespec t = ts(INT64_MAX, 0);
    cr_assert_eq(gr_deadline_at(CLOCK_REALTIME, &t), GR_FOREVER);
    cr_assert_eq(gr_deadline_at(CLOCK_MONOTONIC, &t), GR_FOREVER);
    cr_assert_eq(gr_deadline_at(CLOCK_BOOTTIME, &t), GR_FOREVER);
}
