/*
 * <sys/sem.h>, <sys/msg.h>: System V semaphores and message queues.
 *
 * All threads of the process share one list of SEM_UNDO adjustments, stand-ins included.
 */
#include "shim/kernel_wait.h"

#include "shim/shim.h"

#include <string.h>
#include <sys/msg.h>
#include <sys/sem.h>

#define MAX_OPS 500 /* the kernel's own limit, SEMOPM */

/* Would the call wait at all, as far as the program asks for it? */
static bool may_wait(const struct sembuf *ops, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!(ops[i].sem_flg & IPC_NOWAIT)) {
            return true;
        }
    }
    return false;
}

static long semtimedop_on(int id, struct sembuf *ops, size_t n, const struct timespec *timeout)
{
    struct sembuf no_wait[MAX_OPS];
    if (n > MAX_OPS || !may_wait(ops, n) ||
        (timeout && (timeout->tv_sec < 0 || !gr_timespec_ok(timeout)))) {
        gr_hub_charge();
        return GR_SYS(SYS_semtimedop, id, ops, n, timeout);
    }
    memcpy(no_wait, ops, n * sizeof(*ops));
    for (size_t i = 0; i < n; i++) {
        no_wait[i].sem_flg |= IPC_NOWAIT;
    }
    struct gr_kernel_wait w = {.call = {SYS_semtimedop, {id, (long)ops, (long)n, (long)timeout}},
                               .attempt = {SYS_semtimedop, {id, (long)no_wait, (long)n}},
                               .would_block = EAGAIN,
                               .flags = GR_SIGNAL,
                               .deadline =
                                   timeout ? gr_deadline_in(gr_timespec_ns(timeout)) : GR_FOREVER};
    long rc = gr_kernel_wait(&w);
    return rc == -ETIMEDOUT ? -EAGAIN : rc;
}

/*
 * semop - <sys/sem.h>; POSIX.1-2024 semop(); semop(2), semtimedop(2)
 * Class:    YIELD unless IPC_NOWAIT.
 * Waits:    until all operations can be carried out, for the time given (EAGAIN), or until a
 * handler ran (EINTR, SA_RESTART or not). Not a cancellation point.
 */
GR_SHIM int semop(int id, struct sembuf *ops, size_t n)
{
    if (!gr_on_green()) {
        return real.semop(id, ops, n);
    }
    GR_COUNT(semop);
    return (int)gr_ret(semtimedop_on(id, ops, n, NULL));
}

GR_SHIM int semtimedop(int id, struct sembuf *ops, size_t n, const struct timespec *timeout)
{
    if (!gr_on_green()) {
        return real.semtimedop(id, ops, n, timeout);
    }
    GR_COUNT(semtimedop);
    return (int)gr_ret(semtimedop_on(id, ops, n, timeout));
}

static long message(const struct gr_syscall *c, int at, int would_block)
{
    struct gr_kernel_wait w = {.call = *c,
                               .attempt = *c,
                               .would_block = would_block,
                               .flags = GR_INTR,
                               .deadline = GR_FOREVER};
    if (c->arg[at] & IPC_NOWAIT) {
        gr_hub_charge(); /* whoever polls waits for somebody else */
        return gr_syscall_make(c);
    }
    w.attempt.arg[at] |= IPC_NOWAIT;
    return gr_kernel_wait(&w);
}

/*
 * msgsnd - <sys/msg.h>; POSIX.1-2024 msgsnd(), msgrcv(); msgop(2)
 * Class:    YIELD unless IPC_NOWAIT.
 * Waits:    for room, for a message, or until a handler ran (EINTR, SA_RESTART or not). A
 * cancellation point; a message that was received is never lost.
 */
GR_SHIM int msgsnd(int id, const void *msg, size_t n, int flags)
{
    if (!gr_on_green()) {
        return real.msgsnd(id, msg, n, flags);
    }
    GR_CANCEL_POINT(msgsnd);
    struct gr_syscall c = {SYS_msgsnd, {id, (long)msg, (long)n, flags}};
    return (int)gr_ret(message(&c, 3, EAGAIN));
}

GR_SHIM ssize_t msgrcv(int id, void *msg, size_t n, long type, int flags)
{
    if (!gr_on_green()) {
        return real.msgrcv(id, msg, n, type, flags);
    }
    GR_CANCEL_POINT(msgrcv);
    struct gr_syscall c = {SYS_msgrcv, {id, (long)msg, (long)n, type, flags}};
    return gr_ret(message(&c, 4, ENOMSG));
}
