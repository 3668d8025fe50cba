/* Pools of kernel threads. */
#include <green/threadpool.h>

#include "runtime/api/api.h"
#include "runtime/api/error.h"
#include "runtime/api/event.h"
#include "runtime/api/map.h"
#include "runtime/api/signature.h"
#include "runtime/core/rest.h"

#include <green/lock.h>

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>

/* A call: queued, then running. */
struct task {
    struct gr_list node;
    void *(*fn)(void *arg);
    void *arg;
    /* Told of the end, once. @error is its own from then on. */
    void (*ended)(struct task *t, void *value, struct green_error *error);
    void *to; /* whom it tells */
};

/*
 * The lot's lock of @idle_object's address guards it. A thread that has nothing to do is on @idle,
 * by its waiter, until somebody takes it off.
 */
struct green_threadpool {
    struct green_object idle_object;  /* ready when nothing is in it */
    struct green_object empty_object; /* ready when it has no thread */
    struct green_semaphore *room;     /* for one call more than threads */
    size_t debt;                      /* room that is to be taken away as calls end */
    struct gr_list queued;
    struct gr_list running;
    size_t n; /* calls in both */
    int size; /* threads, and those being made */
    int max;
    int to_leave; /* threads that are to end when they have nothing to do */
    int64_t idle_timeout;
    struct gr_list idle;
    struct gr_list all; /* of @pools */
    atomic_uint refs;   /* the owner's, the threads' */
};

/* The pool whose thread this is. */
static GR_TLS struct green_threadpool *serving;

/* The lot's lock of its address guards it. */
static struct gr_list pools = {&pools, &pools};

static struct gr_bucket *lock(struct green_threadpool *p)
{
    return gr_lot_lock(&p->idle_object);
}

/* --- the pool --- */

static bool is_idle(const struct green_object *o)
{
    return GR_CONTAINER_OF(o, struct green_threadpool, idle_object)->n == 0;
}

static bool is_empty(const struct green_object *o)
{
    return __atomic_load_n(&GR_CONTAINER_OF(o, struct green_threadpool, empty_object)->size,
                           __ATOMIC_ACQUIRE) == 0;
}

static void tell(struct green_object *o)
{
    struct gr_bucket *b = gr_lot_lock(o);
    gr_api_wake_all(b, o);
    gr_object_notify(b, o);
}

static void unref(struct green_threadpool *p)
{
    if (atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) == 1) {
        struct gr_bucket *b = gr_lot_lock(&pools);
        gr_list_remove(&p->all);
        gr_lot_unlock(b);
        green_semaphore_free(p->room);
        free(p);
    }
}

static unsigned places(int max)
{
    return (unsigned)max + 1;
}

/* Ends what is on the list of a pool that has been forked. A thread may have been at it just then:
 * the way forward is always in order. */
static void lose(struct gr_list *head)
{
    struct gr_list *node = head->next;
    while (node != head) {
        struct task *t = GR_LIST_ENTRY(node, struct task, node);
        node = node->next;
        struct green_error *e = NULL;
        (void)gr_error_new(-ECANCELED, "its process was forked", NULL, &e);
        t->ended(t, NULL, e);
    }
    gr_list_init(head);
}

/* In a forked child, where its threads are not. */
static void start_anew(struct green_threadpool *p)
{
    lose(&p->queued);
    lose(&p->running);
    gr_list_init(&p->idle);
    atomic_fetch_sub(&p->refs, (unsigned)p->size);
    p->n = 0;
    p->size = 0;
    p->to_leave = 0;
    p->debt = 0;
    while (green_semaphore_count(p->room) < places(p->max)) {
        (void)green_semaphore_release(p->room);
    }
}

static void fork_child(void)
{
    serving = NULL;
    GR_LIST_EACH(&pools, node, tmp)
    {
        start_anew(GR_LIST_ENTRY(node, struct green_threadpool, all));
    }
}

static void watch_forks(void)
{
    (void)pthread_atfork(NULL, NULL, fork_child);
}

struct green_threadpool *green_threadpool_new(int max, int64_t idle_timeout)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (max < 0) {
        errno = EINVAL;
        return NULL;
    }
    (void)gr_api_start(); /* not only when one of its threads waits, which would become main */
    struct green_threadpool *p = calloc(1, sizeof(*p));
    if (!p || !(p->room = green_semaphore_new(places(max)))) {
        free(p);
        return NULL;
    }
    gr_object_init(&p->idle_object, is_idle, false);
    gr_object_init(&p->empty_object, is_empty, false);
    gr_list_init(&p->queued);
    gr_list_init(&p->running);
    gr_list_init(&p->idle);
    p->max = max;
    p->idle_timeout = idle_timeout;
    atomic_init(&p->refs, 1);
    (void)pthread_once(&once, watch_forks);
    struct gr_bucket *b = gr_lot_lock(&pools);
    gr_list_push_back(&pools, &p->all);
    gr_lot_unlock(b);
    return p;
}

size_t green_threadpool_count(const struct green_threadpool *p)
{
    return __atomic_load_n(&p->n, __ATOMIC_RELAXED);
}

int green_threadpool_size(const struct green_threadpool *p)
{
    return __atomic_load_n(&p->size, __ATOMIC_RELAXED);
}

int green_threadpool_max(const struct green_threadpool *p)
{
    return __atomic_load_n(&p->max, __ATOMIC_RELAXED);
}

/* --- calls come and go --- */

/* @t, which is on a list, has ended: whom it concerns is told, and its place is free. */
static void finish(struct green_threadpool *p, struct task *t, void *value,
                   struct green_error *error)
{
    struct gr_bucket *b = lock(p);
    gr_list_remove(&t->node);
    gr_lot_unlock(b);
    t->ended(t, value, error);
    b = lock(p);
    bool last = --p->n == 0;
    bool owed = p->debt > 0;
    p->debt -= owed;
    gr_lot_unlock(b);
    if (!owed) {
        (void)green_semaphore_release(p->room);
    }
    if (last) {
        tell(&p->idle_object);
    }
    gr_rest_release();
}

/* A thread less; the pool is locked, and is unlocked. */
static void leave(struct gr_bucket *b, struct green_threadpool *p)
{
    bool last = --p->size == 0;
    if (p->to_leave > p->size) {
        p->to_leave = p->size;
    }
    gr_lot_unlock(b);
    if (last) {
        tell(&p->empty_object);
    }
    unref(p);
}

static void *thread_main(void *arg);

/* @n threads more, which have been counted. Returns 0 or -ENOMEM. */
static int make_threads(struct green_threadpool *p, int n)
{
    int rc = 0;
    for (; n > 0; n--) {
        gr_hub_foreign();
        atomic_fetch_add(&p->refs, 1);
        /* The caller's reference stays. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
        if (gr_kernel_thread_start(thread_main, p, 0)) {
            leave(lock(p), p);
            rc = -ENOMEM;
        }
    }
    return rc;
}

/* Takes an idle thread off the locked pool and lets it look. */
static bool call_idle(struct green_threadpool *p)
{
    if (gr_list_empty(&p->idle)) {
        return false;
    }
    gr_wake(GR_LIST_ENTRY(gr_list_pop_front(&p->idle), struct gr_waiter, link));
    return true;
}

/* How many threads more does the locked pool need? They are counted. */
static int wanted(struct green_threadpool *p)
{
    size_t most = p->n < (size_t)p->max ? p->n : (size_t)p->max;
    int more = (int)most > p->size ? (int)most - p->size : 0;
    p->size += more;
    return more;
}

/* @t into the pool, in whose room it has a place. Returns 0, or -ENOMEM: there is no thread at all,
 * and @t is not in it. */
static int submit(struct green_threadpool *p, struct task *t)
{
    struct gr_bucket *b = lock(p);
    gr_list_push_back(&p->queued, &t->node);
    p->n++;
    gr_rest_hold();
    int more = call_idle(p) ? 0 : wanted(p);
    gr_lot_unlock(b);
    if (make_threads(p, more) == 0) {
        return 0;
    }
    b = lock(p);
    bool stuck = p->size == 0 && !gr_list_empty(&t->node);
    if (stuck) {
        gr_list_remove(&t->node);
        p->n--;
    }
    gr_lot_unlock(b);
    if (stuck) {
        gr_rest_release();
        (void)green_semaphore_release(p->room);
    }
    return stuck ? -ENOMEM : 0;
}

/* --- on a thread --- */

/* Is one thread less wanted? The pool is locked. */
static bool may_leave(struct green_threadpool *p)
{
    if (p->size > p->max) {
        p->to_leave -= p->to_leave > 0;
        return true;
    }
    if (p->to_leave > 0 && gr_list_empty(&p->queued)) {
        p->to_leave--;
        return true;
    }
    return false;
}

/* Waits for something to do; the pool is locked, and is unlocked. False: for too long. */
static bool idle(struct gr_bucket *b, struct green_threadpool *p)
{
    struct gr_waiter w;
    gr_waiter_init(&w, &p->idle);
    gr_list_push_front(&p->idle, &w.link); /* who was busy last is the first to be called */
    gr_lot_unlock(b);
    int rc = gr_park(&w, gr_api_deadline(p->idle_timeout), 0, GR_WHY_WORKER);
    if (rc) {
        b = lock(p);
        bool called = gr_list_empty(&w.link);
        gr_list_remove(&w.link);
        gr_lot_unlock(b);
        if (!called) {
            return false;
        }
        (void)gr_park(&w, GR_FOREVER, 0, GR_WHY_WORKER); /* the call is on its way */
    }
    return true;
}

/* The next call; NULL: the thread has left the pool. */
static struct task *next_task(struct green_threadpool *p)
{
    for (;;) {
        struct gr_bucket *b = lock(p);
        if (may_leave(p)) {
            leave(b, p);
            return NULL;
        }
        if (!gr_list_empty(&p->queued)) {
            struct gr_list *node = gr_list_pop_front(&p->queued);
            gr_list_push_back(&p->running, node);
            gr_lot_unlock(b);
            return GR_LIST_ENTRY(node, struct task, node);
        }
        if (!idle(b, p)) {
            b = lock(p);
            if (gr_list_empty(&p->queued)) {
                leave(b, p);
                return NULL;
            }
            gr_lot_unlock(b);
        }
    }
}

/* A call in progress. */
struct performance {
    struct green_threadpool *pool;
    struct task *task; /* NULL: it has ended */
};

/* The call has ended its thread: pthread_exit(). Another thread takes the place. */
static void thread_lost(struct performance *f)
{
    if (!f->task) {
        return;
    }
    struct green_threadpool *p = f->pool;
    struct green_error *e = NULL;
    (void)gr_error_new(-ECANCELED, "it ended its thread", NULL, &e);
    finish(p, f->task, NULL, e);
    struct gr_bucket *b = lock(p);
    if (gr_list_empty(&p->queued)) {
        leave(b, p);
        return;
    }
    gr_lot_unlock(b);
    (void)make_threads(p, 1);
    unref(p);
}

static void perform(struct green_threadpool *p, struct task *t)
{
    struct performance f __attribute__((cleanup(thread_lost))) = {p, t};
    void *value = NULL;
    struct green_error *error = NULL;
    (void)green_try(t->fn, t->arg, &value, &error);
    f.task = NULL;
    finish(p, t, value, error);
}

static void *thread_main(void *arg)
{
    struct green_threadpool *p = arg;
    serving = p;
    struct task *t;
    while ((t = next_task(p))) {
        perform(p, t);
    }
    return NULL;
}

/* --- spawn, apply --- */

static void into_result(struct task *t, void *value, struct green_error *error)
{
    gr_result_store(t->to, value, error);
    green_result_free(t->to);
    free(t);
}

static void free_result(struct green_result **r)
{
    green_result_free(*r);
}

#define FREED_RESULT(r) struct green_result *r __attribute__((cleanup(free_result))) = NULL

/* As green_threadpool_spawn(). @c is freed with the result; it may be NULL. */
static int spawn(struct green_threadpool *p, void *(*fn)(void *), void *arg, struct gr_call *c,
                 struct green_result **out, int64_t timeout)
{
    if (!fn) {
        return -EINVAL;
    }
    FREED_RESULT(r);
    r = green_result_new();
    if (!r) {
        gr_call_free(c);
        return -ENOMEM;
    }
    gr_result_keep_call(r, c);
    int rc = green_semaphore_acquire(p->room, timeout);
    if (rc) {
        return rc;
    }
    struct task *t = malloc(sizeof(*t));
    if (!t) {
        (void)green_semaphore_release(p->room);
        return -ENOMEM;
    }
    *t = (struct task){.fn = fn, .arg = arg, .ended = into_result, .to = gr_result_ref(r)};
    rc = submit(p, t);
    if (rc) {
        green_result_free(t->to);
        free(t);
    } else if (out) {
        *out = gr_result_ref(r);
    }
    return rc;
}

int green_threadpool_spawn(struct green_threadpool *p, void *(*fn)(void *), void *arg,
                           struct green_result **out, int64_t timeout)
{
    return spawn(p, fn, arg, NULL, out, timeout);
}

int(green_threadpool_call)(struct green_threadpool *p, struct green_result **out,
                           green_function *fn, const char *signature, ...)
{
    struct gr_call *c;
    va_list ap;
    va_start(ap, signature);
    int rc = gr_call_new(fn, signature, ap, &c);
    va_end(ap);
    return rc ? rc : spawn(p, gr_call_run, c, c, out, GREEN_FOREVER);
}

int green_threadpool_call_get(struct green_result *r, void *out, size_t size, int64_t timeout)
{
    const struct gr_call *c = gr_result_call(r);
    if (!c) {
        return -EINVAL;
    }
    int rc = green_result_get(r, NULL, timeout);
    return rc || !out ? rc : gr_call_copy_result(c, out, size);
}

/* As green_threadpool_apply(); the result, if there is one, into *@r, to be freed. */
static int apply(struct green_threadpool *p, void *(*fn)(void *), void *arg, void **value_out,
                 int64_t timeout, struct green_result **r)
{
    int64_t deadline = gr_api_deadline(timeout);
    int rc = green_threadpool_spawn(p, fn, arg, r, timeout);
    if (rc) {
        return rc;
    }
    int64_t left = timeout == GREEN_FOREVER ? GREEN_FOREVER : deadline - gr_now();
    return green_result_get(*r, value_out, left);
}

int green_threadpool_apply(struct green_threadpool *p, void *(*fn)(void *), void *arg,
                           void **value_out, int64_t timeout)
{
    if (fn && serving == p) {
        return green_try(fn, arg, value_out, NULL);
    }
    FREED_RESULT(r);
    return apply(p, fn, arg, value_out, timeout, &r);
}

struct apply_async {
    struct gr_async async; /* the first */
    struct green_threadpool *pool;
    void *(*fn)(void *);
    void *arg;
};

static void *run_apply(void *arg)
{
    struct apply_async *a = arg;
    void *value = NULL;
    FREED_RESULT(r);
    int rc = apply(a->pool, a->fn, a->arg, &value, GREEN_FOREVER, &r);
    const struct green_error *e = r ? green_result_error(r) : NULL;
    if (e) {
        green_fail(e->code, e->message, e->payload);
    }
    if (rc && rc != -ECANCELED) {
        green_fail(rc, "it did not get into the pool", NULL);
    }
    return value;
}

int green_threadpool_apply_async(struct green_threadpool *p, void *(*fn)(void *), void *arg,
                                 green_callback_fn *callback, void *callback_arg,
                                 struct greenlet **out)
{
    struct apply_async *a = fn ? malloc(sizeof(*a)) : NULL;
    if (!a) {
        return fn ? -ENOMEM : -EINVAL;
    }
    *a = (struct apply_async){.pool = p, .fn = fn, .arg = arg};
    a->async = (struct gr_async){
        .run = run_apply, .release = free, .callback = callback, .callback_arg = callback_arg};
    return gr_async_start(&a->async, out);
}

/* --- maps --- */

static void into_map(struct task *t, void *value, struct green_error *error)
{
    struct gr_map_call *c = t->to;
    c->value = value;
    c->error = error;
    c->made = error;
    free(t);
    gr_map_call_ended(c);
}

static int begin_call(void *pool, struct gr_map_call *c)
{
    struct green_threadpool *p = pool;
    struct task *t = malloc(sizeof(*t));
    int rc = t ? green_semaphore_acquire(p->room, GREEN_FOREVER) : -ENOMEM;
    if (rc == 0) {
        *t = (struct task){.fn = c->fn, .arg = c->item, .ended = into_map, .to = c};
        rc = submit(p, t);
    }
    if (rc) {
        free(t);
    }
    return rc;
}

static void release_call(struct gr_map_call *c)
{
    gr_error_free(c->made);
}

static const struct gr_map_ops by_threads = {begin_call, release_call};

int green_threadpool_map(struct green_threadpool *p, void *(*fn)(void *), struct green_input in,
                         struct green_values **out, int64_t timeout)
{
    return gr_map(&by_threads, p, fn, in, out, timeout);
}

int green_threadpool_map_async(struct green_threadpool *p, void *(*fn)(void *),
                               struct green_input in, green_callback_fn *callback,
                               void *callback_arg, struct greenlet **out)
{
    return gr_map_async(&by_threads, p, fn, in, callback, callback_arg, out);
}

struct green_imap *green_threadpool_imap(struct green_threadpool *p, void *(*fn)(void *),
                                         struct green_input in, size_t max)
{
    return gr_imap_new(&by_threads, p, fn, in, max, true);
}

struct green_imap *green_threadpool_imap_unordered(struct green_threadpool *p, void *(*fn)(void *),
                                                   struct green_input in, size_t max)
{
    return gr_imap_new(&by_threads, p, fn, in, max, false);
}

/* --- size --- */

int green_threadpool_set_max(struct green_threadpool *p, int max)
{
    if (max < 0) {
        return -EINVAL;
    }
    struct gr_bucket *b = lock(p);
    long more = (long)max - p->max;
    p->max = max;
    for (; more > 0 && p->debt > 0; more--) {
        p->debt--;
    }
    for (; more < 0; more++) {
        p->debt++; /* paid below, or by calls as they end */
    }
    while (p->size > p->max && call_idle(p)) {
    }
    int threads = wanted(p);
    gr_lot_unlock(b);
    for (; more > 0; more--) {
        (void)green_semaphore_release(p->room);
    }
    while (p->debt > 0 && green_semaphore_acquire(p->room, 0) == 0) {
        b = lock(p);
        bool owed = p->debt > 0;
        p->debt -= owed;
        gr_lot_unlock(b);
        if (!owed) {
            (void)green_semaphore_release(p->room);
        }
    }
    (void)make_threads(p, threads);
    return 0;
}

/* Let @n threads of the locked pool end when they have nothing to do. */
static void dismiss(struct green_threadpool *p, int n)
{
    p->to_leave = n;
    for (int i = 0; i < n && call_idle(p); i++) {
    }
}

int green_threadpool_set_size(struct green_threadpool *p, int size)
{
    struct gr_bucket *b = lock(p);
    if (size < 0 || size > p->max) {
        gr_lot_unlock(b);
        return -EINVAL;
    }
    int more = size - p->size;
    if (more > 0) {
        p->size = size;
    }
    dismiss(p, more < 0 ? -more : 0);
    gr_lot_unlock(b);
    return make_threads(p, more);
}

int green_threadpool_join(struct green_threadpool *p, int64_t timeout)
{
    return gr_object_wait(&p->idle_object, timeout);
}

int green_threadpool_kill(struct green_threadpool *p, int64_t timeout)
{
    (void)green_threadpool_set_size(p, 0);
    return gr_object_wait(&p->empty_object, timeout);
}

void green_threadpool_free(struct green_threadpool *p)
{
    if (p) {
        struct gr_bucket *b = lock(p);
        dismiss(p, p->size);
        gr_lot_unlock(b);
        unref(p);
    }
}
