/* Waits that only the kernel knows about: locks on files, System V IPC, the disk. */
#ifndef GR_SHIM_KERNEL_WAIT_H
#define GR_SHIM_KERNEL_WAIT_H

#include "runtime/base/rawsys.h"
#include "runtime/core/park.h"
#include "runtime/core/standin.h"

struct gr_kernel_wait {
    struct gr_syscall call;    /* the program's own, which waits */
    struct gr_syscall attempt; /* the same without waiting, number 0: there is no such form */
    int would_block;           /* the error of @attempt that means a wait */
    bool restarts;             /* goes on after handlers with SA_RESTART: signal(7) */
    unsigned flags;            /* GR_SIGNAL: handlers cut it off; GR_CANCEL: a cancellation point */
    int64_t deadline;          /* absolute monotonic ns, or GR_FOREVER */
};

/*
 * gr_kernel_wait - carry out a call that waits in the kernel: natively while nothing else can run;
 * else the attempt, and if it would wait, the call itself on a stand-in.
 * Returns the kernel's answer, -EINTR, -ECANCELED, or -ETIMEDOUT at the deadline. On a green.
 * Switches.
 */
long gr_kernel_wait(const struct gr_kernel_wait *w);

/* gr_kernel_disk - the same for a call that waits for a disk and takes no signals meanwhile;
 * @flags: GR_CANCEL or 0. */
long gr_kernel_disk(const struct gr_syscall *c, unsigned flags);

/* gr_lock_record - fcntl(2) with @cmd F_SETLKW or F_OFD_SETLKW on a green: 0 or -errno. */
struct flock;
long gr_lock_record(int fd, int cmd, struct flock *lock);

#endif
