/* A pool of ten: results as they come, in order, and all at once. */
#include <green/green.h>
#include <green/pool.h>
#include <stdio.h>
#include <stdlib.h>

static int running;
static int most;

/* Of ten that run at a time the one with the highest number ends first, the others in turn. */
static void *work(void *arg)
{
    static int turn = 9;
    long n = (long)arg;

    if (++running > most)
        most = running;
    while (turn != n % 10)
        green_sleep(0);
    turn = turn > 0 ? turn - 1 : 9;
    running--;
    return (void *)(n * n);
}

static int next_number(void *state, void **item)
{
    long *n = state;

    if (*n == 10)
        return 0;
    *item = (void *)(*n)++;
    return 1;
}

int main(void)
{
    struct green_pool *pool = green_pool_new(10);
    struct green_imap *it;
    struct green_values *squares;
    long n = 0;
    void *value;

    it = green_pool_imap_unordered(pool, work, green_generator(next_number, &n), 0);
    while (green_imap_next(it, &value, GREEN_FOREVER) == 1)
        printf("%ld -> %ld\n", (long)green_imap_item(it), (long)value);
    green_imap_free(it);

    n = 0;
    it = green_pool_imap(pool, work, green_generator(next_number, &n), 0);
    while (green_imap_next(it, &value, GREEN_FOREVER) == 1)
        printf("%ld ", (long)value);
    green_imap_free(it);
    printf("\n");

    void *items[30];
    for (long i = 0; i < 30; i++)
        items[i] = (void *)i;
    green_pool_map(pool, work, green_items(items, 30), &squares, GREEN_FOREVER);
    printf("%zu values, the last is %ld\n", squares->n, (long)squares->value[29]);
    free(squares);
    printf("at most %d at a time\n", most);
    green_pool_free(pool);
    return 0;
}
