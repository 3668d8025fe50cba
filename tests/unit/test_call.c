/* Greenlets that call functions of any type. */
#include <green/call.h>
#include <green/event.h>

#include "sync.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

TestSuite(call, .init = start, .timeout = 60);

static int ran;

static double half(const char *text, double d)
{
    ran++;
    green_sleep(0);
    return strcmp(text, "Hello") == 0 ? d / 2 : -1;
}

Test(call, a_function_with_arguments_of_its_own)
{
    struct greenlet *g;
    char text[] = "Hello";
    cr_assert_eq(green_spawn_call(&g, half, "d(sd)", text, 5.0), 0);
    memset(text, 'x', 5);
    cr_assert_eq(ran, 0, "it runs when the caller waits");
    double d = 0;
    cr_assert_eq(green_call_get(g, &d, sizeof(d), 0), -ETIMEDOUT);
    cr_assert_eq(green_call_get(g, &d, sizeof(d), GREEN_FOREVER), 0);
    cr_assert_eq(d, 2.5);
    cr_assert_eq(*(double *)green_value(g), 2.5);
    void *value;
    cr_assert_eq(green_get(g, &value, 0), 0);
    cr_assert_eq(*(double *)value, 2.5);
    cr_assert(green_successful(g));
    green_unref(g);
}

static char c_of(void)
{
    return -7;
}

Test(call, an_integer_is_the_value_itself)
{
    struct greenlet *g;
    cr_assert_eq(green_spawn_call(&g, c_of, "b()"), 0);
    signed char c;
    cr_assert_eq(green_call_get(g, &c, sizeof(c), GREEN_FOREVER), 0);
    cr_assert_eq(c, -7);
    cr_assert_eq((intptr_t)green_value(g), -7);
    green_unref(g);
}

static void store(int *where, int what)
{
    *where = what;
}

Test(call, nobody_wants_the_handle_or_a_result)
{
    int a = 0;
    int b = 0;
    struct greenlet *g;
    cr_assert_eq(green_spawn_call(NULL, store, "v(pi)", &a, 1), 0);
    cr_assert_eq(green_spawn_call(&g, store, "v(pi)", &b, 2), 0);
    cr_assert_eq(green_call_get(g, NULL, 0, GREEN_FOREVER), 0);
    cr_assert(a == 1 && b == 2);
    cr_assert_null(green_value(g));
    green_unref(g);
}

Test(call, later)
{
    struct greenlet *g;
    int64_t begin = gr_now();
    cr_assert_eq(green_spawn_call_later(MS(20), &g, abs, "i(i)", -4), 0);
    int i;
    cr_assert_eq(green_call_get(g, &i, sizeof(i), GREEN_FOREVER), 0);
    cr_assert_eq(i, 4);
    cr_assert_geq(gr_now() - begin, MS(20));
    green_unref(g);
}

Test(call, a_result_is_asked_for_in_its_own_size)
{
    struct greenlet *g;
    cr_assert_eq(green_spawn_call(&g, abs, "i(i)", -4), 0);
    long l = 77;
    int i = 0;
    cr_assert_eq(green_call_get(g, &l, sizeof(l), GREEN_FOREVER), -EINVAL);
    cr_assert_eq(l, 77);
    cr_assert_eq(green_call_get(g, &i, sizeof(i), GREEN_FOREVER), 0);
    cr_assert_eq(i, 4);
    green_unref(g);
}

static void *plain(void *arg)
{
    return arg;
}

Test(call, misuse_is_an_error)
{
    struct greenlet *g = NULL;
    cr_assert_eq(green_spawn_call(&g, abs, "i(y)", 1), -EINVAL);
    cr_assert_eq(green_spawn_call(&g, abs, "", 1), -EINVAL);
    cr_assert_eq((green_spawn_call)(&g, (green_function *)abs, NULL), -EINVAL);
    cr_assert_eq(green_spawn_call(&g, NULL, "i(i)", 1), -EINVAL);
    cr_assert_eq(green_spawn_call_later(MS(1), &g, abs, "i(", 1), -EINVAL);
    cr_assert_null(g);
    int i;
    cr_assert_eq(green_spawn(plain, NULL, &g), 0);
    cr_assert_eq(green_call_get(g, &i, sizeof(i), GREEN_FOREVER), -EINVAL, "no such greenlet");
    cr_assert_eq(green_join(g, GREEN_FOREVER), 0);
    green_unref(g);
}

static void leave(int with)
{
    if (with < 0) {
        green_fail(with, "as asked", NULL);
    }
    green_exit(&ran);
}

static void be_quiet(struct greenlet *g, const struct green_error *e)
{
    (void)g;
    (void)e;
}

Test(call, an_end_without_a_result)
{
    green_set_error_handler(be_quiet);
    struct greenlet *killed;
    struct greenlet *left;
    struct greenlet *failed;
    double d = 1;
    cr_assert_eq(green_spawn_call(&killed, half, "d(sd)", "Hello", 1.0), 0);
    cr_assert_eq(green_kill(killed, 0, GREEN_FOREVER), 0);
    cr_assert_eq(green_spawn_call(&left, leave, "v(i)", 1), 0);
    cr_assert_eq(green_spawn_call(&failed, leave, "v(i)", -EIO), 0);
    cr_assert_eq(green_call_get(killed, &d, sizeof(d), GREEN_FOREVER), -ENODATA);
    cr_assert_eq(green_call_get(left, &d, sizeof(d), GREEN_FOREVER), -ENODATA);
    cr_assert_eq(green_value(left), (void *)&ran);
    cr_assert_eq(green_call_get(failed, &d, sizeof(d), GREEN_FOREVER), -EIO);
    cr_assert(d == 1 && ran == 0);
    green_unref(killed);
    green_unref(left);
    green_unref(failed);
}

static void *many(void *arg)
{
    struct greenlet *g[50];
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 50; i++) {
            cr_assert_eq(green_spawn_call(&g[i], half, "d(sd)", "Hello", (double)i), 0);
        }
        for (int i = 0; i < 50; i++) {
            double d;
            cr_assert_eq(green_call_get(g[i], &d, sizeof(d), GREEN_FOREVER), 0);
            cr_assert_eq(d, i / 2.0);
            green_unref(g[i]);
        }
    }
    return arg;
}

Test(call, many_from_several_greens)
{
    struct greenlet *g[4];
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(green_spawn(many, NULL, &g[i]), 0);
    }
    cr_assert_eq(green_joinall(g, 4, NULL, 0, 0, GREEN_FOREVER), 4);
    for (int i = 0; i < 4; i++) {
        green_unref(g[i]);
    }
    cr_assert_eq(ran, 4000);
}
