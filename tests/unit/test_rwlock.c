/* Read-write locks of greens, also shared with kernel threads that run no hub. */
#include "runtime/sync/rwlock.h"

#include "sync.h"

TestSuite(rwlock, .init = start, .timeout = 60);

static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static pthread_rwlock_t writers_first = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
static char log_text[32];
static int n_log;
static long counter;
static atomic_int readers_in;

static int rdlock(pthread_rwlock_t *l)
{
    return gr_rwlock_read(l, CLOCK_REALTIME, NULL);
}

static int wrlock(pthread_rwlock_t *l)
{
    return gr_rwlock_write(l, CLOCK_REALTIME, NULL);
}

static void note(char what)
{
    log_text[n_log++] = what;
}

static void *reader(void *arg)
{
    cr_assert_eq(rdlock(arg), 0);
    note('r');
    gr_rwlock_unlock(arg);
    return NULL;
}

static void *writer(void *arg)
{
    cr_assert_eq(wrlock(arg), 0);
    note('w');
    gr_rwlock_unlock(arg);
    return NULL;
}

Test(rwlock, readers_share_and_a_writer_waits_for_all)
{
    cr_assert_eq(rdlock(&rw), 0);
    cr_assert_eq(rdlock(&rw), 0);
    struct green *w = spawn(writer, &rw);
    settle();
    cr_assert_eq(gr_rwlock_trywrite(&rw), -EBUSY);
    cr_assert_eq(gr_rwlock_tryread(&rw), 0, "readers pass a waiting writer");
    for (int i = 0; i < 3; i++) {
        settle();
        cr_assert_eq(n_log, 0);
        gr_rwlock_unlock(&rw);
    }
    join(w);
    cr_assert_str_eq(log_text, "w");
}

Test(rwlock, writer_excludes_and_then_lets_readers_in_first)
{
    cr_assert_eq(wrlock(&rw), 0);
    struct green *g[] = {spawn(writer, &rw), spawn(reader, &rw), spawn(writer, &rw),
                         spawn(reader, &rw)};
    settle();
    cr_assert_eq(n_log, 0);
    gr_rwlock_unlock(&rw);
    for (int i = 0; i < 4; i++) {
        join(g[i]);
    }
    cr_assert_str_eq(log_text, "rrww");
}

Test(rwlock, that_prefers_writers_keeps_readers_behind_them)
{
    cr_assert_eq(rdlock(&writers_first), 0);
    struct green *g[] = {spawn(writer, &writers_first), spawn(reader, &writers_first),
                         spawn(writer, &writers_first)};
    settle();
    cr_assert_eq(gr_rwlock_tryread(&writers_first), -EBUSY);
    gr_rwlock_unlock(&writers_first);
    for (int i = 0; i < 3; i++) {
        join(g[i]);
    }
    cr_assert_str_eq(log_text, "wwr");
}

static void *impatient_writer(void *arg)
{
    struct timespec abs = in_ms(CLOCK_MONOTONIC, 20);
    cr_assert_eq(gr_rwlock_write(arg, CLOCK_MONOTONIC, &abs), -ETIMEDOUT);
    cr_assert(has_passed(CLOCK_MONOTONIC, &abs), "too early");
    return NULL;
}

static void *impatient_reader(void *arg)
{
    struct timespec abs = in_ms(CLOCK_REALTIME, 20);
    cr_assert_eq(gr_rwlock_read(arg, CLOCK_REALTIME, &abs), -ETIMEDOUT);
    cr_assert(has_passed(CLOCK_REALTIME, &abs), "too early");
    return NULL;
}

Test(rwlock, readers_go_on_when_the_writer_before_them_gives_up)
{
    cr_assert_eq(rdlock(&writers_first), 0);
    struct green *w = spawn(impatient_writer, &writers_first);
    settle();
    struct green *r = spawn(reader, &writers_first);
    settle();
    cr_assert_eq(n_log, 0);
    join(w);
    join(r);
    cr_assert_eq(gr_rwlock_tryread(&writers_first), 0);
}

Test(rwlock, timed_waits_end_at_their_deadline_and_not_before)
{
    cr_assert_eq(wrlock(&rw), 0);
    join(spawn(impatient_writer, &rw));
    join(spawn(impatient_reader, &rw));
    pthread_t t = foreign(impatient_writer, &rw);
    join_foreign(t);
    t = foreign(impatient_reader, &rw);
    join_foreign(t);
    gr_rwlock_unlock(&rw);
    cr_assert_eq(gr_rwlock_trywrite(&rw), 0);
}

Test(rwlock, writer_that_locks_again_is_told)
{
    cr_assert_eq(wrlock(&rw), 0);
    cr_assert_eq(wrlock(&rw), -EDEADLK);
    cr_assert_eq(rdlock(&rw), -EDEADLK);
    cr_assert_eq(gr_rwlock_tryread(&rw), -EBUSY);
    cr_assert_eq(gr_rwlock_trywrite(&rw), -EBUSY);
}

Test(rwlock, refuses_more_readers_than_it_can_count)
{
    rw.__data.__readers = GR_RW_OVERFLOW - GR_RW_READER;
    cr_assert_eq(rdlock(&rw), -EAGAIN);
    cr_assert_eq(gr_rwlock_tryread(&rw), -EAGAIN);
}

Test(rwlock_before_start, held_through_libc_is_released_by_us)
{
    static pthread_rwlock_t written = PTHREAD_RWLOCK_INITIALIZER;
    static pthread_rwlock_t idle = PTHREAD_RWLOCK_INITIALIZER;
    pthread_rwlock_rdlock(&rw);
    pthread_rwlock_rdlock(&rw);
    pthread_rwlock_wrlock(&written);
    pthread_rwlock_wrlock(&idle);
    pthread_rwlock_unlock(&idle);
    start();
    struct green *g[] = {spawn(writer, &rw), spawn(writer, &written)};
    settle();
    cr_assert_eq(n_log, 0);
    cr_assert_eq(rdlock(&written), -EDEADLK);
    gr_rwlock_unlock(&written);
    gr_rwlock_unlock(&rw);
    gr_rwlock_unlock(&rw);
    join(g[0]);
    join(g[1]);
    cr_assert_eq(gr_rwlock_tryread(&idle), 0);
    cr_assert_eq(gr_rwlock_tryread(&idle), 0);
    gr_rwlock_unlock(&idle);
    gr_rwlock_unlock(&idle);
    cr_assert_eq(gr_rwlock_trywrite(&idle), 0);
}

#define ROUNDS 5000

static void *mix(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)arg;
    for (int i = 0; i < ROUNDS; i++) {
        seed = seed * 1103515245 + 12345;
        pthread_rwlock_t *l = i % 2 ? &rw : &writers_first;
        if (seed >> 16 & 3) {
            cr_assert_eq(rdlock(l), 0);
            atomic_fetch_add(&readers_in, 1);
            if (seed >> 20 & 1) {
                gr_yield();
            }
            atomic_fetch_sub(&readers_in, 1);
        } else {
            struct timespec abs = in_ms(CLOCK_MONOTONIC, (int)(seed >> 20 & 1));
            int rc = gr_rwlock_write(l, CLOCK_MONOTONIC, &abs);
            if (rc) {
                cr_assert_eq(rc, -ETIMEDOUT);
                continue;
            }
            if (l == &rw) {
                long seen = counter;
                gr_yield();
                counter = seen + 1;
            }
        }
        gr_rwlock_unlock(l);
    }
    return NULL;
}

static void *count_writes(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        cr_assert_eq(wrlock(&rw), 0);
        cr_assert_eq(*(long *)arg, counter, "another writer was in");
        long seen = counter;
        if (i % 16 == 0) {
            gr_yield();
        }
        counter = seen + 1;
        *(long *)arg = counter;
        gr_rwlock_unlock(&rw);
        gr_yield();
    }
    return NULL;
}

Test(rwlock, of_greens_and_kernel_threads_stays_consistent)
{
    struct green *g[6];
    pthread_t t[3];
    for (int i = 0; i < 3; i++) {
        t[i] = foreign(mix, (void *)(uintptr_t)(i + 1));
    }
    for (int i = 0; i < 6; i++) {
        g[i] = spawn(mix, (void *)(uintptr_t)(i + 10));
    }
    for (int i = 0; i < 6; i++) {
        join(g[i]);
    }
    for (int i = 0; i < 3; i++) {
        join_foreign(t[i]);
    }
    cr_assert_eq(gr_rwlock_trywrite(&rw), 0);
    cr_assert_eq(gr_rwlock_trywrite(&writers_first), 0);
}

Test(rwlock, writers_exclude_each_other)
{
    static long mirror;
    struct green *g[3];
    pthread_t t[2];
    for (int i = 0; i < 2; i++) {
        t[i] = foreign(count_writes, &mirror);
    }
    for (int i = 0; i < 3; i++) {
        g[i] = spawn(count_writes, &mirror);
    }
    for (int i = 0; i < 3; i++) {
        join(g[i]);
    }
    for (int i = 0; i < 2; i++) {
        join_foreign(t[i]);
    }
    cr_assert_eq(counter, 5L * ROUNDS);
}
