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

static void *new_counter(void *arg)
{
    int *n = malloc(sizeof(*n));
    *n = *(int *)arg;
    return n;
}

static void end_counter(void *value)
{
    printf("a counter ends at %d\n", *(int *)value);
    free(value);
}

static void *count(void *arg)
{
    int *n = green_local_get(stash);

    for (int i = 0; i < 3; i++) {
        ++*n;
        printf("%s: %d\n", (char *)arg, *n);
        green_sleep(0);
    }
    return NULL;
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

    stash = green_local_new(new_counter, &start, end_counter);
    green_spawn(count, "first", &g[0]);
    green_spawn(count, "second", &g[1]);
    pthread_create(&t, NULL, count, "pthread");
    green_joinall(g, 2, NULL, 0, 0, GREEN_FOREVER);
    pthread_join(t, NULL);
    count("main");
    green_local_free(stash);
    green_unref(g[0]);
    green_unref(g[1]);

    path = green_inheritable_local_new(copy, NULL, NULL, free);
    green_local_set(path, strdup("main"));
    green_spawn(enter, (void *)1L, &g[0]);
    green_join(g[0], GREEN_FOREVER);
    green_unref(g[0]);
    printf("in %s\n", (char *)green_local_get(path));
    green_local_free(path);
    return 0;
}
