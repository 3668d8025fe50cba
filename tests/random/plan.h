/*
 * A random program whose result does not depend on scheduling.
 *
 * A plan is a list of steps in one global order. A step is one thing that some threads do together
 * or one after the other: contend for a lock, send and receive, create, end and join a thread. What
 * one thread does for it is a part. Each thread carries out its parts in the order of the plan, and
 * waits in a part only for parts that come before it or belong to the same meeting of threads. So
 * the earliest part that is not done can always go on: a plan cannot deadlock, and it stays so when
 * steps are left out. How far the threads run ahead of each other is up to the scheduler.
 *
 * What the parts see goes into the log of their thread. The logs, thread by thread, are the output:
 * a function of the seed alone.
 */
#ifndef PLAN_H
#define PLAN_H

#include "testlib.h"

#include <signal.h>
#include <stdbool.h>

enum { MAX_THREADS = 16, MAX_STEPS = 300, MAX_PARTS = 2048, MAX_ROLES = 6, N_LOCKS = 10 };

struct random {
    uint64_t state;
};

/* Uniform in 0 .. limit - 1. */
unsigned below(struct random *random, unsigned limit);

struct self;
struct step;

/* Who takes part in a step, and when. */
enum shape {
    ALONE,    /* one thread */
    TOGETHER, /* min to max threads at one place of the order */
    LATER,    /* role 0, then at a later place role 1, mostly another thread */
    HOLD,     /* role 0, then at a later place role 1, the same thread */
    PROBE,    /* role 0 holds a lock of the world (a HOLD step is open); others at the same place */
    LIFE,     /* role 0 creates a thread, which is role 1 at its end; role 2 joins it */
};

enum {
    LOCKS = 1,  /* takes a lock of the world, step->lock */
    DEEP = 2,   /* needs body hooks: libc waits or asks for masks inside itself */
    DOOMS = 4,  /* the thread of role 1 is to be cancelled; never the main thread */
    AFTER = 16, /* role 1 of LATER begins when role 0 has ended */
    HEAVY = 8,  /* makes processes: not in a process that is itself a step's */
};

struct kind {
    const char *name; /* NULL ends a table */
    int weight;
    enum shape shape;
    unsigned flags;
    int min, max; /* threads of TOGETHER and PROBE */
    size_t size;  /* of the state that the parts of a step share, zeroed before setup */
    void (*setup)(struct step *step, void *state);    /* may be NULL; by the first to arrive */
    void (*teardown)(struct step *step, void *state); /* may be NULL; by the last to leave */
    void (*part)(struct self *me, struct step *step, int role, void *state);
};

extern const struct kind lock_kinds[], meeting_kinds[], channel_kinds[], timeout_kinds[],
    signal_kinds[], process_kinds[], cancel_kinds[], thread_kind;

/* A number that only grows, to wait for. */
struct gate {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    int value;
};
#define GATE_INITIALIZER                                                                           \
    {                                                                                              \
        PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0                                     \
    }

struct step {
    const struct kind *kind;
    int number;
    uint64_t seed;
    int roles, parts, thread[MAX_ROLES];
    int lock, needs; /* -1: none. needs: a step without which this one makes no sense */
    bool dropped;
    pthread_mutex_t mutex; /* for arriving and leaving */
    int arrived, left;
    struct gate begun, finished; /* role 0 has ended; all have */
    void *state;
};

struct part {
    int thread, role;
    struct step *step;
};

struct plan {
    uint64_t seed;
    int n_steps, n_parts, n_threads;
    struct step steps[MAX_STEPS];
    struct part parts[MAX_PARTS];
};

struct options {
    int steps;     /* at most */
    bool shallow;  /* leave out DEEP */
    bool inside;   /* leave out HEAVY: the process is a step's */
    bool *dropped; /* [MAX_STEPS] or NULL: steps to leave out */
};

void plan_build(struct plan *plan, uint64_t seed, const struct options *options);
void plan_print(const struct plan *plan);

/* Choices of a step that all its parts know, or those of one role. */
struct random step_random(const struct step *step, int role);

#endif
