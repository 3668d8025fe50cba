/* A green thread: control block, life cycle. */
#ifndef GR_CORE_GREEN_H
#define GR_CORE_GREEN_H

#include "runtime/arch/arch.h"
#include "runtime/core/cputime.h"
#include "runtime/core/park.h"
#include "runtime/core/sigqueue.h"
#include "runtime/core/stack.h"

#include <pthread.h>
#include <signal.h>

enum gr_state {
    GR_FREE,  /* in the cache, or never used */
    GR_NEW,   /* made, not started */
    GR_READY, /* on a run queue */
    GR_RUNNING,
    GR_PARKED,
    GR_DONE /* ended; waits to be joined unless detached */
};

enum gr_join_state {
    GR_JOINABLE,
    GR_DETACHED,
    GR_JOINING, /* somebody waits in join */
    GR_RELEASED /* joined by a foreign thread: the hub takes it back */
};

/*
 * The control block sits right below the green's static TLS, on the first page of its stack; the
 * block of a green with a caller-supplied stack is allocated separately. Blocks are recycled, never
 * returned to the system.
 */
struct gr_interrupt;

struct green {
    /* Touched by every wait and switch: two cache lines. */
    struct gr_ctx ctx;   /* stack pointer while switched out; thread pointer */
    struct gr_hub *hub;  /* who runs it */
    struct gr_list link; /* hub's ready queue */
    enum gr_state state;
    unsigned crit;              /* > 0: inside the runtime; handlers of signals are held back */
    struct gr_sigqueue pending; /* signals for this green */
    uint64_t sig_mask;          /* blocked, as the program sees it */
    uint64_t sig_wait;          /* set of a sigwait in progress */
    const void *why_arg;        /* address or descriptor waited on, for dumps */
    int32_t heap_index;         /* place in the hub's timer heap, -1: none */
    int budget;                 /* non-blocking successes left before it yields */
    uint8_t why;                /* enum gr_why while parked */
    uint8_t park_flags;         /* while parked */
    uint8_t ended;              /* error number by which the hub has ended its wait, or 0 */
    bool is_main;
    _Atomic bool cancel_pending; /* cancellation (POSIX) */
    bool cancel_disabled;
    bool cancel_async;
    bool exiting;    /* past pthread_exit() or a cancellation: requests have no effect */
    bool vforked;    /* it is the child of a vfork() that runs, in our memory */
    bool own_malloc; /* its malloc words are its own for now: it was interrupted inside malloc */
    _Atomic bool interrupts_locked;
    unsigned handlers;  /* handlers in progress that interrupted it anywhere */
    int tid;            /* core/tid.h; also who it is as an owner of locks */
    uint32_t *tid_word; /* set_tid_address(2): cleared and woken at its end, or NULL */
    uint32_t parked;    /* since when, gr_park_ms() */

    _Atomic(struct green *) remote_next; /* hub's list of wakes from elsewhere */
    _Atomic bool remote_queued;
    bool user_stack; /* stack supplied by the program */
    enum gr_join_state join;
    uint64_t id; /* dense, never reused; main is 1 */
    void *(*fn)(void *);
    void *arg;
    void *retval;
    struct gr_waiter *joiner; /* in join, waits for this one */
    struct green *joining;    /* whose end this one waits for */
    struct gr_list all;       /* hub's list of all greens alive */

    struct gr_stack stack;
    struct gr_cpu cpu;
    struct gr_sched *sched; /* the shim's: scheduling attributes of its own, or NULL */
    uint64_t sig_ran;       /* handlers run so far */
    _Atomic(struct gr_interrupt *) interrupts; /* thrown and not delivered, the oldest first */
    void *task;                                /* what the API keeps for it, or NULL */
    stack_t sig_altstack;
    char name[16]; /* pthread_setname_np, or the creator's; empty: the process's */
};

/* The green that runs on this thread of control; NULL on the hub, on foreign threads, and before
 * the runtime has started. */
extern GR_TLS struct green *gr_self __attribute__((visibility("hidden")));

/* gr_cancel_requested - has @g been cancelled, and is that to be acted upon? */
static inline bool gr_cancel_requested(const struct green *g)
{
    return atomic_load_explicit(&g->cancel_pending, memory_order_relaxed) && !g->cancel_disabled &&
           !g->exiting;
}

/* gr_cancelled - must a wait of @g with these park flags end, because it has been cancelled or
 * interrupted? */
static inline bool gr_cancelled(const struct green *g, unsigned flags)
{
    return ((flags & (GR_CANCEL | GR_ASYNC)) && gr_cancel_requested(g)) ||
           ((flags & GR_CANCEL) && atomic_load_explicit(&g->interrupts, memory_order_relaxed));
}

/* libc's base of an unwind, as behind pthread_cleanup_push(): pthread_exit() and cancellation land
 * at the innermost one. */
extern void __pthread_register_cancel(__pthread_unwind_buf_t *buf);
extern void __pthread_unregister_cancel(__pthread_unwind_buf_t *buf);

/* Stack of a green whose creator asks for no size, unless a setting says otherwise. */
#define GR_SMALL_STACK (256UL << 10)

/* Below what the program asked for: frames of ours shall not cost it any of its stack. */
#define GR_HIDDEN_STACK 8192

struct gr_green_attr {
    size_t stack_size; /* 0: the configured one, or GR_SMALL_STACK */
    void *stack_addr;  /* lowest address of a caller-supplied stack, or NULL */
    size_t guard_size;
    bool detached;
    bool has_mask;
    uint64_t mask; /* signal mask to start with, if @has_mask; else the creator's */
};

/*
 * gr_green_new - make a green that will run @fn(@arg); it does not run until gr_green_start().
 * Returns 0 and *@out, or -EAGAIN (memory, configured limit), -EINVAL (stack too small). Does not
 * switch.
 */
int gr_green_new(const struct gr_green_attr *attr, void *(*fn)(void *), void *arg,
                 struct green **out);
void gr_green_start(struct green *g);

/*
 * gr_green_join - wait for @g to end and release it.
 * @value_out: may be NULL. @deadline: GR_FOREVER for pthread_join.
 * Returns 0, -ESRCH (already joined), -EINVAL (detached, or joined by another), -EDEADLK (self, or
 * each other), -ETIMEDOUT, -EBUSY never. Switches if @g still runs.
 */
int gr_green_join(struct green *g, void **value_out, int64_t deadline);
int gr_green_tryjoin(struct green *g, void **value_out);
int gr_green_detach(struct green *g);

/*
 * gr_green_call_off - @g, which has not run yet, will not run. gr_green_abandon - end it for good;
 * nobody waits for it. May switch, if values that it has inherited are destroyed. Its hub only.
 */
void gr_green_call_off(struct green *g);
void gr_green_abandon(struct green *g);

/* gr_green_exit - end the calling green, already unwound, with @value: TLS destructors, keys,
 * release. Does not return. */
void gr_green_exit(void *value) GR_NORETURN;

/* gr_green_release - take an ended green back into the cache. Hub or another green only, for the
 * program's stacks. */
void gr_green_release(struct green *g);

/* gr_green_discard - an ended green that is in no cache will never live again. */
void gr_green_discard(struct green *g);

/* Hook that runs key destructors, set by the shim; called on the ending green. */
extern void (*gr_green_on_exit)(struct green *g);

/*
 * Hooks for variables that live as long as a green: a green has been made, and has not been
 * started; on the maker. And before the hook above: it ends; or never ran and has been abandoned,
 * then on who did that.
 */
extern void (*gr_green_on_locals_new)(struct green *g);
extern void (*gr_green_on_locals_end)(struct green *g);

/* Then, on a green with a @task: it has ended with @value. */
extern void (*gr_green_on_task_end)(struct green *g, void *value);

/* gr_green_thread - the pthread_t of @g. gr_green_of - the green behind a pthread_t; NULL if it
 * belongs to a foreign thread. */
pthread_t gr_green_thread(const struct green *g);
struct green *gr_green_of(pthread_t t);

#endif
