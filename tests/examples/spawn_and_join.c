/* Greenlets run in the order in which they were made, and take turns where they wait. */
#include <green/green.h>
#include <stdio.h>

static void *task(void *arg)
{
    printf("%s begins\n", (char *)arg);
    green_sleep(0);
    printf("%s goes on\n", (char *)arg);
    return arg;
}

int main(void)
{
    static char *const names[] = {"foo", "bar", "baz"};
    struct greenlet *g[3];
    void *value;

    for (int i = 0; i < 3; i++)
        green_spawn(task, names[i], &g[i]);
    green_joinall(g, 3, NULL, 0, 0, GREEN_FOREVER);
    for (int i = 0; i < 3; i++) {
        if (green_get(g[i], &value, 0) == 0)
            printf("%s: successful %d\n", (char *)value, green_successful(g[i]));
        green_unref(g[i]);
    }
    return 0;
}
