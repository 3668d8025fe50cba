/* The cache of what is known about descriptors. */
#include "shim/fdtable.h"

#include "runtime/base/rawsys.h"
#include "shim/shim.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

static uint32_t epoch = 1;

/* Counts forks. A description made by this process since the last one is its own, any other may be
 * shared. */
static uint32_t forks = 1;

/* Listening sockets that carry our hidden O_NONBLOCK. */
#define N_SHADOWS 64
static int shadows[N_SHADOWS];
static int n_shadows;

/* Sockets made before the first thread, by number: nothing else is noted of that time. */
#define N_EARLY 1024
static uint64_t early[N_EARLY / 64];

void gr_fdtable_early_socket(int fd)
{
    if (fd >= 0 && fd < N_EARLY) {
        early[fd / 64] |= 1ULL << (fd % 64);
    }
}

static bool is_early(int fd)
{
    return fd < N_EARLY && (early[fd / 64] >> (fd % 64) & 1);
}

void gr_fdtable_changed(void)
{
    epoch++;
}

static void share_shadows(bool exec_only);

void gr_fdtable_fork(bool exec_only)
{
    forks++;
    epoch++;
    share_shadows(exec_only);
    memset(early, 0, sizeof(early));
}

static bool is_shared(const struct gr_fd *f)
{
    return f->birth != forks;
}

void gr_fdtable_passed(int fd)
{
    struct gr_fd *f = fd >= 0 ? gr_fd_peek(fd) : NULL;
    if (fd < 0 || is_early(fd) || (f && !is_shared(f))) {
        gr_fdtable_fork(fd < 0); /* its description may have other numbers: we do not know which */
    }
}

static uint8_t socket_kind(int fd)
{
    int type = 0;
    int domain = 0;
    socklen_t len = sizeof(int);
    (void)GR_SYS(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &type, &len);
    len = sizeof(int);
    (void)GR_SYS(SYS_getsockopt, fd, SOL_SOCKET, SO_DOMAIN, &domain, &len);
    return (uint8_t)gr_fdtable_socket_kind(domain, type);
}

/* RWF_NOWAIT works on anonymous pipes, not on FIFOs; only the name tells them apart. */
static uint8_t pipe_kind(int fd)
{
    char path[32];
    char target[8] = "";
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    long n = GR_SYS(SYS_readlinkat, AT_FDCWD, path, target, sizeof(target));
    return n >= 5 && memcmp(target, "pipe:", 5) == 0 ? GR_KIND_PIPE : GR_KIND_OTHER;
}

static uint8_t find_kind(int fd)
{
    struct stat st;
    if (GR_SYS(SYS_fstat, fd, &st)) {
        return GR_KIND_UNKNOWN;
    }
    switch (st.st_mode & S_IFMT) {
    case S_IFSOCK:
        return socket_kind(fd);
    case S_IFREG:
    case S_IFDIR:
    case S_IFBLK:
    case S_IFLNK:
        return GR_KIND_FILE;
    case S_IFIFO:
        return pipe_kind(fd);
    default: /* character devices; anonymous inodes: eventfd, timerfd, signalfd, epoll, inotify, ...
              */
        return GR_KIND_OTHER;
    }
}

struct gr_fd *gr_fdtable_get(int fd)
{
    struct gr_fd *f = gr_fd_get(fd);
    if (GR_UNLIKELY(!f)) {
        return NULL;
    }
    if (GR_UNLIKELY(f->kind == GR_KIND_UNKNOWN)) {
        f->kind = find_kind(fd);
        if (is_early(fd)) {
            f->birth = forks;
            early[fd / 64] &= ~(1ULL << (fd % 64));
        }
        if (f->kind == GR_KIND_UNKNOWN) {
            return NULL;
        }
    }
    return f;
}

struct gr_fd *gr_fdtable_opened(int fd, enum gr_kind kind)
{
    struct gr_fd *f = fd >= 0 ? gr_fd_get(fd) : NULL;
    if (f) {
        if (GR_UNLIKELY(f->armed || !gr_list_empty(&f->waiters))) {
            gr_fd_forget(f); /* closed behind our back */
        }
        f->ready = GR_IN | GR_OUT;
        f->flags = 0;
        f->birth = forks;
        f->kind = (uint8_t)kind;
    }
    return f;
}

void gr_fdtable_mode(struct gr_fd *f, bool nonblock)
{
    f->epoch = epoch;
    f->flags &= (uint8_t)~GR_FD_NONBLOCK;
    f->flags |= GR_FD_MODE | (nonblock ? GR_FD_NONBLOCK : 0);
}

void gr_fdtable_accepted(struct gr_fd *f, const struct gr_fd *listener)
{
    if ((listener->flags & GR_FD_TIMEO) && listener->epoch == epoch) {
        f->rcv_timeout = listener->rcv_timeout;
        f->snd_timeout = listener->snd_timeout;
        f->flags |= GR_FD_TIMEO;
    }
}

enum gr_kind gr_fdtable_socket_kind(int domain, int type)
{
    bool tcp = (type & 0xf) == SOCK_STREAM && (domain == AF_INET || domain == AF_INET6);
    return tcp ? GR_KIND_STREAM : GR_KIND_SOCKET;
}

static void drop_shadow(int fd)
{
    for (int i = 0; i < n_shadows; i++) {
        if (shadows[i] == fd) {
            shadows[i] = shadows[--n_shadows];
            return;
        }
    }
}

void gr_fdtable_closing(int fd)
{
    struct gr_fd *f = gr_fd_get(fd);
    if (!f) {
        return;
    }
    if (f->flags & GR_FD_SHADOW) {
        int off = 0;
        drop_shadow(fd);
        (void)GR_SYS(SYS_ioctl, fd, FIONBIO,
                     &off); /* another number may live on, here or in another process */
        for (int i = 0; i < n_shadows; i++) {
            int on = 1;
            (void)GR_SYS(SYS_ioctl, shadows[i], FIONBIO, &on);
        }
    }
    if (f->kind != GR_KIND_UNKNOWN || f->armed || !gr_list_empty(&f->waiters)) {
        gr_fd_forget(f);
    }
    f->flags = 0;
}

/* Listeners that a child gets lose their hidden flag, which it would see; from now on they are
 * shared. */
static void share_shadows(bool exec_only)
{
    int kept = 0;
    for (int i = 0; i < n_shadows; i++) {
        int fd = shadows[i];
        struct gr_fd *f = gr_fd_get(fd);
        if (exec_only && (GR_SYS(SYS_fcntl, fd, F_GETFD) & FD_CLOEXEC)) {
            f->birth = forks;
            shadows[kept++] = fd;
            continue;
        }
        f->flags &= (uint8_t)~GR_FD_SHADOW;
        if (!(f->flags & GR_FD_NONBLOCK)) {
            int off = 0;
            (void)GR_SYS(SYS_ioctl, fd, FIONBIO, &off);
        }
    }
    n_shadows = kept;
}

/* What was cached of @f in an earlier epoch no longer counts. */
static void refresh(struct gr_fd *f)
{
    if (f->epoch != epoch) {
        f->flags &= (uint8_t) ~(GR_FD_MODE | GR_FD_TIMEO);
        f->epoch = epoch;
    }
    if (is_shared(f)) {
        f->flags &= (uint8_t)~GR_FD_MODE;
    }
}

bool gr_fdtable_blocking(struct gr_fd *f)
{
    refresh(f);
    if (!(f->flags & GR_FD_MODE) && !(f->flags & GR_FD_SHADOW)) {
        long mode = GR_SYS(SYS_fcntl, f->fd, F_GETFL);
        f->flags &= (uint8_t)~GR_FD_NONBLOCK;
        f->flags |= GR_FD_MODE | (mode >= 0 && (mode & O_NONBLOCK) ? GR_FD_NONBLOCK : 0);
    }
    return !(f->flags & GR_FD_NONBLOCK);
}

static int64_t socket_timeout(int fd, int option)
{
    struct timeval tv = {0};
    socklen_t len = sizeof(tv);
    if (GR_SYS(SYS_getsockopt, fd, SOL_SOCKET, option, &tv, &len)) {
        return 0;
    }
    return (int64_t)tv.tv_sec * GR_NSEC + (int64_t)tv.tv_usec * 1000;
}

int64_t gr_fdtable_deadline(struct gr_fd *f, unsigned event)
{
    if (f->kind != GR_KIND_STREAM && f->kind != GR_KIND_SOCKET) {
        return GR_FOREVER;
    }
    refresh(f);
    if (!(f->flags & GR_FD_TIMEO)) {
        f->rcv_timeout = socket_timeout(f->fd, SO_RCVTIMEO);
        f->snd_timeout = socket_timeout(f->fd, SO_SNDTIMEO);
        f->flags |= GR_FD_TIMEO;
    }
    int64_t timeout = event == GR_IN ? f->rcv_timeout : f->snd_timeout;
    return timeout ? gr_deadline_in(timeout) : GR_FOREVER;
}

bool gr_fdtable_listener(struct gr_fd *f)
{
    int on = 1;
    if ((f->flags & GR_FD_SHADOW) || n_shadows == N_SHADOWS || is_shared(f)) {
        return f->flags & GR_FD_SHADOW;
    }
    shadows[n_shadows++] = f->fd;
    f->flags |= GR_FD_SHADOW;
    (void)GR_SYS(SYS_ioctl, f->fd, FIONBIO, &on);
    return true;
}

void gr_fdtable_duplicated(int from, int to)
{
    struct gr_fd *a = gr_fd_get(from);
    struct gr_fd *b = a ? gr_fdtable_opened(to, a->kind) : NULL;
    if (!b) {
        return;
    }
    b->birth = a->birth;
    b->flags = a->flags & (GR_FD_LOWAT | GR_FD_SHADOW | GR_FD_NONBLOCK);
    if (b->flags & GR_FD_SHADOW) {
        if (n_shadows < N_SHADOWS) {
            shadows[n_shadows++] = to;
        } else {
            b->flags &= (uint8_t)~GR_FD_SHADOW;
        }
    }
    gr_fdtable_changed();
}

static void set_shadows(int on)
{
    for (int i = 0; i < n_shadows; i++) {
        (void)GR_SYS(SYS_ioctl, shadows[i], FIONBIO, &on);
    }
}

void gr_fdtable_before_exec(void)
{
    set_shadows(0);
}

void gr_fdtable_after_failed_exec(void)
{
    set_shadows(1);
}
