/* A local has a value for each greenlet and each pthread; one more kind goes from parent to child.
 */
#define _GNU_SOURCE
#include <green/green.h>
#include <green/local.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct green_local *stash; /* int, counts what its thread does */
static struct green_local *path;  /* char *, inherited */

static int ended_at; /* sum of all */

static void *new_counter(void *arg)
{
    int *n = malloc(sizeof(*n));
    *n = *(int *)arg;
    return n;
}

static void end_counter(void *value)
{
    ended_at += *(int *)value;
    free(value);
}

static void *count(void *arg)
{
    for (long i = 0; i < (long)arg; i++) {
        ++*(int *)green_local_get(stash);
        green_sleep(0);
    }
    return (void *)(long)*(int *)green_local_get(stash);
}

static void *copy(void *value)
{
    return strdup(value);
}

static void *enter(void *arg)
{
    char *outer = green_local_get(path);
    char *inner;
    int depth = (int)(long)arg;

    if (asprintf(&inner, "%s/%d", outer, depth) < 0)
        abort();
    free(outer);
    green_local_set(path, inner);
    if (depth < 3) {
        struct greenlet *g;
        green_spawn(enter, (void *)(long)(depth + 1), &g);
        green_join(g, GREEN_FOREVER);
        green_unref(g);
    }
    printf("in %s\n", (char *)green_local_get(path));
    return NULL;
}

int main(void)
{
    int start = 100;
    struct greenlet *g[2];
    pthread_t t;
    void *value;

    stash = green_local_new(new_counter, &start, end_counter);
    green_spawn(count, (void *)3L, &g[0]);
    green_spawn(count, (void *)3L, &g[1]);
    pthread_create(&t, NULL, count, (void *)3L);
    for (int i = 0; i < 2; i++) {
        green_get(g[i], &value, GREEN_FOREVER);
        printf("greenlet %d: %ld\n", i, (long)value);
        green_unref(g[i]);
    }
    pthread_join(t, &value);
    printf("pthread: %ld\n", (long)value);
    printf("main: %ld\n", (long)count((void *)3L));
    green_local_free(stash);
    printf("sum of all: %d\n", ended_at);

    path = green_inheritable_local_new(copy, NULL, NULL, free);
    green_local_set(path, strdup("main"));
    green_spawn(enter, (void *)1L, &g[0]);
    green_join(g[0], GREEN_FOREVER);
    green_unref(g[0]);
    printf("in %s\n", (char *)green_local_get(path));
    green_local_free(path);
    return 0;
}
