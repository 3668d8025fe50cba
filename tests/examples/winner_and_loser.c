/* States of a greenlet: one ends with a value, the other with an error. */
#include <errno.h>
#include <green/green.h>
#include <stdio.h>
#include <string.h>

static void *win(void *arg)
{
    (void)arg;
    return "You win!";
}

static void *lose(void *arg)
{
    (void)arg;
    green_fail(-EPROTO, "You fail at failing.", NULL);
}

/* Without a handler of the program's own this is a line on standard error. */
static void report(struct greenlet *g, const struct green_error *e)
{
    printf("report: %s failed: %s (%s)\n", green_name(g), e->message, strerror(-e->code));
}

static void show(const struct greenlet *g)
{
    printf("%s: started %d, ended %d, successful %d\n", green_name(g), green_started(g),
           green_ended(g), green_successful(g));
}

int main(void)
{
    struct greenlet *winner, *loser;
    void *value = NULL;

    green_set_error_handler(report);
    green_spawn(win, NULL, &winner);
    green_spawn(lose, NULL, &loser);
    green_set_name(winner, "winner");
    green_set_name(loser, "loser");
    show(winner);
    show(loser);

    struct greenlet *both[] = {winner, loser};
    green_joinall(both, 2, NULL, 0, 0, GREEN_FOREVER);
    show(winner);
    show(loser);

    printf("winner's value: %s\n", (char *)green_value(winner));
    printf("loser's value: %s\n", green_value(loser) ? "?" : "none");
    printf("loser's error: %s\n", green_error(loser)->message);

    /* green_join() never gives the error; green_get() does, every time. */
    printf("join: %d\n", green_join(loser, GREEN_FOREVER));
    for (int i = 0; i < 2; i++)
        printf("get: %s\n", strerror(-green_get(loser, &value, GREEN_FOREVER)));

    green_unref(winner);
    green_unref(loser);
    return 0;
}
