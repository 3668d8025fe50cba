/*
 * sys/select.h: select and pselect.
 *
 * The kernel writes its answer over the sets, so it is asked with copies; the program's sets change
 * only with the result.
 */
#include "shim/poll.h"

#include "runtime/svc/fdset.h"
#include "shim/shim.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define WORD_BITS   64
#define SMALL_WORDS (FD_SETSIZE / WORD_BITS)

/* The sets of one call: in, out, except. */
enum { IN, OUT, EXCEPT, N_SETS };

struct select_look {
    struct gr_look look;
    int nfds;
    size_t words;           /* longs of each set that matter */
    uint64_t *user[N_SETS]; /* the program's; NULL: not given */
    uint64_t *copy[N_SETS];
    uint64_t *heap; /* where the copies are if they are large */
    struct gr_fdset set;
    uint64_t small[N_SETS][SMALL_WORDS];
};

static struct select_look *select_of(struct gr_look *q)
{
    return GR_CONTAINER_OF(q, struct select_look, look);
}

static void copy_sets(uint64_t *const to[N_SETS], uint64_t *const from[N_SETS], size_t words)
{
    for (int i = 0; i < N_SETS; i++) {
        if (to[i] && from[i]) {
            memcpy(to[i], from[i], words * sizeof(uint64_t));
        }
    }
}

/* Descriptors in any of the sets, in the word @w. */
static uint64_t any_set(const struct select_look *s, size_t w)
{
    uint64_t all = 0;
    for (int i = 0; i < N_SETS; i++) {
        all |= s->user[i] ? s->user[i][w] : 0;
    }
    int beyond = (int)(w + 1) * WORD_BITS - s->nfds;
    return beyond > 0 ? all & (~0ULL >> beyond) : all;
}

/* A descriptor was closed during the wait: the kernel then reports it in every set it is in, and so
 * do we. */
static long report_closed(struct select_look *s)
{
    long n = 0;
    for (size_t w = 0; w < s->words; w++) {
        uint64_t closed = 0;
        for (uint64_t left = any_set(s, w); left; left &= left - 1) {
            int fd = (int)w * WORD_BITS + __builtin_ctzll(left);
            closed |= GR_SYS(SYS_fcntl, fd, F_GETFD) < 0 ? left & -left : 0;
        }
        for (int i = 0; i < N_SETS; i++) {
            if (s->copy[i]) {
                s->copy[i][w] = s->user[i][w] & closed;
                n += __builtin_popcountll(s->copy[i][w]);
            }
        }
    }
    return n;
}

static long ask(struct gr_look *q)
{
    struct select_look *s = select_of(q);
    struct timespec none = {0};
    copy_sets(s->copy, s->user, s->words);
    long n = GR_SYS(SYS_pselect6, s->nfds, s->copy[IN], s->copy[OUT], s->copy[EXCEPT], &none, NULL);
    if (n == -EBADF && s->set.rounds) {
        n = report_closed(s);
    }
    return n;
}

static bool native(struct gr_look *q, int64_t at, long *ret)
{
    struct select_look *s = select_of(q);
    struct timespec ts;
    copy_sets(s->copy, s->user, s->words);
    return gr_native(ret, SYS_pselect6, s->nfds, (long)s->copy[IN], (long)s->copy[OUT],
                     (long)s->copy[EXCEPT], (long)gr_wait_left(at, &ts), 0);
}

static unsigned interest(const struct select_look *s, size_t w, uint64_t bit)
{
    unsigned want = s->user[IN] && (s->user[IN][w] & bit) ? GR_IN : 0;
    want |= s->user[OUT] && (s->user[OUT][w] & bit) ? GR_OUT : 0;
    want |= s->user[EXCEPT] && (s->user[EXCEPT][w] & bit) ? GR_IN | GR_OUT : 0;
    return want;
}

static int park(struct gr_look *q, int64_t at)
{
    struct select_look *s = select_of(q);
    size_t n = 0;
    for (size_t w = 0; w < s->words; w++) {
        n += (size_t)__builtin_popcountll(any_set(s, w));
    }
    int rc = gr_fdset_reserve(&s->set, n);
    if (rc) {
        return rc;
    }
    gr_fdset_begin(&s->set);
    for (size_t w = 0; w < s->words; w++) {
        for (uint64_t left = any_set(s, w); left; left &= left - 1) {
            int fd = (int)w * WORD_BITS + __builtin_ctzll(left);
            gr_fdset_add(&s->set, fd, interest(s, w, left & -left));
        }
    }
    return gr_fdset_park(&s->set, at, GR_WHY_POLL);
}

/* The highest descriptor number that is open and not ours; -1 if that cannot be told. */
static int highest_fd(void)
{
    char buf[2048] __attribute__((aligned(8))) = {0};
    int top = -1;
    long dir = GR_SYS(SYS_openat, AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) {
        return -1;
    }
    for (long n; (n = GR_SYS(SYS_getdents64, dir, buf, sizeof(buf))) > 0;) {
        for (char *p = buf; p < buf + n; p += ((struct dirent64 *)p)->d_reclen) {
            int fd = atoi(((struct dirent64 *)p)->d_name);
            if (fd > top && fd != dir && !gr_loop_owns_fd(fd)) {
                top = fd;
            }
        }
    }
    (void)GR_SYS(SYS_close, dir);
    return top;
}

/*
 * Programs that pass the limit on descriptors as @nfds with sets of FD_SETSIZE bits count on the
 * kernel's looking no further than its table of open descriptors reaches, which our own descriptors
 * have made longer.
 */
static int clamp(int nfds)
{
    struct rlimit lim = {0};
    if (nfds <= FD_SETSIZE || GR_SYS(SYS_getrlimit, RLIMIT_NOFILE, &lim) ||
        (rlim_t)nfds < lim.rlim_cur) {
        return nfds;
    }
    int top = highest_fd();
    return top < 0 || top >= nfds ? nfds : top < FD_SETSIZE ? FD_SETSIZE : top + 1;
}

static int make_copies(struct select_look *s)
{
    uint64_t *room = s->small[0];
    if (s->words > SMALL_WORDS) {
        room = s->heap = malloc(N_SETS * s->words * sizeof(uint64_t));
        if (!room) {
            return -ENOMEM;
        }
    }
    for (int i = 0; i < N_SETS; i++) {
        s->copy[i] = s->user[i] ? room + (size_t)i * s->words : NULL;
    }
    return 0;
}

static void fini(struct select_look *s)
{
    gr_fdset_fini(&s->set);
    free(s->heap);
}

long gr_select(int nfds, fd_set *in, fd_set *out, fd_set *except, int64_t deadline,
               const uint64_t *mask)
{
    if (nfds < 0) {
        return -EINVAL;
    }
    struct select_look s __attribute__((cleanup(fini)));
    s.look = (struct gr_look){.ask = ask, .park = park, .native = native};
    s.nfds = clamp(nfds);
    s.words = ((size_t)s.nfds + WORD_BITS - 1) / WORD_BITS;
    s.user[IN] = (uint64_t *)in;
    s.user[OUT] = (uint64_t *)out;
    s.user[EXCEPT] = (uint64_t *)except;
    s.heap = NULL;
    gr_fdset_init(&s.set);
    int rc = make_copies(&s);
    if (rc) {
        return rc;
    }
    long n = gr_look(&s.look, deadline, mask);
    if (n == 0) {
        for (int i = 0; i < N_SETS; i++) {
            if (s.copy[i]) {
                memset(s.copy[i], 0, s.words * sizeof(uint64_t));
            }
        }
    }
    if (n >= 0) {
        copy_sets(s.user, s.copy, s.words);
    }
    return n;
}

/* The deadline for @tv. Microseconds beyond a second are accepted, as libc does. */
static int deadline_of(const struct timeval *tv, int64_t *out)
{
    if (!tv) {
        *out = GR_FOREVER;
        return 0;
    }
    if (tv->tv_sec < 0 || tv->tv_usec < 0) {
        return -EINVAL;
    }
    struct timespec ts = {.tv_nsec = tv->tv_usec % 1000000 * 1000};
    if (__builtin_add_overflow(tv->tv_sec, tv->tv_usec / 1000000, &ts.tv_sec)) {
        ts.tv_sec = INT64_MAX;
    }
    return gr_wait_deadline(&ts, out);
}

/*
 * select - <sys/select.h>; POSIX.1-2024 select(), select(2)
 * Class:    YIELD.
 * Waits:    until a descriptor is ready, the timeout (never early), or a handler (EINTR, SA_RESTART
 * or not). As on Linux, *@timeout becomes the time that is left, whatever the result. Differs:  as
 * poll, for a descriptor that another thread closes during the wait.
 */
GR_SHIM int select(int nfds, fd_set *in, fd_set *out, fd_set *except, struct timeval *timeout)
{
    if (!gr_on_green()) {
        return real.select(nfds, in, out, except, timeout);
    }
    GR_CANCEL_POINT(select);
    int64_t deadline;
    int rc = deadline_of(timeout, &deadline);
    if (rc) {
        return (int)gr_ret(rc);
    }
    long n = gr_select(nfds, in, out, except, deadline, NULL);
    if (timeout) {
        struct timespec left;
        if (gr_wait_left(deadline, &left)) {
            timeout->tv_sec = left.tv_sec;
            timeout->tv_usec = left.tv_nsec / 1000;
        }
    }
    return (int)gr_ret(n);
}

GR_SHIM int pselect(int nfds, fd_set *in, fd_set *out, fd_set *except,
                    const struct timespec *timeout, const sigset_t *mask)
{
    if (!gr_on_green()) {
        return real.pselect(nfds, in, out, except, timeout, mask);
    }
    GR_CANCEL_POINT(pselect);
    int64_t deadline;
    int rc = gr_wait_deadline(timeout, &deadline);
    return (int)gr_ret(rc ? rc : gr_select(nfds, in, out, except, deadline, gr_kernel_set(mask)));
}
