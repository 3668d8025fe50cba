/* Helpers for tests of synchronisation objects: greens and foreign kernel threads in one process.
 */
#ifndef TESTS_UNIT_SYNC_H
#define TESTS_UNIT_SYNC_H

#include "runtime/base/clock.h"
#include "runtime/base/config.h"
#include "runtime/core/green.h"
#include "runtime/core/hub.h"
#include "runtime/core/park.h"
#include "runtime/core/tls.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#define MS(n) ((int64_t)(n)*1000000)

static inline void start(void)
{
    const char *why = "";
    gr_config_load(environ);
    gr_tls_snapshot();
    cr_assert_eq(gr_runtime_start(&why), 0, "the runtime does not start: %s", why);
}

static inline struct green *spawn(void *(*fn)(void *), void *arg)
{
    struct gr_green_attr attr = {.guard_size = 4096};
    struct green *g;
    cr_assert_eq(gr_green_new(&attr, fn, arg, &g), 0);
    gr_green_start(g);
    return g;
}

static inline void *join(struct green *g)
{
    void *value = NULL;
    cr_assert_eq(gr_green_join(g, &value, GR_FOREVER), 0);
    return value;
}

/* A kernel thread that runs no hub. */
static inline pthread_t foreign(void *(*fn)(void *), void *arg)
{
    pthread_t t;
    gr_hub_foreign();
    gr_tp_pin();
    int rc = pthread_create(&t, NULL, fn, arg);
    gr_tp_unpin();
    cr_assert_eq(rc, 0);
    return t;
}

/* Wait for a kernel thread while greens go on. */
static inline void join_foreign(pthread_t t)
{
    while (pthread_tryjoin_np(t, NULL)) {
        (void)gr_sleep_until(gr_now() + MS(1), 0);
    }
}

/* Let everybody who is ready run until nothing changes any more. */
static inline void settle(void)
{
    for (int i = 0; i < 10; i++) {
        gr_yield();
    }
}

/* Wait for a kernel thread to say that it is there. */
static inline void await(atomic_int *n, int value)
{
    while (atomic_load(n) < value) {
        (void)gr_sleep_until(gr_now() + MS(1), 0);
    }
}

static inline struct timespec in_ms(clockid_t clock, int ms)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return gr_ns_timespec(gr_timespec_ns(&ts) + MS(ms));
}

static inline bool has_passed(clockid_t clock, const struct timespec *abs)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return gr_timespec_ns(&ts) >= gr_timespec_ns(abs);
}

#endif
