/* A result is an event with a value: or with an error, which everybody gets who asks. */
#include <errno.h>
#include <green/event.h>
#include <green/green.h>
#include <stdio.h>
#include <string.h>

static struct green_result *answer;

static void *setter(void *arg)
{
    green_sleep(GREEN_MS(3));
    green_result_set(answer, arg);
    return NULL;
}

static void *waiter(void *arg)
{
    void *value = NULL;

    if (green_result_get(answer, &value, GREEN_FOREVER) == 0)
        printf("%s: %s\n", (char *)arg, (char *)value);
    return NULL;
}

static void on_ready(struct green_object *o, void *arg)
{
    printf("%s: ready %d\n", (char *)arg, green_ready(o));
}

int main(void)
{
    struct greenlet *g[3];
    void *value = NULL;
    int rc;

    answer = green_result_new();
    rc = green_result_get(answer, &value, 0);
    printf("nothing yet: %s\n", strerror(-rc));

    green_link(green_result_object(answer), on_ready, "link");
    green_spawn(setter, "Hello!", &g[0]);
    green_spawn(waiter, "first", &g[1]);
    green_spawn(waiter, "second", &g[2]);
    green_joinall(g, 3, NULL, 0, 0, GREEN_FOREVER);
    for (int i = 0; i < 3; i++)
        green_unref(g[i]);

    green_result_set_error(answer, -EIO, "the disk is gone", NULL);
    rc = green_result_get(answer, &value, GREEN_FOREVER);
    printf("now: %s, %s\n", strerror(-rc), green_result_error(answer)->message);
    green_result_free(answer);
    return 0;
}
