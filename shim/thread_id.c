/*
 * Calls that take the id of a thread, besides those of signal.c and sched.c. The kernel is told the
 * id of the carrier instead.
 */
#include "shim/thread_id.h"
#include "shim/syscall.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/uio.h>

pid_t gr_carrier_of(pid_t id)
{
    const struct green *g = gr_tid_green(id);
    return g ? g->hub->tid : id;
}

/*
 * gettid - <unistd.h>; gettid(2)
 * Class:    EMULATE.
 */
GR_SHIM pid_t gettid(void)
{
    struct green *g = gr_on_green();
    return g ? g->tid : real.gettid();
}

/* kill, sigqueue - <signal.h>. Class: TRACK. A thread's id means its process, as for the kernel. */
GR_SHIM int kill(pid_t pid, int sig)
{
    return real.kill(gr_kernel_tid(pid), sig);
}

GR_SHIM int sigqueue(pid_t pid, int sig, const union sigval val)
{
    return real.sigqueue(gr_kernel_tid(pid), sig, val);
}

/* getpgid, getsid, prlimit, process_vm_readv, process_vm_writev. Class: TRACK. */
GR_SHIM pid_t getpgid(pid_t pid)
{
    return real.getpgid(gr_kernel_tid(pid));
}

GR_SHIM pid_t getsid(pid_t pid)
{
    return real.getsid(gr_kernel_tid(pid));
}

GR_SHIM int prlimit(pid_t pid, enum __rlimit_resource resource, const struct rlimit *new,
                    struct rlimit *old)
{
    return real.prlimit(gr_kernel_tid(pid), resource, new, old);
}

GR_SHIM ssize_t process_vm_readv(pid_t pid, const struct iovec *to, unsigned long n_to,
                                 const struct iovec *from, unsigned long n_from,
                                 unsigned long flags)
{
    return real.process_vm_readv(gr_kernel_tid(pid), to, n_to, from, n_from, flags);
}

GR_SHIM ssize_t process_vm_writev(pid_t pid, const struct iovec *from, unsigned long n_from,
                                  const struct iovec *to, unsigned long n_to, unsigned long flags)
{
    return real.process_vm_writev(gr_kernel_tid(pid), from, n_from, to, n_to, flags);
}

/* --- by number --- */

/* Which argument of @s is the id of a thread? NULL: none. */
static long *id_argument(struct gr_call *s)
{
    switch (s->nr) {
    case SYS_kill:
    case SYS_rt_sigqueueinfo:
    case SYS_getpgid:
    case SYS_getsid:
    case SYS_prlimit64:
    case SYS_process_vm_readv:
    case SYS_process_vm_writev:
        return &s->a;
    case SYS_perf_event_open:
        return &s->b;
    default:
        return NULL;
    }
}

bool gr_call_thread_id(const struct gr_call *s, long *ret)
{
    struct gr_call mapped = *s;
    const long *id = id_argument(&mapped);
    if (s->nr == SYS_gettid) {
        *ret = gettid();
        return true;
    }
    if (s->nr == SYS_set_tid_address && !gr_self->is_main) { /* the kernel's is the carrier's */
        gr_self->tid_word = (uint32_t *)s->a;
        *ret = gr_self->tid;
        return true;
    }
    if (!id || !gr_tid_is_ours((int)*id)) {
        return false;
    }
    *id_argument(&mapped) = gr_carrier_of((int)*id);
    *ret =
        gr_ret(gr_syscall6(mapped.nr, mapped.a, mapped.b, mapped.c, mapped.d, mapped.e, mapped.f));
    return true;
}
