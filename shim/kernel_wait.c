/* The course of a call that waits in the kernel. */
#include "shim/kernel_wait.h"

#include "shim/shim.h"

static bool native(long *ret, const struct gr_syscall *c)
{
    return gr_native(ret, c->nr, c->arg[0], c->arg[1], c->arg[2], c->arg[3], c->arg[4], c->arg[5]);
}

long gr_kernel_wait(const struct gr_kernel_wait *w)
{
    long rc;
    do {
        if (native(&rc, &w->call)) {
            return rc;
        }
        if (w->attempt.nr) {
            rc = gr_syscall_make(&w->attempt);
            if (rc != -w->would_block) {
                gr_hub_charge();
                return rc;
            }
        }
        if (w->deadline <= gr_now()) {
            gr_yield();
            return -ETIMEDOUT;
        }
        rc = gr_standin_call(&w->call, w->deadline, w->flags);
    } while (rc == -GR_ERESTART && w->restarts);
    return rc == -GR_ERESTART ? -EINTR : rc;
}

long gr_kernel_disk(const struct gr_syscall *c, unsigned flags)
{
    long rc;
    return native(&rc, c) ? rc : gr_standin_call(c, GR_FOREVER, flags);
}
