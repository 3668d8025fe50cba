/* Timeouts. */
#include <green/timeout.h>

#include "runtime/api/api.h"

#include <stdlib.h>

struct green_timeout {
    int64_t duration;
    int code;
    struct green *green; /* who started it; NULL: nobody */
    struct gr_alarm alarm;
    struct gr_interrupt interrupt;
};

static void fire(struct gr_alarm *a)
{
    struct green_timeout *t = GR_CONTAINER_OF(a, struct green_timeout, alarm);
    gr_interrupt_throw(t->green, &t->interrupt);
}

struct green_timeout *green_timeout_new(int64_t duration, int code)
{
    if (code > 0) {
        errno = EINVAL;
        return NULL;
    }
    struct green_timeout *t = calloc(1, sizeof(*t));
    if (t) {
        t->duration = duration;
        t->code = code ? code : -ETIMEDOUT;
        t->alarm.heap_index = -1;
        t->alarm.fire = fire;
    }
    return t;
}

int green_timeout_start(struct green_timeout *t)
{
    (void)gr_api_start();
    struct green *g = gr_self;
    if (!g) {
        return -ENOTSUP;
    }
    if (green_timeout_pending(t)) {
        return -EBUSY;
    }
    green_timeout_cancel(t);
    t->interrupt.code = t->code;
    t->interrupt.delivered = false;
    if (t->duration == GREEN_FOREVER) {
        return 0;
    }
    t->green = t->alarm.of = g;
    return gr_alarm_set(&t->alarm, gr_api_deadline(t->duration));
}

struct green_timeout *green_timeout_start_new(int64_t duration, int code)
{
    struct green_timeout *t = green_timeout_new(duration, code);
    int rc = t ? green_timeout_start(t) : 0;
    if (rc) {
        free(t);
        errno = -rc;
        return NULL;
    }
    return t;
}

void green_timeout_unref(struct green_timeout *t)
{
    t->alarm.unref = true;
}

int green_timeout_pending(const struct green_timeout *t)
{
    return t && t->alarm.heap_index >= 0;
}

int green_timeout_fired(const struct green_timeout *t)
{
    return t && t->interrupt.delivered;
}

void green_timeout_cancel(struct green_timeout *t)
{
    if (t && t->green) {
        gr_alarm_clear(&t->alarm);
        gr_interrupt_withdraw(t->green, &t->interrupt);
        t->green = NULL;
    }
}

void green_timeout_free(struct green_timeout *t)
{
    green_timeout_cancel(t);
    free(t);
}

static void free_timeout(struct green_timeout **t)
{
    green_timeout_free(*t);
}

int green_with_timeout(int64_t duration, void *(*fn)(void *), void *arg, void **value_out)
{
    struct green_timeout *t __attribute__((cleanup(free_timeout))) =
        green_timeout_start_new(duration, 0);
    if (!t) {
        return -errno;
    }
    void *value = fn(arg);
    if (green_timeout_fired(t)) {
        return -ETIMEDOUT;
    }
    /* @t goes with the scope. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
    if (value_out) {
        *value_out = value;
    }
    return 0;
}
