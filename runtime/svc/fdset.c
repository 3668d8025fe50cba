/* One wait on several descriptors at once. */
#include "runtime/svc/fdset.h"

#include "runtime/core/green.h"
#include "runtime/core/signal.h"

#include "runtime/base/rawsys.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

/* How soon to ask again when a descriptor of the set cannot be watched. */
#define BLIND_NS (10 * 1000 * 1000LL)

void gr_fdset_init(struct gr_fdset *s)
{
    s->links = s->small;
    s->n = 0;
    s->capacity = GR_FDSET_SMALL;
    s->rounds = false;
    s->stuck = false;
    s->blind = false;
}

static void unlink_all(struct gr_fdset *s)
{
    while (s->n > 0) {
        struct gr_fdlink *l = &s->links[--s->n];
        gr_fd_unlink(l);
        s->stuck |= l->revents && !l->f->armed; /* the loop refused or dropped it */
        gr_fd_done(l->f);
    }
}

void gr_fdset_fini(struct gr_fdset *s)
{
    unlink_all(s);
    if (s->links != s->small) {
        free(s->links);
        s->links = s->small;
        s->capacity = GR_FDSET_SMALL;
    }
}

int gr_fdset_reserve(struct gr_fdset *s, size_t n)
{
    if (n <= s->capacity) {
        return 0;
    }
    if (n > SIZE_MAX / sizeof(struct gr_fdlink)) {
        return -ENOMEM;
    }
    struct gr_fdlink *links = malloc(n * sizeof(struct gr_fdlink));
    if (!links) {
        return -ENOMEM;
    }
    if (s->links != s->small) {
        free(s->links);
    }
    s->links = links;
    s->capacity = n;
    return 0;
}

void gr_fdset_begin(struct gr_fdset *s)
{
    gr_waiter_init(&s->w, s);
    s->blind = false;
}

void gr_fdset_add(struct gr_fdset *s, int fd, unsigned events)
{
    struct gr_fd *f = gr_fd_get(fd);
    if (!f || (s->stuck && !f->armed)) {
        s->blind |= fd >= 0;
        return;
    }
    gr_fd_link(&s->links[s->n++], fd, events, &s->w);
}

/* Did a file that was kept for us wake us for nothing? It cannot be asked about by its old number.
 */
static bool is_false_alarm(struct gr_fdlink *l)
{
    struct timespec none = {0};
    struct pollfd p = {.fd = l->f->fd};
    if (!l->f->private_dup) {
        return false;
    }
    p.events =
        (l->events & GR_IN ? POLLIN | POLLPRI | POLLRDHUP : 0) | (l->events & GR_OUT ? POLLOUT : 0);
    long n;
    do {
        n = GR_SYS(SYS_ppoll, &p, 1, &none, NULL, sizeof(uint64_t));
    } while (n == -EINTR);
    if (n) {
        return false;
    }
    l->revents = 0;
    return true;
}

/*
 * Only closed numbers ended the wait. The kernel would go on waiting for the files that were behind
 * them, and so do we where the core has kept them for us. False: something else happened, or a file
 * is lost and there is no deadline.
 */
static bool follow_moved(struct gr_fdset *s, bool must_end)
{
    bool again = false;
    bool lost = false;
    for (size_t i = 0; i < s->n; i++) {
        struct gr_fdlink *l = &s->links[i];
        again |= l->gone || l->revents;
        if (l->revents && !is_false_alarm(l)) {
            return false;
        }
    }
    gr_waiter_init(&s->w, s);
    for (size_t i = 0; i < s->n; i++) {
        struct gr_fdlink *l = &s->links[i];
        if (l->gone && gr_fd_get(l->moved_fd)) {
            int fd = l->moved_fd;
            l->moved_fd = -1; /* ours to close now */
            gr_fd_unlink(l);
            l->f->private_dup = false;
            gr_fd_link(l, fd, l->events, &s->w);
            l->f->private_dup = true;
        } else if (l->gone) {
            l->gone = false;
            lost = true;
        }
    }
    return again && !(lost && must_end);
}

int gr_fdset_park(struct gr_fdset *s, int64_t deadline, enum gr_why why)
{
    int64_t until = deadline;
    if (s->blind) {
        int64_t soon = gr_deadline_in(BLIND_NS);
        until = soon < deadline ? soon : deadline;
    }
    s->rounds = true;
    int rc = gr_park(&s->w, until, GR_INTR, why);
    while (rc == 0 && follow_moved(s, deadline == GR_FOREVER)) {
        rc = gr_park(&s->w, until, GR_INTR, why);
    }
    struct green *g = s->w.green;
    g->crit++; /* handlers run when every link is off its list: they may leave by a jump */
    unlink_all(s);
    g->crit--;
    if (rc == -EINTR) {
        return gr_sig_interrupted(g);
    }
    return rc == -ETIMEDOUT && until < deadline ? 0 : rc;
}
