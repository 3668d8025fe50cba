/*
 * libuv as the event machinery.
 *
 * Each descriptor number has one uv_poll_t for life. uv_poll_init() would set O_NONBLOCK on the
 * description, which other processes may share, so it is given a descriptor of our own; the real
 * number is put into the handle's watcher before each start, and EPOLLET into its event mask. These
 * are public fields of libuv's header. EPOLLET must be cleared again before a stop, or libuv keeps
 * the watcher.
 *
 * Wakes from elsewhere and timers each have a descriptor in the same set, edge-triggered and never
 * read.
 */
#include "runtime/loop/loop.h"

#include "runtime/base/clock.h"
#include "runtime/base/compiler.h"
#include "runtime/base/log.h"
#include "runtime/base/rawsys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <uv.h>

/* Sleepers whose times are this close share one wake-up; the kernel's default timer slack. */
#define TIMER_SLACK 50000

/*
 * Descriptors of ours must not take the low numbers that a program counts on. libuv cannot be told
 * where to put its own, so while a loop is made, every free number below this one is occupied.
 */
#define HIGH_FD   1000
#define N_HIGH_FD 24

struct gr_loop {
    uv_loop_t uv;
    gr_loop_fd_cb on_fd;
    int dummy_fd; /* what uv_poll_init() is shown */
    int wake_fd;  /* eventfd */
    int timer_fd;
    int64_t timer_at; /* when timer_fd expires, GR_FOREVER: not armed */
    bool turned;      /* libuv has its own descriptors in the set */
    uv_poll_t wake;
    uv_poll_t timer;
};

_Static_assert(sizeof(uv_poll_t) <= GR_LOOP_FD_SIZE, "libuv's poll handle must fit");
_Static_assert(sizeof(uv_work_t) <= sizeof(((struct gr_job *)0)->uv),
               "libuv's work request must fit");

/* Numbers of our own descriptors, as a bit set from own_base on. */
static int own_base;
static uint32_t own_set;

static uv_poll_t *poll_of(struct gr_loop_fd *w)
{
    return (uv_poll_t *)w->uv;
}

static int start_edge(uv_poll_t *p, int fd, int events, uv_poll_cb cb)
{
    p->io_watcher.fd = fd;
    int rc = uv_poll_start(p, events, cb);
    if (rc == 0) {
        p->io_watcher.pevents |= EPOLLET;
    }
    return rc;
}

static void stop_edge(uv_poll_t *p)
{
    p->io_watcher.pevents &= ~(unsigned)EPOLLET;
    (void)uv_poll_stop(p);
}

static void on_own_fd(uv_poll_t *p, int status, int events)
{
    (void)p;
    (void)status;
    (void)events;
}

static int watch_own(struct gr_loop *l, uv_poll_t *p, int fd)
{
    int rc = uv_poll_init(&l->uv, p, fd);
    return rc ? rc : start_edge(p, fd, UV_READABLE, on_own_fd);
}

static int open_fds(struct gr_loop *l)
{
    int rc = uv_loop_init(&l->uv);
    if (rc) {
        return rc;
    }
    l->dummy_fd = (int)GR_SYS(SYS_eventfd2, 0, EFD_CLOEXEC);
    l->wake_fd = (int)GR_SYS(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK);
    l->timer_fd = (int)GR_SYS(SYS_timerfd_create, CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (l->dummy_fd < 0 || l->wake_fd < 0 || l->timer_fd < 0) {
        return -EMFILE;
    }
    l->timer_at = GR_FOREVER;
    rc = watch_own(l, &l->wake, l->wake_fd);
    return rc ? rc : watch_own(l, &l->timer, l->timer_fd);
}

/* First number of the range that our descriptors go to. */
static int high_base(void)
{
    struct rlimit lim;
    long limit = GR_SYS(SYS_getrlimit, RLIMIT_NOFILE, &lim) == 0 ? (long)lim.rlim_cur : HIGH_FD;
    long base = limit - N_HIGH_FD;
    return (int)(base > HIGH_FD ? HIGH_FD : base < 3 ? 3 : base);
}

static uint32_t open_set(int base)
{
    uint32_t set = 0;
    for (int i = 0; i < N_HIGH_FD; i++) {
        set |= (GR_SYS(SYS_fcntl, base + i, F_GETFD) >= 0 ? 1u : 0u) << i;
    }
    return set;
}

/* Run open_fds() with all numbers below the base occupied, and note which numbers have become ours.
 */
static int init(struct gr_loop *l)
{
    uint64_t filled[HIGH_FD / 64 + 1] = {0};
    int base = high_base();
    uint32_t before = open_set(base);
    long filler = GR_SYS(SYS_eventfd2, 0, EFD_CLOEXEC);
    long next = filler;
    for (; next >= 0 && next < base; next = GR_SYS(SYS_fcntl, filler, F_DUPFD_CLOEXEC, next + 1)) {
        filled[next / 64] |= 1ULL << (next % 64);
    }
    if (next >= base) {
        (void)GR_SYS(SYS_close, next);
    }
    int rc = open_fds(l);
    for (int fd = 0; fd < base; fd++) {
        if (filled[fd / 64] & 1ULL << (fd % 64)) {
            (void)GR_SYS(SYS_close, fd);
        }
    }
    own_base = base;
    own_set |= open_set(base) & ~before;
    return rc;
}

bool gr_loop_owns_fd(int fd)
{
    return fd >= own_base && fd < own_base + N_HIGH_FD && (own_set >> (fd - own_base) & 1);
}

struct gr_loop *gr_loop_new(gr_loop_fd_cb on_fd, int *err)
{
    struct gr_loop *l = calloc(1, sizeof(*l));
    if (!l) {
        *err = ENOMEM;
        return NULL;
    }
    l->on_fd = on_fd;
    int rc = init(l);
    if (rc) {
        *err = -rc;
        free(l);
        return NULL;
    }
    return l;
}

void gr_loop_abandon(struct gr_loop *l)
{
    (void)GR_SYS(SYS_close, l->uv.backend_fd);
    (void)GR_SYS(SYS_close, l->dummy_fd);
    (void)GR_SYS(SYS_close, l->wake_fd);
    (void)GR_SYS(SYS_close, l->timer_fd);
    free(l);
}

int gr_loop_fd_init(struct gr_loop *l, struct gr_loop_fd *w)
{
    return uv_poll_init(&l->uv, poll_of(w), l->dummy_fd);
}

static void on_poll(uv_poll_t *p, int status, int events)
{
    struct gr_loop *l = GR_CONTAINER_OF(p->loop, struct gr_loop, uv);
    unsigned got = 0;
    if (status < 0) {
        got = GR_LOOP_IN | GR_LOOP_OUT | GR_LOOP_HUP | GR_LOOP_ERR;
    } else {
        if (events & UV_READABLE) {
            got |= GR_LOOP_IN;
        }
        if (events & UV_PRIORITIZED) { /* urgent data: reads stop short of it */
            got |= GR_LOOP_HUP | GR_LOOP_IN;
        }
        if (events & UV_WRITABLE) {
            got |= GR_LOOP_OUT;
        }
        if (events == UV_WRITABLE) { /* libuv drops a hang-up that comes with it */
            got |= GR_LOOP_IN;
        }
        if (events & UV_DISCONNECT) {
            got |= GR_LOOP_HUP | GR_LOOP_IN;
        }
    }
    l->on_fd((struct gr_loop_fd *)p, got);
}

/* Take a watcher off libuv's list of those to register at its next turn. */
static void unqueue(uv_poll_t *p)
{
    void **q = (void **)&p->io_watcher.watcher_queue; /* {next, prev} */
    void **next = q[0];
    void **prev = q[1];
    prev[0] = next;
    next[1] = prev;
    q[0] = q;
    q[1] = q;
}

/*
 * libuv aborts the process when epoll refuses a descriptor (a regular file, a number closed behind
 * our back), so the registration is made here and libuv told that it has been.
 */
int gr_loop_arm(struct gr_loop *l, struct gr_loop_fd *w, int fd)
{
    struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET,
                             .data.fd = fd};
    uv_poll_t *p = poll_of(w);
    int rc = start_edge(p, fd, UV_READABLE | UV_WRITABLE | UV_DISCONNECT | UV_PRIORITIZED, on_poll);
    if (rc) {
        return rc;
    }
    rc = (int)GR_SYS(SYS_epoll_ctl, l->uv.backend_fd, EPOLL_CTL_ADD, fd, &ev);
    if (rc == -EEXIST) {
        rc = (int)GR_SYS(SYS_epoll_ctl, l->uv.backend_fd, EPOLL_CTL_MOD, fd, &ev);
    }
    if (rc) {
        stop_edge(p);
        return rc;
    }
    unqueue(p);
    p->io_watcher.events = p->io_watcher.pevents;
    return 0;
}

void gr_loop_disarm(struct gr_loop_fd *w)
{
    stop_edge(poll_of(w));
}

/* An expiry that comes too early costs a turn of the loop; one that is set anew costs a system
 * call. */
static void set_timer(struct gr_loop *l, int64_t deadline)
{
    int64_t at = deadline > GR_FOREVER - TIMER_SLACK ? deadline : deadline + TIMER_SLACK;
    if (l->timer_at <= at && l->timer_at > gr_now()) {
        return;
    }
    struct itimerspec its = {.it_value = gr_ns_timespec(at)};
    (void)GR_SYS(SYS_timerfd_settime, l->timer_fd, TFD_TIMER_ABSTIME, &its, 0);
    l->timer_at = at;
}

int gr_loop_prepare(struct gr_loop *l, int64_t deadline)
{
    if (deadline != GR_FOREVER) {
        set_timer(l, deadline);
    }
    return l->turned ? l->uv.backend_fd : -1;
}

void gr_loop_run(struct gr_loop *l, int64_t deadline)
{
    l->turned = true;
    if (deadline == 0) {
        (void)uv_run(&l->uv, UV_RUN_NOWAIT);
        return;
    }
    (void)gr_loop_prepare(l, deadline);
    (void)uv_run(&l->uv, UV_RUN_ONCE);
}

void gr_loop_wake(struct gr_loop *l)
{
    uint64_t one = 1;
    (void)GR_SYS(SYS_write, l->wake_fd, &one, sizeof(one));
}

static void work(uv_work_t *req)
{
    struct gr_job *job = GR_CONTAINER_OF((unsigned char *)req, struct gr_job, uv);
    job->run(job);
}

static void after_work(uv_work_t *req, int status)
{
    (void)status;
    struct gr_job *job = GR_CONTAINER_OF((unsigned char *)req, struct gr_job, uv);
    job->done(job);
}

int gr_loop_submit(struct gr_loop *l, struct gr_job *job)
{
    memset(job->uv, 0, sizeof(job->uv));
    return uv_queue_work(&l->uv, (uv_work_t *)job->uv, work, after_work);
}
