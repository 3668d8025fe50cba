/* Main waits until nothing is left to run; what only waits for others does not keep it. */
#include <green/event.h>
#include <green/green.h>
#include <stdint.h>
#include <stdio.h>

static struct green_event *never;

static void *visit(void *arg)
{
    intptr_t n = (intptr_t)arg;

    green_sleep(GREEN_MS(200));
    printf("visited %d\n", (int)n);
    if (n < 3)
        green_spawn(visit, (void *)(n + 1), NULL);
    return NULL;
}

static void *heartbeat(void *arg)
{
    while (green_sleep_unref(GREEN_S(3600)) == 0)
        printf("still there\n");
    return arg;
}

static void *listener(void *arg)
{
    return green_event_wait(never, GREEN_FOREVER) ? NULL : arg;
}

static void *cleaner(void *arg)
{
    green_idle(0);
    printf("%s: everybody waits\n", (char *)arg);
    return NULL;
}

int main(void)
{
    never = green_event_new();
    green_spawn(cleaner, "cleaner", NULL);
    green_spawn(heartbeat, NULL, NULL);
    green_spawn(listener, NULL, NULL);
    green_spawn(visit, (void *)1, NULL);
    printf("at once: %s\n", green_hub_join(0) ? "something is left" : "nothing is left");
    printf("joined: %d\n", green_hub_join(GREEN_FOREVER));
    return 0;
}
