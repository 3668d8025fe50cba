/* <sys/socket.h> */
#include "runtime/core/standin.h"
#include "shim/io.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

/* Flags with which a receive never waits, or waits for something that readiness does not tell. */
#define RECV_PLAIN (MSG_DONTWAIT | MSG_ERRQUEUE | MSG_OOB)

/* --- making sockets --- */

GR_SHIM int socket(int domain, int type, int protocol)
{
    int fd = real.socket(domain, type, protocol);
    if (gr_on_green()) {
        struct gr_fd *f = gr_fdtable_opened(fd, gr_fdtable_socket_kind(domain, type));
        if (f) {
            gr_fdtable_mode(f, type & SOCK_NONBLOCK);
        }
    } else if (!gr_active) {
        gr_fdtable_early_socket(fd);
    }
    return fd;
}

GR_SHIM int socketpair(int domain, int type, int protocol, int sv[2])
{
    int rc = real.socketpair(domain, type, protocol, sv);
    if (rc == 0 && gr_on_green()) {
        for (int i = 0; i < 2; i++) {
            struct gr_fd *f = gr_fdtable_opened(sv[i], GR_KIND_SOCKET);
            if (f) {
                gr_fdtable_mode(f, type & SOCK_NONBLOCK);
            }
        }
    }
    return rc;
}

/* Sleepers on the socket are woken by the kernel in ways that epoll does not report for all of
 * them. */
GR_SHIM int shutdown(int fd, int how)
{
    int rc = real.shutdown(fd, how);
    struct gr_fd *f = rc == 0 && gr_on_green() ? gr_fd_peek(fd) : NULL;
    if (f) {
        gr_fd_kick(f);
    }
    return rc;
}

/* Options that change what waiting means. */
GR_SHIM int setsockopt(int fd, int level, int name, const void *val, socklen_t len)
{
    int rc = real.setsockopt(fd, level, name, val, len);
    if (rc || !gr_on_green() || level != SOL_SOCKET) {
        return rc;
    }
    struct gr_fd *f;
    switch (name) {
    case SO_RCVTIMEO:
    case SO_SNDTIMEO:
        gr_fdtable_changed();
        break;
    case SO_OOBINLINE:
        f = gr_fdtable_get(fd);
        if (f) {
            f->kind = GR_KIND_SOCKET; /* reads stop at the mark: short does not mean drained */
        }
        break;
    case SO_RCVLOWAT:
        f = gr_fdtable_get(fd);
        if (f) {
            f->kind = GR_KIND_SOCKET;
            f->flags |= GR_FD_LOWAT;
        }
        break;
    default:
        break;
    }
    return rc;
}

/* --- accept --- */

/*
 * accept() has no flag for one call. Our own listeners carry a hidden O_NONBLOCK. A listener that
 * other processes have as well must not: there a connection is waited for, and then accepted by a
 * stand-in, which may find it gone and wait on.
 */
static long accept_now(struct gr_fd *f, const struct gr_syscall *c, int64_t deadline)
{
    if (gr_fdtable_listener(f)) {
        return gr_syscall_make(c);
    }
    if (!gr_io_ready(f->fd, GR_IN)) {
        return -EAGAIN;
    }
    return gr_standin_call(c, deadline, GR_INTR);
}

static long accept_waiting(struct gr_fd **fp, struct sockaddr *addr, socklen_t *len, int flags)
{
    struct gr_fd *f = *fp;
    socklen_t room = len ? *len : 0;
    long rc;
    if (!gr_fdtable_blocking(f)) {
        return GR_SYS(SYS_accept4, f->fd, addr, len, flags);
    }
    if (!(f->flags & GR_FD_SHADOW) &&
        gr_native(&rc, SYS_accept4, f->fd, (long)addr, (long)len, flags, 0, 0)) {
        return rc;
    }
    int64_t deadline = gr_fdtable_deadline(f, GR_IN);
    for (;;) {
        rc = -EAGAIN;
        if ((f->ready & GR_IN) || !f->armed) {
            struct gr_syscall c = {SYS_accept4, {f->fd, (long)addr, (long)len, flags}};
            rc = accept_now(f, &c, deadline);
            if (rc != -EAGAIN && rc != -GR_ERESTART) {
                gr_fd_pass_on(f, GR_IN);
                gr_hub_charge();
                return rc == -ETIMEDOUT ? -EAGAIN : rc;
            }
        }
        if (rc == -EAGAIN) {
            gr_fd_drained(f, GR_IN);
            rc = gr_fd_wait(fp, GR_IN, deadline, GR_INTR);
            f = *fp;
        }
        if (rc == -GR_ERESTART && deadline == GR_FOREVER) {
            rc = 0;
        }
        if (rc) {
            return rc == -ETIMEDOUT ? -EAGAIN : gr_eintr((int)rc);
        }
        if (len) {
            *len = room;
        }
    }
}

static int accept_on(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
    struct gr_fd *f = gr_fdtable_get(fd);
    if (!f) {
        return (int)gr_ret(GR_SYS(SYS_accept4, fd, addr, len, flags));
    }
    long rc = accept_waiting(&f, addr, len, flags);
    struct gr_fd *made = rc >= 0 ? gr_fdtable_opened((int)rc, f->kind) : NULL;
    if (made) {
        gr_fdtable_mode(made, flags & SOCK_NONBLOCK);
        if (f->kind == GR_KIND_STREAM) {
            gr_fdtable_accepted(made, f);
        }
    }
    gr_fd_done(f);
    return (int)gr_ret(rc);
}

GR_SHIM int accept(int fd, struct sockaddr *addr, socklen_t *len)
{
    if (!gr_on_green()) {
        return real.accept(fd, addr, len);
    }
    GR_CANCEL_POINT(accept);
    return accept_on(fd, addr, len, 0);
}

GR_SHIM int accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
    if (!gr_on_green()) {
        return real.accept4(fd, addr, len, flags);
    }
    GR_CANCEL_POINT(accept4);
    return accept_on(fd, addr, len, flags);
}

/* --- connect --- */

static long connect_result(int fd)
{
    int err = 0;
    socklen_t len = sizeof(err);
    (void)GR_SYS(SYS_getsockopt, fd, SOL_SOCKET, SO_ERROR, &err, &len);
    return -err;
}

/* A unix socket whose peer's backlog is full reports no event when there is room again. */
static long connect_again(int64_t deadline, int64_t *pause)
{
    int64_t until = gr_deadline_in(*pause);
    if (until > deadline) {
        until = deadline;
    }
    *pause = *pause < 10000000 ? *pause * 2 : *pause;
    int rc = gr_sleep_until(until, GR_INTR);
    if (rc == -EINTR) {
        return rc;
    }
    return gr_now() >= deadline ? -EAGAIN : 0;
}

static long connect_wait(struct gr_fd **fp, int64_t deadline, const struct sockaddr *addr,
                         socklen_t len)
{
    gr_fd_drained(*fp, GR_OUT);
    for (;;) {
        int rc = gr_fd_wait(fp, GR_OUT, deadline, GR_INTR);
        if (rc == -GR_ERESTART && deadline == GR_FOREVER) {
            continue;
        }
        if (rc) {
            return rc == -ETIMEDOUT ? -EINPROGRESS : gr_eintr(rc);
        }
        long result = connect_result((*fp)->fd);
        /* Settles the attempt in the kernel, which a blocking call would have done: the next one
         * finds the socket connected (EISCONN), or as new. */
        (void)GR_SYS(SYS_connect, (*fp)->fd, addr, len);
        return result;
    }
}

static long connect_on(struct gr_fd **fp, const struct sockaddr *addr, socklen_t len)
{
    struct gr_fd *f = *fp;
    int64_t pause = 100000;
    long rc;
    if (!gr_fdtable_blocking(f)) {
        return GR_SYS(SYS_connect, f->fd, addr, len);
    }
    if (gr_native(&rc, SYS_connect, f->fd, (long)addr, (long)len, 0, 0, 0)) {
        return rc;
    }
    int64_t deadline = gr_fdtable_deadline(f, GR_OUT);
    for (;;) {
        gr_io_fionbio(f->fd, 1);
        rc = GR_SYS(SYS_connect, f->fd, addr, len);
        gr_io_fionbio(f->fd, 0);
        if (rc == -EINPROGRESS || rc == -EALREADY) {
            return connect_wait(fp, deadline, addr, len);
        }
        if (rc != -EAGAIN) {
            return rc;
        }
        rc = connect_again(deadline, &pause);
        if (rc) {
            return rc;
        }
    }
}

GR_SHIM int connect(int fd, const struct sockaddr *addr, socklen_t len)
{
    if (!gr_on_green()) {
        return real.connect(fd, addr, len);
    }
    GR_CANCEL_POINT(connect);
    struct gr_fd *f = gr_fdtable_get(fd);
    if (!f || (f->kind != GR_KIND_STREAM && f->kind != GR_KIND_SOCKET)) {
        return (int)gr_ret(GR_SYS(SYS_connect, fd, addr, len));
    }
    long rc = connect_on(&f, addr, len);
    gr_fd_done(f);
    return (int)gr_ret(rc);
}

/* --- receiving --- */

static struct gr_fd *socket_state(int fd)
{
    struct gr_fd *f = gr_fdtable_get(fd);
    return f && (f->kind == GR_KIND_STREAM || f->kind == GR_KIND_SOCKET) ? f : NULL;
}

/* A program that asks again and again waits for somebody else: let him run. */
static long polled(long rc)
{
    if (rc == -EAGAIN) {
        gr_hub_charge();
    }
    return rc;
}

/* One receive: @nr with its flags at argument @at, the rest as in @plain. */
static long receive(struct gr_fd **f, long nr, const long plain[6], int at, size_t want)
{
    struct gr_call c = {.nr = nr, .plain_nr = nr, .want = plain[at] & MSG_PEEK ? 0 : want};
    memcpy(c.plain, plain, sizeof(c.plain));
    memcpy(c.arg, plain, sizeof(c.arg));
    c.arg[at] |= MSG_DONTWAIT;
    return gr_io_retry(f, GR_IN, &c);
}

/* MSG_WAITALL means something on streams only. */
static bool is_stream(const struct gr_fd *f)
{
    int type = 0;
    socklen_t len = sizeof(type);
    return f->kind == GR_KIND_STREAM ||
           (GR_SYS(SYS_getsockopt, f->fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
            type == SOCK_STREAM);
}

/* MSG_WAITALL: one blocking call natively; here, one after the other until all is there. */
static long receive_all(struct gr_fd **f, char *buf, size_t n, int flags)
{
    size_t done = 0;
    while (done < n) {
        long plain[6] = {(*f)->fd, (long)(buf + done), (long)(n - done), flags};
        long rc = receive(f, SYS_recvfrom, plain, 3, n - done);
        if (rc <= 0) {
            return done ? (long)done : rc;
        }
        done += (size_t)rc;
        if (!gr_fdtable_blocking(*f)) {
            break;
        }
    }
    return (long)done;
}

/* MSG_WAITALL with MSG_PEEK takes nothing off the queue: look again until enough is there, or no
 * more will come. */
static long peek_all(struct gr_fd **f, const long plain[6])
{
    long before = -1;
    for (;;) {
        long rc = receive(f, SYS_recvfrom, plain, 3, 0);
        if (rc <= 0 || rc >= plain[2] || !gr_fdtable_blocking(*f) ||
            ((*f)->ready & GR_HUP && rc == before)) {
            return rc;
        }
        before = rc;
        gr_fd_drained(*f, GR_IN);
        int64_t deadline = gr_fdtable_deadline(*f, GR_IN);
        int wait = gr_fd_wait(f, GR_IN, deadline, GR_INTR);
        if (wait) {
            return rc;
        }
    }
}

static long recvfrom_on(int fd, void *buf, size_t n, int flags, struct sockaddr *addr,
                        socklen_t *len)
{
    struct gr_fd *f = socket_state(fd);
    long plain[6] = {fd, (long)buf, (long)n, flags, (long)addr, (long)len};
    if (!f || (flags & RECV_PLAIN)) {
        return polled(GR_SYS(SYS_recvfrom, fd, buf, n, flags, addr, len));
    }
    long rc;
    if ((flags & MSG_WAITALL) && !gr_hub_quiet() && is_stream(f)) {
        rc = flags & MSG_PEEK ? peek_all(&f, plain) : receive_all(&f, buf, n, flags);
    } else {
        rc = receive(&f, SYS_recvfrom, plain, 3, n);
    }
    gr_fd_done(f);
    return rc;
}

GR_SHIM ssize_t recv(int fd, void *buf, size_t n, int flags)
{
    if (!gr_on_green()) {
        return real.recv(fd, buf, n, flags);
    }
    GR_CANCEL_POINT(recv);
    return gr_ret(recvfrom_on(fd, buf, n, flags, NULL, NULL));
}

GR_SHIM ssize_t recvfrom(int fd, void *buf, size_t n, int flags, struct sockaddr *addr,
                         socklen_t *len)
{
    if (!gr_on_green()) {
        return real.recvfrom(fd, buf, n, flags, addr, len);
    }
    GR_CANCEL_POINT(recvfrom);
    return gr_ret(recvfrom_on(fd, buf, n, flags, addr, len));
}

extern void __chk_fail(void) GR_NORETURN;

GR_SHIM ssize_t __recv_chk(int fd, void *buf, size_t n, size_t size, int flags)
{
    if (n > size) {
        __chk_fail();
    }
    return recv(fd, buf, n, flags);
}

GR_SHIM ssize_t __recvfrom_chk(int fd, void *buf, size_t n, size_t size, int flags,
                               struct sockaddr *addr, socklen_t *len)
{
    if (n > size) {
        __chk_fail();
    }
    return recvfrom(fd, buf, n, flags, addr, len);
}

static size_t vector_size(const struct msghdr *msg)
{
    size_t total = 0;
    for (size_t i = 0; i < msg->msg_iovlen; i++) {
        total += msg->msg_iov[i].iov_len;
    }
    return total;
}

/* Descriptors that came with a message. */
static void note_received(const struct msghdr *msg)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR((struct msghdr *)msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
            struct gr_fd *f = gr_fdtable_opened(fd, GR_KIND_UNKNOWN);
            if (f) {
                f->birth = 0; /* somebody else has it as well */
            }
        }
    }
}

/* After a receive into part of a message's vector: the rest of it, for MSG_WAITALL. */
static long recvmsg_rest(struct gr_fd **f, const struct msghdr *msg, size_t done, int flags)
{
    size_t skip = done;
    for (size_t i = 0; i < msg->msg_iovlen; i++) {
        const struct iovec *v = &msg->msg_iov[i];
        if (skip >= v->iov_len) {
            skip -= v->iov_len;
            continue;
        }
        size_t left = v->iov_len - skip;
        long rc = receive_all(f, (char *)v->iov_base + skip, left, flags);
        skip = 0;
        done += rc > 0 ? (size_t)rc : 0;
        if (rc < (long)left) {
            break;
        }
    }
    return (long)done;
}

static long recvmsg_on(int fd, struct msghdr *msg, int flags)
{
    struct gr_fd *f = socket_state(fd);
    if (!f || (flags & RECV_PLAIN) || !msg) {
        return polled(GR_SYS(SYS_recvmsg, fd, msg, flags));
    }
    long plain[6] = {fd, (long)msg, flags};
    long rc = receive(&f, SYS_recvmsg, plain, 2, 0);
    if (rc > 0 && f->kind == GR_KIND_STREAM && (size_t)rc < vector_size(msg) &&
        !(flags & MSG_PEEK)) {
        if (flags & MSG_WAITALL) {
            rc = recvmsg_rest(&f, msg, (size_t)rc, flags);
        } else if (!(f->ready & GR_HUP)) {
            gr_fd_drained(f, GR_IN);
        }
    }
    if (rc >= 0 && msg->msg_controllen) {
        note_received(msg);
    }
    gr_fd_done(f);
    return rc;
}

GR_SHIM ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
    if (!gr_on_green()) {
        return real.recvmsg(fd, msg, flags);
    }
    GR_CANCEL_POINT(recvmsg);
    return gr_ret(recvmsg_on(fd, msg, flags));
}

/* The timeout is looked at after each message only, as recvmmsg(2) says; it does not end a wait. */
static long recvmmsg_on(int fd, struct mmsghdr *v, unsigned n, int flags,
                        const struct timespec *timeout)
{
    int64_t deadline = timeout ? gr_deadline_in(gr_timespec_ns(timeout)) : GR_FOREVER;
    int wait = flags & ~(MSG_WAITFORONE);
    unsigned got = 0;
    while (got < n) {
        int how = got && (flags & MSG_WAITFORONE) ? wait | MSG_DONTWAIT : wait;
        long rc = recvmsg_on(fd, &v[got].msg_hdr, how);
        if (rc < 0) {
            return got ? (long)got : rc;
        }
        v[got].msg_len = (unsigned)rc;
        got++;
        if (gr_now() >= deadline) {
            break;
        }
    }
    return (long)got;
}

GR_SHIM int recvmmsg(int fd, struct mmsghdr *v, unsigned n, int flags, struct timespec *timeout)
{
    if (!gr_on_green()) {
        return real.recvmmsg(fd, v, n, flags, timeout);
    }
    GR_CANCEL_POINT(recvmmsg);
    if (timeout && (timeout->tv_sec < 0 || !gr_timespec_ok(timeout))) {
        return (int)gr_ret(-EINVAL);
    }
    struct gr_fd *f = socket_state(fd);
    if (!f || (flags & RECV_PLAIN) || !gr_fdtable_blocking(f)) {
        return (int)gr_ret(GR_SYS(SYS_recvmmsg, fd, v, n, flags, timeout));
    }
    return (int)gr_ret(recvmmsg_on(fd, v, n, flags, timeout));
}

/* --- sending --- */

static size_t advance_sendto(struct gr_call *c, size_t n)
{
    c->plain[1] += (long)n;
    c->plain[2] -= (long)n;
    c->arg[1] = c->plain[1];
    c->arg[2] = c->plain[2];
    return (size_t)c->plain[2];
}

static long sendto_on(int fd, const void *buf, size_t n, int flags, const struct sockaddr *addr,
                      socklen_t len)
{
    struct gr_fd *f = socket_state(fd);
    if (!f || (flags & MSG_DONTWAIT)) {
        return GR_SYS(SYS_sendto, fd, buf, n, flags, addr, len);
    }
    struct gr_call c = {.nr = SYS_sendto,
                        .arg = {fd, (long)buf, (long)n, flags | MSG_DONTWAIT, (long)addr, len},
                        .plain_nr = SYS_sendto,
                        .plain = {fd, (long)buf, (long)n, flags, (long)addr, len}};
    long rc = gr_io_write_all(&f, &c, advance_sendto);
    gr_fd_done(f);
    return rc;
}

GR_SHIM ssize_t send(int fd, const void *buf, size_t n, int flags)
{
    if (!gr_on_green()) {
        return real.send(fd, buf, n, flags);
    }
    GR_CANCEL_POINT(send);
    return gr_ret(sendto_on(fd, buf, n, flags, NULL, 0));
}

GR_SHIM ssize_t sendto(int fd, const void *buf, size_t n, int flags, const struct sockaddr *addr,
                       socklen_t len)
{
    if (!gr_on_green()) {
        return real.sendto(fd, buf, n, flags, addr, len);
    }
    GR_CANCEL_POINT(sendto);
    return gr_ret(sendto_on(fd, buf, n, flags, addr, len));
}

/* What is left of a message after @n bytes went: control data and address were taken with the first
 * part. */
static long sendmsg_rest(struct gr_fd **f, const struct msghdr *msg, size_t done, int flags)
{
    size_t skip = done;
    for (size_t i = 0; i < msg->msg_iovlen; i++) {
        const struct iovec *v = &msg->msg_iov[i];
        if (skip >= v->iov_len) {
            skip -= v->iov_len;
            continue;
        }
        int fd = (*f)->fd;
        long part = (long)v->iov_base + (long)skip;
        size_t left = v->iov_len - skip;
        struct gr_call c = {.nr = SYS_sendto,
                            .arg = {fd, part, (long)left, flags | MSG_DONTWAIT},
                            .plain_nr = SYS_sendto,
                            .plain = {fd, part, (long)left, flags},
                            .begun = true};
        long rc = gr_io_write_all(f, &c, advance_sendto);
        skip = 0;
        done += rc > 0 ? (size_t)rc : 0;
        if (rc < (long)left) {
            break;
        }
    }
    return (long)done;
}

static long sendmsg_on(int fd, const struct msghdr *msg, int flags)
{
    struct gr_fd *f = socket_state(fd);
    if (!f || (flags & MSG_DONTWAIT) || !msg) {
        return GR_SYS(SYS_sendmsg, fd, msg, flags);
    }
    struct gr_call c = {.nr = SYS_sendmsg,
                        .arg = {fd, (long)msg, flags | MSG_DONTWAIT},
                        .plain_nr = SYS_sendmsg,
                        .plain = {fd, (long)msg, flags}};
    long rc = gr_io_retry(&f, GR_OUT, &c);
    if (rc > 0 && (size_t)rc < vector_size(msg) && !c.ended && gr_fdtable_blocking(f)) {
        rc = sendmsg_rest(&f, msg, (size_t)rc, flags);
    }
    gr_fd_done(f);
    return rc;
}

GR_SHIM ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
    if (!gr_on_green()) {
        return real.sendmsg(fd, msg, flags);
    }
    GR_CANCEL_POINT(sendmsg);
    return gr_ret(sendmsg_on(fd, msg, flags));
}

GR_SHIM int sendmmsg(int fd, struct mmsghdr *v, unsigned n, int flags)
{
    if (!gr_on_green()) {
        return real.sendmmsg(fd, v, n, flags);
    }
    GR_CANCEL_POINT(sendmmsg);
    unsigned sent = 0;
    for (; sent < n; sent++) {
        long rc = sendmsg_on(fd, &v[sent].msg_hdr, flags);
        if (rc < 0) {
            return sent ? (int)sent : (int)gr_ret(rc);
        }
        v[sent].msg_len = (unsigned)rc;
    }
    return (int)sent;
}
