/* An error leaves functions of any depth; cleanups run, and a scope further out may catch it. */
#include <errno.h>
#include <green/green.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static void say(void *arg)
{
    printf("  cleanup: %s\n", (char *)arg);
}

static void *work(void *arg)
{
    pthread_cleanup_push(say, "close the file");
    if (arg)
        green_fail(-EDOM, "no such number", arg);
    pthread_cleanup_pop(1);
    return "a value";
}

static void attempt(void *arg)
{
    struct green_error *e = NULL;
    void *value = NULL;

    printf("try\n");
    if (green_try(work, arg, &value, &e) == 0)
        printf("  %s\n", (char *)value);
    else
        printf("  caught %s: %s, about %s\n", strerror(-e->code), e->message, (char *)e->payload);
    green_error_free(e);
}

static void *in_a_greenlet(void *arg)
{
    attempt(NULL);
    attempt("seven");
    printf("leave\n");
    pthread_cleanup_push(say, "on the way out");
    green_exit("the end");
    pthread_cleanup_pop(0);
    return arg;
}

/* A kill is an error of whatever the greenlet waits for: it decides what to do with it. */
static void *killed(void *arg)
{
    int rc = green_sleep(GREEN_FOREVER);

    printf("killed: %s\n", strerror(-rc));
    return arg;
}

int main(void)
{
    struct greenlet *g;
    void *value = NULL;

    green_spawn(in_a_greenlet, NULL, &g);
    if (green_get(g, &value, GREEN_FOREVER) == 0)
        printf("  it ended with \"%s\"\n", (char *)value);
    green_unref(g);

    green_spawn(killed, NULL, &g);
    green_sleep(0);
    green_kill(g, 0, GREEN_FOREVER);
    green_unref(g);
    return 0;
}
