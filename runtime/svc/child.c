/* Waiting for child processes. */
#include "runtime/svc/child.h"

#include "runtime/base/rawsys.h"
#include "runtime/core/green.h"
#include "runtime/core/signal.h"
#include "runtime/svc/fdset.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Where the kernel cannot tell us, it is asked after 1, 2, 4, ... ms, and then this often. */
#define SLOWEST_NS (10 * 1000 * 1000LL)

/* A list of children read while some of them end may be incomplete: it is read again this often. */
#define RELIST_NS (100 * 1000 * 1000LL)

#define AT_ONCE_NS (1000 * 1000LL)

#define N_CHILDREN                                                                                 \
    512 /* watched by one wait for any child; with more it asks again every SLOWEST_NS */

/* Waits for any child, woken when a child is made. */
struct any_wait {
    struct gr_list link;
    struct gr_waiter *w;
};

static struct gr_list any_waits = {&any_waits, &any_waits};
static _Atomic bool any_locked;
static _Atomic unsigned n_made;

static void lock_any(void)
{
    gr_enter(gr_self);
    while (atomic_exchange_explicit(&any_locked, true, memory_order_acquire)) {
        (void)GR_SYS(SYS_sched_yield);
    }
}

static void unlock_any(void)
{
    atomic_store_explicit(&any_locked, false, memory_order_release);
    gr_leave(gr_self);
}

void gr_child_made(void)
{
    lock_any();
    atomic_fetch_add(&n_made, 1);
    GR_LIST_EACH(&any_waits, n, tmp)
    {
        struct any_wait *a = GR_LIST_ENTRY(n, struct any_wait, link);
        if (!atomic_load_explicit(&a->w->woken, memory_order_relaxed)) {
            gr_wake(a->w);
        }
    }
    unlock_any();
}

void gr_child_fork_child(void)
{
    gr_list_init(&any_waits);
    atomic_store(&any_locked, false);
}

/* --- pidfds --- */

/* A pidfd on a number that is out of the program's way, or -errno. */
static int open_pidfd(pid_t pid)
{
    int fd = gr_fd_out_of_the_way((int)GR_SYS(SYS_pidfd_open, pid, 0));
    if (fd < 0) {
        return fd;
    }
    struct gr_fd *f = gr_fd_get(fd);
    if (!f) {
        (void)GR_SYS(SYS_close, fd);
        return -ENOMEM;
    }
    gr_fd_forget(f); /* nothing that is remembered of the number is true of this file */
    return fd;
}

static void close_pidfd(int fd)
{
    gr_fd_forget(gr_fd_get(fd));
    (void)GR_SYS(SYS_close, fd);
}

static int64_t slower(const struct gr_child_wait *cw)
{
    int64_t ns = cw->tries < 4 ? 1000000LL << cw->tries : SLOWEST_NS;
    return gr_deadline_in(ns);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int or_again(int rc)
{
    return rc == -ETIMEDOUT || rc == -EBADF ? 0 : rc;
}

static int park_fd(struct gr_child_wait *cw, int fd)
{
    struct gr_fd *f = gr_fd_get(fd);
    if (!f) {
        return gr_sleep_until(slower(cw), GR_INTR);
    }
    gr_fd_drained(f, GR_IN);
    int rc = gr_fd_wait(&f, GR_IN, cw->stops ? slower(cw) : GR_FOREVER, GR_INTR);
    gr_fd_done(f);
    return or_again(rc);
}

static int park_pid(struct gr_child_wait *cw)
{
    int fd = open_pidfd((pid_t)cw->id);
    if (fd == -ESRCH) {
        return 0; /* somebody else has just taken it */
    }
    if (fd < 0) {
        return gr_sleep_until(slower(cw), GR_INTR);
    }
    int rc = park_fd(cw, fd);
    close_pidfd(fd);
    return rc;
}

/* --- any child --- */

/* One wait for any child: the pidfds of all it is for. */
struct family {
    struct gr_fdset set;
    struct any_wait any;
    int n;
    bool complete; /* every child is in @fds */
    int fds[N_CHILDREN];
};

static void add_child(struct family *fam, const struct gr_child_wait *cw, pid_t pid)
{
    if (cw->type == P_PGID &&
        GR_SYS(SYS_getpgid, pid) != (cw->id ? (long)cw->id : GR_SYS(SYS_getpgid, 0))) {
        return;
    }
    int fd = fam->n < N_CHILDREN ? open_pidfd(pid) : -EMFILE;
    if (fd >= 0) {
        fam->fds[fam->n++] = fd;
    } else if (fd != -ESRCH) {
        fam->complete = false;
    }
}

/* The file holds process numbers, each followed by a space. */
static void add_children_of(struct family *fam, const struct gr_child_wait *cw, long dir,
                            const char *tid)
{
    char buf[256];
    char path[64];
    pid_t pid = 0;
    (void)snprintf(path, sizeof(path), "%.32s/children", tid);
    long fd = GR_SYS(SYS_openat, dir, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        fam->complete = false;
        return;
    }
    for (long n; (n = GR_SYS(SYS_read, fd, buf, sizeof(buf))) > 0;) {
        for (long i = 0; i < n; i++) {
            if (buf[i] >= '0' && buf[i] <= '9') {
                pid = pid * 10 + (buf[i] - '0');
            } else if (pid) {
                add_child(fam, cw, pid);
                pid = 0;
            }
        }
    }
    (void)GR_SYS(SYS_close, fd);
}

static void list_children(struct family *fam, const struct gr_child_wait *cw)
{
    char buf[1024] __attribute__((aligned(8)));
    fam->n = 0;
    fam->complete = true;
    long dir = GR_SYS(SYS_openat, AT_FDCWD, "/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) {
        fam->complete = false;
        return;
    }
    for (long n; (n = GR_SYS(SYS_getdents64, dir, buf, sizeof(buf))) > 0;) {
        for (char *p = buf; p < buf + n; p += ((struct dirent64 *)p)->d_reclen) {
            const char *name = ((struct dirent64 *)p)->d_name;
            if (name[0] != '.') {
                add_children_of(fam, cw, dir, name);
            }
        }
    }
    (void)GR_SYS(SYS_close, dir);
}

/* However the wait ends, by forced unwinding as well. */
static void end_family(struct family **p)
{
    struct family *fam = *p;
    if (!fam) {
        return;
    }
    lock_any();
    gr_list_remove(&fam->any.link);
    unlock_any();
    gr_fdset_fini(&fam->set);
    for (int i = 0; i < fam->n; i++) {
        close_pidfd(fam->fds[i]);
    }
    free(fam);
}

static int park_any(struct gr_child_wait *cw)
{
    struct family *fam __attribute__((cleanup(end_family))) = malloc(sizeof(*fam));
    if (!fam) {
        return gr_sleep_until(slower(cw), GR_INTR);
    }
    unsigned made = atomic_load(&n_made);
    gr_list_init(&fam->any.link);
    gr_fdset_init(&fam->set);
    list_children(fam, cw);
    fam->complete &= gr_fdset_reserve(&fam->set, (size_t)fam->n) == 0;
    int64_t until = gr_deadline_in(RELIST_NS);
    if (cw->stops || !fam->complete) {
        until = earlier(until, slower(cw));
    }
    gr_fdset_begin(&fam->set);
    for (int i = 0; i < fam->n && fam->set.n < fam->set.capacity; i++) {
        gr_fdset_add(&fam->set, fam->fds[i], GR_IN);
    }
    fam->any.w = &fam->set.w;
    lock_any();
    gr_list_push_back(&any_waits, &fam->any.link);
    bool again = atomic_load(&n_made) != made;
    unlock_any();
    return again ? 0 : or_again(gr_fdset_park(&fam->set, until, GR_WHY_CHILD));
}

static int park(struct gr_child_wait *cw)
{
    if (!cw->exits || cw->spins > 2) {
        return gr_sleep_until(slower(cw), GR_INTR);
    }
    if (cw->type == P_PID) {
        return park_pid(cw);
    }
    return cw->type == P_PIDFD ? park_fd(cw, (int)cw->id) : park_any(cw);
}

int gr_child_park(struct gr_child_wait *cw)
{
    int64_t start = gr_now();
    int rc = park(cw);
    cw->tries++;
    /* A child that reports its end but cannot be waited for (it is traced, ...) must not make us
     * spin. */
    if (gr_now() - start < AT_ONCE_NS) {
        cw->spins++;
    } else if (cw->spins <= 2) {
        cw->spins = 0;
    }
    return rc;
}
