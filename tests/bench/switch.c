/*
 * switch - what it costs to hand over from one thread to another.
 *
 * Three ways: a ring of N threads that call sched_yield(); two threads that take turns with a mutex
 * and two condition variables; two threads that send a byte to and fro through two pipes. A yield
 * counts only when another thread ran before it returned. Each runs for a fixed time, several times
 * after a warm-up. Prints a JSON object: ns per hand-over, median and best. Meant to be run on one
 * CPU (taskset).
 */

#include "benchlib.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#define RING_MAX    10000
#define REPEAT_MAX  101
#define CLOCK_EVERY 32 /* turns of a thread between two looks at the clock */

static int64_t duration;

static void spawn(pthread_t *t, void *(*fn)(void *), void *arg)
{
    int rc = pthread_create(t, NULL, fn, arg);

    if (rc != 0)
        die("pthread_create", rc);
}

/* ---- ring of sched_yield ----------------------------------------------------------------- */

struct ring {
    int64_t deadline;
    _Atomic long last; /* index of the thread that ran last */
    _Atomic int over;
    _Atomic long yields;
    _Atomic long hand_overs;
    pthread_barrier_t start;
};

struct ring_place {
    struct ring *ring;
    long index;
};

static void *ring_main(void *arg)
{
    const struct ring_place *place = arg;
    struct ring *ring = place->ring;
    long yields = 0;
    long hand_overs = 0;

    pthread_barrier_wait(&ring->start);
    while (!atomic_load_explicit(&ring->over, memory_order_relaxed)) {
        atomic_store_explicit(&ring->last, place->index, memory_order_relaxed);
        sched_yield();
        hand_overs += atomic_load_explicit(&ring->last, memory_order_relaxed) != place->index;
        if (++yields % CLOCK_EVERY == 0 && now_ns() > ring->deadline)
            atomic_store(&ring->over, 1);
    }
    atomic_fetch_add(&ring->yields, yields);
    atomic_fetch_add(&ring->hand_overs, hand_overs);
    return NULL;
}

/* ns per hand-over in a ring of @n; @yields_out: calls of sched_yield for each. */
static double run_ring(int n, double *yields_out)
{
    struct ring ring = {.last = -1};
    pthread_t *threads = calloc((size_t)n, sizeof *threads);
    struct ring_place *places = calloc((size_t)n, sizeof *places);

    if (!threads || !places)
        die("memory", ENOMEM);
    pthread_barrier_init(&ring.start, NULL, (unsigned)n + 1);
    for (int i = 0; i < n; i++) {
        places[i] = (struct ring_place){.ring = &ring, .index = i};
        spawn(&threads[i], ring_main, &places[i]);
    }
    ring.deadline = now_ns() + duration;
    pthread_barrier_wait(&ring.start);
    int64_t start = now_ns();
    pthread_join(threads[0], NULL); /* leaves within one turn of the deadline */
    int64_t elapsed = now_ns() - start;
    for (int i = 1; i < n; i++)
        pthread_join(threads[i], NULL);

    double hand_overs = (double)atomic_load(&ring.hand_overs);
    if (hand_overs == 0)
        die("sched_yield never handed over", 0);
    *yields_out = (double)atomic_load(&ring.yields) / hand_overs;
    pthread_barrier_destroy(&ring.start);
    free(threads);
    free(places);
    return (double)elapsed / hand_overs;
}

/* ---- mutex and condition variable -------------------------------------------------------- */

struct table {
    pthread_mutex_t lock;
    pthread_cond_t turn[2];
    int64_t deadline;
    int whose;
    int over;
    long hand_overs;
};

static void play(struct table *t, int me)
{
    long turns = 0;

    pthread_mutex_lock(&t->lock);
    for (;;) {
        while (t->whose != me && !t->over)
            pthread_cond_wait(&t->turn[me], &t->lock);
        if (t->over)
            break;
        t->hand_overs++;
        if (++turns % CLOCK_EVERY == 0 && now_ns() > t->deadline)
            t->over = 1;
        t->whose = !me;
        pthread_cond_signal(&t->turn[!me]);
    }
    pthread_mutex_unlock(&t->lock);
}

static void *cond_main(void *arg)
{
    play(arg, 1);
    return NULL;
}

static double run_cond(void)
{
    struct table t = {
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .turn = {PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER},
    };
    pthread_t other;

    int64_t start = now_ns();
    t.deadline = start + duration;
    spawn(&other, cond_main, &t);
    play(&t, 0);
    pthread_join(other, NULL);
    return (double)(now_ns() - start) / (double)t.hand_overs;
}

/* ---- pipes ------------------------------------------------------------------------------- */

struct pipes {
    int there[2];
    int back[2];
};

static void pass(int fd, char byte)
{
    if (write(fd, &byte, 1) != 1)
        die("write", errno);
}

/* One byte from a pipe; 0 at its end. */
static int get(int fd, char *byte)
{
    ssize_t n = read(fd, byte, 1);

    if (n < 0)
        die("read", errno);
    return (int)n;
}

static void *pipe_main(void *arg)
{
    const struct pipes *p = arg;
    char byte;

    while (get(p->there[0], &byte))
        pass(p->back[1], byte);
    return NULL;
}

static double run_pipe(void)
{
    struct pipes p;
    pthread_t other;
    long rallies = 0;
    int64_t elapsed;
    char byte;

    if (pipe(p.there) < 0 || pipe(p.back) < 0)
        die("pipe", errno);
    spawn(&other, pipe_main, &p);
    int64_t start = now_ns();
    do {
        for (int i = 0; i < CLOCK_EVERY; i++) {
            pass(p.there[1], (char)rallies);
            if (!get(p.back[0], &byte) || byte != (char)rallies)
                die("wrong byte through a pipe", 0);
            rallies++;
        }
        elapsed = now_ns() - start;
    } while (elapsed < duration);
    close(p.there[1]);
    pthread_join(other, NULL);
    close(p.there[0]);
    close(p.back[0]);
    close(p.back[1]);
    return (double)elapsed / (double)(rallies * 2);
}

/* ---- report ------------------------------------------------------------------------------ */

static void print_row(const char *how, int threads, double *ns, int repeat)
{
    printf("{\"how\": \"%s\", \"threads\": %d, \"best_ns\": %.1f, ", how, threads,
           least_of(ns, repeat));
    printf("\"median_ns\": %.1f", median_of(ns, repeat));
}

static void report_ring(int n, int repeat)
{
    double ns[REPEAT_MAX];
    double yields[REPEAT_MAX];

    (void)run_ring(n, &yields[0]); /* warm-up */
    for (int r = 0; r < repeat; r++)
        ns[r] = run_ring(n, &yields[r]);
    print_row("sched_yield", n, ns, repeat);
    printf(", \"yields_per_hand_over\": %.2f}, ", median_of(yields, repeat));
}

static void report_pair(const char *how, double (*run)(void), int repeat, const char *end)
{
    double ns[REPEAT_MAX];

    (void)run(); /* warm-up */
    for (int r = 0; r < repeat; r++)
        ns[r] = run();
    print_row(how, 2, ns, repeat);
    printf("%s", end);
}

int main(int argc, char **argv)
{
    static const int rings[] = {2, 64, 1000};
    int ring = 0;
    int repeat = 5;
    long ms = 100;
    int c;

    while ((c = getopt(argc, argv, "k:t:r:")) != -1) {
        if (c == 'k') {
            ring = (int)parse_number(optarg, 2, RING_MAX, "size of the ring");
        } else if (c == 't') {
            ms = parse_number(optarg, 1, 100000, "time");
        } else if (c == 'r') {
            repeat = (int)parse_number(optarg, 1, REPEAT_MAX, "number of repetitions");
        } else {
            fputs("usage: switch [-k ring] [-t ms] [-r repetitions]\n", stderr);
            return 2;
        }
    }
    duration = ms * 1000000;

    printf("{\"switch\": [");
    if (ring != 0) {
        report_ring(ring, repeat);
    } else {
        for (int i = 0; i < 3; i++)
            report_ring(rings[i], repeat);
    }
    report_pair("mutex and cond", run_cond, repeat, "}, ");
    report_pair("pipe", run_pipe, repeat, "}]}\n");
    return 0;
}
