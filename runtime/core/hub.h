/*
 * The scheduler of one carrier. Greens of a generation run one after the other, switching directly;
 * then the hub, on its own stack and its own TLS, turns the loop once: without blocking if more is
 * ready, else until an event.
 */
#ifndef GR_CORE_HUB_H
#define GR_CORE_HUB_H

#include "runtime/base/heap.h"
#include "runtime/core/fdwait.h"
#include "runtime/core/green.h"
#include "runtime/core/tls.h"
#include "runtime/loop/loop.h"

#define GR_N_CACHES 16
#define GR_N_SPARES 64

/* What the words of malloc's that belong to the carrier hold. */
struct gr_malloc_words {
    uintptr_t word[GR_N_MALLOC_WORDS];
};

struct gr_hub {
    struct gr_ctx ctx;         /* the hub's own stack and TLS */
    struct gr_hub *next;       /* of the process */
    struct green *current;     /* running green; NULL while the hub itself runs */
    struct gr_list run;        /* this generation */
    struct gr_list ready;      /* the next one */
    struct gr_list idle;       /* who waits until nobody is ready: rest.h */
    unsigned since_poll;       /* switches since the loop was turned */
    struct gr_loop *loop;      /* NULL until somebody needs it */
    struct gr_heap timers;     /* greens by deadline */
    struct gr_heap alarms;     /* struct gr_alarm, likewise */
    struct gr_fd *to_arm;      /* descriptors to register before the loop turns */
    struct gr_job *to_submit;  /* jobs for workers */
    struct gr_errand *errands; /* calls that wait for a stand-in to be made */
    struct gr_standin *idle_standins;
    unsigned n_standins;
    unsigned n_standins_peak;
    _Atomic(struct gr_request *) requests; /* of kernel threads, the latest first */
    struct gr_request *lacking;            /* taken, and to be tried again */
    _Atomic(struct green *) remote; /* wakes from other kernel threads and from signal handlers */
    _Atomic bool sleeping;          /* the loop may block: a remote wake must write to it */
    unsigned n_fd_waits;            /* greens and poll links waiting on descriptors */
    unsigned n_jobs;                /* jobs at workers and stand-ins */
    unsigned n_greens;              /* alive, main included */
    unsigned n_peak;
    struct gr_list all; /* every green alive */
    struct green *main;
    struct green *zombie; /* ended green on a stack of the program's, released by the hub */
    struct gr_list cache[GR_N_CACHES]; /* ended greens for reuse, by stack size */
    size_t cache_key[GR_N_CACHES];
    unsigned n_cached;
    unsigned deep_sample; /* counts ended greens; and how many more are looked at each */
    unsigned deep_watch;
    struct gr_malloc_words malloc_words; /* the carrier's, while a green runs that has its own */
    struct gr_malloc_words spares[GR_N_SPARES]; /* of greens that have none of their own any more */
    unsigned n_spares;
    int tid;          /* kernel thread id of the carrier */
    stack_t sigstack; /* the carrier's, for handlers of SIGSEGV and SIGBUS */
    struct gr_stack stack;
    unsigned nudges;      /* so far */
    _Atomic bool nudging; /* one is to come: nudge.h */
    bool has_nudge_timer;
    bool has_tick_timer;
    bool ticking;  /* tick.h */
    bool retrying; /* the retry timer may be set */
    int nudge_timer;
    int tick_timer;
    int retry_timer;    /* has_tick_timer */
    bool no_native;     /* foreign threads may wake greens at any time: never block natively */
    uint32_t noted;     /* the time, gr_park_ms(): gr_hub_note_time() */
    struct green *last; /* who ran before the hub */
    uint64_t switches;
    struct gr_cpu_hub cpu;
    uint64_t parks[GR_WHY_N];
    uint64_t native_calls; /* waits left to the kernel because nothing else could run */
    uint64_t created;
};

/* On the hub's own TLS: the hub. */
extern GR_TLS struct gr_hub *gr_hub_self __attribute__((visibility("hidden")));

/* gr_hub_here - the hub whose carrier the calling kernel thread is, NULL on foreign threads. */
static inline struct gr_hub *gr_hub_here(void)
{
    return gr_self ? gr_self->hub : gr_hub_self;
}

/* gr_hub_any_ready - is there a green that could run? On the carrier. */
static inline bool gr_hub_any_ready(const struct gr_hub *h)
{
    return !gr_list_empty(&h->run) || !gr_list_empty(&h->ready);
}

/* gr_hub_asked - has another kernel thread left something to do? */
static inline bool gr_hub_asked(const struct gr_hub *h)
{
    return atomic_load(&h->remote) || atomic_load(&h->requests);
}

/* gr_hub_first - the hub that serves foreign threads; NULL before the start. */
struct gr_hub *gr_hub_first(void);

/* gr_hub_quiet - nothing but the caller can become runnable: a blocking system call stops nobody.
 * On a green. */
bool gr_hub_quiet(void);

/*
 * gr_runtime_start - turn the calling thread, which gr_on_main_thread(), into green 1 of a new hub,
 * after the self-check. Returns 0, or -ENOTSUP: the process stays on kernel threads and *@why says
 * the reason.
 */
int gr_runtime_start(const char **why);

/* gr_on_main_thread - is the caller the first kernel thread of the process? */
bool gr_on_main_thread(void);

/* gr_runtime_prepare - called at that, before anything else; set by the shim. NULL, or a reason. */
extern const char *(*gr_runtime_prepare)(void)__attribute__((visibility("hidden")));

extern bool gr_active __attribute__((visibility("hidden")));

/*
 * gr_runtime_making_threads - before and after (@now) the runtime makes kernel threads. With the
 * first of them libc prepares for others: it installs the handler by which setuid() reaches them.
 * It does not if it takes itself for threaded already, as it does since gr_runtime_start().
 */
void gr_runtime_making_threads(bool now);

/* gr_kernel_thread_create - libc's pthread_create(), which makes kernel threads; set by the shim,
 * whose own makes greens. */
extern int (*gr_kernel_thread_create)(pthread_t *thread, const pthread_attr_t *attr,
                                      void *(*fn)(void *), void *arg)
    __attribute__((visibility("hidden")));

/*
 * gr_kernel_thread_start - run @fn(@arg) on a kernel thread of ours, detached, which takes no
 * signal but libc's own.
 * @stack_size: 0: libc's default
 *
 * Returns 0 or a negative error. Any thread; does not switch.
 */
int gr_kernel_thread_start(void *(*fn)(void *), void *arg, size_t stack_size);

/* gr_runtime_fork_child - first thing in a forked child: only the caller exists. */
void gr_runtime_fork_child(void);

/* gr_offload - run @fn(@arg), which ends by itself, on one of a few worker threads while the
 * calling green waits. errno and h_errno are carried over. For calls that may wait for ever:
 * standin.h. */
void gr_offload(void (*fn)(void *), void *arg);

/*
 * A function called by the hub at a time; it must not wait.
 *
 * gr_alarm_set - have @fire(@a) called at @deadline. Returns 0, or -ENOMEM. gr_alarm_clear - forget
 * it; harmless if it is not set. Both by greens of the hub that @a was set on.
 */
struct gr_alarm {
    int32_t heap_index; /* -1: not set */
    struct green *of;   /* goes with this green into a forked child; NULL: stays behind */
    bool unref;         /* does not count as something that is left: rest.h */
    void (*fire)(struct gr_alarm *a);
};
int gr_alarm_set(struct gr_alarm *a, int64_t deadline);

/* gr_alarm_raise - the same with no delay, for handlers of signals: needs no memory. One alarm of
 * the process alone, after gr_alarm_reserve(). */
int gr_alarm_reserve(void);
void gr_alarm_raise(struct gr_alarm *a);
void gr_alarm_clear(struct gr_alarm *a);
void gr_alarm_fork_child(struct gr_hub *h, const struct green *survivor);

/* gr_has_other_threads - has the process other kernel threads than the caller? They may wake greens
 * at any time. */
bool gr_has_other_threads(void);

/* gr_hub_foreign - a kernel thread exists that may wake greens at any time: no hub may block
 * outside its loop. */
void gr_hub_foreign(void);

/*
 * gr_hub_interrupt - a handler of the program begins that interrupted @g anywhere, perhaps inside
 * malloc; gr_hub_resume - it has returned. If @g gives up the CPU in between, malloc's state stays
 * with it, and the others go on with another. On @g.
 */
static inline void gr_hub_interrupt(struct green *g)
{
    g->handlers++;
}

void gr_hub_resume(struct green *g);

/* gr_hub_borrow - go on under the thread pointer of @to, as if it were running; call again the
 * other way round to return. */
void gr_hub_borrow(struct green *from, struct green *to);

/* gr_hub_give_way - let all others run once, and the hub have its turn. */
void gr_hub_give_way(void);

/* Account for one non-blocking success of the caller; yields when its budget is used up. */
void gr_hub_charge(void);

/*
 * gr_hub_held_up - greens that could run if the carrier of @h were free, apart from those whose
 * descriptor is ready (gr_fd_held_up()). Exact while the carrier stands still, else a guess.
 * Any thread; never switches.
 */
unsigned gr_hub_held_up(const struct gr_hub *h);

/*
 * gr_hub_note_time - greens that park from now on take this for the time, to the kernel's tick.
 * Noted at every turn of the loop, at ticks, and when ticks begin; a clock read at every park would
 * make it slower. On the carrier, handlers too.
 */
void gr_hub_note_time(struct gr_hub *h);

/* Used by core only. */
struct gr_hub *gr_hub_new(const char **why);
void gr_hub_free(struct gr_hub *h); /* of a start that failed: nothing runs on it */
void gr_hub_poke(
    struct gr_hub *h); /* make a sleeping hub look around; any thread, signal handlers too */
void gr_hub_switch(
    struct green *from); /* give up the CPU; the caller has queued or parked itself */
const struct gr_ctx *gr_hub_leave(struct green *from); /* the same for good: who goes on */
void gr_hub_ready(struct gr_hub *h, struct green *g);  /* put at the end of the ready queue */
void gr_hub_remote(struct gr_hub *h, struct green *g); /* ask for a look at @g, from anywhere */
void gr_hub_timer_add(struct gr_hub *h, struct green *g, int64_t deadline);
void gr_hub_timer_remove(struct gr_hub *h, struct green *g);

#endif
