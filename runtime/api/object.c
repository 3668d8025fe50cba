/* Links, and waits for several objects. */
#include "runtime/api/object.h"

#include "runtime/api/api.h"
#include "runtime/core/request.h"

#include <errno.h>
#include <stdlib.h>

void gr_object_init(struct green_object *o, bool (*ready)(const struct green_object *o),
                    bool consumed)
{
    o->ready = ready;
    o->consumed = consumed;
    o->hold = NULL;
    o->why = GR_WHY_OBJECT;
    gr_list_init(&o->links);
    o->n_links = 0;
}

static void add(struct green_object *o, struct gr_link *l, void (*notify)(struct gr_link *),
                bool locked)
{
    l->notify = notify;
    l->locked = locked;
    l->number = ++o->n_links;
    gr_list_push_back(&o->links, &l->node);
}

/* The next link to tell that was made before the round began. */
static struct gr_link *next_link(const struct green_object *o, uint64_t last)
{
    if (gr_list_empty(&o->links) || (o->consumed && !o->ready(o))) {
        return NULL;
    }
    struct gr_link *l = GR_LIST_ENTRY(o->links.next, struct gr_link, node);
    return l->number <= last ? l : NULL;
}

void gr_object_notify(struct gr_bucket *b, struct green_object *o)
{
    uint64_t last = o->n_links;
    struct gr_link *l;
    while ((l = next_link(o, last))) {
        gr_list_remove(&l->node);
        if (l->locked) {
            l->notify(l);
            continue;
        }
        gr_lot_unlock(b);
        l->notify(l);
        b = gr_lot_lock(o);
    }
    gr_lot_unlock(b);
}

int green_ready(const struct green_object *o)
{
    struct gr_bucket *b = gr_lot_lock(o);
    bool ready = o->ready(o);
    gr_lot_unlock(b);
    return ready;
}

bool gr_object_link(struct green_object *o, struct gr_link *l, void (*notify)(struct gr_link *))
{
    struct gr_bucket *b = gr_lot_lock(o);
    bool ready = o->ready(o);
    if (!ready) {
        add(o, l, notify, false);
    }
    gr_lot_unlock(b);
    return !ready;
}

int gr_object_await(struct green_object *o, int64_t deadline, unsigned flags)
{
    struct gr_bucket *b = gr_lot_lock(o);
    if (o->ready(o) || !deadline) {
        int rc = o->ready(o) ? 0 : -ETIMEDOUT;
        gr_lot_unlock(b);
        return rc;
    }
    struct gr_waiter w;
    gr_waiter_init(&w, o);
    return gr_lot_wait(b, &w, deadline, flags, (enum gr_why)o->why);
}

int gr_object_wait(struct green_object *o, int64_t timeout)
{
    (void)gr_api_start();
    return gr_api_result(gr_object_await(o, gr_api_deadline_or_now(timeout), GR_API_PARK));
}

/* --- callbacks --- */

struct callback {
    struct gr_link link;
    struct green_object *object;
    green_link_fn *fn;
    void *arg;
    struct gr_waiter turn;     /* of the green that will make the call */
    struct gr_request request; /* for one, if a kernel thread made the link */
};

static void hold(struct green_object *o, bool on)
{
    if (o->hold) {
        o->hold(o, on);
    }
}

static void forget(struct callback *c)
{
    hold(c->object, false);
    free(c);
}

static void call(struct callback *c)
{
    c->fn(c->object, c->arg);
    forget(c);
}

static void call_here(struct gr_link *l)
{
    call(GR_CONTAINER_OF(l, struct callback, link));
}

static void call_there(struct gr_link *l)
{
    gr_wake(&GR_CONTAINER_OF(l, struct callback, link)->turn);
}

static void *wait_and_call(void *arg)
{
    struct callback *c = arg;
    while (gr_park(&c->turn, GR_FOREVER, 0, GR_WHY_OBJECT)) {
    }
    if (c->fn) {
        call(c);
    } else {
        forget(c); /* was unlinked */
    }
    return NULL;
}

static void *call_now(void *arg)
{
    call(arg);
    return NULL;
}

static const struct gr_green_attr attr = {.guard_size = 4096, .detached = true};

static bool make_caller(struct gr_request *r)
{
    struct green *g;
    if (gr_green_new(&attr, call_now, GR_CONTAINER_OF(r, struct callback, request), &g)) {
        return false;
    }
    gr_green_start(g);
    return true;
}

static void call_by_hub(struct gr_link *l)
{
    struct callback *c = GR_CONTAINER_OF(l, struct callback, link);
    c->request.fn = make_caller;
    gr_request(gr_hub_first(), &c->request);
}

/* A green that will make the call, made now: whoever makes the object ready may be a kernel thread,
 * or short of memory. */
static struct green *caller_for(struct callback *c)
{
    struct green *g;
    if (gr_green_new(&attr, wait_and_call, c, &g)) {
        return NULL;
    }
    gr_waiter_init(&c->turn, NULL);
    c->turn.green = g;
    return g;
}

static int link_to(struct green_object *o, green_link_fn *fn, void *arg, bool raw)
{
    struct callback *c = fn ? malloc(sizeof(*c)) : NULL;
    if (!c) {
        return fn ? -ENOMEM : -EINVAL;
    }
    *c = (struct callback){.object = o, .fn = fn, .arg = arg};
    hold(o, true);
    struct green *g = NULL;
    struct gr_bucket *b = gr_lot_lock(o);
    if (raw && !o->ready(o)) {
        add(o, &c->link, call_here, false);
        gr_lot_unlock(b);
        return 0;
    }
    gr_lot_unlock(b);
    if (gr_api_start()) {
        forget(c);
        return -ENOTSUP;
    }
    bool outside = !gr_hub_here();
    if (!outside && !(g = caller_for(c))) {
        forget(c);
        return -ENOMEM;
    }
    b = gr_lot_lock(o);
    if (!o->ready(o)) {
        add(o, &c->link, !outside ? call_there : raw ? call_here : call_by_hub, false);
    } else if (outside) {
        call_by_hub(&c->link);
    } else {
        gr_wake(&c->turn);
    }
    gr_lot_unlock(b);
    if (g) {
        gr_green_start(g);
    }
    return 0;
}

int green_link(struct green_object *o, green_link_fn *fn, void *arg)
{
    return link_to(o, fn, arg, false);
}

int green_rawlink(struct green_object *o, green_link_fn *fn, void *arg)
{
    return link_to(o, fn, arg, true);
}

static struct callback *callback_of(struct gr_link *l)
{
    return l->notify == call_here || l->notify == call_there || l->notify == call_by_hub
               ? GR_CONTAINER_OF(l, struct callback, link)
               : NULL;
}

int green_unlink(struct green_object *o, green_link_fn *fn, void *arg)
{
    struct callback *found = NULL;
    struct gr_bucket *b = gr_lot_lock(o);
    GR_LIST_EACH(&o->links, node, tmp)
    {
        struct callback *c = callback_of(GR_LIST_ENTRY(node, struct gr_link, node));
        if (c && c->fn == fn && c->arg == arg) {
            found = c;
            gr_list_remove(node);
            break;
        }
    }
    gr_lot_unlock(b);
    if (!found) {
        return 0;
    }
    if (found->link.notify == call_there) {
        found->fn = NULL;
        gr_wake(&found->turn);
    } else {
        forget(found);
    }
    return 1;
}

size_t green_link_count(const struct green_object *o)
{
    size_t n = 0;
    struct gr_bucket *b = gr_lot_lock(o);
    GR_LIST_EACH(&o->links, node, tmp)
    {
        n += callback_of(GR_LIST_ENTRY(node, struct gr_link, node)) != NULL;
    }
    gr_lot_unlock(b);
    return n;
}

/* --- waits for several --- */

/* One place in the list of objects. */
struct place {
    struct gr_link link;
    struct green_iwait *wait;
    struct green_object *object;
    struct place *next; /* among those that have arrived */
};

struct green_iwait {
    _Atomic(struct place *) arrived; /* the latest first */
    _Atomic bool asleep;             /* whoever clears this must wake @waiter */
    struct gr_waiter waiter;
    struct place *in_order; /* arrived, the earliest first */
    size_t left;            /* not given out yet */
    size_t n;
    struct place places[];
};

static void arrive(struct place *p)
{
    struct green_iwait *it = p->wait;
    p->next = atomic_load(&it->arrived);
    while (!atomic_compare_exchange_weak(&it->arrived, &p->next, p)) {
    }
    if (atomic_exchange(&it->asleep, false)) {
        gr_wake(&it->waiter);
    }
}

static void notify_place(struct gr_link *l)
{
    arrive(GR_CONTAINER_OF(l, struct place, link));
}

struct green_iwait *green_iwait_new(struct green_object *const objects[], size_t n)
{
    struct green_iwait *it = calloc(1, sizeof(*it) + n * sizeof(it->places[0]));
    if (!it) {
        return NULL;
    }
    it->n = it->left = n;
    for (size_t i = 0; i < n; i++) {
        struct green_object *o = objects[i];
        struct place *p = &it->places[i];
        p->wait = it;
        p->object = o;
        gr_list_init(&p->link.node);
        struct gr_bucket *b = gr_lot_lock(o);
        if (o->ready(o)) {
            arrive(p);
        } else {
            add(o, &p->link, notify_place, true);
        }
        gr_lot_unlock(b);
    }
    return it;
}

void green_iwait_free(struct green_iwait *it)
{
    if (!it) {
        return;
    }
    /* Also for places that have arrived: whoever told of them may still be at it. */
    for (size_t i = 0; i < it->n; i++) {
        struct gr_bucket *b = gr_lot_lock(it->places[i].object);
        gr_list_remove(&it->places[i].link.node);
        gr_lot_unlock(b);
    }
    free(it);
}

static bool fetch_arrived(struct green_iwait *it)
{
    struct place *p = atomic_exchange(&it->arrived, NULL);
    while (p) {
        struct place *next = p->next;
        p->next = it->in_order;
        it->in_order = p;
        p = next;
    }
    return it->in_order != NULL;
}

/* Returns 0: something may have arrived. */
static int sleep_until(struct green_iwait *it, int64_t deadline)
{
    gr_waiter_init(&it->waiter, it);
    atomic_store(&it->asleep, true);
    int rc = atomic_load(&it->arrived) ? -EAGAIN
                                       : gr_park(&it->waiter, deadline, GR_API_PARK, GR_WHY_OBJECT);
    if (rc && !atomic_exchange(&it->asleep, false)) {
        rc = gr_park(&it->waiter, GR_FOREVER, 0, GR_WHY_OBJECT); /* somebody is about to wake us */
    }
    return rc == -EAGAIN ? 0 : rc;
}

int gr_iwait_until(struct green_iwait *it, struct green_object **out, int64_t deadline)
{
    if (!it->left) {
        return 0;
    }
    while (!it->in_order && !fetch_arrived(it)) {
        int rc = deadline ? sleep_until(it, deadline) : -ETIMEDOUT;
        if (rc && !fetch_arrived(it)) {
            return rc;
        }
    }
    struct place *p = it->in_order;
    it->in_order = p->next;
    it->left--;
    *out = p->object;
    return 1;
}

int green_iwait_next(struct green_iwait *it, struct green_object **out, int64_t timeout)
{
    (void)gr_api_start();
    return gr_api_result(gr_iwait_until(it, out, gr_api_deadline_or_now(timeout)));
}

int green_wait(struct green_object *const objects[], size_t n, struct green_object *done[],
               size_t count, int64_t timeout)
{
    (void)gr_api_start();
    int64_t deadline = gr_api_deadline_or_now(timeout);
    struct green_iwait *it = green_iwait_new(objects, n);
    if (!it) {
        return -ENOMEM;
    }
    size_t want = count && count < n ? count : n;
    size_t got = 0;
    int rc = 1;
    while (got < want && rc > 0) {
        struct green_object *o = NULL;
        if ((rc = gr_iwait_until(it, &o, deadline)) > 0) {
            if (done) {
                done[got] = o;
            }
            got++;
        }
    }
    green_iwait_free(it);
    return rc < 0 && rc != -ETIMEDOUT ? gr_api_result(rc) : (int)got;
}
