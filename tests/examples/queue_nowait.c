/* An unbounded queue, filled without waiting; workers take tasks as long as there are any. */
#include <errno.h>
#include <green/green.h>
#include <green/queue.h>
#include <stdio.h>

static struct green_queue *tasks;

static void *worker(void *arg)
{
    void *task;

    while (green_queue_get(tasks, &task, 0) == 0) { /* -EAGAIN: it is empty */
        printf("worker %s got task %ld\n", (char *)arg, (long)task);
        green_sleep(0);
    }
    printf("worker %s: quitting time\n", (char *)arg);
    return arg;
}

static void *boss(void *arg)
{
    for (long i = 1; i < 10; i++)
        green_queue_put(tasks, (void *)i, 0);
    return arg;
}

int main(void)
{
    static char *const names[] = {"steve", "john", "nancy"};
    struct greenlet *g[4];

    tasks = green_queue_new(0);
    green_spawn(boss, NULL, &g[0]);
    green_join(g[0], GREEN_FOREVER);
    for (int i = 0; i < 3; i++)
        green_spawn(worker, names[i], &g[1 + i]);
    green_joinall(g, 4, NULL, 0, 0, GREEN_FOREVER);
    for (int i = 0; i < 4; i++)
        green_unref(g[i]);
    green_queue_free(tasks);

    tasks = green_queue_new(3);
    for (long i = 1; green_queue_put(tasks, (void *)i, 0) != -EAGAIN; i++) /* until it is full */
        printf("put %ld\n", i);
    printf("full: %d\n", green_queue_full(tasks));
    green_queue_free(tasks);
    return 0;
}
