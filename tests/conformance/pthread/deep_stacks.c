/* Threads that ask for no stack size go as deep as natively; ended ones give the memory back. */
#include "testlib.h"

#include <sys/resource.h>

#define N_THREADS 128
#define DEEP      (1 << 20)

static pthread_barrier_t all_deep;

static long resident_kib(void)
{
    long total, resident;
    FILE *f = fopen("/proc/self/statm", "r");

    CHECK(f != NULL);
    CHECK_EQ(fscanf(f, "%ld %ld", &total, &resident), 2);
    fclose(f);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

/* Frames of 1 KiB down to @bytes below the first. */
static size_t __attribute__((noinline)) dig(size_t bytes)
{
    volatile char block[1024];

    memset((char *)block, (int)bytes, sizeof(block));
    if (bytes <= sizeof(block)) {
        usleep(0);
        return 1;
    }
    return dig(bytes - sizeof(block)) + (block[7] == (char)bytes);
}

static void *together(void *arg)
{
    size_t frames = dig(DEEP);

    pthread_barrier_wait(&all_deep);
    return (void *)(frames + (size_t)arg);
}

static void *alone(void *arg)
{
    return (void *)dig((size_t)arg);
}

int test_main(void)
{
    pthread_t threads[N_THREADS];
    struct rlimit limit;

    SYS(getrlimit(RLIMIT_STACK, &limit));
    if (limit.rlim_cur < (8 << 20))
        return 77;

    /* nearly all of it */
    size_t deep = 7 << 20;
    CHECK_GE((size_t)finish(start(alone, (void *)deep)), deep / 1024 - 1);

    long before = resident_kib();
    CHECK_RC(pthread_barrier_init(&all_deep, NULL, N_THREADS), 0);
    for (int i = 0; i < N_THREADS; i++)
        threads[i] = start(together, NULL);
    for (int i = 0; i < N_THREADS; i++)
        CHECK_EQ(finish(threads[i]), DEEP / 1024);
    CHECK(resident_kib() - before < 96 * 1024);
    return 0;
}
