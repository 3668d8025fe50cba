/* <mqueue.h>. A message queue is a descriptor: it tells when there is a message, and when room. */
#include "shim/fdtable.h"
#include "shim/pthread_thread.h"
#include "shim/shim.h"

#include <fcntl.h>
#include <mqueue.h>
#include <stdarg.h>

extern mqd_t __mq_open_2(const char *name, int flags);

static mqd_t opened(mqd_t queue)
{
    if (queue >= 0 && gr_on_green()) {
        (void)gr_fdtable_opened(queue, GR_KIND_UNKNOWN);
    }
    return queue;
}

/* mq_open - <mqueue.h>; POSIX.1-2024 mq_open(), mq_close(). Class: TRACK. */
GR_SHIM mqd_t mq_open(const char *name, int flags, ...)
{
    va_list ap;
    mode_t mode = 0;
    struct mq_attr *attr = NULL;
    if (flags & O_CREAT) {
        va_start(ap, flags);
        mode = va_arg(ap, mode_t);
        attr = va_arg(ap, struct mq_attr *);
        va_end(ap);
    }
    return opened(real.mq_open(name, flags, mode, attr));
}

GR_SHIM mqd_t __mq_open_2(const char *name, int flags)
{
    return opened(real.__mq_open_2(name, flags));
}

GR_SHIM int mq_close(mqd_t queue)
{
    return gr_on_green() ? close(queue) : real.mq_close(queue);
}

/* mq_notify - <mqueue.h>; POSIX.1-2024. Class: TRACK. */
GR_SHIM int mq_notify(mqd_t queue, const struct sigevent *event)
{
    if (!event || event->sigev_notify != SIGEV_THREAD) {
        return real.mq_notify(queue, event);
    }
    gr_helper_begin();
    int rc = real.mq_notify(queue, event);
    gr_helper_end();
    return rc;
}

/*
 * With a deadline that has passed the kernel says ETIMEDOUT instead of waiting. On a queue with
 * O_NONBLOCK it says EAGAIN: so it is the kernel that knows whether the program wants to wait.
 */
static long attempt(int fd, const struct gr_syscall *c)
{
    static const struct timespec passed;
    return GR_SYS(c->nr, fd, c->arg[1], c->arg[2], c->arg[3], &passed);
}

static long transfer(const struct gr_syscall *c, unsigned event)
{
    const long *a = c->arg;
    const struct timespec *abs = (const struct timespec *)a[4];
    struct gr_fd *f = gr_fd_get((int)a[0]);
    bool valid = !abs || (abs->tv_sec >= 0 && gr_timespec_ok(abs));
    long rc;
    if (!f || !valid || gr_native(&rc, c->nr, a[0], a[1], a[2], a[3], a[4], 0)) {
        return !f || !valid ? gr_syscall_make(c) : rc;
    }
    int64_t deadline = abs ? gr_deadline_at(CLOCK_REALTIME, abs) : GR_FOREVER;
    for (;;) {
        rc = attempt(f->fd, c);
        if (rc != -ETIMEDOUT) {
            gr_fd_pass_on(f, event);
            gr_hub_charge();
            break;
        }
        gr_fd_drained(f, event);
        rc = gr_fd_wait(&f, event, deadline, GR_INTR);
        if (rc && rc != -GR_ERESTART) {
            break;
        }
    }
    gr_fd_done(f);
    return rc;
}

/*
 * mq_send - <mqueue.h>; POSIX.1-2024 mq_send(), mq_timedsend(), mq_receive(), mq_timedreceive()
 * Class:    YIELD unless O_NONBLOCK.
 * Waits:    for room or a message, until the time given (ETIMEDOUT), or until a handler without
 * SA_RESTART ran (EINTR). A cancellation point.
 */
static int send_on(mqd_t queue, const char *msg, size_t n, unsigned prio,
                   const struct timespec *abs)
{
    struct gr_syscall c = {SYS_mq_timedsend, {queue, (long)msg, (long)n, prio, (long)abs}};
    return (int)gr_ret(transfer(&c, GR_OUT));
}

static ssize_t receive_on(mqd_t queue, char *msg, size_t n, unsigned *prio,
                          const struct timespec *abs)
{
    struct gr_syscall c = {SYS_mq_timedreceive, {queue, (long)msg, (long)n, (long)prio, (long)abs}};
    return gr_ret(transfer(&c, GR_IN));
}

GR_SHIM int mq_send(mqd_t queue, const char *msg, size_t n, unsigned prio)
{
    if (!gr_on_green()) {
        return real.mq_send(queue, msg, n, prio);
    }
    GR_CANCEL_POINT(mq_send);
    return send_on(queue, msg, n, prio, NULL);
}

GR_SHIM int mq_timedsend(mqd_t queue, const char *msg, size_t n, unsigned prio,
                         const struct timespec *abs)
{
    if (!gr_on_green()) {
        return real.mq_timedsend(queue, msg, n, prio, abs);
    }
    GR_CANCEL_POINT(mq_timedsend);
    return send_on(queue, msg, n, prio, abs);
}

GR_SHIM ssize_t mq_receive(mqd_t queue, char *msg, size_t n, unsigned *prio)
{
    if (!gr_on_green()) {
        return real.mq_receive(queue, msg, n, prio);
    }
    GR_CANCEL_POINT(mq_receive);
    return receive_on(queue, msg, n, prio, NULL);
}

GR_SHIM ssize_t mq_timedreceive(mqd_t queue, char *restrict msg, size_t n, unsigned *restrict prio,
                                const struct timespec *restrict abs)
{
    if (!gr_on_green()) {
        return real.mq_timedreceive(queue, msg, n, prio, abs);
    }
    GR_CANCEL_POINT(mq_timedreceive);
    return receive_on(queue, msg, n, prio, abs);
}
