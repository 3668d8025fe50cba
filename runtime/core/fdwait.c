/* Readiness of descriptors. */
#include "runtime/core/fdwait.h"

#include "runtime/base/rawsys.h"
#include "runtime/core/hub.h"
#include "runtime/core/signal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>

#define CHUNK_BITS 10
#define CHUNK_SIZE (1 << CHUNK_BITS)
#define N_CHUNKS   1024 /* a million descriptors: the kernel's own default limit */

static struct gr_fd *chunks[N_CHUNKS];

/* Counts forks: what an entry of another life says about waiters and registrations is void. */
static uint32_t life = 1;

static struct gr_fd *new_chunk(size_t i)
{
    struct gr_fd *c = mmap(NULL, CHUNK_SIZE * sizeof(*c), PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (c == MAP_FAILED) {
        return NULL;
    }
    struct gr_fd *expected = NULL;
    if (!__atomic_compare_exchange_n(&chunks[i], &expected, c, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE)) {
        (void)munmap(c, CHUNK_SIZE * sizeof(*c));
        return expected;
    }
    return c;
}

static void reset(struct gr_fd *f, int fd)
{
    bool first = f->life == 0;
    gr_list_init(&f->waiters);
    f->hub = NULL;
    f->armed = false;
    f->has_watch = false;
    f->arm_queued = false;
    f->ready = GR_IN | GR_OUT;
    f->fd = fd;
    f->life = life;
    if (first) {
        f->kind = 0;
    }
}

struct gr_fd *gr_fd_get(int fd)
{
    size_t i = (size_t)(unsigned)fd >> CHUNK_BITS;
    if (GR_UNLIKELY(fd < 0 || i >= N_CHUNKS)) {
        return NULL;
    }
    struct gr_fd *c = __atomic_load_n(&chunks[i], __ATOMIC_ACQUIRE);
    if (GR_UNLIKELY(!c)) {
        c = new_chunk(i);
        if (!c) {
            return NULL;
        }
    }
    struct gr_fd *f = &c[fd & (CHUNK_SIZE - 1)];
    if (GR_UNLIKELY(f->life != life)) {
        reset(f, fd);
    }
    return f;
}

struct gr_fd *gr_fd_peek(int fd)
{
    size_t i = (size_t)(unsigned)fd >> CHUNK_BITS;
    if (fd < 0 || i >= N_CHUNKS || !chunks[i] || !chunks[i][fd & (CHUNK_SIZE - 1)].life) {
        return NULL;
    }
    return gr_fd_get(fd);
}

void gr_fd_fork_child(void)
{
    life++;
}

static void wake_link(struct gr_fdlink *l, unsigned revents)
{
    l->revents |= revents;
    if (!atomic_load_explicit(&l->w->woken, memory_order_relaxed)) {
        gr_wake(l->w);
    }
}

/* An edge: wake every poller, and one exclusive waiter for each direction (all of them when the
 * file has hung up). */
static void wake_links(struct gr_fd *f, unsigned events)
{
    unsigned left = events & (GR_IN | GR_OUT);
    GR_LIST_EACH(&f->waiters, n, tmp)
    {
        struct gr_fdlink *l = GR_LIST_ENTRY(n, struct gr_fdlink, link);
        if (!(l->events & events) && !(events & GR_HUP)) {
            continue;
        }
        if (l->exclusive && !(events & GR_HUP)) {
            if (!(l->events & left)) {
                continue;
            }
            left &= ~l->events;
        }
        if (l->exclusive) {
            gr_list_remove(&l->link);
        }
        wake_link(l, events);
    }
}

/* Called by the loop, in the hub. */
void gr_fd_on_event(struct gr_loop_fd *w, unsigned got)
{
    struct gr_fd *f = GR_CONTAINER_OF(w, struct gr_fd, watch);
    unsigned events = got & (GR_LOOP_IN | GR_LOOP_OUT | GR_LOOP_HUP);
    if (got & GR_LOOP_ERR) {
        gr_loop_disarm(&f->watch);
        f->armed = false;
    }
    f->ready |= (uint8_t)events;
    wake_links(f, events);
}

_Static_assert(GR_IN == GR_LOOP_IN && GR_OUT == GR_LOOP_OUT && GR_HUP == GR_LOOP_HUP, "same bits");

void gr_fd_kick(struct gr_fd *f)
{
    gr_enter(gr_self);
    f->ready |= GR_IN | GR_OUT;
    wake_links(f, GR_IN | GR_OUT | GR_HUP);
    gr_leave(gr_self);
}

unsigned gr_fd_cancel(struct gr_fd *f)
{
    unsigned n = 0;
    gr_enter(gr_self);
    GR_LIST_EACH(&f->waiters, node, tmp)
    {
        struct gr_fdlink *l = GR_LIST_ENTRY(node, struct gr_fdlink, link);
        if (l->single) {
            l->gone = true;
            gr_list_remove(node);
            wake_link(l, 0);
            n++;
        }
    }
    gr_leave(gr_self);
    return n;
}

/* In the hub, before the loop turns: register the descriptors that somebody has begun to wait on.
 */
void gr_fd_arm_queued(struct gr_hub *h)
{
    struct gr_fd *f = h->to_arm;
    h->to_arm = NULL;
    while (f) {
        struct gr_fd *next = f->arm_next;
        f->arm_queued = false;
        int rc = 0;
        if (!f->has_watch) {
            memset(&f->watch, 0, sizeof(f->watch));
            rc = gr_loop_fd_init(h->loop, &f->watch);
            f->has_watch = rc == 0;
        }
        if (!rc && !f->armed && !gr_list_empty(&f->waiters)) {
            rc = gr_loop_arm(h->loop, &f->watch, f->fd);
            f->armed = rc == 0;
            f->hub = h;
        }
        if (rc) {
            /* Not watchable: such files never block, and a closed number answers EBADF. Let the
             * waiters try. */
            f->ready = GR_IN | GR_OUT | GR_HUP;
            wake_links(f, GR_IN | GR_OUT | GR_HUP);
        }
        f = next;
    }
}

static void queue_arm(struct gr_hub *h, struct gr_fd *f)
{
    if (!f->armed && !f->arm_queued) {
        f->arm_queued = true;
        f->arm_next = h->to_arm;
        h->to_arm = f;
    }
}

static void add_link(struct gr_fdlink *l, struct gr_fd *f, unsigned events, struct gr_waiter *w,
                     bool exclusive)
{
    struct gr_hub *h = w->green->hub;
    *l = (struct gr_fdlink){.f = f,
                            .w = w,
                            .events = events,
                            .exclusive = exclusive,
                            .single = exclusive,
                            .moved_fd = -1};
    gr_enter(w->green);
    gr_list_push_back(&f->waiters, &l->link);
    queue_arm(h, f);
    h->n_fd_waits++;
    gr_leave(w->green);
}

void gr_fd_unlink(struct gr_fdlink *l)
{
    if (!l->w) {
        return;
    }
    struct green *g = l->w->green;
    gr_enter(g);
    gr_list_remove(&l->link);
    g->hub->n_fd_waits--;
    gr_leave(g);
    if (l->moved_fd >= 0) {
        (void)GR_SYS(SYS_close, l->moved_fd);
        l->moved_fd = -1;
    }
}

void gr_fd_link(struct gr_fdlink *l, int fd, unsigned events, struct gr_waiter *w)
{
    struct gr_fd *f = gr_fd_get(fd);
    if (!f) {
        *l = (struct gr_fdlink){.moved_fd = -1};
        gr_list_init(&l->link);
        return;
    }
    add_link(l, f, events, w, false);
}

int gr_fd_wait(struct gr_fd **fp, unsigned events, int64_t deadline, unsigned flags)
{
    struct gr_fd *f = *fp;
    struct gr_fdlink l;
    struct gr_waiter w;
    if (f->ready & events) {
        return 0;
    }
    gr_waiter_init(&w, f);
    add_link(&l, f, events, &w, true);
    int rc = gr_park(&w, deadline, flags, GR_WHY_FD);
    int moved = l.moved_fd;
    l.moved_fd = -1;
    w.green->crit++;
    gr_fd_unlink(&l);
    w.green->crit--;
    if (rc && l.revents) {
        gr_fd_pass_on(f, events); /* the edge that was ours alone goes to the next in line */
    }
    if (moved >= 0) {
        *fp = gr_fd_get(moved);
        (*fp)->kind = l.moved_kind;
        (*fp)->private_dup = true;
    } else if (rc == 0 && l.gone) {
        return -EBADF;
    }
    if (rc == -EINTR) {
        return gr_sig_interrupted(w.green);
    }
    (void)gr_sig_check(); /* a handler that is due runs before the call returns */
    return rc;
}

void gr_fd_done(struct gr_fd *f)
{
    if (GR_UNLIKELY(f->private_dup)) {
        f->private_dup = false;
        gr_fd_forget(f);
        (void)GR_SYS(SYS_close, f->fd);
    }
}

void gr_fd_pass_on(struct gr_fd *f, unsigned event)
{
    if (GR_LIKELY(gr_list_empty(&f->waiters)) || !(f->ready & event)) {
        return;
    }
    gr_enter(gr_self);
    GR_LIST_EACH(&f->waiters, n, tmp)
    {
        struct gr_fdlink *l = GR_LIST_ENTRY(n, struct gr_fdlink, link);
        if (l->exclusive && (l->events & event)) {
            gr_list_remove(&l->link);
            wake_link(l, event);
            break;
        }
    }
    gr_leave(gr_self);
}

/*
 * Natively a call that waits on a descriptor keeps the file behind it, whatever happens to the
 * number: give the waiter the file under a private number.
 */
static void move_waiters(struct gr_fd *f)
{
    GR_LIST_EACH(&f->waiters, n, tmp)
    {
        struct gr_fdlink *l = GR_LIST_ENTRY(n, struct gr_fdlink, link);
        long dup = GR_SYS(SYS_fcntl, f->fd, F_DUPFD_CLOEXEC, GR_PRIVATE_FD);
        if (dup >= 0) {
            l->moved_fd = (int)dup;
            l->moved_kind = f->kind;
            struct gr_fd *to = gr_fd_get((int)dup);
            if (to) {
                gr_fd_forget(to);
                to->ready = 0;
            }
        }
        l->gone = true;
        gr_list_remove(&l->link);
        wake_link(l, 0);
    }
}

int gr_fd_out_of_the_way(int fd)
{
    long high = fd < 0 ? -1 : GR_SYS(SYS_fcntl, fd, F_DUPFD_CLOEXEC, GR_PRIVATE_FD);
    if (high < 0) {
        return fd;
    }
    (void)GR_SYS(SYS_close, fd);
    return (int)high;
}

void gr_fd_forget(struct gr_fd *f)
{
    gr_enter(gr_self);
    if (f->armed) {
        gr_loop_disarm(&f->watch);
        f->armed = false;
    }
    if (!gr_list_empty(&f->waiters)) {
        move_waiters(f);
    }
    f->ready = GR_IN | GR_OUT;
    f->kind = 0;
    gr_leave(gr_self);
}

/* --- seen from another thread, while all this may change: memory is peeked at --- */

/* What the first waiter on @f waits for; false: nobody waits, or it has been woken already. */
static bool first_wait(const struct gr_fd *f, struct pollfd *p)
{
    struct gr_list *first = __atomic_load_n(&f->waiters.next, __ATOMIC_RELAXED);
    struct gr_fdlink l;
    struct gr_waiter w;
    if (f->life != life || first == &f->waiters ||
        gr_peek(&l, GR_LIST_ENTRY(first, struct gr_fdlink, link), sizeof(l)) ||
        gr_peek(&w, l.w, sizeof(w)) || atomic_load(&w.woken)) {
        return false;
    }
    *p = (struct pollfd){.fd = f->fd};
    p->events =
        (short)((l.events & GR_IN ? POLLIN | POLLRDHUP : 0) | (l.events & GR_OUT ? POLLOUT : 0));
    return true;
}

static unsigned count_ready(struct pollfd *p, unsigned n)
{
    struct timespec none = {0};
    long ready = n ? GR_SYS(SYS_ppoll, p, n, &none, NULL, 0) : 0;
    return ready > 0 ? (unsigned)ready : 0;
}

unsigned gr_fd_held_up(void)
{
    struct pollfd p[64];
    unsigned n = 0;
    unsigned ready = 0;
    for (size_t i = 0; i < N_CHUNKS; i++) {
        const struct gr_fd *c = __atomic_load_n(&chunks[i], __ATOMIC_ACQUIRE);
        for (size_t k = 0; c && k < CHUNK_SIZE; k++) {
            n += first_wait(&c[k], &p[n]);
            if (n == GR_ARRAY_SIZE(p)) {
                ready += count_ready(p, n);
                n = 0;
            }
        }
    }
    return ready + count_ready(p, n);
}
