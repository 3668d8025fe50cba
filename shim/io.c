/* <unistd.h>, <sys/uio.h>, <sys/sendfile.h>, <fcntl.h>: reading, writing, moving bytes between
 * descriptors. */
#include "shim/io.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#define IOV_ON_STACK 16

/* --- the retry loop --- */

bool gr_io_ready(int fd, unsigned event)
{
    struct pollfd p = {.fd = fd, .events = event == GR_IN ? POLLIN : POLLOUT};
    struct timespec none = {0};
    return GR_SYS(SYS_ppoll, &p, 1, &none, NULL, 8) != 0;
}

/* Another process may have taken what was there, and the call waits after all, until a nudge
 * (core/nudge.h) ends it. */
static long call_when_ready(const struct gr_call *c)
{
    const struct gr_hub *h = gr_self->hub;
    unsigned nudges = h->nudges;
    long rc = gr_syscall6(c->plain_nr, GR_CALL_PLAIN(c));
    return rc == -EINTR && h->nudges != nudges ? -EAGAIN : rc;
}

/* One try that does not block. */
static long attempt(struct gr_fd *f, unsigned event, const struct gr_call *c)
{
    if (c->ask || (f->flags & GR_FD_LOWAT)) {
        if (!gr_io_ready(f->fd, event)) {
            return -EAGAIN;
        }
        if (c->ask) {
            return call_when_ready(c);
        }
    }
    return gr_syscall6(c->nr, GR_CALL_ARGS(c));
}

/*
 * Pipes refuse RWF_NOWAIT before Linux 6.4, and later once splice() has been used on them;
 * emulators may not have the call at all. From then on it is a descriptor that is asked first.
 */
static bool refused(struct gr_fd *f, struct gr_call *c, long rc)
{
    if (GR_LIKELY(rc != -EOPNOTSUPP && rc != -ENOSYS) || f->kind != GR_KIND_PIPE) {
        return false;
    }
    f->kind = GR_KIND_OTHER;
    c->ask = true;
    return true;
}

/* How a wait that ended otherwise than by readiness ends the call. 0: go on. */
static long wait_outcome(int rc, int64_t deadline)
{
    switch (rc) {
    case -ETIMEDOUT:
        return -EAGAIN;
    case -GR_ERESTART: /* not restarted when a timeout is set: signal(7) */
        return deadline == GR_FOREVER ? 0 : -EINTR;
    default:
        return rc;
    }
}

long gr_io_retry(struct gr_fd **fp, unsigned event, struct gr_call *c)
{
    struct gr_fd *f = *fp;
    int64_t deadline = 0;
    long rc;
    uint64_t ran = gr_self->sig_ran;
    if (!(f->flags & GR_FD_SHADOW) && gr_native(&rc, c->plain_nr, GR_CALL_PLAIN(c))) {
        /* By a handler, a timeout, an error; else it was cut off for the sake of another green. */
        c->ended = gr_self->sig_ran != ran || gr_hub_quiet();
        return rc;
    }
    if (c->ask && !gr_fdtable_blocking(f)) {
        gr_hub_charge();
        return gr_syscall6(c->plain_nr, GR_CALL_PLAIN(c));
    }
    for (;;) {
        if ((f->ready & event) || !f->armed || !gr_fdtable_blocking(f)) {
            rc = attempt(f, event, c);
            if (refused(f, c, rc)) {
                if (event == GR_IN) {
                    continue;
                }
                return rc; /* the rest is written in another way */
            }
            if (rc != -EAGAIN) {
                if (f->kind == GR_KIND_STREAM && rc > 0 && (size_t)rc < c->want &&
                    !(f->ready & GR_HUP)) {
                    gr_fd_drained(f, event);
                }
                gr_fd_pass_on(f, event);
                gr_hub_charge();
                return rc;
            }
            gr_fd_drained(f, event);
            if (!gr_fdtable_blocking(f)) {
                gr_hub_charge(); /* whoever polls waits for somebody else */
                return -EAGAIN;
            }
        }
        if (!deadline) {
            deadline = gr_fdtable_deadline(f, event);
        }
        rc = wait_outcome(gr_fd_wait(fp, event, deadline, GR_INTR), c->begun ? 0 : deadline);
        if (GR_UNLIKELY(rc)) {
            return rc;
        }
        if (GR_UNLIKELY(f != *fp)) {
            f = *fp;
            c->arg[0] = f->fd;
            c->plain[0] = f->fd;
        }
    }
}

long gr_io_write_all(struct gr_fd **fp, struct gr_call *c,
                     size_t (*advance)(struct gr_call *c, size_t n))
{
    size_t done = 0;
    for (;;) {
        long rc = gr_io_retry(fp, GR_OUT, c);
        if (rc < 0) {
            return done ? (long)done : rc;
        }
        done += (size_t)rc;
        c->begun = true;
        size_t left = advance(c, (size_t)rc);
        if (!left || rc == 0 || c->ended || !gr_fdtable_blocking(*fp)) {
            return (long)done;
        }
    }
}

void gr_io_fionbio(int fd, int on)
{
    (void)GR_SYS(SYS_ioctl, fd, FIONBIO, &on);
}

/* --- read, write --- */

ssize_t gr_read_on(int fd, void *buf, size_t n)
{
    struct gr_fd *f = gr_fdtable_get(fd);
    if (!f || f->kind == GR_KIND_FILE || !n) {
        return gr_ret(GR_SYS(SYS_read, fd, buf, n));
    }
    struct iovec v = {.iov_base = buf, .iov_len = n};
    struct gr_call c = {.plain_nr = SYS_read, .plain = {fd, (long)buf, (long)n}, .want = n};
    switch ((enum gr_kind)f->kind) {
    case GR_KIND_STREAM:
    case GR_KIND_SOCKET:
        c.nr = SYS_recvfrom;
        memcpy(c.arg, (long[6]){fd, (long)buf, (long)n, MSG_DONTWAIT}, sizeof(c.arg));
        break;
    case GR_KIND_PIPE:
        c.nr = SYS_preadv2;
        memcpy(c.arg, (long[6]){fd, (long)&v, 1, -1, -1, RWF_NOWAIT}, sizeof(c.arg));
        break;
    case GR_KIND_UNKNOWN:
    case GR_KIND_FILE:
    case GR_KIND_OTHER:
        c.ask = true;
        break;
    }
    long rc = gr_io_retry(&f, GR_IN, &c);
    gr_fd_done(f);
    return gr_ret(rc);
}

GR_SHIM ssize_t read(int fd, void *buf, size_t n)
{
    if (!gr_on_green()) {
        return real.read(fd, buf, n);
    }
    GR_CANCEL_POINT(read);
    return gr_read_on(fd, buf, n);
}

extern void __chk_fail(void) GR_NORETURN;

GR_SHIM ssize_t __read_chk(int fd, void *buf, size_t n, size_t size)
{
    if (n > size) {
        __chk_fail();
    }
    return read(fd, buf, n);
}

/* A write in its plain form and its iovec form, advanced together. */
static size_t advance_plain(struct gr_call *c, size_t n)
{
    c->plain[1] += (long)n;
    c->plain[2] -= (long)n;
    if (c->nr == SYS_sendto) {
        c->arg[1] = c->plain[1];
        c->arg[2] = c->plain[2];
    } else if (!c->ask) {
        struct iovec *v = (struct iovec *)c->arg[1];
        v->iov_base = (void *)c->plain[1];
        v->iov_len = (size_t)c->plain[2];
    }
    return (size_t)c->plain[2];
}

/*
 * Descriptors without a non-blocking form take at most PIPE_BUF bytes at a time: after POLLOUT a
 * FIFO takes that much without waiting.
 */
static long write_in_pieces(struct gr_fd **f, struct gr_call *c, size_t n)
{
    size_t done = 0;
    while (done < n) {
        size_t piece = n - done < PIPE_BUF ? n - done : PIPE_BUF;
        c->plain[2] = (long)piece;
        long rc = gr_io_retry(f, GR_OUT, c);
        if (rc <= 0) {
            return done ? (long)done : rc;
        }
        done += (size_t)rc;
        c->begun = true;
        c->plain[1] += rc;
        if ((size_t)rc < piece || !gr_fdtable_blocking(*f)) {
            break;
        }
    }
    return (long)done;
}

/* What a write returns whose first part came to @before, the rest to @rest: bytes or an error. */
static long add(long before, long rest)
{
    return before <= 0 ? rest : rest < 0 ? before : before + rest;
}

ssize_t gr_write_on(int fd, const void *buf, size_t n)
{
    struct gr_fd *f = gr_fdtable_get(fd);
    if (!f || f->kind == GR_KIND_FILE || !n) {
        return gr_ret(GR_SYS(SYS_write, fd, buf, n));
    }
    struct iovec v = {.iov_base = (void *)buf, .iov_len = n};
    struct gr_call c = {.plain_nr = SYS_write, .plain = {fd, (long)buf, (long)n}};
    long rc;
    switch ((enum gr_kind)f->kind) {
    case GR_KIND_STREAM:
    case GR_KIND_SOCKET:
        c.nr = SYS_sendto;
        memcpy(c.arg, (long[6]){fd, (long)buf, (long)n, MSG_DONTWAIT}, sizeof(c.arg));
        rc = gr_io_write_all(&f, &c, advance_plain);
        break;
    case GR_KIND_PIPE:
        c.nr = SYS_pwritev2;
        memcpy(c.arg, (long[6]){fd, (long)&v, 1, -1, -1, RWF_NOWAIT}, sizeof(c.arg));
        rc = gr_io_write_all(&f, &c, advance_plain);
        if (GR_UNLIKELY(c.ask)) {
            rc = add(rc, write_in_pieces(&f, &c, (size_t)c.plain[2]));
        }
        break;
    default:
        c.ask = true;
        rc = gr_hub_quiet() || !gr_fdtable_blocking(f) ? gr_io_retry(&f, GR_OUT, &c)
                                                       : write_in_pieces(&f, &c, n);
        break;
    }
    gr_fd_done(f);
    return gr_ret(rc);
}

GR_SHIM ssize_t write(int fd, const void *buf, size_t n)
{
    if (!gr_on_green()) {
        return real.write(fd, buf, n);
    }
    GR_CANCEL_POINT(write);
    return gr_write_on(fd, buf, n);
}

/* --- vectors --- */

static bool vector_ok(const struct iovec *v, int n, size_t *total)
{
    *total = 0;
    if (n <= 0 || n > IOV_MAX) {
        return false;
    }
    for (int i = 0; i < n; i++) {
        if (v[i].iov_len > SSIZE_MAX - *total) {
            return false;
        }
        *total += v[i].iov_len;
    }
    return true;
}

static long readv_on(int fd, const struct iovec *v, int n, long plain_nr, int flags)
{
    struct gr_fd *f = gr_fdtable_get(fd);
    struct gr_call c = {.plain_nr = plain_nr, .plain = {fd, (long)v, n, -1, -1, flags}};
    if (!f || f->kind == GR_KIND_FILE || !vector_ok(v, n, &c.want) || !c.want) {
        return gr_syscall6(plain_nr, GR_CALL_PLAIN(&c));
    }
    struct msghdr msg = {.msg_iov = (struct iovec *)v, .msg_iovlen = (size_t)n};
    if (f->kind == GR_KIND_STREAM || f->kind == GR_KIND_SOCKET) {
        c.nr = SYS_recvmsg;
        memcpy(c.arg, (long[6]){fd, (long)&msg, MSG_DONTWAIT}, sizeof(c.arg));
    } else if (f->kind == GR_KIND_PIPE) {
        c.nr = SYS_preadv2;
        memcpy(c.arg, (long[6]){fd, (long)v, n, -1, -1, flags | RWF_NOWAIT}, sizeof(c.arg));
    } else {
        c.ask = true;
    }
    long rc = gr_io_retry(&f, GR_IN, &c);
    gr_fd_done(f);
    return rc;
}

GR_SHIM ssize_t readv(int fd, const struct iovec *v, int n)
{
    if (!gr_on_green()) {
        return real.readv(fd, v, n);
    }
    GR_CANCEL_POINT(readv);
    return gr_ret(readv_on(fd, v, n, SYS_readv, 0));
}

/* Take @n bytes off the vector that plain[1], plain[2] describe; the msghdr or the arguments
 * follow. */
static size_t advance_vector(struct gr_call *c, size_t n)
{
    struct iovec *v = (struct iovec *)c->plain[1];
    int count = (int)c->plain[2];
    while (count && n >= v->iov_len) {
        n -= v->iov_len;
        v++;
        count--;
    }
    if (count) {
        v->iov_base = (char *)v->iov_base + n;
        v->iov_len -= n;
    }
    c->plain[1] = (long)v;
    c->plain[2] = count;
    if (c->nr == SYS_sendmsg) {
        struct msghdr *msg = (struct msghdr *)c->arg[1];
        msg->msg_iov = v;
        msg->msg_iovlen = (size_t)count;
    } else if (!c->ask) {
        c->arg[1] = (long)v;
        c->arg[2] = count;
    }
    return (size_t)count;
}

/* The first elements of the @n at @v into @part, PIPE_BUF bytes of them; 0 if there are no more. */
static int first_piece(const struct iovec *v, int n, struct iovec part[IOV_ON_STACK])
{
    size_t total = 0;
    for (int i = 0; i < n && total <= PIPE_BUF; i++) {
        total += v[i].iov_len;
    }
    if (total <= PIPE_BUF) {
        return 0;
    }
    size_t room = PIPE_BUF;
    int i = 0;
    for (; i < n && i < IOV_ON_STACK && room; i++) {
        part[i].iov_base = v[i].iov_base;
        part[i].iov_len = v[i].iov_len < room ? v[i].iov_len : room;
        room -= part[i].iov_len;
    }
    return i;
}

/* As write_in_pieces(). */
static long writev_in_pieces(struct gr_fd **f, struct gr_call *c)
{
    size_t done = 0;
    size_t left;
    do {
        struct iovec part[IOV_ON_STACK];
        struct gr_call piece = *c;
        int n = first_piece((const struct iovec *)c->plain[1], (int)c->plain[2], part);
        if (n) {
            piece.plain[1] = (long)part;
            piece.plain[2] = n;
        }
        long rc = gr_io_retry(f, GR_OUT, &piece);
        if (rc <= 0) {
            return done ? (long)done : rc;
        }
        done += (size_t)rc;
        c->begun = true;
        left = advance_vector(c, (size_t)rc);
        c->plain[0] = (*f)->fd;
    } while (left && gr_fdtable_blocking(*f));
    return (long)done;
}

static long writev_copied(struct gr_fd *f, struct iovec *v, int n, long plain_nr, int flags)
{
    int fd = f->fd;
    struct gr_call c = {.plain_nr = plain_nr, .plain = {fd, (long)v, n, -1, -1, flags}};
    struct msghdr msg = {.msg_iov = v, .msg_iovlen = (size_t)n};
    if (f->kind == GR_KIND_STREAM || f->kind == GR_KIND_SOCKET) {
        c.nr = SYS_sendmsg;
        memcpy(c.arg, (long[6]){fd, (long)&msg, MSG_DONTWAIT}, sizeof(c.arg));
    } else if (f->kind == GR_KIND_PIPE) {
        c.nr = SYS_pwritev2;
        memcpy(c.arg, (long[6]){fd, (long)v, n, -1, -1, flags | RWF_NOWAIT}, sizeof(c.arg));
    } else {
        c.ask = true;
    }
    bool whole = !c.ask || gr_hub_quiet() || !gr_fdtable_blocking(f);
    bool ask = c.ask;
    long rc = whole ? gr_io_write_all(&f, &c, advance_vector) : writev_in_pieces(&f, &c);
    if (GR_UNLIKELY(c.ask != ask)) {
        rc = add(rc, writev_in_pieces(&f, &c));
    }
    gr_fd_done(f);
    return rc;
}

static long writev_on(int fd, const struct iovec *v, int n, long plain_nr, int flags)
{
    struct gr_fd *f = gr_fdtable_get(fd);
    size_t total;
    if (!f || f->kind == GR_KIND_FILE || !vector_ok(v, n, &total) || !total) {
        return gr_syscall6(plain_nr, fd, (long)v, n, -1, -1, flags);
    }
    /* A partial write advances the vector, and the program's own must stay as it is. */
    struct iovec few[IOV_ON_STACK];
    struct iovec *copy = n <= IOV_ON_STACK ? few : malloc((size_t)n * sizeof(*copy));
    if (!copy) {
        return -ENOMEM;
    }
    memcpy(copy, v, (size_t)n * sizeof(*copy));
    long rc = writev_copied(f, copy, n, plain_nr, flags);
    if (copy != few) {
        free(copy);
    }
    return rc;
}

GR_SHIM ssize_t writev(int fd, const struct iovec *v, int n)
{
    if (!gr_on_green()) {
        return real.writev(fd, v, n);
    }
    GR_CANCEL_POINT(writev);
    return gr_ret(writev_on(fd, v, n, SYS_writev, 0));
}

/*
 * pwrite, pwritev - <unistd.h>, <sys/uio.h>
 * Class:    PASSED: files have positions, and never wait for a peer.
 * Cancel:   cancellation point.
 */
GR_SHIM ssize_t pwrite(int fd, const void *buf, size_t n, off_t off)
{
    gr_look_for_cancel();
    return real.pwrite(fd, buf, n, off);
}

GR_SHIM ssize_t pwritev(int fd, const struct iovec *v, int n, off_t off)
{
    gr_look_for_cancel();
    return real.pwritev(fd, v, n, off);
}

/* Offset -1 means the current position: readv() with flags. Any other offset is for files only. */
GR_SHIM ssize_t preadv2(int fd, const struct iovec *v, int n, off_t off, int flags)
{
    if (off != -1 && flags == 0) {
        return preadv(fd, v, n, off);
    }
    gr_look_for_cancel();
    if (!gr_on_green() || off != -1 || (flags & RWF_NOWAIT)) {
        return real.preadv2(fd, v, n, off, flags);
    }
    GR_COUNT(preadv2);
    return gr_ret(readv_on(fd, v, n, SYS_preadv2, flags));
}

GR_SHIM ssize_t pwritev2(int fd, const struct iovec *v, int n, off_t off, int flags)
{
    gr_look_for_cancel();
    if (!gr_on_green() || off != -1 || (flags & RWF_NOWAIT)) {
        return real.pwritev2(fd, v, n, off, flags);
    }
    GR_COUNT(pwritev2);
    return gr_ret(writev_on(fd, v, n, SYS_pwritev2, flags));
}

/* --- descriptor to descriptor --- */

/*
 * These calls have no flag that makes a socket side non-blocking, so the description gets
 * O_NONBLOCK for the time of the system call, in which nobody else of this process runs.
 */
static long call_nonblocking(const struct gr_fd *a, bool flip_a, const struct gr_fd *b, bool flip_b,
                             const struct gr_call *c)
{
    if (flip_a) {
        gr_io_fionbio(a->fd, 1);
    }
    if (flip_b) {
        gr_io_fionbio(b->fd, 1);
    }
    long rc = gr_syscall6(c->nr, GR_CALL_ARGS(c));
    if (flip_a) {
        gr_io_fionbio(a->fd, 0);
    }
    if (flip_b) {
        gr_io_fionbio(b->fd, 0);
    }
    return rc;
}

static bool is_socket(const struct gr_fd *f)
{
    return f && (f->kind == GR_KIND_STREAM || f->kind == GR_KIND_SOCKET);
}

/* Wait for whichever side is not ready. */
static long wait_for_sides(struct gr_fd **in, struct gr_fd **out)
{
    struct gr_fd **side = out;
    unsigned event = GR_OUT;
    if (*in && (*in)->kind != GR_KIND_FILE && !gr_io_ready((*in)->fd, GR_IN)) {
        side = in;
        event = GR_IN;
    }
    if (!gr_fdtable_blocking(*side)) {
        return -EAGAIN;
    }
    gr_fd_drained(*side, event);
    int64_t deadline = gr_fdtable_deadline(*side, event);
    return wait_outcome(gr_fd_wait(side, event, deadline, GR_INTR), deadline);
}

GR_SHIM ssize_t sendfile(int out_fd, int in_fd, off_t *off, size_t n)
{
    if (!gr_on_green()) {
        return real.sendfile(out_fd, in_fd, off, n);
    }
    GR_COUNT(sendfile);
    struct gr_fd *out = gr_fdtable_get(out_fd);
    struct gr_fd *none = NULL;
    long rc;
    if (!out || out->kind == GR_KIND_FILE || !gr_fdtable_blocking(out)) {
        return gr_ret(GR_SYS(SYS_sendfile, out_fd, in_fd, off, n));
    }
    if (gr_native(&rc, SYS_sendfile, out_fd, in_fd, (long)off, (long)n, 0, 0)) {
        return gr_ret(rc);
    }
    size_t done = 0;
    do {
        struct gr_call c = {.nr = SYS_sendfile,
                            .arg = {out->fd, in_fd, (long)off, (long)(n - done)}};
        rc = call_nonblocking(out, true, NULL, false, &c);
        if (rc == -EAGAIN) {
            rc = wait_for_sides(&none, &out);
            continue;
        }
        gr_hub_charge();
        if (rc <= 0) {
            break;
        }
        done += (size_t)rc;
    } while (rc >= 0 && done < n);
    gr_fd_done(out);
    return gr_ret(done ? (long)done : rc);
}

static long splice_on(struct gr_call *c, int in_fd, int out_fd, int out_arg)
{
    struct gr_fd *in = gr_fdtable_get(in_fd);
    struct gr_fd *out = gr_fdtable_get(out_fd);
    long rc;
    if (!in || !out || (c->plain[5] & SPLICE_F_NONBLOCK) ||
        gr_native(&rc, c->plain_nr, GR_CALL_PLAIN(c))) {
        return !in || !out || (c->plain[5] & SPLICE_F_NONBLOCK)
                   ? gr_syscall6(c->plain_nr, GR_CALL_PLAIN(c))
                   : rc;
    }
    bool flip_in = is_socket(in) && gr_fdtable_blocking(in);
    bool flip_out = is_socket(out) && gr_fdtable_blocking(out);
    do {
        c->arg[0] = in->fd;
        c->arg[out_arg] = out->fd;
        rc = call_nonblocking(in, flip_in, out, flip_out, c);
        if (rc != -EAGAIN) {
            gr_hub_charge();
            break;
        }
        rc = wait_for_sides(&in, &out);
    } while (rc == 0);
    gr_fd_done(in);
    gr_fd_done(out);
    return rc;
}

GR_SHIM ssize_t splice(int in, off64_t *off_in, int out, off64_t *off_out, size_t n, unsigned flags)
{
    if (!gr_on_green()) {
        return real.splice(in, off_in, out, off_out, n, flags);
    }
    GR_CANCEL_POINT(splice);
    struct gr_call c = {
        .nr = SYS_splice,
        .arg = {in, (long)off_in, out, (long)off_out, (long)n, flags | SPLICE_F_NONBLOCK},
        .plain_nr = SYS_splice,
        .plain = {in, (long)off_in, out, (long)off_out, (long)n, flags}};
    return gr_ret(splice_on(&c, in, out, 2));
}

GR_SHIM ssize_t tee(int in, int out, size_t n, unsigned flags)
{
    if (!gr_on_green() || (flags & SPLICE_F_NONBLOCK)) {
        return real.tee(in, out, n, flags);
    }
    GR_CANCEL_POINT(tee);
    struct gr_call c = {.nr = SYS_tee,
                        .arg = {in, out, (long)n, flags | SPLICE_F_NONBLOCK},
                        .plain_nr = SYS_tee,
                        .plain = {in, out, (long)n, flags}};
    return gr_ret(splice_on(&c, in, out, 1));
}

/*
 * vmsplice - <fcntl.h>; vmsplice(2)
 * Class:    YIELD unless SPLICE_F_NONBLOCK.
 * Waits:    for room in the pipe or for something in it, as the end is that is given. Restarted
 * after handlers with SA_RESTART. A cancellation point.
 */
GR_SHIM ssize_t vmsplice(int fd, const struct iovec *v, size_t n, unsigned flags)
{
    if (!gr_on_green() || (flags & SPLICE_F_NONBLOCK)) {
        return real.vmsplice(fd, v, n, flags);
    }
    GR_CANCEL_POINT(vmsplice);
    struct gr_fd *f = gr_fdtable_get(fd);
    if (!f || !gr_fdtable_blocking(f)) {
        return gr_ret(GR_SYS(SYS_vmsplice, fd, v, n, flags));
    }
    bool writes = (GR_SYS(SYS_fcntl, fd, F_GETFL) & O_ACCMODE) != O_RDONLY;
    struct gr_call c = {.nr = SYS_vmsplice,
                        .arg = {fd, (long)v, (long)n, flags | SPLICE_F_NONBLOCK},
                        .plain_nr = SYS_vmsplice,
                        .plain = {fd, (long)v, (long)n, flags}};
    long rc = gr_io_retry(&f, writes ? GR_OUT : GR_IN, &c);
    gr_fd_done(f);
    return gr_ret(rc);
}

/* getrandom - <sys/random.h>. Class: PASSED. Cancel: cancellation point. */
GR_SHIM ssize_t getrandom(void *buf, size_t n, unsigned flags)
{
    gr_look_for_cancel();
    return real.getrandom(buf, n, flags);
}
