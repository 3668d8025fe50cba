/* Greenlets: what the API adds to a green thread. */
#include "runtime/api/greenlet.h"

#include "runtime/api/api.h"
#include "runtime/api/error.h"
#include "runtime/api/ident.h"
#include "runtime/api/signature.h"
#include "runtime/base/log.h"
#include "runtime/core/rest.h"
#include "runtime/svc/watchdog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *green_version(void)
{
    return GREEN_VERSION;
}

/* --- handles --- */

static bool greenlet_ready(const struct green_object *o)
{
    return GR_CONTAINER_OF(o, struct greenlet, object)->state == GREENLET_ENDED;
}

static void hold_greenlet(struct green_object *o, bool on)
{
    struct greenlet *gl = GR_CONTAINER_OF(o, struct greenlet, object);
    if (on) {
        (void)green_ref(gl);
    } else {
        green_unref(gl);
    }
}

static struct greenlet *new_greenlet(void)
{
    struct greenlet *gl = malloc(sizeof(*gl)); /* calloc() does without malloc's fast lists */
    if (gl) {
        *gl = (struct greenlet){0};
        gr_object_init(&gl->object, greenlet_ready, false);
        gl->object.hold = hold_greenlet;
        gl->object.why = GR_WHY_GREENLET;
        atomic_init(&gl->refs, 1);
        gl->start.heap_index = -1;
    }
    return gl;
}

struct greenlet *green_ref(struct greenlet *gl)
{
    atomic_fetch_add_explicit(&gl->refs, 1, memory_order_relaxed);
    return gl;
}

void green_unref(struct greenlet *gl)
{
    if (gl && atomic_fetch_sub_explicit(&gl->refs, 1, memory_order_acq_rel) == 1) {
        gr_error_free(gl->error);
        gr_call_free(gl->call);
        gr_ident_free(gl->ident);
        free(gl);
    }
}

struct green_object *green_greenlet_object(struct greenlet *gl)
{
    return &gl->object;
}

struct greenlet *green_object_greenlet(struct green_object *o)
{
    return o->ready == greenlet_ready ? GR_CONTAINER_OF(o, struct greenlet, object) : NULL;
}

/* --- life --- */

static void (*handle_error)(struct greenlet *gl, const struct green_error *e);

void green_set_error_handler(void (*fn)(struct greenlet *gl, const struct green_error *e))
{
    handle_error = fn;
}

static void report(struct greenlet *gl)
{
    const struct green_error *e = gl->error;
    if (handle_error) {
        handle_error(gl, e);
        return;
    }
    gr_log("green thread %llu%s%s failed: %s%s(%s)", (unsigned long long)gl->id,
           gl->name[0] ? " " : "", gl->name, e->message ? e->message : "", e->message ? " " : "",
           strerrorname_np(-e->code) ? strerrorname_np(-e->code) : "?");
}

/* It has ended: from here on @gl stands for itself. Unlocks @b, its object's bucket. */
static void ended(struct gr_bucket *b, struct greenlet *gl, void *value)
{
    gl->state = GREENLET_ENDED;
    gl->value = gl->error ? NULL : value;
    gl->green = NULL;
    gr_api_wake_all(b, &gl->object);
    gr_object_notify(b, &gl->object);
    green_unref(gl);
}

static void on_task_end(struct green *g, void *value)
{
    struct greenlet *gl = g->task;
    g->task = NULL;
    gr_interrupt_withdraw(g, &gl->kill);
    if (gl->error) {
        report(gl);
    }
    ended(gr_lot_lock(&gl->object), gl, value);
}

static void *run(void *arg)
{
    struct greenlet *gl = arg;
    gl->state = GREENLET_RUNNING;
    return gl->fn(gl->arg);
}

static void attach(struct greenlet *gl, struct green *g)
{
    gr_green_on_task_end = on_task_end;
    gl->green = g;
    gl->id = g->id;
    g->task = gl;
}

static const struct gr_green_attr attr = {.guard_size = 4096, .detached = true};

/* On a carrier. */
static int spawn(void *(*fn)(void *), void *arg, struct greenlet **out)
{
    struct greenlet *gl = new_greenlet();
    if (!gl) {
        return -EAGAIN;
    }
    struct green *g;
    int rc = gr_green_new(&attr, run, gl, &g);
    if (rc) {
        green_unref(gl);
        return rc;
    }
    gl->fn = fn;
    gl->arg = arg;
    attach(gl, g);
    gr_watchdog_start();
    *out = gl;
    return 0;
}

/* The caller's handle, besides the one that the green thread itself holds. */
static void hand_out(struct greenlet *gl, struct greenlet **out)
{
    if (out) {
        *out = green_ref(gl);
    }
}

static void start_now(struct gr_alarm *a)
{
    struct greenlet *gl = GR_CONTAINER_OF(a, struct greenlet, start);
    gl->state = GREENLET_SCHEDULED;
    gr_green_start(gl->green);
}

/* Starts @gl at @deadline, 0: at once. Returns 0 or -ENOMEM. */
static int start_at(struct greenlet *gl, int64_t deadline)
{
    gl->start.fire = start_now;
    if (deadline == 0) {
        start_now(&gl->start);
        return 0;
    }
    gl->state = GREENLET_DELAYED;
    return gr_alarm_set(&gl->start, deadline);
}

/* On the hub: one that a kernel thread has asked for. It may have been killed meanwhile. */
static bool arrive(struct gr_request *r)
{
    struct greenlet *gl = GR_CONTAINER_OF(r, struct greenlet, request);
    struct green *g = NULL;
    struct gr_hub *h = gr_hub_here();
    if (gr_heap_reserve(&h->alarms, h->alarms.n + 1) || gr_green_new(&attr, run, gl, &g)) {
        return false;
    }
    struct gr_bucket *b = gr_lot_lock(&gl->object);
    bool wanted = gl->state == GREENLET_COMING;
    if (wanted) {
        attach(gl, g);
        gl->state = GREENLET_DELAYED;
    }
    gr_lot_unlock(b);
    if (wanted) {
        (void)start_at(gl, gl->due); /* there is memory for it */
    } else {
        gr_green_abandon(g);
    }
    gr_watchdog_start();
    green_unref(gl);
    return true;
}

static int spawn_from_outside(void *(*fn)(void *), void *arg, int64_t deadline,
                              struct greenlet **out)
{
    struct greenlet *gl = new_greenlet();
    if (!gl) {
        return -EAGAIN;
    }
    gl->fn = fn;
    gl->arg = arg;
    gl->state = GREENLET_COMING;
    gl->due = deadline;
    gl->request.fn = arrive;
    (void)green_ref(gl); /* the request's, besides that of the green to be */
    hand_out(gl, out);
    gr_request(gr_hub_first(), &gl->request);
    return 0;
}

int green_spawn_later(int64_t delay, void *(*fn)(void *), void *arg, struct greenlet **out)
{
    struct greenlet *gl;
    int64_t deadline = gr_api_deadline_or_now(delay);
    if (!fn) {
        return -EINVAL;
    }
    if (gr_api_start()) {
        return -ENOTSUP;
    }
    if (!gr_hub_here()) {
        return spawn_from_outside(fn, arg, deadline, out);
    }
    int rc = spawn(fn, arg, &gl);
    if (rc) {
        return rc;
    }
    if (start_at(gl, deadline)) {
        gl->green->task = NULL;
        gr_green_abandon(gl->green);
        green_unref(gl);
        return -EAGAIN;
    }
    hand_out(gl, out);
    return 0;
}

int green_spawn(void *(*fn)(void *), void *arg, struct greenlet **out)
{
    return green_spawn_later(0, fn, arg, out);
}

struct greenlet *green_current(void)
{
    struct green *g = gr_self;
    if (g && !g->task) {
        struct greenlet *gl = new_greenlet();
        if (gl) {
            gl->state = GREENLET_RUNNING;
            memcpy(gl->name, g->name, sizeof(gl->name));
            attach(gl, g);
        }
    }
    return g ? g->task : NULL;
}

/* --- state --- */

int green_started(const struct greenlet *gl)
{
    return gl->state != GREENLET_ENDED;
}

int green_ended(const struct greenlet *gl)
{
    return green_ready(&gl->object);
}

int green_successful(const struct greenlet *gl)
{
    return green_ended(gl) && !gl->error;
}

void *green_value(const struct greenlet *gl)
{
    return green_ended(gl) ? gl->value : NULL;
}

const struct green_error *green_error(const struct greenlet *gl)
{
    return green_ended(gl) ? gl->error : NULL;
}

uint64_t green_id(const struct greenlet *gl)
{
    return gl->id;
}

unsigned green_ident(struct greenlet *gl)
{
    return gr_ident_of(&gl->ident);
}

void green_set_name(struct greenlet *gl, const char *name)
{
    (void)snprintf(gl->name, sizeof(gl->name), "%s", name);
    struct gr_bucket *b = gr_lot_lock(&gl->object);
    if (gl->green) {
        memcpy(gl->green->name, gl->name, sizeof(gl->name));
    }
    gr_lot_unlock(b);
}

const char *green_name(const struct greenlet *gl)
{
    return gl->name;
}

/* --- waiting for the end --- */

int green_join(struct greenlet *gl, int64_t timeout)
{
    if (gr_self && gr_self->task == gl) {
        return -EDEADLK;
    }
    return gr_object_wait(&gl->object, timeout);
}

int green_get(struct greenlet *gl, void **value_out, int64_t timeout)
{
    int rc = green_join(gl, timeout);
    if (rc) {
        return rc;
    }
    if (gl->error) {
        return gl->error->code;
    }
    if (value_out) {
        *value_out = gl->value;
    }
    return 0;
}

/* Until @want have ended; the results into @done. */
static int collect(struct green_iwait *it, struct greenlet *done[], size_t want, int raise_error,
                   int64_t timeout)
{
    int64_t deadline = gr_api_deadline_or_now(timeout);
    size_t got = 0;
    while (got < want) {
        struct green_object *o = NULL;
        int rc = gr_iwait_until(it, &o, deadline);
        if (rc == -ETIMEDOUT) {
            break;
        }
        if (rc < 0) {
            return gr_api_result(rc);
        }
        struct greenlet *gl = GR_CONTAINER_OF(o, struct greenlet, object);
        if (done) {
            done[got] = gl;
        }
        got++;
        if (raise_error && gl->error) {
            return gl->error->code;
        }
    }
    return (int)got;
}

static void free_iwait(struct green_iwait **it)
{
    green_iwait_free(*it);
}

int green_joinall(struct greenlet *const gl[], size_t n, struct greenlet *done[], size_t count,
                  int raise_error, int64_t timeout)
{
    struct green_object **objects = calloc(n ? n : 1, sizeof(struct green_object *));
    if (!objects) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        objects[i] = &gl[i]->object;
    }
    struct green_iwait *it __attribute__((cleanup(free_iwait))) = green_iwait_new(objects, n);
    free(objects);
    return it ? collect(it, done, count && count < n ? count : n, raise_error, timeout) : -ENOMEM;
}

/* --- kill --- */

static bool strike_here(struct gr_request *r);

/* Throws @code into whatever has run; what has not never will. */
static void strike(struct greenlet *gl, int code)
{
    struct gr_bucket *b = gr_lot_lock(&gl->object);
    struct green *g = gl->green;
    if (gl->state == GREENLET_COMING) {
        ended(b, gl, NULL);
        return;
    }
    if (g && gl->state < GREENLET_RUNNING && gr_hub_here() == g->hub) {
        gr_alarm_clear(&gl->start);
        gr_green_call_off(g); /* before it could begin, or be killed again */
        gl->green = NULL;
        gr_lot_unlock(b);
        g->task = NULL;
        gr_green_abandon(g);
        ended(gr_lot_lock(&gl->object), gl, NULL);
        return;
    }
    gl->kill.code = code;
    if (g && gl->state < GREENLET_RUNNING) {
        if (!gl->kill_requested) {
            gl->kill_requested = true;
            gl->request.fn = strike_here;
            gr_request(g->hub, &green_ref(gl)->request);
        }
    } else if (g) {
        gr_interrupt_throw(g, &gl->kill);
    }
    gr_lot_unlock(b);
}

static void *run_nothing(void *arg)
{
    (void)arg;
    return NULL;
}

/* On the hub. What has not run begins now and ends at once: what it has inherited is destroyed on
 * itself, as that may wait. */
static bool strike_here(struct gr_request *r)
{
    struct greenlet *gl = GR_CONTAINER_OF(r, struct greenlet, request);
    if (gl->state == GREENLET_DELAYED) {
        gr_alarm_clear(&gl->start);
        start_now(&gl->start);
    }
    if (gl->state == GREENLET_SCHEDULED) {
        gl->fn = run_nothing;
    } else {
        strike(gl, gl->kill.code);
    }
    green_unref(gl);
    return true;
}

int green_killall(struct greenlet *const gl[], size_t n, int code, int64_t timeout)
{
    if (code > 0) {
        return -EINVAL;
    }
    code = code ? code : -ECANCELED;
    bool self = false;
    bool outside = !gr_hub_here(); /* there a greenlet may begin between two looks at it */
    for (int born = outside; born <= 1; born++) {
        for (size_t i = 0; i < n; i++) {
            /* The caller has handles. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
            if (!outside && (gl[i]->state >= GREENLET_RUNNING) != born) {
                continue;
            }
            if (gr_self && gr_self->task == gl[i]) {
                self = true;
            } else {
                strike(gl[i], code);
            }
        }
    }
    if (self) {
        return code;
    }
    if (timeout <= 0) {
        return 0;
    }
    int rc = green_joinall(gl, n, NULL, 0, 0, timeout);
    return rc < 0 ? rc : (size_t)rc < n ? -ETIMEDOUT : 0;
}

int green_kill(struct greenlet *gl, int code, int64_t timeout)
{
    return green_killall(&gl, 1, code, timeout);
}

/* --- time --- */

static int sleep_for(int64_t duration, unsigned flags)
{
    if (duration > 0) {
        (void)gr_api_start();
        return gr_api_result(gr_sleep_until(gr_api_deadline(duration), flags));
    }
    gr_yield();
    return gr_self && gr_cancelled(gr_self, GR_CANCEL) ? gr_interrupt_act() : 0;
}

int green_sleep(int64_t duration)
{
    return sleep_for(duration, GR_API_PARK);
}

int green_sleep_unref(int64_t duration)
{
    return sleep_for(duration, GR_API_PARK | GR_UNREF);
}

int green_idle(int priority)
{
    return gr_api_result(gr_rest_idle(priority));
}

int green_hub_join(int64_t timeout)
{
    if (!gr_active) {
        return 0;
    }
    if (!gr_self || !gr_self->is_main) {
        return -EPERM;
    }
    return gr_api_result(gr_rest_join(gr_api_deadline_or_now(timeout)));
}
