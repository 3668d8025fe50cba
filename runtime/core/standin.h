/*
 * Calls that block for as long as somebody else likes and that no descriptor tells about: file
 * locks, System V semaphores, the opening of a FIFO, ... A stand-in is a kernel thread that makes
 * such a call in a green's place. Each call has a stand-in of its own, so however many of them
 * wait, none keeps another from starting. (libuv's workers are four: gr_offload() is for work that
 * ends by itself.)
 *
 * An idle stand-in is used again; after a few seconds it ends. It takes no signals but the one that
 * cuts its call off.
 */
#ifndef GR_CORE_STANDIN_H
#define GR_CORE_STANDIN_H

#include <stdbool.h>
#include <stdint.h>

struct gr_hub;
struct gr_syscall;

/* A flag besides those of gr_park(): the call needs a stack of the size that threads get by
 * default, not the small one that is enough for a system call. */
#define GR_DEEP 64U

/*
 * gr_standin_run - run @fn(@arg) on a stand-in while the calling green waits.
 * @fn:       returns false if a signal cut it off with nothing done (EINTR): it may be called
 * again. It runs under the stand-in's errno.
 * @deadline: absolute monotonic ns, GR_FOREVER allowed
 * @flags:    GR_SIGNAL and GR_CANCEL as for gr_park(); without GR_SIGNAL handlers wait for the
 *            end; GR_DEEP
 *
 * Returns 0 when @fn has a result. That counts even if a signal, the deadline or a cancellation
 * came at the same time: a lock or a message is never lost. Else @fn was cut off and -ETIMEDOUT,
 * -ECANCELED, -EINTR or -GR_ERESTART says why; handlers that were due have run. errno is preserved.
 * On a green. Switches.
 */
int gr_standin_run(bool (*fn)(void *arg), void *arg, int64_t deadline, unsigned flags);

/* gr_standin_call - the same for a system call: the kernel's answer, or as above. */
long gr_standin_call(const struct gr_syscall *c, int64_t deadline, unsigned flags);

/* Used by the hub: make stand-ins for calls that found none idle; forget them in a forked child. */
void gr_standin_start_queued(struct gr_hub *h);
void gr_standin_fork_child(struct gr_hub *h);

#endif
