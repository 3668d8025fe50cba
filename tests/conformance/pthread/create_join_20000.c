/* Create and join 20 000 times, one at a time: nothing is used up. */
/* TIMEOUT: 60 */
#include "testlib.h"

static void *body(void *arg)
{
    return arg;
}

static long resident_kib(void)
{
    char line[200];
    long kib = -1;
    FILE *f = fopen("/proc/self/status", "r");

    CHECK(f);
    while (fgets(line, sizeof(line), f))
        if (sscanf(line, "VmRSS: %ld", &kib) == 1)
            break;
    fclose(f);
    return kib;
}

int test_main(void)
{
    long before = 0;

    for (intptr_t i = 0; i < 20000; i++) {
        pthread_t thread = start(body, (void *)i);

        CHECK_EQ(finish(thread), i);
        if (i == 1000)
            before = resident_kib();
    }
    CHECK_LE(resident_kib() - before, 4096);
    return 0;
}
