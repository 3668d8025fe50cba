/*
 * Unnamed semaphores that belong to this process alone.
 *
 * libc's object: a 64-bit word, value in the low half, number of waiters in the high half; then a
 * word that is 0 for private semaphores. We use the high half as a flag: the lot may hold waiters.
 * A post gives its permit to the first waiter. With gr_natives the high half is libc's own count.
 */
#ifndef GR_SYNC_SEM_H
#define GR_SYNC_SEM_H

#include "runtime/sync/sync.h"

#include <limits.h>
#include <semaphore.h>

struct gr_sem {
    uint64_t word;
    int shared;
    int pad;
};
GR_FITS(struct gr_sem, sem_t);

#define GR_SEM_WAITERS (1ULL << 32)
#define GR_SEM_VALUE   0xffffffffULL

static inline bool gr_sem_shared(const sem_t *sem)
{
    return ((const struct gr_sem *)(const void *)sem)->shared != 0;
}

int gr_sem_wait_slow(struct gr_sem *s, clockid_t clock, const struct timespec *abs);
int gr_sem_post_slow(struct gr_sem *s);

/*
 * gr_sem_wait - take a permit; @abs: deadline on @clock, checked by the caller, NULL for none.
 *
 * Returns 0, -ETIMEDOUT, -EINTR: handlers ran (with a deadline also if all had SA_RESTART, as with
 * libc), -ECANCELED: the green was cancelled while it waited.
 * Switches: if it has to wait.
 */
static inline int gr_sem_wait(sem_t *sem, clockid_t clock, const struct timespec *abs)
{
    struct gr_sem *s = (struct gr_sem *)(void *)sem;
    uint64_t word = GR_PEEK(&s->word);
    while (word & GR_SEM_VALUE) {
        if (GR_CAS(&s->word, word, word - 1)) {
            return 0;
        }
    }
    return gr_sem_wait_slow(s, clock, abs);
}

/*
 * gr_sem_post - give a permit. 0 or -EOVERFLOW. Never switches.
 * Context: also from signal handlers that run on greens.
 */
static inline int gr_sem_post(sem_t *sem)
{
    struct gr_sem *s = (struct gr_sem *)(void *)sem;
    uint64_t word = GR_PEEK(&s->word);
    while (word < SEM_VALUE_MAX && !GR_UNLIKELY(gr_natives)) {
        if (GR_CAS(&s->word, word, word + 1)) {
            return 0;
        }
    }
    return gr_sem_post_slow(s);
}

#endif
