/*
 * Pending signals: those of one green, or those of the process that no green has been found for.
 *
 * As in the kernel, a standard signal is pending once, a real-time signal as often as it was sent.
 * Any thread and any handler may call these; they do not switch.
 */
#ifndef GR_CORE_SIGQUEUE_H
#define GR_CORE_SIGQUEUE_H

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct gr_signal {
    struct gr_signal *next;
    int sig;
    bool process; /* sent to the process: another green may take it instead */
    bool handled; /* its handler has run elsewhere: it only ends a wait */
    siginfo_t info;
};

struct gr_sigqueue {
    _Atomic uint64_t set;    /* bit n-1: signal n is in here */
    struct gr_signal *first; /* in the order of arrival */
    struct gr_signal *last;
};

/* gr_sigqueue_add - put a copy of *@s at the end. 0, also when it is pending already, or -EAGAIN:
 * beyond RLIMIT_SIGPENDING, which is for real-time signals sent to a green, or out of memory. */
int gr_sigqueue_add(struct gr_sigqueue *q, const struct gr_signal *s);

/* gr_sigqueue_take - take out one that is in @set: those sent to a thread before those sent to the
 * process, then by number, then by age. False when there is none. */
bool gr_sigqueue_take(struct gr_sigqueue *q, uint64_t set, struct gr_signal *out);

/* gr_sigqueue_take_process - as above, but only those sent to the process and not yet handled. */
bool gr_sigqueue_take_process(struct gr_sigqueue *q, uint64_t set, struct gr_signal *out);

/* gr_sigqueue_drop - forget those in @set. */
void gr_sigqueue_drop(struct gr_sigqueue *q, uint64_t set);

/* gr_sigqueue_any - is any signal in any queue? */
bool gr_sigqueue_any(void);

/* gr_sigqueue_fork_child - the lock, whoever held it, is free. */
void gr_sigqueue_fork_child(void);

#endif
