/* Locals: a table of values for each thread, found by its own thread-local storage. */
#include <green/local.h>

#include "runtime/api/api.h"
#include "runtime/core/green.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct green_local {
    size_t index; /* of its values in all tables */
    void *(*init)(void *arg);
    void *arg;
    void (*destroy)(void *value);
    void *(*inherit)(void *value);
};

/* The values of a thread. Only it makes and changes them; others take them away. */
struct table {
    struct gr_list node; /* of @tables */
    size_t n;
    void *value[];
};

static GR_TLS struct table *mine;

/* The lot's lock of its address guards it and the array of locals. */
static struct gr_list tables = {&tables, &tables};
static struct green_local **locals; /* by index; NULL: none */
static size_t n_locals;

/* --- tables --- */

/* That of a green that is not the caller. */
static struct table **table_of(const struct green *g)
{
    ptrdiff_t offset = (char *)&mine - (char *)gr_tp_get();
    return (struct table **)((char *)g->ctx.tp + offset);
}

/* What was in place @i of @t, which is empty from now on, and what is to be done with it. */
static void *take(struct table *t, size_t i, void (**destroy)(void *value))
{
    void *value = NULL;
    if (i < t->n) {
        value = t->value[i];
        t->value[i] = NULL;
        *destroy = locals[i] ? locals[i]->destroy : NULL;
    }
    return value;
}

static bool destroy_values(struct table *t)
{
    bool any = false;
    for (size_t i = 0; i < t->n; i++) {
        void (*destroy)(void *) = NULL;
        if (!t->value[i]) {
            continue;
        }
        struct gr_bucket *b = gr_lot_lock(&tables);
        void *value = take(t, i, &destroy);
        gr_lot_unlock(b);
        if (value && destroy) {
            destroy(value);
            any = true;
        }
    }
    return any;
}

/* Destructors may set values again, and make the table another one: as often as those of keys. */
static void end_table(struct table **at)
{
    for (int round = 0; *at && round < PTHREAD_DESTRUCTOR_ITERATIONS && destroy_values(*at);
         round++) {
    }
    struct table *t = *at;
    if (t) {
        struct gr_bucket *b = gr_lot_lock(&tables);
        gr_list_remove(&t->node);
        *at = NULL;
        gr_lot_unlock(b);
        free(t);
    }
}

static void green_ends(struct green *g)
{
    end_table(g == gr_self ? &mine : table_of(g));
}

static void thread_ends(void *unused)
{
    (void)unused;
    end_table(&mine);
}

extern int __cxa_thread_atexit_impl(void (*fn)(void *), void *arg, void *dso);
extern void *__dso_handle __attribute__((visibility("hidden")));

/* Have the values of the caller destroyed at its end. */
static int expect_end(void)
{
    if (gr_self && !gr_self->is_main) {
        return 0; /* green_ends() */
    }
    return __cxa_thread_atexit_impl(thread_ends, NULL, &__dso_handle) ? -ENOMEM : 0;
}

static struct table *new_table(size_t n)
{
    struct table *t = calloc(1, sizeof(*t) + n * sizeof(t->value[0]));
    if (t) {
        t->n = n;
    }
    return t;
}

/* Room for place @i in the caller's table. */
static int grow(size_t i)
{
    struct table *old = mine;
    struct table *t = new_table((i + 8) / 8 * 8);
    if (!t || (!old && expect_end())) {
        free(t);
        return -ENOMEM;
    }
    struct gr_bucket *b = gr_lot_lock(&tables);
    if (old) {
        memcpy(t->value, old->value, old->n * sizeof(t->value[0]));
        gr_list_remove(&old->node);
    }
    gr_list_push_back(&tables, &t->node);
    mine = t;
    gr_lot_unlock(b);
    free(old);
    return 0;
}

/* --- locals --- */

/* A free place, in the locked array; -1: none. */
static long free_index(void)
{
    for (size_t i = 0; i < n_locals; i++) {
        if (!locals[i]) {
            return (long)i;
        }
    }
    return -1;
}

static int enlist(struct green_local *l)
{
    for (;;) {
        struct gr_bucket *b = gr_lot_lock(&tables);
        long i = free_index();
        size_t n = n_locals;
        if (i >= 0) {
            l->index = (size_t)i;
            locals[i] = l;
        }
        gr_lot_unlock(b);
        if (i >= 0) {
            return 0;
        }
        struct green_local **more = calloc(n + 32, sizeof(struct green_local *));
        if (!more) {
            return -ENOMEM;
        }
        b = gr_lot_lock(&tables);
        struct green_local **old = more;
        if (n == n_locals) {
            if (n) {
                memcpy(more, locals, n * sizeof(struct green_local *));
            }
            old = locals;
            locals = more;
            n_locals = n + 32;
        }
        gr_lot_unlock(b);
        free(old);
    }
}

struct green_local *green_local_new(void *(*init)(void *), void *arg, void (*destroy)(void *))
{
    struct green_local *l = malloc(sizeof(*l));
    if (l) {
        *l = (struct green_local){.init = init, .arg = arg, .destroy = destroy};
        gr_green_on_locals_end = green_ends;
        if (enlist(l)) {
            free(l);
            l = NULL;
        }
    }
    return l;
}

void green_local_free(struct green_local *l)
{
    if (!l) {
        return;
    }
    /* A table without room marks how far we have come: others may come and go meanwhile. */
    struct table mark = {.n = 0};
    struct gr_bucket *b = gr_lot_lock(&tables);
    gr_list_push_front(&tables, &mark.node);
    while (mark.node.next != &tables) {
        struct table *t = GR_LIST_ENTRY(mark.node.next, struct table, node);
        void (*destroy)(void *) = NULL;
        gr_list_remove(&mark.node);
        gr_list_push_front(&t->node, &mark.node);
        void *value = take(t, l->index, &destroy);
        if (value && destroy) {
            gr_lot_unlock(b);
            destroy(value);
            b = gr_lot_lock(&tables);
        }
    }
    gr_list_remove(&mark.node);
    locals[l->index] = NULL;
    gr_lot_unlock(b);
    free(l);
}

static GR_COLD void *make_value(struct green_local *l)
{
    void *value = l->init ? l->init(l->arg) : NULL;
    if (value && green_local_set(l, value)) {
        if (l->destroy) {
            l->destroy(value);
        }
        return NULL;
    }
    return value;
}

void *green_local_get(struct green_local *l)
{
    const struct table *t = mine;
    void *value = GR_LIKELY(t && l->index < t->n) ? t->value[l->index] : NULL;
    return GR_LIKELY(value) ? value : make_value(l);
}

int green_local_set(struct green_local *l, void *value)
{
    if (!mine || l->index >= mine->n) {
        if (!value) {
            return 0;
        }
        if (grow(l->index)) {
            return -ENOMEM;
        }
    }
    mine->value[l->index] = value;
    return 0;
}

/* --- inheritance --- */

static struct green_local *inheritable(size_t i)
{
    struct gr_bucket *b = gr_lot_lock(&tables);
    struct green_local *l = locals[i];
    gr_lot_unlock(b);
    return l && l->inherit ? l : NULL;
}

/* The caller has made @g, which has not begun. */
static void green_begins(struct green *g)
{
    const struct table *from = mine;
    struct table *to = NULL;
    for (size_t i = 0; from && i < from->n; i++) {
        const struct green_local *l = from->value[i] ? inheritable(i) : NULL;
        if (!l || (!to && !(to = new_table(from->n)))) {
            continue;
        }
        to->value[i] = l->inherit(from->value[i]);
    }
    if (to) {
        struct gr_bucket *b = gr_lot_lock(&tables);
        gr_list_push_back(&tables, &to->node);
        *table_of(g) = to;
        gr_lot_unlock(b);
    }
}

struct green_local *green_inheritable_local_new(void *(*inherit)(void *), void *(*init)(void *),
                                                void *arg, void (*destroy)(void *))
{
    struct green_local *l = green_local_new(init, arg, destroy);
    if (l) {
        l->inherit = inherit;
        gr_green_on_locals_new = green_begins;
    }
    return l;
}
