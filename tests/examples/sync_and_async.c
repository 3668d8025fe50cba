/* The same tasks one after the other, and all at the same time: then the shortest is done first. */
#include <green/green.h>
#include <stdio.h>

enum { TASKS = 6 };

/* Waits a while, some tasks longer than others. */
static void *task(void *arg)
{
    for (long n = (long)arg * 5 % TASKS; n >= 0; n--)
        green_sleep(0);
    printf("task %ld done\n", (long)arg);
    return arg;
}

static void synchronous(void)
{
    for (long i = 1; i < TASKS; i++)
        task((void *)i);
}

static void asynchronous(void)
{
    struct greenlet *g[TASKS - 1], *done[TASKS - 1];

    for (long i = 1; i < TASKS; i++)
        green_spawn(task, (void *)i, &g[i - 1]);
    int n = green_joinall(g, TASKS - 1, done, 0, 0, GREEN_FOREVER);
    printf("in the order of their ends:");
    for (int i = 0; i < n; i++) {
        printf(" %ld", (long)green_value(done[i]));
        green_unref(done[i]);
    }
    printf("\n");
}

int main(void)
{
    printf("synchronous:\n");
    synchronous();
    printf("asynchronous:\n");
    asynchronous();
    return 0;
}
