/* A crowd parked on one condition variable, woken and joined. Natively it is smaller. */
/* TIMEOUT: 120 */
/* MODES: native green nodeep */
/* GREEN-ENV: TEST_COUNT=100000 */
#include "testlib.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int parked, go, left;

static void *body(void *arg)
{
    pthread_mutex_lock(&lock);
    parked++;
    while (!go)
        pthread_cond_wait(&changed, &lock);
    left++;
    pthread_mutex_unlock(&lock);
    return arg;
}

int test_main(void)
{
    int count = int_env("TEST_COUNT", 5000);
    pthread_t *threads = calloc((size_t)count, sizeof(*threads));

    CHECK(threads);
    for (intptr_t i = 0; i < count; i++)
        CHECK_RC(pthread_create(&threads[i], NULL, body, (void *)i), 0);
    for (int all = 0; !all; usleep(1000)) {
        pthread_mutex_lock(&lock);
        all = parked == count;
        pthread_mutex_unlock(&lock);
    }
    pthread_mutex_lock(&lock);
    go = 1;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    for (intptr_t i = 0; i < count; i++)
        CHECK_EQ(finish(threads[i]), i);
    CHECK_EQ(left, count);
    free(threads);
    return 0;
}
