/*
 * Processes made by fork(). Like: gevent.os
 *
 * fork() itself does what gevent.reinit() does: in the child the calling green goes on alone, with
 * a hub of its own that shares nothing with the parent's; no other green runs there. Code of one's
 * own can be run around it by pthread_atfork(). waitpid() and its relatives let other greens run.
 */
#ifndef GREEN_OS_H
#define GREEN_OS_H

#include <green/base.h>

#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The child @pid has ended, with a @status as waitpid() gives it; -1: somebody else has taken it.
 * In a green of its own, where it may wait. */
typedef void green_child_fn(pid_t pid, int status, void *arg);

/*
 * green_watch_child - have a child of this process reaped when it ends, and then @fn called.
 * @fn: may be NULL
 *
 * Returns 0, -EAGAIN, -ENOTSUP (not on a green thread). Does not switch.
 */
GREEN_API int green_watch_child(pid_t pid, green_child_fn *fn, void *arg);

/*
 * green_fork_and_watch - fork(), and green_watch_child() in the parent.
 *
 * Returns 0 in the child and its process id in the parent; or -EAGAIN, -ENOMEM, -ENOTSUP. Does not
 * switch. Like: gevent.os.fork_and_watch
 */
GREEN_API pid_t green_fork_and_watch(green_child_fn *fn, void *arg);

#ifdef __cplusplus
}
#endif

#endif
