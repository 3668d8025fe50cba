/*
 * spawn_join - what it costs to create a thread, run an empty function in it and join it.
 *
 * K threads in flight: K are created, then joined in order, again and again for a fixed time.
 * Several repetitions after a warm-up; prints a JSON object with the median and the best of them,
 * in ns per thread.
 */

#include "benchlib.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IN_FLIGHT_MAX 100000
#define REPEAT_MAX    101
#define CLOCK_EVERY   64 /* threads between two looks at the clock */

static pthread_t *threads;
static long *flags; /* one per thread, so that it is seen to have run */

static void *thread_main(void *arg)
{
    long *flag = arg;

    (*flag)++;
    return flag;
}

static void create_and_join(int n)
{
    for (int i = 0; i < n; i++) {
        int rc = pthread_create(&threads[i], NULL, thread_main, &flags[i]);
        if (rc != 0)
            die("pthread_create", rc);
    }
    for (int i = 0; i < n; i++) {
        void *result;
        int rc = pthread_join(threads[i], &result);
        if (rc != 0)
            die("pthread_join", rc);
        if (result != &flags[i])
            die("wrong result of a thread", 0);
    }
}

/* One repetition: ns per thread; adds to @rounds. */
static double repeat_for(int64_t ns, int in_flight, long *rounds)
{
    int64_t start = now_ns();
    int64_t elapsed;
    long n = 0;

    do {
        for (int done = 0; done < CLOCK_EVERY; done += in_flight) {
            create_and_join(in_flight);
            n++;
        }
        elapsed = now_ns() - start;
    } while (elapsed < ns);
    *rounds += n;
    return (double)elapsed / (double)n / in_flight;
}

static void run(int in_flight, int64_t ns, int repeat)
{
    double result[REPEAT_MAX];
    long rounds = 0;

    memset(flags, 0, (size_t)in_flight * sizeof *flags);
    (void)repeat_for(ns, in_flight, &rounds); /* warm-up */
    for (int r = 0; r < repeat; r++)
        result[r] = repeat_for(ns, in_flight, &rounds);
    for (int i = 0; i < in_flight; i++) {
        if (flags[i] != rounds)
            die("a thread did not run", 0);
    }
    printf("{\"in_flight\": %d, \"threads\": %ld, ", in_flight, rounds * in_flight);
    printf("\"best_ns\": %.1f, ", least_of(result, repeat));
    printf("\"median_ns\": %.1f}", median_of(result, repeat));
}

int main(int argc, char **argv)
{
    static const int usual[] = {1, 64, 1000};
    int in_flight = 0;
    int64_t ns = 100 * 1000000;
    int repeat = 5;
    int c;

    while ((c = getopt(argc, argv, "k:t:r:")) != -1) {
        if (c == 'k') {
            in_flight = (int)parse_number(optarg, 1, IN_FLIGHT_MAX, "number in flight");
        } else if (c == 't') {
            ns = parse_number(optarg, 1, 100000, "time") * 1000000;
        } else if (c == 'r') {
            repeat = (int)parse_number(optarg, 1, REPEAT_MAX, "number of repetitions");
        } else {
            fputs("usage: spawn_join [-k in-flight] [-t ms] [-r repetitions]\n", stderr);
            return 2;
        }
    }

    int most = in_flight > 1000 ? in_flight : 1000;
    threads = calloc((size_t)most, sizeof *threads);
    flags = calloc((size_t)most, sizeof *flags);
    if (!threads || !flags)
        die("memory", 0);

    printf("{\"spawn_join\": [");
    if (in_flight != 0) {
        run(in_flight, ns, repeat);
    } else {
        for (int i = 0; i < 3; i++) {
            if (i > 0)
                printf(", ");
            run(usual[i], ns, repeat);
        }
    }
    printf("]}\n");
    return 0;
}
