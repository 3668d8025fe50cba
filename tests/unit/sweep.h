/*
 * Calls that wait, interrupted at every switch: a victim makes the call, a rival the same one
 * behind it, a helper serves them step by step, and a striker ends the victim's wait after n turns,
 * by a kill, by the call's own timeout, by a timeout around it, by a cancellation, or by two of
 * these at once; for n = 0, 1, ... until the call is served before the strike. Whatever comes
 * first, nothing may be lost: no item, permit, notification, nor the kill or the outer timeout,
 * which come once. Nothing may be left behind.
 *
 * A family of calls is a file with its own table, prepare() to free_all(), and SWEEP() at its end.
 */
#ifndef TESTS_UNIT_SWEEP_H
#define TESTS_UNIT_SWEEP_H

#include "runtime/api/greenlet.h"

#include <green/event.h>
#include <green/green.h>
#include <green/timeout.h>

#include "sync.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

enum { CODE = -EPROTO, OUTER_CODE = -EDOM }; /* of kills, of timeouts around a call */
enum { NEVER = 1 };                          /* result of a victim whose call has not returned */
#define LIMIT (MS(1) / 4)                    /* of timeouts */

struct call {
    const char *name;
    void (*prepare)(void);
    int (*victim)(int64_t timeout); /* 0 when served; undone if it is unwound */
    int (*rival)(int64_t timeout);  /* NULL: nobody waits behind */
    void (*serve)(int step);
    /* At rest again: is everything where it must be? @ok: the victim's call was served. */
    bool (*check)(bool ok);
};

/* What the parties of every call see. */
static bool rival_done;           /* its call has returned 0 */
static struct greenlet *target;   /* ended at the end, if there is one */
static struct green_event *event; /* freed at the end, if there is one */

static bool slow; /* it goes on outside of this carrier: turns take a while */

static void free_all(void); /* the family's own objects */

/* Everybody runs, and the hub looks at its timers. */
static void turn(void)
{
    if (gr_self) {
        gr_hub_give_way();
    } else {
        gr_yield();
    }
}

/* --- what many calls need --- */

static inline void new_event(void)
{
    event = green_event_new();
}
static inline int wait_event(int64_t t)
{
    return green_event_wait(event, t);
}
static inline void set_event(int step)
{
    if (step == 1) {
        green_event_set(event);
    }
}
/* Survives what is thrown at it, and ends by the event. */
static inline void *stay(void *arg)
{
    while (green_event_wait(event, GREEN_FOREVER)) {
    }
    return arg;
}
static inline void nothing(void)
{
}
static inline void no_service(int step)
{
    (void)step;
}
static inline bool whatever(bool ok)
{
    (void)ok;
    return true;
}
static inline bool rival_served(bool ok)
{
    (void)ok;
    return rival_done;
}
/* Until @is() or for a long time: what happens outside of this carrier happens some time. */
static inline bool soon(bool (*is)(void))
{
    for (int64_t until = gr_now() + GREEN_S(30); !is() && gr_now() < until;) {
        green_sleep(MS(1) / 20);
    }
    return is();
}

/* --- the parties --- */

/* BACK: the outer timeout ends with the call. */
enum { KILL = 1, OWN = 2, OUTER = 4, BACK = 8, CANCEL = 16 };
enum { N_SINGLE = 4 };
static const int ways[] = {
    KILL,         OWN,          OUTER,
    CANCEL,       KILL | OWN,   KILL | OUTER,
    OWN | OUTER,  OUTER | BACK, KILL | OUTER | BACK,
    CANCEL | OWN,
};

static const struct call *call; /* at work */
static int way, turns;
static int64_t deadline; /* of timeouts */
static struct greenlet *victim;
static int victims_result;
static atomic_int helper_is_there;

/* @rc of the victim's call, or of a wait behind it: what was thrown and has now come. */
static bool is_strike(int rc, int *due)
{
    int which = rc == CODE ? KILL : rc == OUTER_CODE ? OUTER : 0;
    *due &= ~which;
    return which;
}

static void *be_victim(void *arg)
{
    struct green_timeout *outer = NULL;
    int due = way & (KILL | OUTER | CANCEL);
    deadline = gr_now() + LIMIT;
    if (way & OUTER) {
        outer = green_timeout_start_new(LIMIT, OUTER_CODE);
    }
    int rc = call->victim(way & OWN ? LIMIT : GREEN_FOREVER);
    victims_result = rc;
    cr_assert(is_strike(rc, &due) || rc == 0 || (rc == -ETIMEDOUT && way & OWN),
              "%s, way %d, after %d turns: %d", call->name, way, turns, rc);
    if (way & BACK) {
        green_timeout_free(outer);
        outer = NULL;
        due &= ~OUTER;
    }
    /* What has not come yet comes with the next wait, once. */
    while (due) {
        rc = green_sleep(GREEN_S(60));
        cr_assert(is_strike(rc, &due), "%s, way %d, after %d turns: %d instead of the strike",
                  call->name, way, turns, rc);
    }
    cr_assert_eq(green_sleep(0), 0, "%s, way %d, after %d turns: struck twice", call->name, way,
                 turns);
    cr_assert(!outer || green_timeout_fired(outer));
    green_timeout_free(outer);
    return arg;
}

static void *be_rival(void *arg)
{
    rival_done = call->rival(GREEN_FOREVER) == 0;
    return arg;
}

static void *be_helper(void *arg)
{
    call->serve(0);
    cr_assert_eq(green_event_wait(arg, GREEN_FOREVER), 0);
    turn();
    turn();
    call->serve(1);
    turn();
    return arg;
}

/* The same on a kernel thread, at any moment. */
static int delay; /* us */

static void *be_foreign_helper(void *arg)
{
    call->serve(0);
    atomic_store(&helper_is_there, 1);
    cr_assert_eq(green_event_wait(arg, GREEN_FOREVER), 0);
    for (int64_t until = gr_now() + (int64_t)delay * 1000; gr_now() < until;) {
    }
    call->serve(1);
    return NULL;
}

/* As pthread_cancel() of the shim. */
static void cancel(struct greenlet *gl)
{
    struct green *g = gl->green;
    if (g) {
        atomic_store(&g->cancel_pending, true);
        gr_hub_remote(g->hub, g);
    }
}

static void *be_striker(void *arg)
{
    for (int i = 0; i < turns; i++) {
        if (slow) {
            green_sleep(MS(1) / 2);
        } else {
            turn();
        }
    }
    while (way & (OWN | OUTER) && gr_now() <= deadline + MS(1) / 20) {
        /* its time is over when the hub looks next */
    }
    if (way & KILL) {
        cr_assert_eq(green_kill(victim, CODE, 0), 0);
    }
    if (way & CANCEL) {
        cancel(victim);
    }
    return arg;
}

static void end(struct greenlet *g)
{
    cr_assert_eq(green_join(g, GREEN_S(60)), 0, "%s, way %d, after %d turns: hangs", call->name,
                 way, turns);
    green_unref(g);
}

/* At rest again. */
static bool settled_and_right(struct greenlet *rival, const char *helper)
{
    settle();
    bool ok = victims_result == 0;
    cr_assert(call->check(ok), "%s, way %d, after %d turns, helper %s: victim %d, rival %s",
              call->name, way, turns, helper, victims_result, rival_done ? "done" : "waits");
    if (rival) {
        cr_assert_eq(green_kill(rival, 0, GREEN_S(60)), 0);
        green_unref(rival);
    }
    if (target) {
        end(target);
        target = NULL;
    }
    free_all();
    green_event_free(event);
    event = NULL;
    return ok;
}

static struct greenlet *go(void *(*fn)(void *), void *arg)
{
    struct greenlet *g;
    cr_assert_eq(green_spawn(fn, arg, &g), 0);
    return g;
}

static void begin(void)
{
    rival_done = false;
    slow = false;
    victims_result = NEVER;
    call->prepare();
}

/* One strike, before or after what the helper does in the same turn. Was the call served first? */
static bool strike(bool striker_first)
{
    struct green_event *signal = green_event_new();
    begin();
    struct greenlet *helper = go(be_helper, signal);
    settle();
    victim = go(be_victim, NULL);
    struct greenlet *rival = call->rival ? go(be_rival, NULL) : NULL;
    if (!striker_first) {
        green_event_set(signal);
    }
    struct greenlet *striker = go(be_striker, NULL);
    green_event_set(signal);
    end(striker);
    end(helper);
    end(victim);
    bool ok = settled_and_right(rival, striker_first ? "second" : "first");
    green_event_free(signal);
    return ok;
}

/* One strike while a kernel thread helps. */
static void strike_beside_a_kernel_thread(void)
{
    struct green_event *signal = green_event_new();
    begin();
    atomic_store(&helper_is_there, 0);
    pthread_t helper = foreign(be_foreign_helper, signal);
    await(&helper_is_there, 1);
    victim = go(be_victim, NULL);
    struct greenlet *rival = call->rival ? go(be_rival, NULL) : NULL;
    settle();
    green_event_set(signal);
    end(go(be_striker, NULL));
    end(victim);
    join_foreign(helper);
    (void)settled_and_right(rival, "a kernel thread");
    green_event_free(signal);
}

static void sweep(const struct call *calls, size_t n, int n_ways)
{
    for (call = calls; call < calls + n; call++) {
        for (int i = 0; i < n_ways; i++) {
            int untouched = 0;
            way = ways[i];
            for (turns = 0; untouched < 4 && turns < (slow ? 4 : 12); turns++) {
                untouched = strike(turns % 2) ? untouched + 1 : 0;
                if (!slow) {
                    untouched = strike(!(turns % 2)) ? untouched + 1 : 0;
                }
            }
        }
    }
}

static void sweep_beside_kernel_threads(const struct call *calls, size_t n)
{
    for (call = calls; call < calls + n; call++) {
        for (int i = 0; i < 20; i++) {
            way = ways[i % N_SINGLE];
            turns = i % 5;
            delay = i * 7;
            strike_beside_a_kernel_thread();
        }
    }
}

extern size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

/* malloc counts what this thread's cache holds as allocated: fill it. */
static void fill_cache(void)
{
    enum { SMALLEST = 24, STEP = 16, N_SIZES = 64, N_EACH = 7 };
    static void *all[N_SIZES][N_EACH];
    for (size_t i = 0; i < N_SIZES; i++) {
        for (size_t j = 0; j < N_EACH; j++) {
            all[i][j] = malloc(SMALLEST + i * STEP);
        }
    }
    for (size_t i = 0; i < N_SIZES; i++) {
        for (size_t j = 0; j < N_EACH; j++) {
            free(all[i][j]);
        }
    }
}

static size_t allocated(void)
{
    if (__sanitizer_get_current_allocated_bytes) {
        return __sanitizer_get_current_allocated_bytes();
    }
    fill_cache();
    return mallinfo2().uordblks;
}

/* Greens and memory: no more after several rounds in succession than after one before. What other
 * threads hold at the moment of counting differs, and each may make something once, but what is
 * lost is lost in each round. */
static void sweep_for_leaks(const struct call *calls, size_t n)
{
    enum { MAX_ROUNDS = 12, STEADY = 3 };
    size_t most = 0;
    unsigned greens = 0;
    int steady = 0;
    for (int i = 0; i < MAX_ROUNDS && steady < STEADY; i++) {
        sweep(calls, n, N_SINGLE);
        size_t used = allocated();
        steady = used <= most ? steady + 1 : 0;
        most = used > most ? used : most;
        greens = i == 0 ? gr_hub_here()->n_greens : greens;
        cr_assert_eq(gr_hub_here()->n_greens, greens);
    }
    cr_assert_eq(steady, STEADY);
}

#define SWEEP(suite, calls)                                                                        \
    TestSuite(suite, .init = start, .timeout = 120);                                               \
    Test(suite, nothing_is_lost_whenever_a_wait_is_interrupted)                                    \
    {                                                                                              \
        sweep(calls, sizeof(calls) / sizeof((calls)[0]), sizeof(ways) / sizeof(ways[0]));          \
    }                                                                                              \
    Test(suite, nothing_is_left_behind)                                                            \
    {                                                                                              \
        sweep_for_leaks(calls, sizeof(calls) / sizeof((calls)[0]));                                \
    }                                                                                              \
    Test(suite, nothing_is_lost_when_kernel_threads_serve)                                         \
    {                                                                                              \
        sweep_beside_kernel_threads(calls, sizeof(calls) / sizeof((calls)[0]));                    \
    }

#endif
