/*
 * greenlets - what the calls of <green/...> cost.
 *
 * Spawning, running and joining K greenlets at a time, by green_spawn() and by green_spawn_call();
 * and handing over between two: by a yield, an event, a semaphore, a queue, a channel. Each runs
 * for a fixed time, several times after a warm-up. Prints a JSON object with the median and the
 * best of them: ns per greenlet, and per hand-over. With -i each does one number of operations
 * instead, for tools that count instructions. Linked with the library. Meant to be run on one CPU
 * (taskset).
 */

#include "benchlib.h"

#include <green/call.h>
#include <green/event.h>
#include <green/green.h>
#include <green/lock.h>
#include <green/queue.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IN_FLIGHT_MAX 1000
#define REPEAT_MAX    101
#define CLOCK_EVERY   64 /* operations between two looks at the clock */

static int64_t duration;
static long operations; /* of -i; 0: as many as fit */
static int over;        /* the second player is to end, and killed if it waits */

static void check(const char *what, int rc)
{
    if (rc < 0 && !over)
        die(what, -rc);
}

/* Is it time to stop after @n operations, which began at @start? */
static int is_over(long n, int64_t start)
{
    if (operations)
        return n >= operations;
    return n % CLOCK_EVERY == 0 && now_ns() - start >= duration;
}

/* ---- spawn, run, join --------------------------------------------------------------------- */

static struct greenlet *greenlets[IN_FLIGHT_MAX];

static void *run_plain(void *arg)
{
    return arg;
}

static int run_call(const char *s, double d)
{
    return s[0] + (int)d;
}

static void spawn_plain(struct greenlet **g)
{
    check("green_spawn", green_spawn(run_plain, g, g));
}

static void join_plain(struct greenlet **g)
{
    void *value;

    check("green_get", green_get(*g, &value, GREEN_FOREVER));
    if (value != g)
        die("wrong value of a greenlet", 0);
}

static void spawn_by_signature(struct greenlet **g)
{
    check("green_spawn_call", green_spawn_call(g, run_call, "i(sd)", "Hello", 2.0));
}

static void join_by_signature(struct greenlet **g)
{
    int value;

    check("green_call_get", green_call_get(*g, &value, sizeof value, GREEN_FOREVER));
    if (value != 'H' + 2)
        die("wrong result of a greenlet", 0);
}

static double run_spawn(int in_flight, void (*spawn)(struct greenlet **),
                        void (*join)(struct greenlet **))
{
    int64_t start = now_ns();
    long n = 0;

    do {
        for (int i = 0; i < in_flight; i++)
            spawn(&greenlets[i]);
        for (int i = 0; i < in_flight; i++, n++) {
            join(&greenlets[i]);
            green_unref(greenlets[i]);
        }
    } while (!is_over(n - n % CLOCK_EVERY, start));
    return (double)(now_ns() - start) / (double)n;
}

static double spawn_1(void)
{
    return run_spawn(1, spawn_plain, join_plain);
}

static double spawn_1000(void)
{
    return run_spawn(IN_FLIGHT_MAX, spawn_plain, join_plain);
}

static double spawn_call_1(void)
{
    return run_spawn(1, spawn_by_signature, join_by_signature);
}

static double spawn_call_1000(void)
{
    return run_spawn(IN_FLIGHT_MAX, spawn_by_signature, join_by_signature);
}

/* ---- hand over ---------------------------------------------------------------------------- */

/* What two greenlets play with; index 0 is for the one, 1 for the other. */
static struct green_event *event[2];
static struct green_semaphore *semaphore[2];
static struct green_queue *queue[2];
static struct green_channel *channel;

/* Each of these gives the turn to the other one and waits until it comes back. */

static void by_yield(int me)
{
    (void)me;
    check("green_sleep", green_sleep(0));
}

static void by_event(int me)
{
    green_event_set(event[!me]);
    check("green_event_wait", green_event_wait(event[me], GREEN_FOREVER));
    green_event_clear(event[me]);
}

static void by_semaphore(int me)
{
    check("green_semaphore_release", green_semaphore_release(semaphore[!me]));
    check("green_semaphore_acquire", green_semaphore_acquire(semaphore[me], GREEN_FOREVER));
}

static void by_queue(int me)
{
    void *item;

    check("green_queue_put", green_queue_put(queue[!me], &item, GREEN_FOREVER));
    check("green_queue_get", green_queue_get(queue[me], &item, GREEN_FOREVER));
}

/* A putter and a getter of one channel: each item is a hand-over. */
static void by_channel(int me)
{
    void *item = NULL;

    if (me)
        check("green_channel_get", green_channel_get(channel, &item, GREEN_FOREVER));
    else
        check("green_channel_put", green_channel_put(channel, item, GREEN_FOREVER));
}

static void (*hand_over)(int me);

static void *opponent(void *arg)
{
    while (!over)
        hand_over(1);
    return arg;
}

static double run_pair(void (*by)(int me), int hand_overs_each)
{
    struct greenlet *g;
    long n = 0;

    hand_over = by;
    check("green_spawn", green_spawn(opponent, NULL, &g));
    int64_t start = now_ns();
    do {
        by(0);
        n++;
    } while (!is_over(n, start));
    double ns = (double)(now_ns() - start) / (double)n / hand_overs_each;
    over = 1;
    green_kill(g, 0, GREEN_FOREVER);
    green_unref(g);
    over = 0;
    return ns;
}

static double yields(void)
{
    return run_pair(by_yield, 2);
}

static double events(void)
{
    return run_pair(by_event, 2);
}

static double semaphores(void)
{
    return run_pair(by_semaphore, 2);
}

static double queues(void)
{
    return run_pair(by_queue, 2);
}

static double channels(void)
{
    return run_pair(by_channel, 1);
}

/* ---- report ------------------------------------------------------------------------------- */

static const struct {
    const char *how;
    double (*run)(void);
} all[] = {
    {"switch by green_sleep(0)", yields},
    {"spawn, run, join: 1 at a time", spawn_1},
    {"spawn, run, join: 1000 at a time", spawn_1000},
    {"the same by green_spawn_call: 1", spawn_call_1},
    {"the same by green_spawn_call: 1000", spawn_call_1000},
    {"event set to wake", events},
    {"semaphore release to acquire", semaphores},
    {"queue put to get", queues},
    {"channel put to get", channels},
};

#define N_ALL (int)(sizeof all / sizeof all[0])

static void report(int i, int repeat, const char *end)
{
    double ns[REPEAT_MAX];

    if (!operations)
        (void)all[i].run(); /* warm-up */
    for (int r = 0; r < repeat; r++)
        ns[r] = all[i].run();
    printf("{\"how\": \"%s\", \"best_ns\": %.1f, ", all[i].how, least_of(ns, repeat));
    printf("\"median_ns\": %.1f}%s", median_of(ns, repeat), end);
}

int main(int argc, char **argv)
{
    int repeat = 5;
    int one = -1;
    long ms = 100;
    int c;

    while ((c = getopt(argc, argv, "t:r:o:i:")) != -1) {
        if (c == 't') {
            ms = parse_number(optarg, 1, 100000, "time");
        } else if (c == 'r') {
            repeat = (int)parse_number(optarg, 1, REPEAT_MAX, "number of repetitions");
        } else if (c == 'o') {
            one = (int)parse_number(optarg, 1, N_ALL, "number of a benchmark") - 1;
        } else if (c == 'i') {
            operations = parse_number(optarg, 1, 1000000000, "number of operations");
        } else {
            fputs("usage: greenlets [-t ms] [-r repetitions] [-o number] [-i operations]\n",
                  stderr);
            return 2;
        }
    }
    duration = ms * 1000000;
    for (int i = 0; i < 2; i++) {
        event[i] = green_event_new();
        semaphore[i] = green_semaphore_new(0);
        queue[i] = green_queue_new(0);
    }
    channel = green_channel_new();

    printf("{\"greenlets\": [");
    for (int i = 0; i < N_ALL; i++) {
        if (one < 0 || one == i)
            report(i, repeat, one < 0 && i < N_ALL - 1 ? ", " : "");
    }
    printf("]}\n");
    return 0;
}
