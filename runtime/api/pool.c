/* Pools of greenlets. */
#include <green/pool.h>

#include "runtime/api/api.h"
#include "runtime/api/greenlet.h"
#include "runtime/api/map.h"

#include <green/lock.h>

#include <errno.h>
#include <stdlib.h>

/* The lot's lock of the object's address guards @members, @n and the kill. */
struct green_pool {
    struct green_object object;    /* ready when there is no member */
    struct green_semaphore *slots; /* free ones; NULL: no limit */
    struct gr_list members;
    size_t n;
    unsigned killers; /* who wait for its end: a member that comes now is killed, too */
    int kill_code;
    atomic_uint refs; /* the owner's, and those of members and of greenlets that wait to be one */
};

/* It belongs to whoever takes its link off the greenlet: the greenlet's end, or who discards it. */
struct member {
    struct gr_link link; /* of the greenlet */
    struct gr_list node; /* of the pool */
    struct green_pool *pool;
    struct greenlet *greenlet; /* alive as long as this is on the pool's list */
    atomic_bool hit;           /* by a kill of the pool */
};

/* --- the pool --- */

static bool pool_ready(const struct green_object *o)
{
    return GR_CONTAINER_OF(o, struct green_pool, object)->n == 0;
}

struct green_pool *green_pool_new(int size)
{
    if (size < 0) {
        errno = EINVAL;
        return NULL;
    }
    struct green_pool *p = calloc(1, sizeof(*p));
    if (!p) {
        return NULL;
    }
    if (size != GREEN_UNLIMITED && !(p->slots = green_semaphore_new((unsigned)size))) {
        free(p);
        return NULL;
    }
    gr_object_init(&p->object, pool_ready, false);
    gr_list_init(&p->members);
    atomic_init(&p->refs, 1);
    return p;
}

struct green_pool *green_group_new(void)
{
    return green_pool_new(GREEN_UNLIMITED);
}

static void ref(struct green_pool *p)
{
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
}

static void unref(struct green_pool *p)
{
    if (atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) == 1) {
        green_semaphore_free(p->slots);
        free(p);
    }
}

static int take_slot(struct green_pool *p, int64_t timeout)
{
    return p->slots ? green_semaphore_acquire(p->slots, timeout) : 0;
}

static void give_slot(struct green_pool *p)
{
    if (p->slots) {
        (void)green_semaphore_release(p->slots);
    }
}

size_t green_pool_count(const struct green_pool *p)
{
    return __atomic_load_n(&p->n, __ATOMIC_RELAXED);
}

int green_pool_free_count(const struct green_pool *p)
{
    return p->slots ? (int)green_semaphore_count(p->slots) : GREEN_UNLIMITED;
}

int green_pool_full(const struct green_pool *p)
{
    return green_pool_free_count(p) == 0;
}

int green_pool_wait_available(struct green_pool *p, int64_t timeout)
{
    int rc = p->slots ? green_semaphore_wait(p->slots, timeout) : 0;
    return rc ? rc : green_pool_free_count(p);
}

struct green_object *green_pool_object(struct green_pool *p)
{
    return &p->object;
}

/* --- members --- */

/* @m, whose link is off the greenlet, is no member any more. */
static void leave(struct member *m)
{
    struct green_pool *p = m->pool;
    struct gr_bucket *b = gr_lot_lock(&p->object);
    bool listed = !gr_list_empty(&m->node); /* not so if the pool has been freed */
    gr_list_remove(&m->node);
    if (listed && --p->n == 0) {
        gr_api_wake_all(b, &p->object);
        gr_object_notify(b, &p->object);
    } else {
        gr_lot_unlock(b);
    }
    free(m);
    give_slot(p);
    unref(p);
}

static void member_ended(struct gr_link *l)
{
    leave(GR_CONTAINER_OF(l, struct member, link));
}

/* @gl as a member, by the record @m, with a slot that has been taken. Returns 0, or what is thrown
 * in place: @gl is the caller, and the pool is being killed. */
static int enrol(struct green_pool *p, struct member *m, struct greenlet *gl)
{
    *m = (struct member){.pool = p, .greenlet = gl};
    ref(p);
    struct gr_bucket *b = gr_lot_lock(&p->object);
    gr_list_push_back(&p->members, &m->node);
    p->n++;
    int code = p->killers ? p->kill_code : 0;
    atomic_init(&m->hit, code != 0);
    gr_lot_unlock(b);
    if (!gr_object_link(&gl->object, &m->link, member_ended)) {
        leave(m); /* it has ended already */
        return 0;
    }
    return code ? green_kill(gl, code, 0) : 0;
}

/* The link of the locked greenlet that makes it a member of @p, or NULL. */
static struct member *membership(const struct green_pool *p, const struct greenlet *gl)
{
    GR_LIST_EACH(&gl->object.links, node, tmp)
    {
        struct gr_link *l = GR_LIST_ENTRY(node, struct gr_link, node);
        struct member *m = GR_CONTAINER_OF(l, struct member, link);
        if (l->notify == member_ended && m->pool == p) {
            return m;
        }
    }
    return NULL;
}

int green_pool_contains(const struct green_pool *p, struct greenlet *gl)
{
    struct gr_bucket *b = gr_lot_lock(&gl->object);
    bool is = membership(p, gl) != NULL;
    gr_lot_unlock(b);
    return is;
}

static bool has_caller(const struct green_pool *p)
{
    return gr_self && gr_self->task && green_pool_contains(p, gr_self->task);
}

int green_pool_discard(struct green_pool *p, struct greenlet *gl)
{
    struct gr_bucket *b = gr_lot_lock(&gl->object);
    struct member *m = membership(p, gl);
    if (m) {
        gr_list_remove(&m->link.node);
    }
    gr_lot_unlock(b);
    if (m) {
        leave(m);
    }
    return m != NULL;
}

void green_pool_free(struct green_pool *p)
{
    if (!p) {
        return;
    }
    for (;;) {
        struct gr_bucket *b = gr_lot_lock(&p->object);
        if (gr_list_empty(&p->members)) {
            gr_lot_unlock(b);
            break;
        }
        struct member *m = GR_LIST_ENTRY(gr_list_pop_front(&p->members), struct member, node);
        struct greenlet *gl = green_ref(m->greenlet);
        p->n--;
        gr_lot_unlock(b);
        (void)green_pool_discard(p, gl); /* or it is just ending */
        green_unref(gl);
    }
    unref(p);
}

/* --- all members as they are now --- */

struct roll {
    struct greenlet **greenlet; /* handles */
    size_t n;
};

static void free_roll(struct roll *r)
{
    for (size_t i = 0; i < r->n; i++) {
        green_unref(r->greenlet[i]);
    }
    free(r->greenlet);
}

/* @hit: those who have not been hit, who have been from now on. The lock is held. */
static void list_members(struct green_pool *p, struct roll *r, size_t room, bool hit)
{
    GR_LIST_EACH(&p->members, node, tmp)
    {
        struct member *m = GR_LIST_ENTRY(node, struct member, node);
        if (r->n < room && !(hit && atomic_exchange(&m->hit, true))) {
            r->greenlet[r->n++] = green_ref(m->greenlet);
        }
    }
}

/* Returns 0 or -ENOMEM. */
static int call_roll(struct green_pool *p, struct roll *r, bool hit)
{
    struct gr_bucket *b;
    size_t room = 0;
    for (;;) {
        b = gr_lot_lock(&p->object);
        if (p->n <= room) {
            break;
        }
        room = p->n;
        gr_lot_unlock(b);
        free(r->greenlet);
        r->greenlet = calloc(room, sizeof(struct greenlet *));
        if (!r->greenlet) {
            return -ENOMEM;
        }
    }
    list_members(p, r, room, hit);
    gr_lot_unlock(b);
    return 0;
}

size_t green_pool_members(struct green_pool *p, struct greenlet *out[], size_t room)
{
    struct roll r = {.greenlet = out};
    struct gr_bucket *b = gr_lot_lock(&p->object);
    list_members(p, &r, room, false);
    gr_lot_unlock(b);
    return r.n;
}

int green_pool_join(struct green_pool *p, int raise_error, int64_t timeout)
{
    struct roll r __attribute__((cleanup(free_roll))) = {0};
    if (has_caller(p)) {
        return -EDEADLK;
    }
    if (raise_error && call_roll(p, &r, false)) {
        return -ENOMEM;
    }
    int rc = gr_object_wait(&p->object, timeout);
    for (size_t i = 0; i < r.n && (rc == 0 || rc == -ETIMEDOUT); i++) {
        const struct green_error *e = green_error(r.greenlet[i]);
        if (e) {
            return e->code;
        }
    }
    return rc;
}

/* --- kill --- */

struct killing {
    struct green_pool *pool;
};

static void begin_killing(struct killing *k, struct green_pool *p, int code)
{
    struct gr_bucket *b = gr_lot_lock(&p->object);
    p->killers++;
    p->kill_code = code ? code : -ECANCELED;
    k->pool = p;
    gr_lot_unlock(b);
}

static void end_killing(struct killing *k)
{
    if (k->pool) {
        struct gr_bucket *b = gr_lot_lock(&k->pool->object);
        k->pool->killers--;
        gr_lot_unlock(b);
    }
}

int green_pool_kill(struct green_pool *p, int code, int64_t timeout)
{
    struct roll r __attribute__((cleanup(free_roll))) = {0};
    struct killing killing __attribute__((cleanup(end_killing))) = {0};
    if (code > 0) {
        return -EINVAL;
    }
    if (timeout > 0) {
        begin_killing(&killing, p, code);
    }
    if (call_roll(p, &r, true)) {
        return -ENOMEM;
    }
    int rc = green_killall(r.greenlet, r.n, code, 0);
    return rc || timeout <= 0 ? rc : gr_object_wait(&p->object, timeout);
}

int green_pool_killone(struct green_pool *p, struct greenlet *gl, int code, int64_t timeout)
{
    if (code > 0) {
        return -EINVAL;
    }
    struct gr_bucket *b = gr_lot_lock(&gl->object);
    struct member *m = membership(p, gl);
    bool fresh = m && !atomic_exchange(&m->hit, true);
    gr_lot_unlock(b);
    if (fresh) {
        return green_kill(gl, code, timeout);
    }
    return m && timeout > 0 ? green_join(gl, timeout) : 0;
}

/* --- calls --- */

int green_pool_spawn(struct green_pool *p, void *(*fn)(void *), void *arg, struct greenlet **out,
                     int64_t timeout)
{
    int rc = fn ? take_slot(p, timeout) : -EINVAL;
    if (rc) {
        return rc;
    }
    struct greenlet *gl;
    struct member *m = malloc(sizeof(*m));
    rc = m ? green_spawn(fn, arg, &gl) : -ENOMEM;
    if (rc) {
        free(m);
        give_slot(p);
        return rc == -EAGAIN ? -ENOMEM : rc;
    }
    (void)enrol(p, m, gl);
    if (out) {
        *out = gl;
    } else {
        green_unref(gl);
    }
    return 0;
}

int green_pool_add(struct green_pool *p, struct greenlet *gl, int64_t timeout)
{
    if (green_ended(gl) || green_pool_contains(p, gl)) {
        return 0;
    }
    int rc = take_slot(p, timeout);
    if (rc) {
        return rc;
    }
    struct member *m = green_pool_contains(p, gl) ? NULL : malloc(sizeof(*m));
    if (!m) {
        give_slot(p);
        return green_pool_contains(p, gl) ? 0 : -ENOMEM;
    }
    return enrol(p, m, gl);
}

static void give_back(struct greenlet **gl)
{
    green_unref(*gl);
}

int green_pool_apply(struct green_pool *p, void *(*fn)(void *), void *arg, void **value_out,
                     int64_t timeout)
{
    if (fn && has_caller(p)) {
        return green_try(fn, arg, value_out, NULL);
    }
    (void)gr_api_start();
    int64_t deadline = gr_api_deadline(timeout);
    struct greenlet *gl __attribute__((cleanup(give_back))) = NULL;
    int rc = green_pool_spawn(p, fn, arg, &gl, timeout);
    if (rc == 0) {
        int64_t left = timeout == GREEN_FOREVER ? GREEN_FOREVER : deadline - gr_now();
        rc = green_get(gl, value_out, left);
    }
    return rc;
}

struct apply_async {
    struct gr_async async; /* the first */
    struct green_pool *pool;
    bool enrolled;
    void *(*fn)(void *);
    void *arg;
};

static void release_apply(void *arg)
{
    struct apply_async *a = arg;
    unref(a->pool);
    free(a);
}

/* The caller becomes a member, or ends. */
static void enter(struct green_pool *p)
{
    int rc = take_slot(p, GREEN_FOREVER);
    if (rc == 0) {
        struct member *m = malloc(sizeof(*m));
        if (m) {
            rc = enrol(p, m, green_current());
        } else {
            give_slot(p);
            rc = -ENOMEM;
        }
    }
    if (rc == -ECANCELED) {
        green_exit(NULL);
    }
    if (rc) {
        green_fail(rc, "it did not get into the pool", NULL);
    }
}

static void *run_apply(void *arg)
{
    struct apply_async *a = arg;
    if (!a->enrolled) {
        enter(a->pool);
    }
    return a->fn(a->arg);
}

int green_pool_apply_async(struct green_pool *p, void *(*fn)(void *), void *arg,
                           green_callback_fn *callback, void *callback_arg, struct greenlet **out)
{
    if (!fn) {
        return -EINVAL;
    }
    bool room = take_slot(p, 0) == 0;
    struct member *m = room ? malloc(sizeof(*m)) : NULL;
    struct apply_async *a = room && !m ? NULL : malloc(sizeof(*a));
    struct greenlet *gl = NULL;
    int rc = -ENOMEM;
    if (a) {
        *a = (struct apply_async){.pool = p, .enrolled = room, .fn = fn, .arg = arg};
        a->async = (struct gr_async){.run = run_apply,
                                     .release = release_apply,
                                     .callback = callback,
                                     .callback_arg = callback_arg};
        ref(p);
        rc = gr_async_start(&a->async, &gl);
    }
    if (rc) {
        free(m);
        if (room) {
            give_slot(p);
        }
        return rc;
    }
    if (room) {
        (void)enrol(p, m, gl);
    }
    if (out) {
        *out = gl;
    } else {
        green_unref(gl);
    }
    return 0;
}

/* --- maps --- */

static void call_ended(struct gr_link *l)
{
    struct gr_map_call *c = GR_CONTAINER_OF(l, struct gr_map_call, link);
    const struct greenlet *gl = c->made;
    c->value = gl->value;
    c->error = gl->error;
    gr_map_call_ended(c);
}

static int begin_call(void *pool, struct gr_map_call *c)
{
    struct greenlet *gl;
    int rc = green_pool_spawn(pool, c->fn, c->item, &gl, GREEN_FOREVER);
    if (rc == 0) {
        c->made = gl;
        if (!gr_object_link(&gl->object, &c->link, call_ended)) {
            call_ended(&c->link);
        }
    }
    return rc;
}

static void release_call(struct gr_map_call *c)
{
    green_unref(c->made);
}

static const struct gr_map_ops by_members = {begin_call, release_call};

int green_pool_map(struct green_pool *p, void *(*fn)(void *), struct green_input in,
                   struct green_values **out, int64_t timeout)
{
    return gr_map(&by_members, p, fn, in, out, timeout);
}

int green_pool_map_async(struct green_pool *p, void *(*fn)(void *), struct green_input in,
                         green_callback_fn *callback, void *callback_arg, struct greenlet **out)
{
    return gr_map_async(&by_members, p, fn, in, callback, callback_arg, out);
}

struct green_imap *green_pool_imap(struct green_pool *p, void *(*fn)(void *), struct green_input in,
                                   size_t max)
{
    return gr_imap_new(&by_members, p, fn, in, max, true);
}

struct green_imap *green_pool_imap_unordered(struct green_pool *p, void *(*fn)(void *),
                                             struct green_input in, size_t max)
{
    return gr_imap_new(&by_members, p, fn, in, max, false);
}
