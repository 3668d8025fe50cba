/* A boss puts tasks into a bounded queue; three workers take them until none comes any more. */
#include <errno.h>
#include <green/green.h>
#include <green/queue.h>
#include <stdio.h>

static struct green_queue *tasks;

static void *worker(void *arg)
{
    void *task;
    int rc;

    while ((rc = green_queue_get(tasks, &task, GREEN_MS(50))) == 0) {
        printf("worker %s got task %ld\n", (char *)arg, (long)task);
        green_sleep(0);
    }
    printf("worker %s: %s\n", (char *)arg, rc == -ETIMEDOUT ? "quitting time" : "?");
    return arg;
}

static void *boss(void *arg)
{
    for (long i = 1; i < 10; i++)
        green_queue_put(tasks, (void *)i, GREEN_FOREVER);
    printf("assigned all work in iteration 1\n");
    for (long i = 10; i < 20; i++)
        green_queue_put(tasks, (void *)i, GREEN_FOREVER);
    printf("assigned all work in iteration 2\n");
    return arg;
}

int main(void)
{
    struct greenlet *g[4];

    tasks = green_queue_new(3);
    green_spawn(boss, NULL, &g[0]);
    green_spawn(worker, "steve", &g[1]);
    green_spawn(worker, "john", &g[2]);
    green_spawn(worker, "bob", &g[3]);
    green_joinall(g, 4, NULL, 0, 0, GREEN_FOREVER);
    for (int i = 0; i < 4; i++)
        green_unref(g[i]);
    printf("left in the queue: %zu\n", green_queue_size(tasks));
    green_queue_free(tasks);
    return 0;
}
