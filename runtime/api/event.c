/* Events and results. */
#include "runtime/api/event.h"

#include "runtime/api/api.h"
#include "runtime/api/error.h"
#include "runtime/api/object.h"
#include "runtime/api/signature.h"

#include <errno.h>
#include <stdlib.h>

/* --- events --- */

struct green_event {
    struct green_object object;
    atomic_bool set;
};

static bool event_ready(const struct green_object *o)
{
    return atomic_load(&GR_CONTAINER_OF(o, struct green_event, object)->set);
}

struct green_event *green_event_new(void)
{
    struct green_event *e = malloc(sizeof(*e));
    if (e) {
        gr_object_init(&e->object, event_ready, false);
        e->object.why = GR_WHY_EVENT;
        atomic_init(&e->set, false);
    }
    return e;
}

void green_event_free(struct green_event *e)
{
    free(e);
}

void green_event_set(struct green_event *e)
{
    struct gr_bucket *b = gr_lot_lock(&e->object);
    atomic_store(&e->set, true);
    gr_api_wake_all(b, &e->object);
    gr_object_notify(b, &e->object);
}

void green_event_clear(struct green_event *e)
{
    struct gr_bucket *b = gr_lot_lock(&e->object);
    atomic_store(&e->set, false);
    gr_lot_unlock(b);
}

int green_event_is_set(const struct green_event *e)
{
    return atomic_load(&e->set);
}

int green_event_wait(struct green_event *e, int64_t timeout)
{
    return atomic_load(&e->set) ? 0 : gr_object_wait(&e->object, timeout);
}

struct green_object *green_event_object(struct green_event *e)
{
    return &e->object;
}

/* --- results --- */

struct green_result {
    struct green_object object;
    atomic_uint refs;
    bool ready;
    void *value;
    struct green_error *error;
    struct gr_call *call; /* @value may point into it; or NULL */
};

static bool result_ready(const struct green_object *o)
{
    return GR_CONTAINER_OF(o, struct green_result, object)->ready;
}

static void hold_result(struct green_object *o, bool on)
{
    struct green_result *r = GR_CONTAINER_OF(o, struct green_result, object);
    if (on) {
        (void)gr_result_ref(r);
    } else {
        green_result_free(r);
    }
}

struct green_result *green_result_new(void)
{
    struct green_result *r = calloc(1, sizeof(*r));
    if (r) {
        gr_object_init(&r->object, result_ready, false);
        r->object.hold = hold_result;
        r->object.why = GR_WHY_RESULT;
        atomic_init(&r->refs, 1);
    }
    return r;
}

struct green_result *gr_result_ref(struct green_result *r)
{
    atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
    return r;
}

void green_result_free(struct green_result *r)
{
    if (r && atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) == 1) {
        gr_error_free(r->error);
        gr_call_free(r->call);
        free(r);
    }
}

void gr_result_keep_call(struct green_result *r, struct gr_call *c)
{
    r->call = c;
}

struct gr_call *gr_result_call(const struct green_result *r)
{
    return r->call;
}

void gr_result_store(struct green_result *r, void *value, struct green_error *error)
{
    struct gr_bucket *b = gr_lot_lock(&r->object);
    struct green_error *old = r->error;
    r->value = value;
    r->error = error;
    r->ready = true;
    gr_api_wake_all(b, &r->object);
    gr_object_notify(b, &r->object);
    gr_error_free(old);
}

void green_result_set(struct green_result *r, void *value)
{
    gr_result_store(r, value, NULL);
}

int green_result_set_error(struct green_result *r, int code, const char *message, void *payload)
{
    struct green_error *error;
    int rc = gr_error_new(code, message, payload, &error);
    if (rc == 0) {
        gr_result_store(r, NULL, error);
    }
    return rc;
}

int green_result_wait(struct green_result *r, int64_t timeout)
{
    return gr_object_wait(&r->object, timeout);
}

int green_result_get(struct green_result *r, void **value_out, int64_t timeout)
{
    int rc = gr_object_wait(&r->object, timeout);
    if (rc) {
        return rc;
    }
    struct gr_bucket *b = gr_lot_lock(&r->object);
    if (r->error) {
        rc = r->error->code;
    } else if (value_out) {
        *value_out = r->value;
    }
    gr_lot_unlock(b);
    return rc;
}

int green_result_ready(const struct green_result *r)
{
    return green_ready(&r->object);
}

int green_result_successful(const struct green_result *r)
{
    return green_result_ready(r) && !r->error;
}

void *green_result_value(const struct green_result *r)
{
    return r->value;
}

const struct green_error *green_result_error(const struct green_result *r)
{
    return r->error;
}

struct green_object *green_result_object(struct green_result *r)
{
    return &r->object;
}
