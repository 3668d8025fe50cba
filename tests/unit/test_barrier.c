/* Barriers of greens, also shared with kernel threads that run no hub. */
#include "runtime/sync/barrier.h"

#include "sync.h"

TestSuite(barrier, .init = start, .timeout = 60);

#define ROUNDS 500

static pthread_barrier_t b;
static atomic_int arrivals;
static atomic_int serials;

static void *go_round(void *arg)
{
    int parties = (int)(intptr_t)arg;
    for (int i = 0; i < ROUNDS; i++) {
        atomic_fetch_add(&arrivals, 1);
        int rc = gr_barrier_wait(&b);
        cr_assert(rc == 0 || rc == PTHREAD_BARRIER_SERIAL_THREAD);
        cr_assert_geq(atomic_load(&arrivals), (i + 1) * parties, "passed before all had come");
        if (rc) {
            atomic_fetch_add(&serials, 1);
        }
    }
    return NULL;
}

Test(barrier, holds_greens_and_kernel_threads_until_all_have_come)
{
    struct green *g[5];
    pthread_t t[2];
    pthread_barrier_init(&b, NULL, 7);
    for (int i = 0; i < 2; i++) {
        t[i] = foreign(go_round, (void *)7);
    }
    for (int i = 0; i < 5; i++) {
        g[i] = spawn(go_round, (void *)7);
    }
    for (int i = 0; i < 5; i++) {
        join(g[i]);
    }
    for (int i = 0; i < 2; i++) {
        join_foreign(t[i]);
    }
    cr_assert_eq(serials, ROUNDS, "not exactly one serial thread in each round");
    cr_assert_eq(pthread_barrier_destroy(&b), 0);
}

Test(barrier, of_one_never_waits)
{
    pthread_barrier_init(&b, NULL, 1);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(gr_barrier_wait(&b), PTHREAD_BARRIER_SERIAL_THREAD);
        cr_assert_eq(pthread_barrier_wait(&b), PTHREAD_BARRIER_SERIAL_THREAD,
                     "libc finds it as it left it");
    }
    cr_assert_eq(pthread_barrier_destroy(&b), 0);
}

static void *destroy_if_serial(void *arg)
{
    pthread_barrier_t *barrier = arg;
    if (gr_barrier_wait(barrier) == PTHREAD_BARRIER_SERIAL_THREAD) {
        pthread_barrier_destroy(barrier);
        memset(barrier, 0x5a, sizeof(*barrier));
    }
    return NULL;
}

Test(barrier, may_be_destroyed_by_the_serial_thread)
{
    static pthread_barrier_t once;
    for (int i = 0; i < 200; i++) {
        pthread_barrier_init(&once, NULL, 3);
        pthread_t t = foreign(destroy_if_serial, &once);
        struct green *g[] = {spawn(destroy_if_serial, &once), spawn(destroy_if_serial, &once)};
        join(g[0]);
        join(g[1]);
        join_foreign(t);
        for (size_t k = 0; k < sizeof(once); k++) {
            cr_assert_eq(((char *)&once)[k], 0x5a, "touched after it was destroyed");
        }
    }
}
