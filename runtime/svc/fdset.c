/* One wait on several descriptors at once. */
#include "runtime/svc/fdset.h"

#include <errno.h>
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
        s->stuck |=
            l->revents && !l->f->armed; /* the loop refused it, or dropped it after an error */
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
    gr_waiter_init(&s->w, NULL);
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

/* Only closed numbers ended the wait; they are off all lists. */
static bool only_gone(struct gr_fdset *s)
{
    bool gone = false;
    for (size_t i = 0; i < s->n; i++) {
        if (s->links[i].revents) {
            return false;
        }
        gone |= s->links[i].gone;
        s->links[i].gone = false;
    }
    return gone;
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
    while (rc == 0 && deadline != GR_FOREVER && only_gone(s)) {
        gr_waiter_init(&s->w, NULL);
        rc = gr_park(&s->w, until, GR_INTR, why);
    }
    unlink_all(s);
    return rc == -ETIMEDOUT && until < deadline ? 0 : rc;
}
