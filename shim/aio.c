/*
 * <aio.h>, <netdb.h>: waiting for what libc's own helper threads do.
 *
 * Those threads announce an end by a futex inside libc, so libc's function waits, on a stand-in.
 */
#include "shim/pthread_thread.h"
#include "shim/shim.h"

#include "runtime/core/standin.h"

#include <aio.h>
#include <netdb.h>

/* Either list of requests, and what libc said of it. */
struct suspend {
    const void *list;
    int n;
    int rc;
    int err; /* errno, if @rc is -1 */
};

/* @timeout: relative, NULL for ever. With one, no handler lets the wait go on: it is like
 * FUTEX_WAIT's. */
static int wait_aside(bool (*fn)(void *), struct suspend *s, const struct timespec *timeout)
{
    int64_t deadline = timeout ? gr_deadline_in(gr_timespec_ns(timeout)) : GR_FOREVER;
    int rc;
    do {
        rc = gr_standin_run(fn, s, deadline, GR_INTR);
    } while (rc == -GR_ERESTART && !timeout);
    return gr_eintr(rc);
}

/* --- asynchronous input and output --- */

/* As libc sees it: all of them are in progress. */
static bool must_wait(const struct aiocb *const list[], int n)
{
    bool any = false;
    for (int i = 0; i < n; i++) {
        if (list[i]) {
            any = true;
            if (aio_error(list[i]) != EINPROGRESS) {
                return false;
            }
        }
    }
    return any;
}

static bool run_aio(void *arg)
{
    struct suspend *s = arg;
    s->rc = real.aio_suspend(s->list, s->n, NULL);
    s->err = errno;
    return s->rc == 0 || s->err != EINTR;
}

static int suspend_on(const struct aiocb *const list[], int n, const struct timespec *timeout)
{
    struct suspend s = {.list = list, .n = n};
    int rc = wait_aside(run_aio, &s, timeout);
    if (rc) {
        return rc == -ETIMEDOUT ? -EAGAIN : rc;
    }
    return s.rc ? -s.err : 0;
}

/*
 * aio_suspend - <aio.h>; POSIX.1-2024 aio_suspend(), lio_listio()
 * Class:    YIELD.
 * Waits:    until one of the requests has ended, for the time given (EAGAIN), or until a handler
 * ran (EINTR; SA_RESTART counts if there is no timeout). A cancellation point.
 */
GR_SHIM int aio_suspend(const struct aiocb *const list[], int n, const struct timespec *timeout)
{
    if (!gr_on_green() || !must_wait(list, n) || (timeout && !gr_timespec_ok(timeout))) {
        return real.aio_suspend(list, n, timeout);
    }
    GR_COUNT(aio_suspend);
    return (int)gr_ret(suspend_on(list, n, timeout));
}

/* aio_read - <aio.h>; POSIX.1-2024 aio_read(), aio_write(), aio_fsync(). Class: TRACK. */
GR_SHIM int aio_read(struct aiocb *cb)
{
    gr_helper_begin();
    int rc = real.aio_read(cb);
    gr_helper_end();
    return rc;
}

GR_SHIM int aio_write(struct aiocb *cb)
{
    gr_helper_begin();
    int rc = real.aio_write(cb);
    gr_helper_end();
    return rc;
}

GR_SHIM int aio_fsync(int op, struct aiocb *cb)
{
    gr_helper_begin();
    int rc = real.aio_fsync(op, cb);
    gr_helper_end();
    return rc;
}

static int list_request(int mode, struct aiocb *const list[], int n, struct sigevent *event)
{
    gr_helper_begin();
    int rc = real.lio_listio(mode, list, n, event);
    gr_helper_end();
    return rc;
}

static bool is_request(const struct aiocb *cb)
{
    return cb && cb->aio_lio_opcode != LIO_NOP;
}

/* LIO_WAIT: wait for one after the other until all have ended. */
GR_SHIM int lio_listio(int mode, struct aiocb *const list[], int n, struct sigevent *event)
{
    if (!gr_on_green() || mode != LIO_WAIT) {
        return list_request(mode, list, n, event);
    }
    GR_COUNT(lio_listio);
    int result = list_request(LIO_NOWAIT, list, n, NULL);
    int err = result ? errno : EIO;
    for (int i = 0; i < n; i++) {
        const struct aiocb *one[] = {list[i]};
        while (is_request(list[i]) && must_wait(one, 1)) {
            int rc = suspend_on(one, 1, NULL);
            if (rc) {
                return (int)gr_ret(rc);
            }
        }
        result = is_request(list[i]) && aio_error(list[i]) ? -1 : result;
    }
    if (result) {
        errno = err;
    }
    return result;
}

/* --- asynchronous look-up of names --- */

static bool run_gai(void *arg)
{
    struct suspend *s = arg;
    s->rc = real.gai_suspend(s->list, s->n, NULL);
    return s->rc != EAI_INTR;
}

static int gai_suspend_on(const struct gaicb *const list[], int n, const struct timespec *timeout)
{
    struct suspend s = {.list = list, .n = n};
    int rc = wait_aside(run_gai, &s, timeout);
    if (rc == -ECANCELED) {
        (void)gr_interrupt_act();
    }
    return rc == -ETIMEDOUT ? EAI_AGAIN : rc ? EAI_INTR : s.rc;
}

static bool in_progress(const struct gaicb *request)
{
    return request && gai_error((struct gaicb *)request) == EAI_INPROGRESS;
}

/*
 * gai_suspend - <netdb.h>; getaddrinfo_a(3)
 * Class:    YIELD.
 * Waits:    as aio_suspend. EAI_AGAIN at the end of the time given, EAI_INTR after a handler.
 */
GR_SHIM int gai_suspend(const struct gaicb *const list[], int n, const struct timespec *timeout)
{
    bool waits = false;
    for (int i = 0; gr_on_green() && i < n; i++) {
        waits = waits || in_progress(list[i]);
    }
    if (!waits || (timeout && !gr_timespec_ok(timeout))) {
        return real.gai_suspend(list, n, timeout);
    }
    GR_COUNT(gai_suspend);
    return gai_suspend_on(list, n, timeout);
}

static int ask_names(int mode, struct gaicb *list[], int n, struct sigevent *event)
{
    gr_helper_begin();
    int rc = real.getaddrinfo_a(mode, list, n, event);
    gr_helper_end();
    return rc;
}

/* GAI_WAIT: wait for one after the other until all have ended. */
GR_SHIM int getaddrinfo_a(int mode, struct gaicb *list[], int n, struct sigevent *event)
{
    if (!gr_on_green() || mode != GAI_WAIT) {
        return ask_names(mode, list, n, event);
    }
    GR_COUNT(getaddrinfo_a);
    int result = ask_names(GAI_NOWAIT, list, n, NULL);
    for (int i = 0; i < n; i++) {
        const struct gaicb *one[] = {list[i]};
        while (in_progress(list[i])) {
            if (gai_suspend_on(one, 1, NULL) == EAI_INTR) {
                return EAI_INTR;
            }
        }
    }
    return result;
}
