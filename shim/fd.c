/* Making, duplicating, closing descriptors, and their flags: bookkeeping around libc's calls. */
#include "runtime/base/log.h"
#include "shim/body.h"
#include "shim/io.h"
#include "shim/kernel_wait.h"
#include "shim/proc_path.h"
#include "shim/process.h"
#include "shim/termios.h"
#include "shim/thread_id.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

/* Note a descriptor that a call of the program returned. */
static int opened(int fd, enum gr_kind kind, bool nonblock)
{
    if (fd >= 0 && gr_on_green()) {
        struct gr_fd *f = gr_fdtable_opened(fd, kind);
        if (f) {
            gr_fdtable_mode(f, nonblock);
        }
    }
    return fd;
}

/* --- closing --- */

int gr_close_on(int fd)
{
    if (GR_UNLIKELY(gr_loop_owns_fd(fd))) {
        return (int)gr_ret(-EBADF); /* nothing of the program's */
    }
    gr_fdtable_closing(fd);
    return (int)gr_ret(GR_SYS(SYS_close, fd));
}

GR_SHIM int close(int fd)
{
    gr_look_for_cancel();
    return gr_on_green() ? gr_close_on(fd) : real.close(fd);
}

/* Close [first, last] in pieces that leave out the loop's own descriptors. */
static int close_between(unsigned first, unsigned last, int flags)
{
    unsigned start = first;
    for (unsigned fd = first; fd <= last && fd < 1U << 20; fd++) {
        bool own = gr_loop_owns_fd((int)fd);
        if (!own && !(flags & CLOSE_RANGE_CLOEXEC)) {
            struct gr_fd *f = gr_fd_peek((int)fd);
            if (f && (f->armed || f->kind || !gr_list_empty(&f->waiters))) {
                gr_fdtable_closing((int)fd);
            }
        }
        if (own) {
            if (fd > start && real.close_range(start, fd - 1, flags)) {
                return -1;
            }
            start = fd + 1;
        }
    }
    return start <= last ? real.close_range(start, last, flags) : 0;
}

GR_SHIM int close_range(unsigned first, unsigned last, int flags)
{
    if (!gr_on_green() || first > last || (flags & ~(CLOSE_RANGE_CLOEXEC | CLOSE_RANGE_UNSHARE))) {
        return real.close_range(first, last, flags);
    }
    return close_between(first, last, flags);
}

GR_SHIM void closefrom(int low)
{
    if (!gr_on_green()) {
        real.closefrom(low);
        return;
    }
    (void)close_between(low < 0 ? 0 : (unsigned)low, ~0U, 0);
}

/* --- duplicating --- */

static int duplicated(int from, int to)
{
    if (to >= 0 && gr_on_green()) {
        gr_fdtable_duplicated(from, to);
    }
    return to;
}

GR_SHIM int dup(int fd)
{
    return duplicated(fd, real.dup(fd));
}

/* The target's file goes away, if the source is a descriptor at all. */
static bool about_to_replace(int from, int to)
{
    if (from == to || GR_SYS(SYS_fcntl, from, F_GETFD) < 0) {
        return false;
    }
    if (gr_loop_owns_fd(to)) {
        gr_log("descriptor %d is in use by greenshim; the program cannot have that number", to);
        return false;
    }
    gr_fdtable_closing(to);
    return true;
}

GR_SHIM int dup2(int from, int to)
{
    if (!gr_on_green()) {
        return real.dup2(from, to);
    }
    if (!about_to_replace(from, to)) {
        return gr_loop_owns_fd(to) ? (int)gr_ret(-EBUSY) : real.dup2(from, to);
    }
    return duplicated(from, real.dup2(from, to));
}

GR_SHIM int dup3(int from, int to, int flags)
{
    if (!gr_on_green()) {
        return real.dup3(from, to, flags);
    }
    if (!about_to_replace(from, to)) {
        return gr_loop_owns_fd(to) ? (int)gr_ret(-EBUSY) : real.dup3(from, to, flags);
    }
    return duplicated(from, real.dup3(from, to, flags));
}

/* --- flags --- */

static int get_flags(int fd)
{
    int flags = real.fcntl(fd, F_GETFL, NULL);
    struct gr_fd *f = gr_fd_peek(fd);
    if (flags >= 0 && f && (f->flags & GR_FD_SHADOW) && !(f->flags & GR_FD_NONBLOCK)) {
        flags &= ~O_NONBLOCK;
    }
    return flags;
}

static void note_mode(struct gr_fd *f, bool nonblock)
{
    gr_fdtable_changed(); /* other numbers of the description ask again */
    if (f) {
        gr_fdtable_mode(f, nonblock);
    }
}

static int set_flags(int fd, long flags)
{
    struct gr_fd *f = gr_fd_peek(fd);
    long hidden = f && (f->flags & GR_FD_SHADOW) ? O_NONBLOCK : 0;
    int rc = real.fcntl(fd, F_SETFL, (void *)(flags | hidden));
    if (rc == 0) {
        note_mode(f, flags & O_NONBLOCK);
    }
    return rc;
}

/* F_SETOWN_EX: the kernel signals the carrier of a green. */
static int set_owner(int fd, const struct f_owner_ex *owner)
{
    struct f_owner_ex mapped = *owner;
    if (mapped.type == F_OWNER_TID) {
        mapped.pid = gr_kernel_tid(mapped.pid);
    }
    return real.fcntl(fd, F_SETOWN_EX, &mapped);
}

GR_SHIM int fcntl(int fd, int cmd, ...)
{
    va_list ap;
    va_start(ap, cmd);
    void *arg = va_arg(ap, void *);
    va_end(ap);
    if (!gr_on_green()) {
        return real.fcntl(fd, cmd, arg);
    }
    switch (cmd) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
        return duplicated(fd, real.fcntl(fd, cmd, arg));
    case F_GETFL:
        return get_flags(fd);
    case F_SETFL:
        return set_flags(fd, (long)arg);
    case F_SETLKW:
    case F_OFD_SETLKW:
        gr_look_for_cancel();
        return (int)gr_ret(gr_lock_record(fd, cmd, arg));
    case F_SETOWN_EX:
        return set_owner(fd, arg);
    default:
        return real.fcntl(fd, cmd, arg);
    }
}

/*
 * ioctl - <sys/ioctl.h>; ioctl(2)
 * Class:    TRACK: FIONBIO sets O_NONBLOCK. Of the requests that wait, those that drain a
 * terminal are YIELD. Not a cancellation point.
 */
GR_SHIM int ioctl(int fd, unsigned long request, ...)
{
    va_list ap;
    va_start(ap, request);
    void *arg = va_arg(ap, void *);
    va_end(ap);
    struct green *g = gr_on_green();
    if (g && gr_ioctl_drains(request)) {
        GR_COUNT(ioctl);
        return (int)gr_ret(gr_ioctl_drain(fd, request, arg));
    }
    if (!g || request != FIONBIO || !arg) {
        return real.ioctl(fd, request, arg);
    }
    struct gr_fd *f = gr_fd_peek(fd);
    if (f && (f->flags & GR_FD_SHADOW)) {
        note_mode(f, *(int *)arg);
        return 0;
    }
    int rc = real.ioctl(fd, request, arg);
    if (rc == 0) {
        note_mode(f, *(int *)arg);
    }
    return rc;
}

/* --- opening --- */

/* Opening a FIFO waits for the other end; before it is open there is nothing to wait on. */
static bool open_waits(int dir, const char *path, int flags)
{
    struct stat st;
    if ((flags & (O_NONBLOCK | O_PATH)) || (flags & O_ACCMODE) == O_RDWR || gr_hub_quiet()) {
        return false;
    }
    return GR_SYS(SYS_newfstatat, dir, path, &st, 0) == 0 && S_ISFIFO(st.st_mode);
}

int gr_open_on(int dir, const char *path, int flags, mode_t mode)
{
    struct gr_kernel_wait w = {.call = {SYS_openat, {dir, (long)path, flags, mode}},
                               .restarts = true,
                               .flags = GR_INTR,
                               .deadline = GR_FOREVER};
    int fd = open_waits(dir, path, flags)
                 ? (int)gr_ret(gr_kernel_wait(&w))
                 : GR_WITH_PROC_PATH(path, -1, real.openat(dir, path, flags, mode));
    return opened(fd, GR_KIND_UNKNOWN, flags & O_NONBLOCK);
}

GR_SHIM int open(const char *path, int flags, ...)
{
    mode_t mode = 0;
    GR_TAKE_MODE(mode, flags);
    gr_look_for_cancel();
    return gr_on_green() ? gr_open_on(AT_FDCWD, path, flags, mode) : real.open(path, flags, mode);
}

GR_SHIM int openat(int dir, const char *path, int flags, ...)
{
    mode_t mode = 0;
    GR_TAKE_MODE(mode, flags);
    gr_look_for_cancel();
    return gr_on_green() ? gr_open_on(dir, path, flags, mode) : real.openat(dir, path, flags, mode);
}

/* Fortified: the real ones abort when a mode is needed. */
GR_SHIM int __open_2(const char *path, int flags)
{
    return gr_open_needs_mode(flags) ? real.__open_2(path, flags) : open(path, flags);
}

GR_SHIM int __openat_2(int dir, const char *path, int flags)
{
    return gr_open_needs_mode(flags) ? real.__openat_2(dir, path, flags) : openat(dir, path, flags);
}

GR_SHIM int open_by_handle_at(int mount, struct file_handle *handle, int flags)
{
    gr_look_for_cancel();
    return opened(real.open_by_handle_at(mount, handle, flags), GR_KIND_UNKNOWN,
                  flags & O_NONBLOCK);
}

GR_SHIM int creat(const char *path, mode_t mode)
{
    return open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}

GR_SHIM int pipe(int p[2])
{
    int rc = real.pipe(p);
    if (rc == 0) {
        (void)opened(p[0], GR_KIND_PIPE, false);
        (void)opened(p[1], GR_KIND_PIPE, false);
    }
    return rc;
}

GR_SHIM int pipe2(int p[2], int flags)
{
    int rc = real.pipe2(p, flags);
    if (rc == 0) {
        (void)opened(p[0], GR_KIND_PIPE, flags & O_NONBLOCK);
        (void)opened(p[1], GR_KIND_PIPE, flags & O_NONBLOCK);
    }
    return rc;
}

GR_SHIM int eventfd(unsigned initial, int flags)
{
    return opened(real.eventfd(initial, flags), GR_KIND_OTHER, flags & EFD_NONBLOCK);
}

GR_SHIM int eventfd_read(int fd, eventfd_t *value)
{
    return read(fd, value, sizeof(*value)) == (ssize_t)sizeof(*value) ? 0 : -1;
}

GR_SHIM int eventfd_write(int fd, eventfd_t value)
{
    return write(fd, &value, sizeof(value)) == (ssize_t)sizeof(value) ? 0 : -1;
}

GR_SHIM int timerfd_create(int clock, int flags)
{
    return opened(real.timerfd_create(clock, flags), GR_KIND_OTHER, flags & TFD_NONBLOCK);
}

GR_SHIM int signalfd(int fd, const sigset_t *set, int flags)
{
    int made = real.signalfd(fd, set, flags);
    if (made >= 0 && gr_on_green()) {
        uint64_t bits;
        memcpy(&bits, set, sizeof(bits));
        gr_sig_signalfd(bits);
    }
    return fd == -1 ? opened(made, GR_KIND_OTHER, flags & SFD_NONBLOCK) : made;
}

GR_SHIM int epoll_create(int size)
{
    return opened(real.epoll_create(size), GR_KIND_OTHER, false);
}

GR_SHIM int epoll_create1(int flags)
{
    return opened(real.epoll_create1(flags), GR_KIND_OTHER, false);
}

GR_SHIM int inotify_init(void)
{
    return opened(real.inotify_init(), GR_KIND_OTHER, false);
}

GR_SHIM int inotify_init1(int flags)
{
    return opened(real.inotify_init1(flags), GR_KIND_OTHER, flags & IN_NONBLOCK);
}

GR_SHIM int memfd_create(const char *name, unsigned flags)
{
    return opened(real.memfd_create(name, flags), GR_KIND_FILE, false);
}

/* --- streams --- */

/* libc closes and opens the descriptors of streams with calls of its own, which body hooks see. */
static void stream_closing(FILE *stream)
{
    int saved = errno;
    int fd = gr_body_hooked(GR_BASE) ? -1 : fileno(stream);
    errno = saved;
    if (fd >= 0) {
        gr_fdtable_closing(fd);
    }
}

static FILE *stream_opened(FILE *stream)
{
    if (stream && gr_on_green() && !gr_body_hooked(GR_BASE)) {
        (void)gr_fdtable_opened(fileno(stream), GR_KIND_UNKNOWN);
    }
    return stream;
}

GR_SHIM int fclose(FILE *stream)
{
    if (gr_on_green() && stream) {
        if (gr_popen_owns(stream)) {
            return pclose(stream);
        }
        stream_closing(stream);
    }
    return real.fclose(stream);
}

GR_SHIM FILE *fopen(const char *path, const char *mode)
{
    return stream_opened(GR_WITH_PROC_PATH(path, NULL, real.fopen(path, mode)));
}

GR_SHIM FILE *freopen(const char *path, const char *mode, FILE *stream)
{
    if (gr_on_green() && stream) {
        stream_closing(stream);
    }
    return stream_opened(real.freopen(path, mode, stream));
}
