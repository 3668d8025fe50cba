/* Pools of greenlets and maps in the hands of kernel threads. */
#include <green/event.h>
#include <green/green.h>
#include <green/pool.h>

#include "sync.h"

#include <stdlib.h>

#define ITEM(n) ((void *)(intptr_t)(n))

TestSuite(pool_foreign, .init = start, .timeout = 60);

static struct green_event *gate;
static struct green_pool *shared;

static void *at_gate(void *arg)
{
    int rc = green_event_wait(gate, GREEN_FOREVER);
    return rc ? ITEM(rc) : arg;
}

static void *twice(void *arg)
{
    return ITEM((intptr_t)arg * 2);
}

static intptr_t value_of(struct greenlet *g)
{
    void *value = NULL;
    int rc = green_get(g, &value, GREEN_FOREVER);
    green_unref(g);
    return rc ? rc : (intptr_t)value;
}

enum { N_TARGETS = 64 };

static struct greenlet *targets[N_TARGETS];
static atomic_int n_hits[N_TARGETS];
static atomic_int n_there; /* of those who strike at once */

/* Threads that sleep are not woken at the same moment. */
static void meet(int n)
{
    n_there++;
    while (n_there < n) {
    }
}

/* Counts what it is struck by, until the gate is opened. */
static void *count_hits(void *arg)
{
    while (green_event_wait(gate, GREEN_FOREVER)) {
        n_hits[(intptr_t)arg]++;
    }
    return arg;
}

static void *kill_one_by_one(void *arg)
{
    meet(2);
    for (int i = 0; i < N_TARGETS; i++) {
        cr_assert_eq(green_pool_killone(shared, targets[i], 0, 0), 0);
    }
    return arg;
}

static void *kill_the_pool(void *arg)
{
    meet(2);
    cr_assert_eq(green_pool_kill(shared, 0, 0), 0);
    return arg;
}

static void *kill_the_lot(void *arg)
{
    meet(2);
    cr_assert_eq(green_killall(targets, N_TARGETS, 0, 0), 0);
    return arg;
}

static void set_targets(void)
{
    gate = green_event_new();
    shared = green_group_new();
    n_there = 0;
    for (int i = 0; i < N_TARGETS; i++) {
        n_hits[i] = 0;
        cr_assert_eq(green_pool_spawn(shared, count_hits, ITEM(i), &targets[i], 0), 0);
    }
}

static void count_all_hits(int round)
{
    settle();
    green_event_set(gate);
    cr_assert_eq(green_pool_join(shared, 0, GREEN_FOREVER), 0);
    for (int i = 0; i < N_TARGETS; i++) {
        cr_assert_leq(n_hits[i], 1, "round %d: %d has been hit %d times", round, i, n_hits[i]);
        green_unref(targets[i]);
    }
    green_pool_free(shared);
    green_event_free(gate);
}

Test(pool_foreign, each_member_is_hit_once_whoever_strikes_at_once)
{
    for (int round = 0; round < 200; round++) {
        set_targets();
        settle();
        pthread_t a = foreign(kill_one_by_one, NULL);
        pthread_t b = foreign(kill_the_pool, NULL);
        join_foreign(a);
        join_foreign(b);
        count_all_hits(round);
    }
}

Test(pool_foreign, killall_strikes_once_who_begins_just_then)
{
    for (int round = 0; round < 200; round++) {
        set_targets();
        pthread_t t = foreign(kill_the_lot, NULL);
        meet(2);
        settle();
        join_foreign(t);
        count_all_hits(round);
    }
}

static int n_noted; /* in greens */

static void note(void *value, void *arg)
{
    n_noted += value == ITEM(2 * (intptr_t)arg);
}

static void *do_it_all(void *arg)
{
    struct green_pool *p = green_pool_new(2);
    for (intptr_t i = 1; i < 100; i++) {
        void *value = NULL;
        struct greenlet *g;
        cr_assert_eq(green_pool_spawn(p, twice, ITEM(i), NULL, GREEN_FOREVER), 0);
        cr_assert_eq(green_pool_apply(p, twice, ITEM(i), &value, GREEN_FOREVER), 0);
        cr_assert_eq(value, ITEM(2 * i));
        cr_assert_eq(green_pool_apply_async(p, twice, ITEM(i), note, ITEM(i), &g), 0);
        cr_assert_eq(value_of(g), 2 * i);
        cr_assert_eq(green_pool_apply_async(p, twice, ITEM(i), NULL, NULL, NULL), 0);
        void *items[] = {ITEM(i), ITEM(2), ITEM(3), ITEM(4)};
        struct green_values *values;
        cr_assert_eq(green_pool_map(p, twice, green_items(items, 4), &values, GREEN_FOREVER), 0);
        cr_assert(values->n == 4 && values->value[0] == ITEM(2 * i) && values->value[3] == ITEM(8));
        free(values);
        cr_assert_eq(green_pool_map_async(p, twice, green_items(items, 4), NULL, NULL, &g), 0);
        cr_assert_eq(green_get(g, &value, GREEN_FOREVER), 0);
        free(value);
        green_unref(g);
        intptr_t sum = 0;
        struct green_imap *it = green_pool_imap_unordered(p, twice, green_items(items, 4), 1);
        while (green_imap_next(it, &value, GREEN_FOREVER) > 0) {
            sum += (intptr_t)value;
        }
        cr_assert_eq(sum, 2 * (i + 9));
        green_imap_free(it);
        it = green_pool_imap(p, at_gate, green_items(items, 4), 0);
        cr_assert_eq(green_imap_next(it, &value, MS(1) / 100), -ETIMEDOUT);
        green_imap_free(it); /* first: it may begin a call where another is killed */
        cr_assert_eq(green_pool_kill(p, 0, GREEN_FOREVER), 0);
        cr_assert_eq(green_pool_join(p, 0, GREEN_FOREVER), 0);
    }
    green_pool_free(p);
    return arg;
}

Test(pool_foreign, kernel_threads_make_every_call)
{
    gate = green_event_new();
    pthread_t t = foreign(do_it_all, NULL);
    join_foreign(t);
    settle();
    cr_assert_eq(n_noted, 99);
    cr_assert_eq(gr_self->hub->n_greens, 1);
}
