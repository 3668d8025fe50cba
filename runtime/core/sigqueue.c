/*
 * Lists of signals. A handler may interrupt whoever works on them, so all signals are blocked
 * meanwhile; the lock is for the other kernel threads.
 */
#include "runtime/core/sigqueue.h"

#include "runtime/base/rawsys.h"
#include "runtime/core/sigmask.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define CHUNK 64 /* signals that memory is taken for at a time; it is kept */

static _Atomic bool locked;
static struct gr_signal *unused;
static unsigned n_used;

static uint64_t lock(void)
{
    uint64_t old = gr_mask_block_all();
    while (atomic_exchange_explicit(&locked, true, memory_order_acquire)) {
        (void)GR_SYS(SYS_sched_yield);
    }
    return old;
}

static void unlock(uint64_t old)
{
    atomic_store_explicit(&locked, false, memory_order_release);
    gr_mask_unblock(old);
}

/* malloc may be what the handler that calls us has interrupted. */
static struct gr_signal *obtain(void)
{
    if (!unused) {
        struct gr_signal *chunk = mmap(NULL, CHUNK * sizeof(*chunk), PROT_READ | PROT_WRITE,
                                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (chunk == MAP_FAILED) {
            return NULL;
        }
        for (int i = 0; i < CHUNK; i++) {
            chunk[i].next = unused;
            unused = &chunk[i];
        }
    }
    struct gr_signal *s = unused;
    unused = s->next;
    n_used++;
    return s;
}

static void give_back(struct gr_signal *s)
{
    s->next = unused;
    unused = s;
    n_used--;
}

static bool is_realtime(int sig)
{
    return sig > 31;
}

static bool beyond_limit(void)
{
    struct rlimit lim;
    return GR_SYS(SYS_prlimit64, 0, RLIMIT_SIGPENDING, NULL, &lim) == 0 && n_used >= lim.rlim_cur;
}

static struct gr_signal *of_number(const struct gr_sigqueue *q, int sig)
{
    struct gr_signal *s = q->first;
    while (s && s->sig != sig) {
        s = s->next;
    }
    return s;
}

static int add(struct gr_sigqueue *q, const struct gr_signal *s)
{
    if (!is_realtime(s->sig) && (q->set & gr_sigbit(s->sig))) {
        struct gr_signal *there = of_number(q, s->sig);
        if (there->handled) {
            struct gr_signal *next = there->next;
            *there = *s;
            there->next = next;
        }
        return 0;
    }
    if (is_realtime(s->sig) && !s->process && beyond_limit()) {
        return -EAGAIN;
    }
    struct gr_signal *copy = obtain();
    if (!copy) {
        return -EAGAIN;
    }
    *copy = *s;
    copy->next = NULL;
    *(q->first ? &q->last->next : &q->first) = copy;
    q->last = copy;
    atomic_fetch_or(&q->set, gr_sigbit(s->sig));
    return 0;
}

int gr_sigqueue_add(struct gr_sigqueue *q, const struct gr_signal *s)
{
    uint64_t old = lock();
    int rc = add(q, s);
    unlock(old);
    return rc;
}

/* Is @a to be taken before @b, which is older? */
static bool before(const struct gr_signal *a, const struct gr_signal *b)
{
    return a->process != b->process ? b->process : a->sig < b->sig;
}

/* Where in the list is the one to take, and what is before it? */
static struct gr_signal *find(const struct gr_sigqueue *q, uint64_t set, bool process_only,
                              struct gr_signal **prev)
{
    int lowest = __builtin_ffsll((long long)(q->set & set));
    struct gr_signal *best = NULL;
    struct gr_signal *p = NULL;
    for (struct gr_signal *s = q->first; s; p = s, s = s->next) {
        if ((set & gr_sigbit(s->sig)) && (!process_only || (s->process && !s->handled)) &&
            (!best || before(s, best))) {
            best = s;
            *prev = p;
            if (s->sig == lowest && !s->process) {
                break;
            }
        }
    }
    return best;
}

static void remove_after(struct gr_sigqueue *q, struct gr_signal *prev, struct gr_signal *s)
{
    *(prev ? &prev->next : &q->first) = s->next;
    if (q->last == s) {
        q->last = prev;
    }
    if (!of_number(q, s->sig)) {
        atomic_fetch_and(&q->set, ~gr_sigbit(s->sig));
    }
    give_back(s);
}

static bool take(struct gr_sigqueue *q, uint64_t set, bool process_only, struct gr_signal *out)
{
    if (!(atomic_load(&q->set) & set)) {
        return false;
    }
    uint64_t old = lock();
    struct gr_signal *prev = NULL;
    struct gr_signal *s = find(q, set, process_only, &prev);
    if (s) {
        *out = *s;
        remove_after(q, prev, s);
    }
    unlock(old);
    return s != NULL;
}

bool gr_sigqueue_take(struct gr_sigqueue *q, uint64_t set, struct gr_signal *out)
{
    return take(q, set, false, out);
}

bool gr_sigqueue_take_process(struct gr_sigqueue *q, uint64_t set, struct gr_signal *out)
{
    return take(q, set, true, out);
}

void gr_sigqueue_drop(struct gr_sigqueue *q, uint64_t set)
{
    struct gr_signal s;
    while (take(q, set, false, &s)) {
    }
}

bool gr_sigqueue_any(void)
{
    return n_used != 0;
}

void gr_sigqueue_fork_child(void)
{
    atomic_store(&locked, false);
}
