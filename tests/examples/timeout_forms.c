/* The forms of a timeout: started and cancelled, a scope, shared by calls, around a function. */
#include <errno.h>
#include <green/event.h>
#include <green/green.h>
#include <green/timeout.h>
#include <stdio.h>
#include <string.h>

static const char *name(int rc)
{
    return rc ? strerror(-rc) : "in time";
}

static void *wait_long(void *arg)
{
    int rc = green_sleep(GREEN_S(30));
    if (rc)
        printf("  its wait returned %s\n", name(rc));
    return arg;
}

static void *be_quick(void *arg)
{
    green_sleep(0);
    return arg;
}

/* Whatever the greenlet waits for after the start is ended, until the timeout is cancelled. */
static void start_and_cancel(void)
{
    struct green_timeout *t = green_timeout_new(GREEN_MS(10), 0);

    printf("start and cancel\n");
    green_timeout_start(t);
    wait_long(NULL);
    printf("  fired %d, pending %d\n", green_timeout_fired(t), green_timeout_pending(t));
    green_timeout_start(t); /* once more */
    printf("  fired %d, pending %d\n", green_timeout_fired(t), green_timeout_pending(t));
    green_timeout_cancel(t);
    printf("  fired %d, pending %d\n", green_timeout_fired(t), green_timeout_pending(t));
    green_timeout_free(t);
}

/* The timeout ends with the statement, also by break and return. */
static void scope(void)
{
    printf("scope\n");
    GREEN_TIMEOUT(t, GREEN_MS(10))
    {
        int rc = green_sleep(GREEN_S(30));
        if (rc && green_timeout_fired(t))
            printf("  %s, and it is ours\n", name(rc));
    }
}

/* A timer that has been started is a deadline that several calls share. */
static void join_with_a_timer(void)
{
    struct green_timeout *timer = green_timeout_start_new(GREEN_MS(300), 0);
    struct greenlet *quick, *slow;
    void *value = NULL;
    int rc;

    printf("join and get with a timer\n");
    green_spawn(be_quick, "done", &quick);
    green_spawn(wait_long, "never", &slow);
    if (green_get(quick, &value, GREEN_FOREVER) == 0)
        printf("  quick: %s\n", (char *)value);
    rc = green_join(slow, GREEN_FOREVER);
    printf("  slow: %s, by the timer %d\n", name(rc), green_timeout_fired(timer));
    green_timeout_free(timer);

    /* A call's own timeout: what is not ready yet is not an error. */
    rc = green_get(slow, &value, GREEN_MS(10));
    printf("  slow: %s, ended %d\n", name(rc), green_ended(slow));
    green_kill(slow, 0, GREEN_FOREVER);
    green_unref(quick);
    green_unref(slow);
}

/* An error of one's own instead of ETIMEDOUT. */
static void own_error(void)
{
    struct green_timeout *t = green_timeout_start_new(GREEN_MS(10), -EPROTO);

    printf("an error of one's own\n");
    wait_long(NULL);
    green_timeout_free(t);
}

/* The outer one passes through the inner one, which is still pending. */
static void nested(void)
{
    printf("nested\n");
    GREEN_TIMEOUT(outer, GREEN_MS(10))
    {
        GREEN_TIMEOUT(inner, GREEN_S(20))
        {
            wait_long(NULL);
            printf("  inner fired %d, pending %d\n", green_timeout_fired(inner),
                   green_timeout_pending(inner));
        }
        printf("  outer fired %d\n", green_timeout_fired(outer));
    }
}

static void with_timeout(void)
{
    void *value = "the default";
    int rc;

    printf("with_timeout\n");
    rc = green_with_timeout(GREEN_MS(10), wait_long, "too late", &value);
    printf("  %s: %s\n", name(rc), (char *)value);
    rc = green_with_timeout(GREEN_S(30), be_quick, "in time", &value);
    printf("  %s: %s\n", name(rc), (char *)value);
}

int main(void)
{
    start_and_cancel();
    scope();
    join_with_a_timer();
    own_error();
    nested();
    with_timeout();
    return 0;
}
