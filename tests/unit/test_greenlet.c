/* Greenlets: states, values and errors, join, kill, links, waits for several. */
#include <green/event.h>
#include <green/green.h>
#include <green/timeout.h>

#include "sync.h"

#include <stdio.h>

TestSuite(greenlet, .init = start, .timeout = 60);

static int order[64];
static int n_order;

static void *note(void *arg)
{
    order[n_order++] = (int)(intptr_t)arg;
    return arg;
}

static void *note_nothing(void *arg)
{
    return arg;
}

static atomic_int in_use[20000];

static void *nap(void *arg)
{
    int rc = green_sleep(MS((intptr_t)arg));
    return rc ? (void *)(intptr_t)rc : arg;
}

static struct green_event *gates[3];

static void *wait_at_gate(void *arg)
{
    cr_assert_eq(green_event_wait(gates[(intptr_t)arg], GREEN_FOREVER), 0);
    return arg;
}

static void open_gate(int i)
{
    green_event_set(gates[i]);
    settle();
}

static void *set_gate(void *gate)
{
    green_event_set(gate);
    return NULL;
}

static void make_gates(void)
{
    for (int i = 0; i < 3; i++) {
        gates[i] = green_event_new();
    }
}

static void *nap_for_ever(void *arg)
{
    (void)arg;
    return (void *)(intptr_t)green_sleep(GREEN_FOREVER);
}

static void be_quiet(struct greenlet *g, const struct green_error *e)
{
    (void)g;
    (void)e;
}

static void *fail_with(void *arg)
{
    green_fail((int)(intptr_t)arg, "on purpose", arg);
}

static struct greenlet *go(void *(*fn)(void *), intptr_t arg)
{
    struct greenlet *g;
    cr_assert_eq(green_spawn(fn, (void *)arg, &g), 0);
    return g;
}

Test(greenlet, runs_when_the_caller_waits_in_order_of_creation)
{
    struct greenlet *g[3];
    for (int i = 0; i < 3; i++) {
        g[i] = go(note, i);
    }
    cr_assert_eq(n_order, 0);
    cr_assert_eq(green_joinall(g, 3, NULL, 0, 0, GREEN_FOREVER), 3);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(order[i], i);
        green_unref(g[i]);
    }
}

Test(greenlet, states_of_a_winner_and_a_loser)
{
    green_set_error_handler(be_quiet);
    struct greenlet *winner = go(note, 7);
    struct greenlet *loser = go(fail_with, -EIO);
    cr_assert(green_started(winner) && !green_ended(winner) && !green_successful(winner));
    cr_assert_eq(green_join(winner, GREEN_FOREVER), 0);
    cr_assert_eq(green_join(loser, GREEN_FOREVER), 0, "join never gives the error");
    cr_assert(!green_started(winner) && green_ended(winner) && green_successful(winner));
    cr_assert_eq(green_value(winner), (void *)7);
    cr_assert_null(green_error(winner));
    cr_assert(green_ended(loser) && !green_successful(loser));
    cr_assert_null(green_value(loser));
    void *value = &order;
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(green_get(loser, &value, GREEN_FOREVER), -EIO);
        cr_assert_eq(value, (void *)&order);
    }
    cr_assert_eq(green_error(loser)->code, -EIO);
    cr_assert_str_eq(green_error(loser)->message, "on purpose");
    cr_assert_eq(green_error(loser)->payload, (void *)(intptr_t)-EIO);
    green_unref(winner);
    green_unref(loser);
}

static int n_reported;
static char reported[32];

static void report(struct greenlet *g, const struct green_error *e)
{
    n_reported++;
    (void)snprintf(reported, sizeof(reported), "%s %d", green_name(g), e->code);
}

static void *fail_by_name(void *arg)
{
    green_set_name(green_current(), "the loser");
    return fail_with(arg);
}

Test(greenlet, an_error_is_reported_once)
{
    green_set_error_handler(report);
    struct greenlet *g = go(fail_by_name, -EPROTO);
    cr_assert_eq(green_get(g, NULL, GREEN_FOREVER), -EPROTO);
    cr_assert_eq(green_get(g, NULL, GREEN_FOREVER), -EPROTO);
    cr_assert_eq(n_reported, 1);
    cr_assert_str_eq(reported, "the loser -71");
    green_unref(g);
}

Test(greenlet, get_without_waiting_and_with_a_timeout)
{
    make_gates();
    struct greenlet *g = go(wait_at_gate, 2);
    cr_assert_eq(green_get(g, NULL, 0), -ETIMEDOUT);
    cr_assert_eq(green_join(g, 0), -ETIMEDOUT);
    cr_assert_eq(green_get(g, NULL, MS(1)), -ETIMEDOUT);
    cr_assert(!green_ended(g));
    void *value;
    open_gate(2);
    cr_assert_eq(green_get(g, &value, GREEN_FOREVER), 0);
    cr_assert_eq(value, (void *)2);
    green_unref(g);
}

static void *get_it(void *arg)
{
    void *value = NULL;
    cr_assert_eq(green_get(arg, &value, GREEN_FOREVER), 0);
    return value;
}

Test(greenlet, many_may_wait_for_one)
{
    struct greenlet *g = go(nap, 5);
    struct greenlet *waiting[20];
    for (int i = 0; i < 20; i++) {
        waiting[i] = go(get_it, (intptr_t)g);
    }
    cr_assert_eq(green_joinall(waiting, 20, NULL, 0, 0, GREEN_FOREVER), 20);
    for (int i = 0; i < 20; i++) {
        cr_assert_eq(green_value(waiting[i]), (void *)5);
        green_unref(waiting[i]);
    }
    green_unref(g);
}

static void *join_itself(void *arg)
{
    (void)arg;
    return (void *)(intptr_t)green_join(green_current(), GREEN_FOREVER);
}

Test(greenlet, cannot_join_itself)
{
    struct greenlet *g = go(join_itself, 0);
    cr_assert_eq(green_join(g, GREEN_FOREVER), 0);
    cr_assert_eq(green_value(g), (void *)-EDEADLK);
    green_unref(g);
}

Test(greenlet, handles_outlive_and_need_not_be_held)
{
    cr_assert_eq(green_spawn(note, (void *)1, NULL), 0);
    struct greenlet *g = go(note, 2);
    green_unref(g);
    settle();
    cr_assert_eq(n_order, 2);
}

Test(greenlet, later_starts_not_before_its_time)
{
    struct greenlet *g;
    int64_t before = gr_now();
    cr_assert_eq(green_spawn_later(MS(20), note, (void *)1, &g), 0);
    cr_assert(green_started(g));
    settle();
    cr_assert_eq(n_order, 0);
    cr_assert_eq(green_join(g, GREEN_FOREVER), 0);
    cr_assert_geq(gr_now() - before, MS(20));
    cr_assert_eq(n_order, 1);
    green_unref(g);
}

/* --- joinall --- */

Test(greenlet, joinall_gives_them_in_order_of_their_ends)
{
    make_gates();
    struct greenlet *g[] = {go(wait_at_gate, 0), go(wait_at_gate, 1), go(wait_at_gate, 2)};
    struct greenlet *done[3] = {NULL};
    open_gate(1);
    cr_assert_eq(green_joinall(g, 3, NULL, 0, 0, MS(1)), 1, "after the timeout: fewer");
    open_gate(2);
    cr_assert_eq(green_joinall(g, 3, done, 2, 0, GREEN_FOREVER), 2);
    cr_assert(!green_ended(g[0]));
    open_gate(0);
    cr_assert_eq(green_joinall(g, 3, done, 0, 0, GREEN_FOREVER), 3);
    for (int i = 0; i < 3; i++) {
        green_unref(g[i]);
    }
}

Test(greenlet, joinall_takes_each_occurrence)
{
    make_gates();
    struct greenlet *a = go(wait_at_gate, 0);
    struct greenlet *b = go(note, 1);
    struct greenlet *g[] = {a, b, a};
    struct greenlet *done[3];
    cr_assert_eq(green_joinall(g, 3, done, 1, 0, GREEN_FOREVER), 1);
    cr_assert_eq(done[0], b);
    green_spawn_later(MS(1), set_gate, gates[0], NULL);
    cr_assert_eq(green_joinall(g, 3, done, 0, 0, GREEN_FOREVER), 3);
    cr_assert((done[0] == b) + (done[1] == b) + (done[2] == b) == 1);
    cr_assert_eq(green_joinall(NULL, 0, NULL, 0, 0, GREEN_FOREVER), 0);
    green_unref(a);
    green_unref(b);
}

Test(greenlet, joinall_stops_at_the_first_error_if_asked)
{
    green_set_error_handler(be_quiet);
    make_gates();
    struct greenlet *g[] = {go(wait_at_gate, 0), go(fail_with, -EIO), go(fail_with, -EPERM)};
    cr_assert_eq(green_joinall(g, 3, NULL, 0, 1, GREEN_FOREVER), -EIO);
    cr_assert(!green_ended(g[0]), "the others go on");
    open_gate(0);
    cr_assert_eq(green_joinall(g, 3, NULL, 0, 0, GREEN_FOREVER), 3);
    for (int i = 0; i < 3; i++) {
        green_unref(g[i]);
    }
}

/* --- kill --- */

Test(greenlet, killed_before_its_first_switch_it_never_runs)
{
    struct greenlet *g = go(note, 1);
    struct greenlet *later;
    cr_assert_eq(green_spawn_later(MS(1), note, (void *)2, &later), 0);
    cr_assert_eq(green_kill(g, 0, 0), 0);
    cr_assert(green_ended(g) && green_successful(g) && !green_value(g));
    cr_assert_eq(green_kill(later, 0, GREEN_FOREVER), 0);
    green_sleep(MS(5));
    cr_assert_eq(n_order, 0);
    cr_assert_eq(green_kill(g, 0, GREEN_FOREVER), 0, "again: nothing");
    green_unref(g);
    green_unref(later);
}

Test(greenlet, killed_while_it_waits)
{
    struct greenlet *g = go(nap_for_ever, 0);
    settle();
    cr_assert_eq(green_kill(g, 0, GREEN_FOREVER), 0);
    cr_assert_eq(green_value(g), (void *)-ECANCELED);
    green_unref(g);
    g = go(nap_for_ever, 0);
    settle();
    cr_assert_eq(green_kill(g, -EPROTO, 0), 0);
    cr_assert(!green_ended(g), "with a timeout of 0 nobody waits");
    cr_assert_eq(green_join(g, GREEN_FOREVER), 0);
    cr_assert_eq(green_value(g), (void *)-EPROTO);
    cr_assert_eq(green_kill(g, 1, 0), -EINVAL);
    green_unref(g);
}

static void *survive(void *arg)
{
    int n = 0;
    while (n < (intptr_t)arg) {
        n += green_sleep(GREEN_FOREVER) == -ECANCELED;
    }
    (void)green_sleep(MS(10));
    return (void *)(intptr_t)n;
}

Test(greenlet, may_survive_and_is_struck_once_each_time)
{
    struct greenlet *g = go(survive, 2);
    settle();
    cr_assert_eq(green_kill(g, 0, MS(1)), -ETIMEDOUT);
    cr_assert_eq(green_kill(g, 0, GREEN_FOREVER), 0, "waits for the natural end");
    cr_assert_eq(green_value(g), (void *)2);
    green_unref(g);
}

static void *kill_itself(void *arg)
{
    (void)arg;
    return (void *)(intptr_t)green_kill(green_current(), -EPROTO, GREEN_FOREVER);
}

Test(greenlet, kills_itself_in_place)
{
    struct greenlet *g = go(kill_itself, 0);
    cr_assert_eq(green_join(g, GREEN_FOREVER), 0);
    cr_assert_eq(green_value(g), (void *)-EPROTO);
    green_unref(g);
}

static void *kill_from_outside(void *g)
{
    cr_assert_eq(green_kill(g, 0, GREEN_FOREVER), 0);
    return NULL;
}

Test(greenlet, killed_by_a_kernel_thread)
{
    struct greenlet *g = go(nap_for_ever, 0);
    settle();
    pthread_t t = foreign(kill_from_outside, g);
    join_foreign(t);
    cr_assert_eq(green_value(g), (void *)-ECANCELED);
    green_unref(g);
}

Test(greenlet, killall_deals_first_with_those_that_never_ran)
{
    struct greenlet *g[4] = {go(nap_for_ever, 0), go(survive, 1)};
    settle();
    g[2] = go(note, 1);
    g[3] = go(note, 2);
    cr_assert_eq(green_killall(g, 4, 0, MS(1)), -ETIMEDOUT);
    cr_assert_eq(green_killall(g, 4, 0, GREEN_FOREVER), 0);
    cr_assert_eq(green_killall(NULL, 0, 0, GREEN_FOREVER), 0);
    cr_assert_eq(n_order, 0);
    for (int i = 0; i < 4; i++) {
        cr_assert(green_ended(g[i]));
        green_unref(g[i]);
    }
}

/* --- small numbers --- */

Test(greenlet, ident_is_the_smallest_that_is_free)
{
    enum { N = 2000 };
    static struct greenlet *g[N];
    for (int i = 0; i < N; i++) {
        g[i] = go(note_nothing, i);
        cr_assert_eq(green_ident(g[i]), (unsigned)i + 1);
        cr_assert_eq(green_ident(g[i]), (unsigned)i + 1, "it stays");
    }
    cr_assert_eq(green_joinall(g, N, NULL, 0, 0, GREEN_FOREVER), N);
    cr_assert_eq(green_ident(g[4]), 5, "as long as there is a handle");
    green_unref(g[1500]);
    green_unref(g[4]);
    green_unref(g[70]);
    g[4] = go(note_nothing, 0);
    g[70] = go(note_nothing, 0);
    g[1500] = go(note_nothing, 0);
    cr_assert_eq(green_ident(g[4]), 5);
    cr_assert_eq(green_ident(g[70]), 71);
    cr_assert_eq(green_ident(g[1500]), 1501);
    cr_assert_eq(green_ident(green_current()), N + 1);
    cr_assert_eq(green_joinall(g, N, NULL, 0, 0, GREEN_FOREVER), N);
    for (int i = 0; i < N; i++) {
        green_unref(g[i]);
    }
}

static void *number_them(void *arg)
{
    for (int i = 0; i < 2000; i++) {
        struct greenlet *g[3];
        for (int k = 0; k < 3; k++) {
            cr_assert_eq(green_spawn(note_nothing, NULL, &g[k]), 0);
            unsigned n = green_ident(g[k]);
            cr_assert(n >= 1 && n < 20000, "%u", n);
            atomic_fetch_add(&in_use[n], 1);
            cr_assert_eq(in_use[n], 1);
        }
        for (int k = 0; k < 3; k++) {
            atomic_fetch_sub(&in_use[green_ident(g[k])], 1);
            green_kill(g[k], 0, GREEN_FOREVER);
            green_unref(g[k]);
        }
    }
    return arg;
}

Test(greenlet, idents_are_given_on_kernel_threads_too)
{
    pthread_t t[3];
    for (int i = 0; i < 3; i++) {
        t[i] = foreign(number_them, NULL);
    }
    for (int i = 0; i < 3; i++) {
        join_foreign(t[i]);
    }
}

/* --- links --- */

static void note_link(struct green_object *o, void *arg)
{
    cr_assert(green_ready(o));
    note(arg);
}

static void wait_and_note(struct green_object *o, void *arg)
{
    (void)green_sleep(MS(1));
    note_link(o, arg);
}

Test(greenlet, links_are_called_in_order_once)
{
    struct greenlet *g = go(nap, 5);
    struct green_object *o = green_greenlet_object(g);
    cr_assert_eq(green_object_greenlet(o), g);
    for (intptr_t i = 0; i < 50; i++) {
        cr_assert_eq(green_link(o, wait_and_note, (void *)i), 0);
    }
    cr_assert_eq(green_rawlink(o, note_link, (void *)50), 0);
    cr_assert_eq(green_unlink(o, wait_and_note, (void *)20), 1);
    cr_assert_eq(green_unlink(o, wait_and_note, (void *)20), 0);
    cr_assert_eq(green_link_count(o), 50);
    cr_assert_eq(green_join(g, GREEN_FOREVER), 0);
    while (n_order < 50) {
        green_sleep(MS(1));
    }
    cr_assert_eq(order[0], 50, "the raw one at once");
    for (int i = 1; i < 50; i++) {
        cr_assert_eq(order[i], i <= 20 ? i - 1 : i);
    }
    green_unref(g);
}

Test(greenlet, a_link_to_an_ended_one_is_called_soon_never_at_once)
{
    struct greenlet *g = go(note, 1);
    green_join(g, GREEN_FOREVER);
    cr_assert_eq(green_link(green_greenlet_object(g), note_link, (void *)2), 0);
    cr_assert_eq(green_rawlink(green_greenlet_object(g), note_link, (void *)3), 0);
    cr_assert_eq(n_order, 1);
    settle();
    cr_assert_eq(n_order, 3);
    cr_assert(order[1] == 2 && order[2] == 3);
    green_unref(g);
}

static void unlink_next(struct green_object *o, void *arg)
{
    note(arg);
    cr_assert_eq(green_unlink(o, note_link, (void *)2), 1);
}

static void see_value(struct green_object *o, void *arg)
{
    *(int *)arg = green_ready(o);
}

Test(greenlet, lives_until_its_links_were_called)
{
    struct greenlet *g;
    struct green_result *r = green_result_new();
    int saw[2] = {0, 0};
    cr_assert_eq(green_spawn(note_nothing, NULL, &g), 0);
    cr_assert_eq(green_link(green_greenlet_object(g), see_value, &saw[0]), 0);
    cr_assert_eq(green_link(green_result_object(r), see_value, &saw[1]), 0);
    green_unref(g);
    green_result_set(r, NULL);
    green_result_free(r);
    settle();
    cr_assert_eq(saw[0], 1);
    cr_assert_eq(saw[1], 1);
}

Test(greenlet, a_link_may_unlink_a_later_one)
{
    struct greenlet *g = go(nap, 1);
    struct green_object *o = green_greenlet_object(g);
    green_rawlink(o, unlink_next, (void *)1);
    green_rawlink(o, note_link, (void *)2);
    green_rawlink(o, note_link, (void *)3);
    green_join(g, GREEN_FOREVER);
    settle();
    cr_assert_eq(n_order, 2);
    cr_assert_eq(order[1], 3);
    green_unref(g);
}

/* --- waits for several objects --- */

Test(greenlet, iwait_in_order_of_readiness_and_leaves_nothing_behind)
{
    make_gates();
    struct green_event *e = green_event_new();
    struct greenlet *a = go(wait_at_gate, 0);
    struct greenlet *b = go(wait_at_gate, 1);
    struct green_object *objects[] = {green_greenlet_object(a), green_event_object(e),
                                      green_greenlet_object(b)};
    struct green_iwait *it = green_iwait_new(objects, 3);
    struct green_object *o;
    cr_assert_eq(green_iwait_next(it, &o, 0), -ETIMEDOUT);
    open_gate(1);
    cr_assert_eq(green_iwait_next(it, &o, GREEN_FOREVER), 1);
    cr_assert_eq(o, objects[2]);
    cr_assert_eq(green_iwait_next(it, &o, MS(1)), -ETIMEDOUT);
    green_event_set(e);
    cr_assert_eq(green_iwait_next(it, &o, 0), 1);
    cr_assert_eq(o, objects[1]);
    green_iwait_free(it);
    open_gate(0);
    cr_assert_eq(green_wait(objects, 3, NULL, 0, GREEN_FOREVER), 3);
    green_event_free(e);
    green_unref(a);
    green_unref(b);
}

static void *set_from_outside(void *e)
{
    usleep(2000);
    green_event_set(e);
    return NULL;
}

Test(greenlet, wait_is_ended_by_kernel_threads_too)
{
    enum { N = 20 };
    struct green_event *e[N];
    struct green_object *objects[N];
    pthread_t t[N];
    for (int i = 0; i < N; i++) {
        e[i] = green_event_new();
        objects[i] = green_event_object(e[i]);
        t[i] = foreign(set_from_outside, e[i]);
    }
    cr_assert_eq(green_wait(objects, N, NULL, 0, GREEN_FOREVER), N);
    for (int i = 0; i < N; i++) {
        join_foreign(t[i]);
        green_event_free(e[i]);
    }
}

/* --- ends from any depth, scopes --- */

static int n_cleaned;

static void clean(void *arg)
{
    (void)arg;
    n_cleaned++;
}

static void clean_variable(int *v)
{
    n_cleaned += *v;
}

static void *deep(void *arg)
{
    int variable __attribute__((cleanup(clean_variable))) = 10;
    pthread_cleanup_push(clean, NULL);
    if (arg) {
        green_fail((int)(intptr_t)arg, NULL, NULL);
    }
    green_exit(&n_cleaned);
    pthread_cleanup_pop(0);
    return NULL;
}

Test(greenlet, exit_from_any_depth_runs_cleanups)
{
    struct greenlet *g = go(deep, 0);
    void *value;
    cr_assert_eq(green_get(g, &value, GREEN_FOREVER), 0);
    cr_assert_eq(value, (void *)&n_cleaned);
    cr_assert_eq(n_cleaned, 11);
    green_unref(g);
}

static void *try_deep(void *arg)
{
    struct green_error *e = NULL;
    void *value = NULL;
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(green_try(deep, (void *)-EDOM, &value, &e), -EDOM);
        cr_assert_eq(e->code, -EDOM);
        green_error_free(e);
    }
    cr_assert_eq(n_cleaned, 1100);
    cr_assert_eq(green_try(note, (void *)3, &value, NULL), 0);
    cr_assert_eq(value, (void *)3);
    return arg;
}

static void *try_outer(void *arg)
{
    try_deep(arg);
    green_fail(-ERANGE, "outer", NULL);
}

Test(greenlet, a_scope_catches_and_nests)
{
    (void)try_deep(NULL);
    n_cleaned = 0;
    cr_assert_eq(green_try(try_outer, NULL, NULL, NULL), -ERANGE);
    n_cleaned = 0;
    struct greenlet *g = go(try_deep, 4);
    void *value;
    cr_assert_eq(green_get(g, &value, GREEN_FOREVER), 0);
    cr_assert_eq(value, (void *)4);
    green_unref(g);
}

static void *exit_in_a_scope(void *arg)
{
    int variable __attribute__((cleanup(clean_variable))) = 100;
    (void)green_try(deep, NULL, NULL, NULL);
    return arg;
}

Test(greenlet, an_exit_passes_scopes)
{
    struct greenlet *g = go(exit_in_a_scope, 5);
    void *value;
    cr_assert_eq(green_get(g, &value, GREEN_FOREVER), 0);
    cr_assert_eq(value, (void *)&n_cleaned);
    cr_assert_eq(n_cleaned, 111);
    green_unref(g);
}

Test(greenlet, current_id_and_name)
{
    struct greenlet *main = green_current();
    cr_assert_eq(green_id(main), 1);
    cr_assert_eq(green_current(), main);
    green_set_name(main, "a name that is too long");
    cr_assert_str_eq(green_name(main), "a name that is ");
    struct greenlet *g = go(note, 1);
    cr_assert_gt(green_id(g), 1);
    green_join(g, GREEN_FOREVER);
    green_unref(g);
}
