/* A bounded semaphore lets two in at a time, and notices a release too many. */
#include <errno.h>
#include <green/green.h>
#include <green/lock.h>
#include <stdio.h>
#include <string.h>

static struct green_semaphore *sem;
static int inside, most;

static void *worker(void *arg)
{
    for (int round = 0; round < 2; round++) {
        green_semaphore_acquire(sem, GREEN_FOREVER);
        inside++;
        most = inside > most ? inside : most;
        printf("worker %s acquired the semaphore\n", (char *)arg);
        green_sleep(0);
        printf("worker %s releases it\n", (char *)arg);
        inside--;
        green_semaphore_release(sem);
    }
    return arg;
}

int main(void)
{
    static char *const names[] = {"1", "2", "3", "4"};
    struct greenlet *g[4];
    int rc;

    sem = green_bounded_semaphore_new(2);
    for (int i = 0; i < 4; i++)
        green_spawn(worker, names[i], &g[i]);
    green_joinall(g, 4, NULL, 0, 0, GREEN_FOREVER);
    for (int i = 0; i < 4; i++)
        green_unref(g[i]);
    printf("at most %d at a time\n", most);
    rc = green_semaphore_release(sem);
    printf("one release too many: %s\n", strerror(-rc));
    green_semaphore_free(sem);
    return 0;
}
