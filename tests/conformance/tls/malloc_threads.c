/* malloc and free from many threads, blocks freed by other threads than their makers. */
#include "testlib.h"

enum { SLOTS = 64, THREADS = 20 };
static char *slot[SLOTS];

static void *body(void *arg)
{
    unsigned seed = (unsigned)(intptr_t)arg * 7919 + 1;

    for (int i = 0; i < 3000; i++) {
        size_t size = (size_t)(rand_r(&seed) % 3000) + 16;
        char *block = malloc(size);

        CHECK(block);
        memset(block, (int)size & 0xff, size);
        *(size_t *)block = size;
        block = __atomic_exchange_n(&slot[rand_r(&seed) % SLOTS], block, __ATOMIC_ACQ_REL);
        if (block) {
            size = *(size_t *)block;
            CHECK_EQ((unsigned char)block[size - 1], size & 0xff);
            free(block);
        }
        if (i % 100 == 0)
            usleep(300);
    }
    return NULL;
}

int test_main(void)
{
    pthread_t threads[THREADS];

    for (intptr_t i = 0; i < THREADS; i++)
        threads[i] = start(body, (void *)i);
    for (int i = 0; i < THREADS; i++)
        finish(threads[i]);
    for (int i = 0; i < SLOTS; i++)
        free(slot[i]);
    return 0;
}
