/* What the parts of a plan may use: their thread, its log, and waits that bear interruption. */
#ifndef RUN_H
#define RUN_H

#include "plan.h"

#include <semaphore.h>
#include <setjmp.h>

void gate_add(struct gate *gate, int n);
void gate_wait(struct gate *gate, int at_least);

struct lock;

/* Everything of one plan that runs. A child process runs a world of its own. */
struct world {
    struct plan plan;
    struct options options;
    struct lock *locks[N_LOCKS];
    struct self *selves;
    pthread_key_t keys[3]; /* the last one's destructor opens the thread's gate "ended" */
    int keys_set, keys_destroyed;
};

/* A thread of the plan. */
struct self {
    struct world *world;
    int number;
    pthread_t id;
    struct gate started, ended;
    struct step *step; /* what it is doing now */
    int role;
    bool masked;               /* the queued signals */
    int rounds;                /* of its destructors */
    char *altstack;            /* NULL: none */
    volatile sig_atomic_t got; /* signals SIGUSR1, SIGUSR2 that were handled */
    volatile sig_atomic_t armed;
    sigjmp_buf jump;
    char *log;
    size_t used, space;
    unsigned char pattern[64]; /* what its thread-local marks must be */
};

/* The thread that asks. NULL in threads that are not of the plan. */
extern __thread struct self *self;

/* Adds to the thread's log. What is noted must not depend on scheduling. */
void note(struct self *me, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Carries out a thread's parts, from its first to its end. */
void run_parts(struct self *me);

/* Runs the plan of a seed in the calling thread and those it makes. The log is the caller's to
   free. */
char *world_run(uint64_t seed, const struct options *options);

/* A call that is made again when a signal interrupts it; must not fail otherwise. */
#define AGAIN(expr)                                                                                \
    __extension__({                                                                                \
        long again_;                                                                               \
        do                                                                                         \
            again_ = (long)(expr);                                                                 \
        while (again_ == -1 && errno == EINTR);                                                    \
        if (again_ == -1)                                                                          \
            test_fail(__FILE__, __LINE__, "%s: errno %d (%s)", #expr, errno, strerror(errno));     \
        again_;                                                                                    \
    })

/* A call that must fail with this error, however often it is interrupted before. */
#define FAILS(expr, want)                                                                          \
    do {                                                                                           \
        long fails_;                                                                               \
        do                                                                                         \
            fails_ = (long)(expr);                                                                 \
        while (fails_ == -1 && errno == EINTR);                                                    \
        if (fails_ != -1 || errno != (want))                                                       \
            test_fail(__FILE__, __LINE__, "%s gave %ld errno %d (%s), want %s", #expr, fails_,     \
                      errno, strerror(errno), #want);                                              \
    } while (0)

/* Something short that lets others run, or does not. */
void wander(struct random *random);

/* Blocks the signals whose handlers interrupt calls without SA_RESTART, for code that cannot go on
   after EINTR: stdio, connect, popen. */
void quiet_begin(sigset_t *old);
void quiet_end(const sigset_t *old);

/* Descriptors, in a way chosen at random. Exactly size bytes. */
void send_all(struct random *random, int fd, const void *data, size_t size);
void receive_all(struct random *random, int fd, void *data, size_t size);
/* fds[0] to read, fds[1] to write; small: holds a page or two, else some thousand bytes at least.
 */
void random_pair(struct random *random, int fds[2], bool small);

/* locks.c: locks of the world. */
struct lock *lock_new(int number);
void lock_end(struct lock *lock);

/* signals.c */
void signals_prepare(void);

#endif
