/* Locals: whose value it is, when it is made and destroyed, inheritance. */
#include <green/event.h>
#include <green/green.h>
#include <green/local.h>

#include "sync.h"

#include <limits.h>
#include <stdlib.h>

#define ITEM(n) ((void *)(intptr_t)(n))

TestSuite(local, .init = start, .timeout = 60);

static struct green_local *local;
static struct green_event *gate;
static atomic_int made;
static atomic_int destroyed;
static intptr_t sum;
static void *destroyer;

static void *make(void *arg)
{
    int *value = malloc(sizeof(*value));
    made++;
    *value = *(int *)arg;
    return value;
}

static void destroy(void *value)
{
    destroyed++;
    destroyer = gr_self;
    sum += *(int *)value;
    free(value);
}

static void setup(void)
{
    static int seven = 7;
    gate = green_event_new();
    local = green_local_new(make, &seven, destroy);
    cr_assert_not_null(local);
}

static struct greenlet *go(void *(*fn)(void *), void *arg)
{
    struct greenlet *g;
    cr_assert_eq(green_spawn(fn, arg, &g), 0);
    return g;
}

static void end(struct greenlet *g)
{
    cr_assert_eq(green_join(g, GREEN_FOREVER), 0);
    green_unref(g);
}

/* Counts up in its value; what it ends with. */
static void *count(void *arg)
{
    for (int i = 0; i < 10; i++) {
        ++*(int *)green_local_get(local);
        green_sleep(0);
    }
    cr_assert_eq(*(int *)green_local_get(local), 17);
    return arg;
}

Test(local, each_has_its_own)
{
    setup();
    struct greenlet *g[5];
    *(int *)green_local_get(local) = 1000;
    for (int i = 0; i < 5; i++) {
        g[i] = go(count, NULL);
    }
    for (int i = 0; i < 5; i++) {
        end(g[i]);
    }
    cr_assert_eq(*(int *)green_local_get(local), 1000);
    cr_assert(made == 6 && destroyed == 5 && sum == 5 * 17);
    green_local_free(local);
    cr_assert(destroyed == 6 && sum == 1000 + 5 * 17);
}

static void *look(void *arg)
{
    return green_local_get(arg);
}

static void *look_twice(void *arg)
{
    cr_assert_null(green_local_get(arg));
    cr_assert_eq(green_local_set(arg, ITEM(5)), 0);
    cr_assert_eq(green_local_get(arg), ITEM(5));
    cr_assert_eq(green_local_set(arg, NULL), 0);
    return green_local_get(arg);
}

Test(local, without_initialiser_and_destructor)
{
    struct green_local *l = green_local_new(NULL, NULL, NULL);
    cr_assert_eq(green_local_set(l, NULL), 0);
    cr_assert_null(green_local_get(l));
    cr_assert_eq(green_local_set(l, ITEM(1)), 0);
    void *value = ITEM(2);
    struct greenlet *g = go(look, l);
    cr_assert_eq(green_get(g, &value, GREEN_FOREVER), 0);
    cr_assert_null(value, "not inherited");
    green_unref(g);
    end(go(look_twice, l));
    cr_assert_eq(green_local_get(l), ITEM(1));
    green_local_free(l);
    green_local_free(NULL);
}

static void *touch(void *arg)
{
    (void)green_local_get(local);
    return arg;
}

static void *touch_and_wait(void *arg)
{
    (void)green_local_get(local);
    int rc = green_event_wait(gate, GREEN_FOREVER);
    return rc ? ITEM(rc) : arg;
}

static void *touch_and_exit(void *arg)
{
    (void)green_local_get(local);
    green_exit(arg);
}

static void *touch_and_fail(void *arg)
{
    (void)green_local_get(local);
    green_fail(-EIO, NULL, arg);
}

static void quiet(struct greenlet *g, const struct green_error *e)
{
    (void)g;
    (void)e;
}

Test(local, destroyed_at_the_end_however_it_ends)
{
    setup();
    green_set_error_handler(quiet);
    struct greenlet *g = go(touch, NULL);
    cr_assert_eq(green_join(g, GREEN_FOREVER), 0);
    cr_assert_eq(destroyed, 1, "the handle is still there");
    cr_assert_neq(destroyer, gr_self, "on the thread itself");
    green_unref(g);
    end(go(touch_and_exit, NULL));
    end(go(touch_and_fail, NULL));
    g = go(touch_and_wait, NULL);
    settle();
    cr_assert_eq(green_kill(g, 0, GREEN_FOREVER), 0);
    green_unref(g);
    cr_assert_eq(destroyed, 4);
    g = go(touch, NULL);
    cr_assert_eq(green_kill(g, 0, GREEN_FOREVER), 0);
    green_unref(g);
    cr_assert(made == 4 && destroyed == 4, "it never ran");
    green_local_free(local);
}

Test(local, freed_it_clears_all)
{
    setup();
    struct greenlet *g[3];
    for (int i = 0; i < 3; i++) {
        g[i] = go(touch_and_wait, NULL);
    }
    settle();
    cr_assert_eq(made, 3);
    green_local_free(local);
    cr_assert_eq(destroyed, 3);
    struct green_local *other = green_local_new(NULL, NULL, NULL);
    cr_assert_null(green_local_get(other), "a new one has no value of an old one's");
    struct greenlet *looks = go(look, other);
    void *value = ITEM(1);
    cr_assert_eq(green_get(looks, &value, GREEN_FOREVER), 0);
    cr_assert_null(value);
    green_unref(looks);
    green_event_set(gate);
    for (int i = 0; i < 3; i++) {
        end(g[i]);
    }
    cr_assert_eq(destroyed, 3);
    green_local_free(other);
}

Test(local, many)
{
    enum { N = 300 };
    struct green_local *l[N];
    for (int i = 0; i < N; i++) {
        l[i] = green_local_new(NULL, NULL, NULL);
        cr_assert_eq(green_local_set(l[i], ITEM(i + 1)), 0);
    }
    for (int i = 0; i < N; i++) {
        cr_assert_eq(green_local_get(l[i]), ITEM(i + 1));
    }
    for (int i = 0; i < N; i += 2) {
        green_local_free(l[i]);
        l[i] = green_local_new(NULL, NULL, NULL);
        cr_assert_null(green_local_get(l[i]));
    }
    for (int i = 0; i < N; i++) {
        cr_assert_eq(green_local_get(l[i]), i % 2 ? ITEM(i + 1) : NULL);
        green_local_free(l[i]);
    }
}

Test(local, many_short_greens)
{
    setup();
    for (int round = 0; round < 100; round++) {
        struct greenlet *g[50];
        for (int i = 0; i < 50; i++) {
            g[i] = go(touch, NULL);
        }
        for (int i = 0; i < 50; i++) {
            end(g[i]);
        }
    }
    cr_assert(made == 5000 && destroyed == 5000 && sum == 7 * 5000);
    green_local_free(local);
}

static struct green_local *stubborn;
static int stubborn_rounds;

static void set_again(void *value)
{
    stubborn_rounds++;
    green_sleep(0);
    cr_assert_eq(green_local_set(stubborn, value), 0);
}

static void *set_stubborn(void *arg)
{
    cr_assert_eq(green_local_set(stubborn, ITEM(1)), 0);
    return arg;
}

Test(local, destructors_that_wait_and_set_it_again)
{
    stubborn = green_local_new(NULL, NULL, set_again);
    end(go(set_stubborn, NULL));
    cr_assert_eq(stubborn_rounds, PTHREAD_DESTRUCTOR_ITERATIONS);
    green_local_free(stubborn);
    cr_assert_eq(stubborn_rounds, PTHREAD_DESTRUCTOR_ITERATIONS);
}

static void *count_in_thread(void *arg)
{
    for (int i = 0; i < 1000; i++) {
        ++*(int *)green_local_get(local);
    }
    return arg;
}

Test(local, of_kernel_threads)
{
    setup();
    pthread_t t[4];
    gr_hub_foreign();
    for (int i = 0; i < 4; i++) {
        t[i] = foreign(count_in_thread, NULL);
    }
    end(go(count, NULL));
    for (int i = 0; i < 4; i++) {
        join_foreign(t[i]);
    }
    cr_assert(made == 5 && destroyed == 5 && sum == 4 * 1007 + 17);
    green_local_free(local);
}

/* --- inheritance --- */

static void *copy(void *value)
{
    int *to = malloc(sizeof(*to));
    made++;
    *to = *(int *)value;
    return to;
}

static void setup_inheritable(void)
{
    gate = green_event_new();
    local = green_inheritable_local_new(copy, NULL, NULL, destroy);
    cr_assert_not_null(local);
}

static int put(int n)
{
    int *value = green_local_get(local);
    if (!value) {
        value = malloc(sizeof(*value));
        made++;
        cr_assert_eq(green_local_set(local, value), 0);
    }
    *value = n;
    return n;
}

static int now(void)
{
    const int *value = green_local_get(local);
    return value ? *value : 0;
}

static void *generation(void *arg)
{
    int n = (int)(intptr_t)arg;
    cr_assert_eq(now(), n);
    put(n + 1);
    struct greenlet *g = n < 5 ? go(generation, ITEM(n + 1)) : NULL;
    put(100);
    if (g) {
        end(g);
    }
    cr_assert_eq(now(), 100);
    return NULL;
}

Test(local, inherited_at_the_spawn)
{
    setup_inheritable();
    end(go(generation, NULL));
    put(1);
    struct greenlet *g = go(generation, ITEM(1));
    put(50);
    end(g);
    cr_assert_eq(now(), 50);
    green_local_free(local);
    cr_assert_eq(made, destroyed);
}

Test(local, inherited_by_one_who_never_ran)
{
    setup_inheritable();
    put(3);
    struct greenlet *g = go(generation, ITEM(3));
    cr_assert_eq(made, 2);
    cr_assert_eq(green_kill(g, 0, GREEN_FOREVER), 0);
    cr_assert_eq(destroyed, 1);
    green_unref(g);
    cr_assert_eq(green_spawn_later(GREEN_S(100), generation, NULL, &g), 0);
    cr_assert_eq(green_kill(g, 0, GREEN_FOREVER), 0);
    cr_assert_eq(destroyed, 2);
    green_unref(g);
    cr_assert_eq(now(), 3);
    void *ours = green_local_get(local);
    cr_assert_eq(green_local_set(local, NULL), 0);
    free(ours);
    g = go(generation, NULL);
    end(g);
    green_local_free(local);
}

static void destroy_slowly(void *value)
{
    destroyed++;
    green_sleep(MS(1));
    free(value);
}

static void *never(void *arg)
{
    cr_assert_fail("it runs");
    return arg;
}

static void *kill_it(void *arg)
{
    return ITEM(green_kill(arg, 0, GREEN_FOREVER));
}

Test(local, killed_again_while_what_it_has_inherited_is_destroyed)
{
    gate = green_event_new();
    local = green_inheritable_local_new(copy, NULL, NULL, destroy_slowly);
    put(3);
    struct greenlet *g = go(never, NULL);
    struct greenlet *killers[2];
    void *ours = green_local_get(local);
    cr_assert_eq(green_local_set(local, NULL), 0);
    free(ours);
    killers[0] = go(kill_it, g);
    killers[1] = go(kill_it, g);
    cr_assert_eq(green_kill(g, 0, GREEN_FOREVER), 0);
    cr_assert_eq(destroyed, 1);
    end(killers[0]);
    end(killers[1]);
    green_unref(g);
    green_local_free(local);
}
