/* syscall(2), the calls that concern descriptors. */
#include "shim/syscall.h"

#include "shim/poll.h"
#include "shim/shim.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>

/* --- reading, writing, moving, sockets --- */

static bool io_twin(const struct gr_call *s, long *ret)
{
    switch (s->nr) {
    case SYS_read:
        *ret = read((int)s->a, (void *)s->b, (size_t)s->c);
        return true;
    case SYS_write:
        *ret = write((int)s->a, (const void *)s->b, (size_t)s->c);
        return true;
    case SYS_readv:
        *ret = readv((int)s->a, (const struct iovec *)s->b, (int)s->c);
        return true;
    case SYS_writev:
        *ret = writev((int)s->a, (const struct iovec *)s->b, (int)s->c);
        return true;
    case SYS_preadv2: /* the offset takes two places, of which the first holds it all */
        *ret = preadv2((int)s->a, (const struct iovec *)s->b, (int)s->c, s->d, (int)s->f);
        return true;
    case SYS_pwritev2:
        *ret = pwritev2((int)s->a, (const struct iovec *)s->b, (int)s->c, s->d, (int)s->f);
        return true;
    default:
        return false;
    }
}

static bool move_twin(const struct gr_call *s, long *ret)
{
    switch (s->nr) {
    case SYS_sendfile:
        *ret = sendfile((int)s->a, (int)s->b, (off_t *)s->c, (size_t)s->d);
        return true;
    case SYS_splice:
        *ret = splice((int)s->a, (off64_t *)s->b, (int)s->c, (off64_t *)s->d, (size_t)s->e,
                      (unsigned)s->f);
        return true;
    case SYS_tee:
        *ret = tee((int)s->a, (int)s->b, (size_t)s->c, (unsigned)s->d);
        return true;
    case SYS_vmsplice:
        *ret = vmsplice((int)s->a, (const struct iovec *)s->b, (size_t)s->c, (unsigned)s->d);
        return true;
    default:
        return false;
    }
}

static bool socket_twin(const struct gr_call *s, long *ret)
{
    switch (s->nr) {
    case SYS_recvfrom:
        *ret = recvfrom((int)s->a, (void *)s->b, (size_t)s->c, (int)s->d, (struct sockaddr *)s->e,
                        (socklen_t *)s->f);
        return true;
    case SYS_sendto:
        *ret = sendto((int)s->a, (const void *)s->b, (size_t)s->c, (int)s->d,
                      (const struct sockaddr *)s->e, (socklen_t)s->f);
        return true;
    case SYS_recvmsg:
        *ret = recvmsg((int)s->a, (struct msghdr *)s->b, (int)s->c);
        return true;
    case SYS_sendmsg:
        *ret = sendmsg((int)s->a, (const struct msghdr *)s->b, (int)s->c);
        return true;
    case SYS_recvmmsg:
        *ret = recvmmsg((int)s->a, (struct mmsghdr *)s->b, (unsigned)s->c, (int)s->d,
                        (struct timespec *)s->e);
        return true;
    case SYS_sendmmsg:
        *ret = sendmmsg((int)s->a, (struct mmsghdr *)s->b, (unsigned)s->c, (int)s->d);
        return true;
    case SYS_accept:
        *ret = accept((int)s->a, (struct sockaddr *)s->b, (socklen_t *)s->c);
        return true;
    case SYS_accept4:
        *ret = accept4((int)s->a, (struct sockaddr *)s->b, (socklen_t *)s->c, (int)s->d);
        return true;
    case SYS_connect:
        *ret = connect((int)s->a, (const struct sockaddr *)s->b, (socklen_t)s->c);
        return true;
    default:
        return false;
    }
}

/* --- files: locks, the disk --- */

static bool file_twin(const struct gr_call *s, long *ret)
{
    switch (s->nr) {
    case SYS_flock:
        *ret = flock((int)s->a, (int)s->b);
        return true;
    case SYS_pread64:
        *ret = pread((int)s->a, (void *)s->b, (size_t)s->c, s->d);
        return true;
    case SYS_preadv:
        *ret = preadv((int)s->a, (const struct iovec *)s->b, (int)s->c, s->d);
        return true;
    case SYS_fsync:
        *ret = fsync((int)s->a);
        return true;
    case SYS_fdatasync:
        *ret = fdatasync((int)s->a);
        return true;
    case SYS_sync:
        sync();
        *ret = 0;
        return true;
    case SYS_syncfs:
        *ret = syncfs((int)s->a);
        return true;
    case SYS_sync_file_range:
        *ret = sync_file_range((int)s->a, s->b, s->c, (unsigned)s->d);
        return true;
    case SYS_msync:
        *ret = msync((void *)s->a, (size_t)s->b, (int)s->c);
        return true;
    case SYS_fallocate:
        *ret = fallocate((int)s->a, (int)s->b, s->c, s->d);
        return true;
    case SYS_copy_file_range:
        *ret = copy_file_range((int)s->a, (off64_t *)s->b, (int)s->c, (off64_t *)s->d, (size_t)s->e,
                               (unsigned)s->f);
        return true;
    default:
        return false;
    }
}

/* --- descriptors --- */

static bool fd_twin(const struct gr_call *s, long *ret)
{
    switch (s->nr) {
    case SYS_close:
        *ret = close((int)s->a);
        return true;
    case SYS_dup:
        *ret = dup((int)s->a);
        return true;
    case SYS_dup2:
        *ret = dup2((int)s->a, (int)s->b);
        return true;
    case SYS_dup3:
        *ret = dup3((int)s->a, (int)s->b, (int)s->c);
        return true;
    case SYS_fcntl:
        *ret = fcntl((int)s->a, (int)s->b, s->c);
        return true;
    case SYS_ioctl:
        *ret = ioctl((int)s->a, (unsigned long)s->b, s->c);
        return true;
    case SYS_open:
        *ret = open((const char *)s->a, (int)s->b, (mode_t)s->c);
        return true;
    case SYS_openat:
        *ret = openat((int)s->a, (const char *)s->b, (int)s->c, (mode_t)s->d);
        return true;
    case SYS_socket:
        *ret = socket((int)s->a, (int)s->b, (int)s->c);
        return true;
    case SYS_setsockopt:
        *ret = setsockopt((int)s->a, (int)s->b, (int)s->c, (const void *)s->d, (socklen_t)s->e);
        return true;
    case SYS_close_range:
        *ret = close_range((unsigned)s->a, (unsigned)s->b, (int)s->c);
        return true;
    default:
        return false;
    }
}

/* --- waiting for descriptors, and for the kernel's own asynchronous I/O --- */

/* These three write the time that is left back, unlike their namesakes in libc. */
static long call_ppoll(const struct gr_call *s)
{
    struct timespec *ts = (struct timespec *)s->c;
    int64_t deadline;
    int rc = s->d && s->e != GR_SIG_SET_SIZE ? -EINVAL : gr_wait_deadline(ts, &deadline);
    if (rc) {
        return rc;
    }
    long n = gr_poll((struct pollfd *)s->a, (nfds_t)s->b, deadline, (const uint64_t *)s->d);
    if (ts) {
        (void)gr_wait_left(deadline, ts);
    }
    return n;
}

static long call_pselect(const struct gr_call *s)
{
    const struct {
        const uint64_t *mask;
        size_t size;
    } *sig = (const void *)s->f;
    struct timespec *ts = (struct timespec *)s->e;
    int64_t deadline;
    int rc = sig && sig->mask && sig->size != GR_SIG_SET_SIZE ? -EINVAL
                                                              : gr_wait_deadline(ts, &deadline);
    if (rc) {
        return rc;
    }
    long n = gr_select((int)s->a, (fd_set *)s->b, (fd_set *)s->c, (fd_set *)s->d, deadline,
                       sig ? sig->mask : NULL);
    if (ts) {
        (void)gr_wait_left(deadline, ts);
    }
    return n;
}

static long call_epoll(const struct gr_call *s)
{
    struct epoll_event *events = (struct epoll_event *)s->b;
    const uint64_t *mask = (const uint64_t *)s->e;
    if (mask && s->f != GR_SIG_SET_SIZE) {
        return -EINVAL;
    }
    if (s->nr == SYS_epoll_pwait2) {
        return gr_epoll_wait2((int)s->a, events, (int)s->c, (const struct timespec *)s->d, mask);
    }
    return gr_epoll_wait((int)s->a, events, (int)s->c, (int)s->d, mask);
}

static bool wait_twin(const struct gr_call *s, long *ret)
{
    switch (s->nr) {
    case SYS_poll:
        *ret = poll((struct pollfd *)s->a, (nfds_t)s->b, (int)s->c);
        return true;
    case SYS_select:
        *ret = select((int)s->a, (fd_set *)s->b, (fd_set *)s->c, (fd_set *)s->d,
                      (struct timeval *)s->e);
        return true;
    case SYS_ppoll:
        *ret = gr_ret(call_ppoll(s));
        return true;
    case SYS_pselect6:
        *ret = gr_ret(call_pselect(s));
        return true;
    case SYS_epoll_wait:
        *ret = epoll_wait((int)s->a, (struct epoll_event *)s->b, (int)s->c, (int)s->d);
        return true;
    case SYS_epoll_pwait:
    case SYS_epoll_pwait2:
        *ret = gr_ret(call_epoll(s));
        return true;
    case SYS_io_getevents:
    case SYS_io_pgetevents:
        *ret = gr_ret(gr_call_getevents(s));
        return true;
    default:
        return false;
    }
}

bool gr_call_io(const struct gr_call *s, long *ret)
{
    return io_twin(s, ret) || socket_twin(s, ret) || move_twin(s, ret) || fd_twin(s, ret) ||
           wait_twin(s, ret) || file_twin(s, ret);
}
