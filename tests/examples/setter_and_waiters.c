/* An event wakes everybody who waits for it. */
#include <green/event.h>
#include <green/green.h>
#include <stdio.h>

static struct green_event *ready;

static void *setter(void *arg)
{
    printf("A: hey, wait for me, I have to do something\n");
    green_sleep(GREEN_MS(3));
    printf("A: I'm done\n");
    green_event_set(ready);
    return arg;
}

static void *waiter(void *arg)
{
    printf("%s: I'll wait for you\n", (char *)arg);
    green_event_wait(ready, GREEN_FOREVER);
    printf("%s: it's about time\n", (char *)arg);
    return arg;
}

int main(void)
{
    static char *const names[] = {"B", "C", "D", "E", "F"};
    struct greenlet *g[6];

    ready = green_event_new();
    green_spawn(setter, NULL, &g[0]);
    for (int i = 0; i < 5; i++)
        green_spawn(waiter, names[i], &g[1 + i]);
    green_joinall(g, 6, NULL, 0, 0, GREEN_FOREVER);
    for (int i = 0; i < 6; i++)
        green_unref(g[i]);

    printf("it stays set: %d, ", green_event_wait(ready, 0));
    green_event_clear(ready);
    printf("until it is cleared: %d\n", green_event_is_set(ready));
    green_event_free(ready);
    return 0;
}
