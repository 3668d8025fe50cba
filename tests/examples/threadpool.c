/* Work that blocks its thread, on kernel threads, while a greenlet ticks; also in a forked child.
 */
#include <green/green.h>
#include <green/threadpool.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static struct green_threadpool *pool;
static pthread_barrier_t barrier;

/* Comes back when all four have come: they do block at the same time. */
static void *meet(void *arg)
{
    pthread_barrier_wait(&barrier);
    return arg;
}

static void *sum(void *arg)
{
    long n = 0;
    for (long i = 1; i <= (long)arg; i++)
        n += i;
    return (void *)n;
}

static void *refuse(void *arg)
{
    green_fail(-95, "not on this machine", arg);
}

static void *tick(void *arg)
{
    for (;;) {
        ++*(int *)arg;
        if (green_sleep(GREEN_MS(1)))
            return NULL;
    }
}

int main(void)
{
    struct green_result *r[4];
    struct greenlet *ticker;
    void *value;
    int ticks = 0;

    pool = green_threadpool_new(4, GREEN_S(5));
    pthread_barrier_init(&barrier, NULL, 4);
    green_spawn(tick, &ticks, &ticker);

    for (long i = 0; i < 4; i++)
        green_threadpool_spawn(pool, meet, (void *)i, &r[i], GREEN_FOREVER);
    for (int i = 0; i < 4; i++) {
        green_result_get(r[i], &value, GREEN_FOREVER);
        printf("met %ld\n", (long)value);
        green_result_free(r[i]);
    }
    printf("threads: %d\n", green_threadpool_size(pool));

    void *items[] = {(void *)10, (void *)100, (void *)1000};
    struct green_imap *it = green_threadpool_imap(pool, sum, green_items(items, 3), 0);
    while (green_imap_next(it, &value, GREEN_FOREVER) == 1)
        printf("sum to %ld: %ld\n", (long)green_imap_item(it), (long)value);
    green_imap_free(it);

    green_threadpool_spawn(pool, refuse, NULL, &r[0], GREEN_FOREVER);
    green_result_wait(r[0], GREEN_FOREVER);
    printf("failed: %s\n", green_result_error(r[0])->message);
    green_result_free(r[0]);
    fflush(stdout);

    if (fork() == 0) {
        int rc = green_threadpool_apply(pool, sum, (void *)7, &value, GREEN_FOREVER);
        printf("in the child: %d, %ld\n", rc, (long)value);
        return 0;
    }
    wait(NULL);

    green_kill(ticker, 0, GREEN_FOREVER);
    green_unref(ticker);
    green_threadpool_kill(pool, GREEN_FOREVER);
    printf("threads: %d; %s\n", green_threadpool_size(pool), ticks ? "it ticked" : "no tick");
    green_threadpool_free(pool);
    return 0;
}
