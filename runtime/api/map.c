/* Maps: from items to results. */
#include "runtime/api/map.h"

#include "runtime/api/api.h"
#include "runtime/api/greenlet.h"

#include <green/lock.h>

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/*
 * The lot's lock of its address guards it, and consumers wait at the address. The first call on
 * @results is the next to be given, if it has ended.
 */
struct green_imap {
    const struct gr_map_ops *ops;
    void *pool;
    void *(*fn)(void *);
    struct green_input in;
    struct green_semaphore *room; /* for calls begun and not fetched; NULL: no limit */
    bool ordered;                 /* calls are put on @results when they begin, else at their end */
    struct gr_list results;
    size_t open;                /* calls begun and not fetched */
    struct gr_map_call *latest; /* fetched last */
    bool failed;                /* @latest is what green_imap_next() has just returned, an error */
    struct greenlet *feeder;
    struct gr_link feeder_end;
    int fed; /* FEEDING, or how the items have ended: 0 or an error that nobody was told */
    bool closed;
    atomic_uint refs; /* the consumer's, the feeder's, those of calls that have not ended */
};

enum { FEEDING = 1 };

static void unref(struct green_imap *it)
{
    if (atomic_fetch_sub(&it->refs, 1) == 1) {
        green_semaphore_free(it->room);
        free(it);
    }
}

static void free_call(struct gr_map_call *c)
{
    if (c) {
        c->map->ops->release(c);
        free(c);
    }
}

/* --- the calls --- */

void gr_map_call_ended(struct gr_map_call *c)
{
    struct green_imap *it = c->map;
    struct gr_bucket *b = gr_lot_lock(it);
    bool closed = it->closed;
    c->ended = true;
    if (closed) {
        gr_list_remove(&c->node);
    } else if (!it->ordered) {
        gr_list_push_back(&it->results, &c->node);
    }
    gr_api_wake_all(b, it);
    gr_lot_unlock(b);
    if (closed) {
        free_call(c);
    }
    unref(it);
}

/* --- the feeder --- */

static int next_item(struct green_input *in, void **item)
{
    if (in->next) {
        return in->next(in->state, item);
    }
    if (in->n == 0) {
        return 0;
    }
    in->n--;
    *item = *in->items++;
    return 1;
}

/* Returns 0 or an error that ends the map. */
static int begin_call(struct green_imap *it, void *item)
{
    struct gr_map_call *c = calloc(1, sizeof(*c));
    if (!c) {
        return -ENOMEM;
    }
    c->map = it;
    c->fn = it->fn;
    c->item = item;
    gr_list_init(&c->node);
    int rc = it->room ? green_semaphore_acquire(it->room, GREEN_FOREVER) : 0;
    if (rc) {
        free(c);
        return rc;
    }
    struct gr_bucket *b = gr_lot_lock(it);
    it->open++;
    if (it->ordered) {
        gr_list_push_back(&it->results, &c->node);
    }
    gr_lot_unlock(b);
    atomic_fetch_add(&it->refs, 1);
    rc = it->ops->begin(it->pool, c);
    if (rc) {
        b = gr_lot_lock(it);
        it->open--;
        gr_list_remove(&c->node);
        gr_lot_unlock(b);
        free(c);
        unref(it);
    }
    return rc;
}

static bool is_closed(const struct green_imap *it)
{
    return __atomic_load_n(&it->closed, __ATOMIC_ACQUIRE);
}

static void *feed(void *arg)
{
    struct green_imap *it = arg;
    void *item = NULL;
    int rc;
    do {
        rc = next_item(&it->in, &item);
    } while (rc > 0 && !is_closed(it) && (rc = begin_call(it, item)) == 0);
    return (void *)(intptr_t)(rc < 0 ? rc : 0);
}

static void feeder_ended(struct gr_link *l)
{
    struct green_imap *it = GR_CONTAINER_OF(l, struct green_imap, feeder_end);
    const struct greenlet *feeder = it->feeder;
    int rc = feeder->error ? feeder->error->code : (int)(intptr_t)feeder->value;
    struct gr_bucket *b = gr_lot_lock(it);
    it->fed = rc;
    gr_api_wake_all(b, it);
    gr_lot_unlock(b);
    unref(it);
}

/* --- the consumer --- */

struct green_imap *gr_imap_new(const struct gr_map_ops *ops, void *pool, void *(*fn)(void *),
                               struct green_input in, size_t max, bool ordered)
{
    if (!fn) {
        errno = EINVAL;
        return NULL;
    }
    struct green_imap *it = calloc(1, sizeof(*it));
    if (!it) {
        return NULL;
    }
    *it = (struct green_imap){.ops = ops, .pool = pool, .fn = fn, .in = in, .ordered = ordered};
    it->fed = FEEDING;
    gr_list_init(&it->results);
    atomic_init(&it->refs, 2);
    if (max && !(it->room = green_semaphore_new(max < UINT_MAX ? (unsigned)max : UINT_MAX))) {
        free(it);
        return NULL;
    }
    int rc = green_spawn(feed, it, &it->feeder);
    if (rc) {
        green_semaphore_free(it->room);
        free(it);
        errno = rc == -ENOTSUP ? ENOTSUP : ENOMEM;
        return NULL;
    }
    if (!gr_object_link(&it->feeder->object, &it->feeder_end, feeder_ended)) {
        feeder_ended(&it->feeder_end);
    }
    return it; /* the caller's reference is left. NOLINT(clang-analyzer-unix.Malloc) */
}

/* The next result that is there, off the locked map; NULL: none. */
static struct gr_map_call *take(struct green_imap *it)
{
    struct gr_map_call *c = GR_LIST_ENTRY(it->results.next, struct gr_map_call, node);
    if (gr_list_empty(&it->results) || !c->ended) {
        return NULL;
    }
    gr_list_remove(&c->node);
    it->open--;
    return c;
}

/* The locked map has nothing more to give, unless the items have ended with an error. */
static int finish(struct green_imap *it)
{
    int rc = it->fed;
    it->fed = 0;
    it->failed = false;
    return rc;
}

/* Gives what was taken, and unlocks. */
static int give(struct gr_bucket *b, struct green_imap *it, struct gr_map_call *c, void **value_out)
{
    struct gr_map_call *old = it->latest;
    it->latest = c;
    it->failed = c->error != NULL;
    int rc = c->error ? c->error->code : 1;
    if (rc == 1 && value_out) {
        *value_out = c->value;
    }
    gr_lot_unlock(b);
    free_call(old);
    if (it->room) {
        (void)green_semaphore_release(it->room);
    }
    return rc;
}

static int next_until(struct green_imap *it, void **value_out, int64_t deadline)
{
    for (;;) {
        struct gr_bucket *b = gr_lot_lock(it);
        struct gr_map_call *c = take(it);
        if (c) {
            return give(b, it, c, value_out);
        }
        if (it->fed != FEEDING && it->open == 0) {
            int rc = finish(it);
            gr_lot_unlock(b);
            return rc;
        }
        it->failed = false;
        if (!deadline) {
            gr_lot_unlock(b);
            return -ETIMEDOUT;
        }
        struct gr_waiter w;
        gr_waiter_init(&w, it);
        int rc = gr_lot_wait(b, &w, deadline, GR_CANCEL, GR_WHY_OBJECT);
        if (rc) {
            return gr_api_result(rc);
        }
    }
}

int green_imap_next(struct green_imap *it, void **value_out, int64_t timeout)
{
    (void)gr_api_start();
    return next_until(it, value_out, gr_api_deadline_or_now(timeout));
}

const struct green_error *green_imap_error(const struct green_imap *it)
{
    /* It is what was given last. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
    return it->failed ? it->latest->error : NULL;
}

void *green_imap_item(const struct green_imap *it)
{
    return it->latest ? it->latest->item : NULL;
}

/* Until the feeder has let go of the items, whatever comes. */
static void stop_feeder(struct green_imap *it)
{
    struct gr_bucket *b = gr_lot_lock(it);
    __atomic_store_n(&it->closed, true, __ATOMIC_RELEASE);
    gr_lot_unlock(b);
    (void)green_kill(it->feeder, 0, 0);
    for (;;) {
        b = gr_lot_lock(it);
        if (it->fed != FEEDING) {
            gr_lot_unlock(b);
            break;
        }
        struct gr_waiter w;
        gr_waiter_init(&w, it);
        (void)gr_lot_wait(b, &w, GR_FOREVER, 0, GR_WHY_OBJECT);
    }
    green_unref(it->feeder);
}

void green_imap_free(struct green_imap *it)
{
    if (!it) {
        return;
    }
    stop_feeder(it);
    free_call(it->latest);
    struct gr_list ended;
    gr_list_init(&ended);
    struct gr_bucket *b = gr_lot_lock(it);
    GR_LIST_EACH(&it->results, node, tmp)
    {
        gr_list_remove(node);
        if (GR_LIST_ENTRY(node, struct gr_map_call, node)->ended) {
            gr_list_push_back(&ended, node);
        }
    }
    gr_lot_unlock(b);
    while (!gr_list_empty(&ended)) {
        free_call(GR_LIST_ENTRY(gr_list_pop_front(&ended), struct gr_map_call, node));
    }
    unref(it);
}

/* --- all at once --- */

/* Room for one more value; the block may move. */
static int grow(struct green_values **values, size_t *room)
{
    struct green_values *v = *values;
    if (v && v->n < *room) {
        return 0;
    }
    size_t n = *room ? *room * 2 : 16;
    struct green_values *more = realloc(v, sizeof(*v) + n * sizeof(v->value[0]));
    if (!more) {
        return -ENOMEM;
    }
    if (!v) {
        more->n = 0;
    }
    more->value = (void **)(more + 1);
    *values = more;
    *room = n;
    return 0;
}

static int take_all(struct green_imap *it, struct green_values **values, int64_t deadline)
{
    size_t room = 0;
    int rc;
    do {
        void *value = NULL;
        rc = grow(values, &room);
        if (rc == 0 && (rc = next_until(it, &value, deadline)) > 0) {
            (*values)->value[(*values)->n++] = value;
        }
    } while (rc > 0);
    return rc;
}

static void end_map(struct green_imap **it)
{
    green_imap_free(*it);
}

#define ENDING_MAP struct green_imap *it __attribute__((cleanup(end_map)))

static void free_values(struct green_values **values)
{
    free(*values);
}

/* Freed unless they are handed out. */
#define FREED_VALUES(v) struct green_values *v __attribute__((cleanup(free_values))) = NULL

int gr_map(const struct gr_map_ops *ops, void *pool, void *(*fn)(void *), struct green_input in,
           struct green_values **out, int64_t timeout)
{
    int64_t deadline = gr_api_deadline_or_now(timeout);
    FREED_VALUES(values);
    ENDING_MAP = gr_imap_new(ops, pool, fn, in, 0, true);
    int rc = it ? take_all(it, &values, deadline) : -errno;
    if (out) {
        *out = values;
        values = NULL;
    }
    return rc;
}

/* --- asynchronously --- */

/* In a green of its own. */
static void call_back(struct green_object *o, void *arg)
{
    struct gr_async *a = arg;
    struct greenlet *gl = green_object_greenlet(o);
    if (green_successful(gl)) {
        a->callback(gl->value, a->callback_arg);
    }
    green_unref(gl);
    a->release(a);
}

static void over(struct gr_link *l)
{
    struct gr_async *a = GR_CONTAINER_OF(l, struct gr_async, link);
    a->release(a);
}

int gr_async_start(struct gr_async *a, struct greenlet **out)
{
    struct greenlet *gl;
    int rc = green_spawn(a->run, a, &gl);
    if (rc) {
        a->release(a);
        return rc == -ENOTSUP ? rc : -ENOMEM;
    }
    bool silent = !a->callback;
    if (!silent) {
        rc = green_link(&green_ref(gl)->object, call_back, a); /* may have been made already */
    }
    if (rc) {
        green_unref(gl);
        (void)green_kill(gl, 0, 0);
    }
    if ((rc || silent) && !gr_object_link(&gl->object, &a->link, over)) {
        a->release(a);
    }
    if (rc || !out) {
        green_unref(gl);
    } else {
        *out = gl;
    }
    return rc;
}

struct map_async {
    struct gr_async async; /* the first */
    const struct gr_map_ops *ops;
    void *pool;
    void *(*fn)(void *);
    struct green_input in;
};

static void *run_map(void *arg)
{
    struct map_async *m = arg;
    FREED_VALUES(values);
    ENDING_MAP = gr_imap_new(m->ops, m->pool, m->fn, m->in, 0, true);
    int rc = it ? take_all(it, &values, GR_FOREVER) : -errno;
    if (rc) {
        const struct green_error *e = it ? green_imap_error(it) : NULL;
        green_fail(rc, e ? e->message : NULL, e ? e->payload : NULL);
    }
    void *all = values;
    values = NULL;
    return all;
}

int gr_map_async(const struct gr_map_ops *ops, void *pool, void *(*fn)(void *),
                 struct green_input in, green_callback_fn *callback, void *callback_arg,
                 struct greenlet **out)
{
    struct map_async *m = fn ? malloc(sizeof(*m)) : NULL;
    if (!m) {
        return fn ? -ENOMEM : -EINVAL;
    }
    *m = (struct map_async){.ops = ops, .pool = pool, .fn = fn, .in = in};
    m->async = (struct gr_async){
        .run = run_map, .release = free, .callback = callback, .callback_arg = callback_arg};
    return gr_async_start(&m->async, out);
}
