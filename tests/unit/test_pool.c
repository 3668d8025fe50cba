/* Pools, groups and maps: room, members, kills, results and their order, errors. */
#include <green/event.h>
#include <green/green.h>
#include <green/pool.h>
#include <green/timeout.h>

#include "sync.h"

#include <stdlib.h>

#define ITEM(n) ((void *)(intptr_t)(n))

TestSuite(pool, .init = start, .timeout = 60);
TestSuite(map, .init = start, .timeout = 60);

static struct green_event *gate;
static atomic_int running;
static int most;
static int calls;
static void *seen[2000];
static int n_seen;

static void quiet(struct greenlet *g, const struct green_error *e)
{
    (void)g;
    (void)e;
}

static void setup(void)
{
    green_set_error_handler(quiet);
    gate = green_event_new();
}

/* Waits at the gate; returns its argument, or what ended the wait. */
static void *at_gate(void *arg)
{
    calls++;
    if (++running > most) {
        most = running;
    }
    int rc = green_event_wait(gate, GREEN_FOREVER);
    running--;
    return rc ? ITEM(rc) : arg;
}

static void *stubborn(void *arg)
{
    calls++;
    if (green_event_wait(gate, GREEN_FOREVER)) {
        seen[n_seen++] = arg;
        green_event_wait(gate, GREEN_FOREVER);
    }
    return arg;
}

static void *twice(void *arg)
{
    calls++;
    return ITEM((intptr_t)arg * 2);
}

static void *yields(void *arg)
{
    if (++running > most) {
        most = running;
    }
    green_sleep(0);
    running--;
    return ITEM((intptr_t)arg * 2);
}

static void *fails(void *arg)
{
    green_fail(-EPROTO, "no good", arg);
}

static void *fails_if_odd(void *arg)
{
    calls++;
    if ((intptr_t)arg % 2) {
        fails(arg);
    }
    return arg;
}

static struct greenlet *go(void *(*fn)(void *), void *arg)
{
    struct greenlet *g;
    cr_assert_eq(green_spawn(fn, arg, &g), 0);
    return g;
}

static struct greenlet *join_in(struct green_pool *p, void *(*fn)(void *), void *arg)
{
    struct greenlet *g;
    cr_assert_eq(green_pool_spawn(p, fn, arg, &g, 0), 0);
    return g;
}

static intptr_t value_of(struct greenlet *g)
{
    void *value = NULL;
    int rc = green_get(g, &value, GREEN_FOREVER);
    green_unref(g);
    return rc ? rc : (intptr_t)value;
}

/* --- room --- */

Test(pool, size_of_none_zero_and_less)
{
    setup();
    errno = 0;
    cr_assert_null(green_pool_new(-1));
    cr_assert_eq(errno, EINVAL);

    struct green_pool *none = green_pool_new(0);
    cr_assert(green_pool_full(none));
    cr_assert_eq(green_pool_free_count(none), 0);
    cr_assert_eq(green_pool_spawn(none, twice, NULL, NULL, 0), -EAGAIN);
    cr_assert_eq(green_pool_spawn(none, twice, NULL, NULL, MS(5)), -ETIMEDOUT);
    cr_assert_eq(green_pool_wait_available(none, MS(5)), -ETIMEDOUT);
    cr_assert_eq(green_pool_join(none, 0, 0), 0, "nobody is in it");
    green_pool_free(none);

    struct green_pool *any = green_group_new();
    for (int i = 0; i < 1000; i++) {
        cr_assert_eq(green_pool_spawn(any, twice, NULL, NULL, 0), 0);
    }
    cr_assert(!green_pool_full(any));
    cr_assert_eq(green_pool_free_count(any), GREEN_UNLIMITED);
    cr_assert_eq(green_pool_wait_available(any, 0), GREEN_UNLIMITED);
    cr_assert_eq(green_pool_count(any), 1000);
    cr_assert_eq(green_pool_join(any, 0, GREEN_FOREVER), 0);
    cr_assert_eq(green_pool_count(any), 0);
    cr_assert_eq(calls, 1000);
    green_pool_free(any);
    green_pool_free(NULL);
}

Test(pool, never_has_more_members_than_it_may)
{
    setup();
    struct green_pool *p = green_pool_new(3);
    for (int i = 0; i < 50; i++) {
        cr_assert_eq(green_pool_spawn(p, yields, ITEM(i), NULL, GREEN_FOREVER), 0);
        cr_assert_leq(green_pool_count(p), 3);
        cr_assert_eq(green_pool_free_count(p), 3 - (int)green_pool_count(p));
    }
    cr_assert_eq(green_pool_join(p, 0, GREEN_FOREVER), 0);
    cr_assert_eq(most, 3);
    cr_assert_eq(green_pool_free_count(p), 3);
    green_pool_free(p);
}

Test(pool, full_and_available_again)
{
    setup();
    struct green_pool *p = green_pool_new(2);
    struct greenlet *a = join_in(p, at_gate, ITEM(1));
    cr_assert_eq(green_pool_free_count(p), 1);
    cr_assert_eq(green_pool_wait_available(p, 0), 1);
    struct greenlet *b = join_in(p, at_gate, ITEM(2));
    cr_assert(green_pool_full(p));
    cr_assert_eq(green_pool_spawn(p, twice, NULL, NULL, 0), -EAGAIN);
    cr_assert_eq(green_pool_spawn(p, twice, NULL, NULL, MS(5)), -ETIMEDOUT);
    cr_assert_eq(green_pool_wait_available(p, 0), -ETIMEDOUT);
    settle();
    green_event_set(gate);
    cr_assert_gt(green_pool_wait_available(p, GREEN_FOREVER), 0);
    cr_assert_eq(value_of(a), 1);
    cr_assert_eq(value_of(b), 2);
    cr_assert_eq(calls, 2);
    green_pool_free(p);
}

static struct green_pool *shared;

static void *spawn_into(void *arg)
{
    struct greenlet *g = NULL;
    int rc = green_pool_spawn(shared, at_gate, arg, &g, GREEN_FOREVER);
    seen[n_seen++] = rc ? ITEM(rc) : arg;
    green_unref(g);
    return ITEM(rc);
}

Test(pool, who_waits_longest_gets_the_next_place)
{
    setup();
    shared = green_pool_new(1);
    struct greenlet *first = join_in(shared, at_gate, NULL);
    struct greenlet *g[4];
    for (intptr_t i = 0; i < 4; i++) {
        g[i] = go(spawn_into, ITEM(i + 1));
        settle();
    }
    cr_assert_eq(n_seen, 0);
    cr_assert_eq(green_kill(g[1], 0, GREEN_FOREVER), 0);
    cr_assert_eq(seen[0], ITEM(-ECANCELED), "killed while it waited");
    green_event_set(gate);
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(green_join(g[i], GREEN_FOREVER), 0);
        green_unref(g[i]);
    }
    cr_assert(seen[1] == ITEM(1) && seen[2] == ITEM(3) && seen[3] == ITEM(4));
    cr_assert_eq(green_pool_join(shared, 0, GREEN_FOREVER), 0);
    cr_assert_eq(green_pool_free_count(shared), 1, "no place is lost");
    cr_assert_eq(value_of(first), 0);
    green_pool_free(shared);
}

Test(pool, killed_while_spawn_waits)
{
    setup();
    shared = green_pool_new(2);
    green_unref(join_in(shared, at_gate, NULL));
    green_unref(join_in(shared, at_gate, NULL));
    settle();
    struct greenlet *spawner = go(spawn_into, ITEM(7));
    settle();
    cr_assert_eq(green_pool_kill(shared, 0, GREEN_FOREVER), 0);
    cr_assert_eq(green_join(spawner, GREEN_FOREVER), 0);
    cr_assert(n_seen == 1 && seen[0] == ITEM(7), "it got one of the places");
    cr_assert_eq(green_pool_join(shared, 0, 0), 0);
    cr_assert_eq(calls, 2, "for a member that was killed at once");
    cr_assert_eq(green_pool_free_count(shared), 2);
    green_unref(spawner);
    green_pool_free(shared);
}

/* --- members --- */

Test(pool, add_and_discard)
{
    setup();
    struct green_pool *p = green_pool_new(1);
    struct greenlet *a = go(at_gate, ITEM(1));
    struct greenlet *b = go(at_gate, ITEM(2));
    struct greenlet *ended = go(twice, NULL);
    cr_assert_eq(green_join(ended, GREEN_FOREVER), 0);
    cr_assert_eq(green_pool_add(p, ended, 0), 0);
    cr_assert_eq(green_pool_count(p), 0, "nothing happens");
    cr_assert_eq(green_pool_add(p, a, 0), 0);
    cr_assert_eq(green_pool_add(p, a, 0), 0, "a second time");
    cr_assert(green_pool_contains(p, a) && !green_pool_contains(p, b));
    cr_assert_eq(green_pool_add(p, b, 0), -EAGAIN);
    cr_assert_eq(green_pool_add(p, b, MS(5)), -ETIMEDOUT);
    cr_assert_eq(green_pool_add(p, ended, 0), 0, "also if it is full");
    cr_assert_eq(green_pool_discard(p, b), 0);
    cr_assert_eq(green_pool_discard(p, a), 1);
    cr_assert_eq(green_pool_discard(p, a), 0);
    cr_assert_eq(green_pool_join(p, 0, 0), 0);
    cr_assert(!green_ended(a), "it goes on");
    cr_assert_eq(green_pool_add(p, b, 0), 0, "the place is free again");

    struct greenlet *out[4];
    cr_assert_eq(green_pool_members(p, out, 4), 1);
    cr_assert_eq(out[0], b);
    green_unref(out[0]);
    cr_assert_eq(green_pool_members(p, out, 0), 0);
    green_event_set(gate);
    cr_assert_eq(value_of(a), 1);
    cr_assert_eq(value_of(b), 2);
    cr_assert_eq(green_pool_free_count(p), 1);
    green_unref(ended);
    green_pool_free(p);
}

Test(pool, one_greenlet_in_two)
{
    setup();
    struct green_pool *p = green_pool_new(1);
    struct green_pool *q = green_group_new();
    struct greenlet *g = join_in(p, at_gate, ITEM(1));
    cr_assert_eq(green_pool_add(q, g, 0), 0);
    cr_assert(green_pool_contains(p, g) && green_pool_contains(q, g));
    cr_assert_eq(green_pool_discard(p, g), 1);
    cr_assert(!green_pool_contains(p, g) && green_pool_contains(q, g));
    green_event_set(gate);
    cr_assert_eq(green_pool_join(q, 0, GREEN_FOREVER), 0);
    cr_assert_eq(value_of(g), 1);
    green_pool_free(p);
    green_pool_free(q);
}

Test(pool, freed_with_members_that_go_on)
{
    setup();
    struct green_pool *p = green_pool_new(5);
    struct greenlet *a = join_in(p, at_gate, ITEM(1));
    struct greenlet *b = join_in(p, at_gate, ITEM(2));
    settle();
    green_pool_free(p);
    green_event_set(gate);
    cr_assert_eq(value_of(a), 1);
    cr_assert_eq(value_of(b), 2);
}

Test(pool, is_an_object_that_is_ready_when_empty)
{
    setup();
    struct green_pool *p = green_group_new();
    struct green_object *o = green_pool_object(p);
    cr_assert(green_ready(o));
    green_unref(join_in(p, at_gate, NULL));
    cr_assert(!green_ready(o));
    cr_assert_eq(green_wait(&o, 1, NULL, 0, MS(5)), 0);
    green_event_set(gate);
    cr_assert_eq(green_wait(&o, 1, NULL, 0, GREEN_FOREVER), 1);
    green_pool_free(p);
}

/* --- join --- */

static void *join_it(void *arg)
{
    return ITEM(green_pool_join(shared, 0, (intptr_t)arg));
}

Test(pool, join)
{
    setup();
    shared = green_pool_new(4);
    cr_assert_eq(green_pool_join(shared, 1, GREEN_FOREVER), 0, "nobody is in it");
    green_unref(join_in(shared, at_gate, NULL));
    cr_assert_eq(green_pool_join(shared, 0, 0), -ETIMEDOUT);
    cr_assert_eq(green_pool_join(shared, 0, MS(5)), -ETIMEDOUT);
    cr_assert_eq(value_of(join_in(shared, join_it, ITEM(GREEN_FOREVER))), -EDEADLK);
    struct greenlet *other = go(join_it, ITEM(GREEN_FOREVER));
    settle();
    cr_assert_eq(green_kill(other, -EIO, GREEN_FOREVER), 0);
    cr_assert_eq(value_of(other), -EIO);
    other = go(join_it, ITEM(GREEN_FOREVER));
    green_event_set(gate);
    cr_assert_eq(green_pool_join(shared, 0, GREEN_FOREVER), 0);
    cr_assert_eq(value_of(other), 0);
    green_pool_free(shared);
}

Test(pool, join_that_raises)
{
    setup();
    struct green_pool *p = green_group_new();
    green_unref(join_in(p, fails, NULL));
    cr_assert_eq(green_pool_join(p, 0, GREEN_FOREVER), 0);
    cr_assert_eq(green_pool_join(p, 1, GREEN_FOREVER), 0, "who ended before does not count");
    green_unref(join_in(p, at_gate, NULL));
    green_unref(join_in(p, fails, NULL));
    cr_assert_eq(green_pool_join(p, 1, MS(5)), -EPROTO, "also if not all have ended");
    green_unref(join_in(p, fails, NULL));
    green_event_set(gate);
    cr_assert_eq(green_pool_join(p, 1, GREEN_FOREVER), -EPROTO);
    cr_assert_eq(green_pool_count(p), 0);
    green_pool_free(p);
}

static void *join_thread(void *arg)
{
    (void)arg;
    return ITEM(green_pool_join(shared, 0, GREEN_FOREVER));
}

Test(pool, a_kernel_thread_joins)
{
    setup();
    shared = green_group_new();
    green_unref(join_in(shared, at_gate, NULL));
    pthread_t t = foreign(join_thread, NULL);
    cr_assert_eq(green_sleep(MS(10)), 0);
    green_event_set(gate);
    void *value = ITEM(1);
    while (pthread_tryjoin_np(t, &value)) {
        cr_assert_eq(green_sleep(MS(1)), 0);
    }
    cr_assert_eq(value, NULL);
    green_pool_free(shared);
}

/* --- kill --- */

Test(pool, kill)
{
    setup();
    struct green_pool *p = green_pool_new(10);
    cr_assert_eq(green_pool_kill(p, 0, GREEN_FOREVER), 0, "nobody is in it");
    cr_assert_eq(green_pool_kill(p, 5, GREEN_FOREVER), -EINVAL);
    struct greenlet *waits = join_in(p, at_gate, ITEM(1));
    settle();
    struct greenlet *unborn = join_in(p, at_gate, ITEM(2));
    cr_assert_eq(green_pool_kill(p, -EIO, GREEN_FOREVER), 0);
    cr_assert_eq(green_pool_count(p), 0);
    cr_assert_eq(value_of(waits), -EIO);
    cr_assert_eq(value_of(unborn), 0);
    cr_assert_eq(calls, 1, "the other one never ran");
    cr_assert_eq(green_pool_free_count(p), 10);

    green_unref(join_in(p, at_gate, NULL));
    settle();
    cr_assert_eq(green_pool_kill(p, 0, 0), 0);
    cr_assert_eq(green_pool_count(p), 1, "not waited for");
    cr_assert_eq(green_pool_join(p, 0, GREEN_FOREVER), 0);
    green_pool_free(p);
}

Test(pool, each_member_is_hit_once)
{
    setup();
    struct green_pool *p = green_group_new();
    struct greenlet *g = join_in(p, stubborn, ITEM(1));
    settle();
    cr_assert_eq(green_pool_kill(p, 0, MS(5)), -ETIMEDOUT);
    cr_assert_eq(n_seen, 1);
    cr_assert_eq(green_pool_kill(p, 0, MS(5)), -ETIMEDOUT);
    cr_assert_eq(green_pool_killone(p, g, 0, MS(5)), -ETIMEDOUT);
    cr_assert_eq(green_pool_killone(p, g, 0, 0), 0);
    settle();
    cr_assert(!green_ended(g) && n_seen == 1);
    struct greenlet *later = join_in(p, at_gate, ITEM(2));
    settle();
    cr_assert_eq(green_pool_kill(p, 0, MS(5)), -ETIMEDOUT);
    cr_assert_eq(value_of(later), -ECANCELED);
    green_event_set(gate);
    cr_assert_eq(value_of(g), 1);
    green_pool_free(p);
}

static void *respawns(void *arg)
{
    green_event_wait(gate, GREEN_FOREVER);
    for (int i = 0; i < 3; i++) {
        seen[n_seen++] = ITEM(green_pool_spawn(shared, at_gate, NULL, NULL, 0));
        green_sleep(MS(1));
    }
    return arg;
}

Test(pool, kill_reaches_those_spawned_meanwhile)
{
    setup();
    shared = green_group_new();
    green_unref(join_in(shared, respawns, NULL));
    settle();
    cr_assert_eq(green_pool_kill(shared, 0, GREEN_FOREVER), 0);
    cr_assert_eq(n_seen, 3);
    cr_assert_eq(calls, 0, "they never ran");
    cr_assert_eq(value_of(join_in(shared, twice, ITEM(2))), 4, "it can be used again");
    green_pool_free(shared);
}

static void *kill_all(void *arg)
{
    int rc = green_pool_kill(shared, -EIO, GREEN_FOREVER);
    seen[n_seen++] = ITEM(rc);
    return arg;
}

Test(pool, kill_by_a_member)
{
    setup();
    shared = green_group_new();
    struct greenlet *other = join_in(shared, at_gate, NULL);
    settle();
    struct greenlet *g = join_in(shared, kill_all, ITEM(3));
    cr_assert_eq(value_of(g), 3);
    cr_assert_eq(seen[0], ITEM(-EIO));
    cr_assert_eq(value_of(other), -EIO);
    green_pool_free(shared);
}

static void *kill_slowly(void *arg)
{
    return ITEM(green_pool_kill(shared, 0, (intptr_t)arg));
}

Test(pool, kill_that_is_interrupted)
{
    setup();
    shared = green_group_new();
    struct greenlet *g = join_in(shared, stubborn, NULL);
    settle();
    struct greenlet *killer = go(kill_slowly, ITEM(GREEN_FOREVER));
    settle();
    cr_assert_eq(green_kill(killer, -EIO, GREEN_FOREVER), 0);
    cr_assert_eq(value_of(killer), -EIO);
    cr_assert_eq(value_of(join_in(shared, twice, ITEM(1))), 2, "nobody kills any more");
    green_event_set(gate);
    green_unref(g);
    cr_assert_eq(green_pool_join(shared, 0, GREEN_FOREVER), 0);
    green_pool_free(shared);
}

Test(pool, killone)
{
    setup();
    struct green_pool *p = green_group_new();
    struct greenlet *a = join_in(p, at_gate, ITEM(1));
    struct greenlet *b = join_in(p, at_gate, ITEM(2));
    struct greenlet *stranger = go(at_gate, ITEM(3));
    settle();
    cr_assert_eq(green_pool_killone(p, stranger, 0, GREEN_FOREVER), 0);
    cr_assert_eq(green_pool_killone(p, a, 1, GREEN_FOREVER), -EINVAL);
    cr_assert_eq(green_pool_killone(p, a, -EIO, GREEN_FOREVER), 0);
    cr_assert(green_ended(a) && !green_ended(b) && !green_ended(stranger));
    cr_assert_eq(value_of(a), -EIO);
    green_event_set(gate);
    cr_assert_eq(value_of(b), 2);
    cr_assert_eq(value_of(stranger), 3);
    green_pool_free(p);
}

/* --- apply --- */

static void *apply_inside(void *arg)
{
    void *value = NULL;
    int rc = green_pool_apply(shared, twice, arg, &value, GREEN_FOREVER);
    cr_assert_eq(green_pool_apply(shared, fails, arg, NULL, GREEN_FOREVER), -EPROTO);
    return rc ? ITEM(rc) : value;
}

Test(pool, apply)
{
    setup();
    shared = green_pool_new(1);
    void *value = NULL;
    cr_assert_eq(green_pool_apply(shared, twice, ITEM(4), &value, GREEN_FOREVER), 0);
    cr_assert_eq(value, ITEM(8));
    cr_assert_eq(green_pool_apply(shared, fails, NULL, &value, GREEN_FOREVER), -EPROTO);
    cr_assert_eq(value, ITEM(8));
    cr_assert_eq(green_pool_apply(shared, apply_inside, ITEM(5), &value, GREEN_S(10)), 0);
    cr_assert_eq(value, ITEM(10), "a member calls it itself");
    cr_assert_eq(green_pool_apply(shared, at_gate, ITEM(1), &value, MS(5)), -ETIMEDOUT);
    cr_assert_eq(green_pool_count(shared), 1, "the call goes on");
    cr_assert_eq(green_pool_apply(shared, twice, NULL, NULL, MS(5)), -ETIMEDOUT, "no room");
    cr_assert_eq(green_pool_apply(shared, twice, NULL, NULL, 0), -EAGAIN);
    green_event_set(gate);
    cr_assert_eq(green_pool_join(shared, 0, GREEN_FOREVER), 0);
    green_pool_free(shared);
}

static void note(void *value, void *arg)
{
    green_sleep(0);
    seen[n_seen++] = ITEM((intptr_t)value * 100 + (intptr_t)arg);
}

Test(pool, apply_async)
{
    setup();
    struct green_pool *p = green_pool_new(1);
    struct greenlet *first;
    struct greenlet *second;
    struct greenlet *third;
    cr_assert_eq(green_pool_apply_async(p, at_gate, ITEM(1), note, ITEM(7), &first), 0);
    cr_assert(green_pool_contains(p, first), "a member from the start");
    cr_assert_eq(green_pool_apply_async(p, at_gate, ITEM(2), note, ITEM(8), &second), 0);
    cr_assert_eq(green_pool_apply_async(p, at_gate, ITEM(3), note, ITEM(9), &third), 0);
    cr_assert_eq(green_pool_apply_async(p, at_gate, ITEM(4), NULL, NULL, NULL), 0);
    settle();
    cr_assert(!green_pool_contains(p, second), "it waits for room");
    cr_assert_eq(calls, 1);
    cr_assert_eq(green_kill(third, 0, GREEN_FOREVER), 0);
    cr_assert(green_successful(third) && calls == 1);
    green_event_set(gate);
    cr_assert_eq(value_of(second), 2);
    cr_assert_eq(value_of(first), 1);
    green_unref(third);
    settle();
    cr_assert_eq(n_seen, 3);
    cr_assert(seen[0] == ITEM(9) && seen[1] == ITEM(107) && seen[2] == ITEM(208));
    cr_assert_eq(green_pool_join(p, 0, GREEN_FOREVER), 0);
    cr_assert_eq(calls, 3);
    cr_assert_eq(green_pool_free_count(p), 1);

    cr_assert_eq(green_pool_apply_async(p, fails, NULL, note, NULL, &first), 0);
    cr_assert_eq(value_of(first), -EPROTO);
    settle();
    cr_assert_eq(n_seen, 3, "not after an error");
    cr_assert_eq(green_pool_apply_async(p, twice, NULL, NULL, NULL, &first), 0);
    cr_assert_eq(green_pool_kill(p, 0, GREEN_FOREVER), 0);
    cr_assert_eq(value_of(first), 0);
    cr_assert_eq(calls, 3, "it never ran");
    green_pool_free(p);
}

Test(pool, kill_reaches_calls_that_come_in_meanwhile)
{
    setup();
    struct green_pool *p = green_pool_new(2);
    for (int i = 0; i < 7; i++) {
        cr_assert_eq(green_pool_apply_async(p, at_gate, ITEM(i), NULL, NULL, NULL), 0);
    }
    settle();
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(green_pool_kill(p, 0, GREEN_FOREVER), 0);
        settle();
    }
    cr_assert_eq(running, 0);
    cr_assert_eq(green_pool_free_count(p), 2);
    green_pool_free(p);
}

static void *add_self(void *arg)
{
    green_event_wait(gate, GREEN_FOREVER);
    seen[n_seen++] = ITEM(green_pool_add(shared, green_current(), 0));
    return arg;
}

Test(pool, one_who_adds_himself_while_it_is_killed)
{
    setup();
    shared = green_group_new();
    struct greenlet *late = go(add_self, NULL);
    green_unref(join_in(shared, stubborn, NULL));
    settle();
    struct greenlet *killer = go(kill_slowly, ITEM(GREEN_FOREVER));
    settle();
    green_event_set(gate);
    cr_assert_eq(value_of(late), 0);
    cr_assert_eq(seen[1], ITEM(-ECANCELED), "thrown in place");
    cr_assert_eq(value_of(killer), 0);
    green_pool_free(shared);
}

Test(pool, freed_while_a_call_waits_for_room)
{
    setup();
    struct green_pool *p = green_pool_new(1);
    struct greenlet *first = join_in(p, at_gate, ITEM(1));
    struct greenlet *second;
    cr_assert_eq(green_pool_apply_async(p, at_gate, ITEM(2), NULL, NULL, &second), 0);
    settle();
    green_pool_free(p);
    green_event_set(gate);
    cr_assert_eq(value_of(first), 1);
    cr_assert_eq(value_of(second), 2);
}

/* --- maps --- */

static void *items[1000];

static struct green_input some(size_t n)
{
    for (size_t i = 0; i < n; i++) {
        items[i] = ITEM(i);
    }
    return green_items(items, n);
}

struct counter {
    intptr_t at;
    intptr_t end;
    int rc;    /* in the end */
    int waits; /* before each */
    int called;
};

static int count_up(void *state, void **item)
{
    struct counter *c = state;
    c->called++;
    if (c->waits) {
        int rc = green_sleep(MS(c->waits));
        if (rc) {
            return rc;
        }
    }
    if (c->at == c->end) {
        return c->rc;
    }
    *item = ITEM(c->at++);
    return 1;
}

Test(map, in_order_from_an_array_and_from_a_generator)
{
    setup();
    struct green_pool *p = green_pool_new(7);
    struct green_values *v;
    cr_assert_eq(green_pool_map(p, yields, some(1000), &v, GREEN_FOREVER), 0);
    cr_assert_eq(v->n, 1000);
    for (intptr_t i = 0; i < 1000; i++) {
        cr_assert_eq(v->value[i], ITEM(2 * i));
    }
    free(v);
    cr_assert_eq(most, 7);
    struct counter c = {.end = 100};
    cr_assert_eq(green_pool_map(p, yields, green_generator(count_up, &c), &v, GREEN_FOREVER), 0);
    cr_assert_eq(v->n, 100);
    cr_assert_eq(v->value[99], ITEM(198));
    free(v);
    cr_assert_eq(green_pool_map(p, yields, some(0), &v, GREEN_FOREVER), 0);
    cr_assert_eq(v->n, 0);
    free(v);
    cr_assert_eq(green_pool_map(p, yields, some(5), NULL, GREEN_FOREVER), 0);
    green_pool_free(p);
}

Test(map, raises_the_first_error_by_position)
{
    setup();
    struct green_pool *p = green_pool_new(2);
    struct green_values *v = NULL;
    some(10);
    items[0] = ITEM(10);
    items[1] = ITEM(12);
    cr_assert_eq(green_pool_map(p, fails_if_odd, green_items(items, 10), &v, GREEN_FOREVER),
                 -EPROTO);
    cr_assert(v->n == 3 && v->value[0] == ITEM(10) && v->value[2] == ITEM(2));
    free(v);
    cr_assert_eq(green_pool_join(p, 0, GREEN_FOREVER), 0);
    cr_assert_eq(green_pool_free_count(p), 2);
    int begun = calls;
    settle();
    cr_assert_eq(calls, begun, "no further calls");

    struct counter c = {.end = 4, .rc = -EPIPE};
    cr_assert_eq(green_pool_map(p, twice, green_generator(count_up, &c), &v, GREEN_FOREVER),
                 -EPIPE);
    cr_assert_eq(v->n, 4);
    free(v);
    green_pool_free(p);
}

static void *map_it(void *arg)
{
    return ITEM(green_pool_map(shared, at_gate, some(10), NULL, (intptr_t)arg));
}

Test(map, that_is_timed_out_or_killed)
{
    setup();
    shared = green_pool_new(2);
    cr_assert_eq(green_pool_map(shared, at_gate, some(10), NULL, MS(5)), -ETIMEDOUT);
    cr_assert_eq(green_pool_count(shared), 2, "what has begun goes on");
    struct greenlet *g = go(map_it, ITEM(GREEN_FOREVER));
    settle();
    cr_assert_eq(green_kill(g, -EIO, GREEN_FOREVER), 0);
    cr_assert_eq(value_of(g), -EIO);
    cr_assert_eq(calls, 2);
    GREEN_TIMEOUT(t, MS(5))
    {
        cr_assert_eq(green_pool_map(shared, at_gate, some(10), NULL, GREEN_FOREVER), -ETIMEDOUT);
        cr_assert(green_timeout_fired(t));
    }
    green_event_set(gate);
    cr_assert_eq(green_pool_join(shared, 0, GREEN_FOREVER), 0);
    cr_assert_eq(calls, 2);
    cr_assert_eq(green_pool_free_count(shared), 2);
    green_pool_free(shared);
}

static void sum(void *value, void *arg)
{
    struct green_values *v = value;
    for (size_t i = 0; v && i < v->n; i++) {
        *(intptr_t *)arg += (intptr_t)v->value[i];
    }
    free(v);
    n_seen++;
}

Test(map, async)
{
    setup();
    struct green_pool *p = green_pool_new(3);
    intptr_t total = 0;
    struct greenlet *g;
    cr_assert_eq(green_pool_map_async(p, yields, some(100), sum, &total, &g), 0);
    cr_assert_eq(green_join(g, GREEN_FOREVER), 0);
    settle();
    cr_assert_eq(total, 9900);
    green_unref(g);

    cr_assert_eq(green_pool_map_async(p, yields, some(10), NULL, NULL, &g), 0);
    void *value = NULL;
    cr_assert_eq(green_get(g, &value, GREEN_FOREVER), 0);
    cr_assert_eq(((struct green_values *)value)->n, 10);
    free(value);
    green_unref(g);

    cr_assert_eq(green_pool_map_async(p, fails_if_odd, some(10), sum, &total, &g), 0);
    cr_assert_eq(green_join(g, GREEN_FOREVER), 0);
    cr_assert_eq(green_error(g)->code, -EPROTO);
    cr_assert_str_eq(green_error(g)->message, "no good");
    cr_assert_eq(green_error(g)->payload, ITEM(1));
    green_unref(g);
    cr_assert_eq(green_pool_map_async(p, yields, some(10), NULL, NULL, &g), 0);
    cr_assert_eq(green_kill(g, 0, GREEN_FOREVER), 0);
    green_unref(g);
    settle();
    cr_assert_eq(n_seen, 1);
    green_pool_free(p);
}

static void *after_its_number(void *arg)
{
    green_sleep(MS((intptr_t)arg));
    return arg;
}

Test(map, imap_gives_in_the_order_of_the_items)
{
    setup();
    struct green_pool *p = green_pool_new(3);
    void *three[] = {ITEM(30), ITEM(1), ITEM(15)};
    struct green_imap *it = green_pool_imap(p, after_its_number, green_items(three, 3), 0);
    void *value = NULL;
    cr_assert_eq(green_imap_next(it, &value, 0), -ETIMEDOUT);
    cr_assert_null(green_imap_item(it));
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(green_imap_next(it, &value, GREEN_FOREVER), 1);
        cr_assert_eq(value, three[i]);
        cr_assert_eq(green_imap_item(it), three[i]);
    }
    cr_assert_eq(green_imap_next(it, &value, GREEN_FOREVER), 0);
    cr_assert_eq(green_imap_next(it, &value, GREEN_FOREVER), 0);
    green_imap_free(it);
    green_imap_free(NULL);
    green_pool_free(p);
}

Test(map, imap_unordered_gives_as_they_end)
{
    setup();
    struct green_pool *p = green_pool_new(3);
    void *three[] = {ITEM(60), ITEM(1), ITEM(30)};
    struct green_imap *it =
        green_pool_imap_unordered(p, after_its_number, green_items(three, 3), 0);
    void *value = NULL;
    cr_assert(green_imap_next(it, &value, GREEN_FOREVER) == 1 && value == ITEM(1));
    cr_assert(green_imap_next(it, NULL, GREEN_FOREVER) == 1 && green_imap_item(it) == ITEM(30));
    cr_assert(green_imap_next(it, &value, GREEN_FOREVER) == 1 && value == ITEM(60));
    cr_assert_eq(green_imap_next(it, &value, 0), 0);
    green_imap_free(it);
    green_pool_free(p);
}

static void goes_on_after_errors(struct green_imap *it, int expected_sum)
{
    int sum_of_all = 0;
    int errors = 0;
    void *value;
    int rc;
    while ((rc = green_imap_next(it, &value, GREEN_FOREVER)) != 0) {
        if (rc == 1) {
            cr_assert_null(green_imap_error(it));
            sum_of_all += (int)(intptr_t)value;
            continue;
        }
        cr_assert_eq(rc, -EPROTO);
        const struct green_error *e = green_imap_error(it);
        cr_assert_eq(e->code, -EPROTO);
        cr_assert_str_eq(e->message, "no good");
        cr_assert_eq(e->payload, green_imap_item(it));
        errors++;
    }
    cr_assert_null(green_imap_error(it));
    cr_assert_eq(errors, 5);
    cr_assert_eq(sum_of_all, expected_sum);
    green_imap_free(it);
}

Test(map, an_error_does_not_end_an_imap)
{
    setup();
    struct green_pool *p = green_pool_new(3);
    goes_on_after_errors(green_pool_imap(p, fails_if_odd, some(10), 0), 20);
    goes_on_after_errors(green_pool_imap_unordered(p, fails_if_odd, some(10), 2), 20);
    green_pool_free(p);
}

Test(map, an_error_of_the_items_ends_it)
{
    setup();
    struct green_pool *p = green_pool_new(3);
    for (int ordered = 0; ordered <= 1; ordered++) {
        struct counter c = {.end = 5, .rc = -EPIPE};
        struct green_input in = green_generator(count_up, &c);
        struct green_imap *it = ordered ? green_pool_imap(p, yields, in, 0)
                                        : green_pool_imap_unordered(p, yields, in, 0);
        for (int i = 0; i < 5; i++) {
            cr_assert_eq(green_imap_next(it, NULL, GREEN_FOREVER), 1);
        }
        cr_assert_eq(green_imap_next(it, NULL, GREEN_FOREVER), -EPIPE);
        cr_assert_null(green_imap_error(it));
        cr_assert_eq(green_imap_next(it, NULL, GREEN_FOREVER), 0);
        green_imap_free(it);
    }
    green_pool_free(p);
}

static int failing_generator(void *state, void **item)
{
    (void)state;
    (void)item;
    green_fail(-EDOM, "thrown", NULL);
}

Test(map, a_generator_that_throws)
{
    setup();
    struct green_pool *p = green_pool_new(3);
    struct green_imap *it = green_pool_imap(p, yields, green_generator(failing_generator, NULL), 0);
    cr_assert_eq(green_imap_next(it, NULL, GREEN_FOREVER), -EDOM);
    cr_assert_eq(green_imap_next(it, NULL, GREEN_FOREVER), 0);
    green_imap_free(it);
    green_pool_free(p);
}

Test(map, unread_results_are_bounded)
{
    setup();
    struct green_pool *p = green_pool_new(10);
    for (int ordered = 0; ordered <= 1; ordered++) {
        struct counter c = {.end = 20};
        struct green_input in = green_generator(count_up, &c);
        calls = 0;
        struct green_imap *it =
            ordered ? green_pool_imap(p, twice, in, 4) : green_pool_imap_unordered(p, twice, in, 4);
        settle();
        cr_assert_eq(calls, 4);
        cr_assert_eq(green_imap_next(it, NULL, GREEN_FOREVER), 1);
        settle();
        cr_assert_eq(calls, 5);
        cr_assert_eq(green_imap_next(it, NULL, GREEN_FOREVER), 1);
        cr_assert_eq(green_imap_next(it, NULL, GREEN_FOREVER), 1);
        settle();
        cr_assert_eq(calls, 7);
        cr_assert_eq(c.called, 8, "items are made one ahead");
        int n = 3;
        while (green_imap_next(it, NULL, GREEN_FOREVER) == 1) {
            n++;
        }
        cr_assert_eq(n, 20);
        green_imap_free(it);
    }
    green_pool_free(p);
}

Test(map, freed_before_its_end)
{
    setup();
    struct green_pool *p = green_pool_new(2);
    /* Not begun at all; all waiting; some ended; some fetched. */
    green_imap_free(green_pool_imap(p, at_gate, some(10), 0));
    cr_assert_eq(calls, 0);
    struct green_imap *ordered = green_pool_imap(p, at_gate, some(10), 0);
    settle();
    green_imap_free(ordered);
    cr_assert_eq(green_pool_count(p), 2);
    struct green_imap *blocked = green_pool_imap_unordered(p, at_gate, some(10), 0);
    settle();
    green_imap_free(blocked);
    green_event_set(gate);
    cr_assert_eq(green_pool_join(p, 0, GREEN_FOREVER), 0);
    cr_assert_eq(calls, 2);
    struct green_imap *half = green_pool_imap_unordered(p, yields, some(10), 3);
    cr_assert_eq(green_imap_next(half, NULL, GREEN_FOREVER), 1);
    settle();
    green_imap_free(half);
    cr_assert_eq(green_pool_join(p, 0, GREEN_FOREVER), 0);
    cr_assert_eq(green_pool_free_count(p), 2);
    green_pool_free(p);
}

Test(map, freed_while_the_generator_waits)
{
    setup();
    struct green_pool *p = green_pool_new(2);
    struct counter c = {.end = 10, .waits = 1000000};
    struct green_imap *it = green_pool_imap(p, twice, green_generator(count_up, &c), 0);
    settle();
    cr_assert_eq(c.called, 1);
    green_imap_free(it);
    c.called = -1;
    settle();
    cr_assert_eq(c.called, -1, "it is left alone");
    green_pool_free(p);
}

static struct green_imap *walk;

static void *fetch(void *arg)
{
    void *value = NULL;
    int rc = green_imap_next(walk, &value, (intptr_t)arg);
    return rc == 1 ? value : ITEM(rc);
}

Test(map, no_result_is_lost_by_who_gives_up)
{
    setup();
    struct green_pool *p = green_pool_new(2);
    walk = green_pool_imap(p, at_gate, some(3), 0);
    struct greenlet *g = go(fetch, ITEM(GREEN_FOREVER));
    struct greenlet *late = go(fetch, ITEM(MS(5)));
    struct greenlet *third = go(fetch, ITEM(GREEN_FOREVER));
    settle();
    cr_assert_eq(green_kill(g, -EIO, GREEN_FOREVER), 0);
    cr_assert_eq(value_of(g), -EIO);
    cr_assert_eq(value_of(late), -ETIMEDOUT);
    green_event_set(gate);
    cr_assert_eq(value_of(third), 0);
    void *value;
    cr_assert(green_imap_next(walk, &value, GREEN_FOREVER) == 1 && value == ITEM(1));
    cr_assert(green_imap_next(walk, &value, GREEN_FOREVER) == 1 && value == ITEM(2));
    cr_assert_eq(green_imap_next(walk, &value, GREEN_FOREVER), 0);
    green_imap_free(walk);
    green_pool_free(p);
}

Test(map, several_take_from_one_imap)
{
    setup();
    struct green_pool *p = green_pool_new(5);
    walk = green_pool_imap_unordered(p, yields, some(100), 2);
    struct greenlet *g[101];
    for (int i = 0; i < 101; i++) {
        g[i] = go(fetch, ITEM(GREEN_FOREVER));
    }
    intptr_t total = 0;
    for (int i = 0; i < 101; i++) {
        total += value_of(g[i]);
    }
    cr_assert_eq(total, 9900);
    green_imap_free(walk);
    green_pool_free(p);
}

Test(map, whose_pool_is_killed)
{
    setup();
    struct green_pool *p = green_pool_new(2);
    struct green_imap *it = green_pool_imap(p, at_gate, some(2), 0);
    settle();
    cr_assert_eq(green_pool_kill(p, 0, GREEN_FOREVER), 0);
    void *value = NULL;
    cr_assert(green_imap_next(it, &value, GREEN_FOREVER) == 1 && value == ITEM(-ECANCELED));
    cr_assert_eq(green_imap_next(it, &value, GREEN_FOREVER), 1);
    cr_assert_eq(green_imap_next(it, &value, GREEN_FOREVER), 0);
    green_imap_free(it);
    green_pool_free(p);
}
