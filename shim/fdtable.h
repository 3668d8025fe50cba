/*
 * What is known of the file behind a descriptor number: its kind, whether the program set
 * O_NONBLOCK, its timeouts.
 *
 * A cache, never an authority: everything is asked of the kernel when first needed, and asked again
 * after anything in the process that may have changed it (the epoch), or always for descriptions
 * that another process may share.
 */
#ifndef GR_SHIM_FDTABLE_H
#define GR_SHIM_FDTABLE_H

#include "runtime/core/fdwait.h"

enum gr_kind {
    GR_KIND_UNKNOWN,
    GR_KIND_FILE,   /* regular file, directory, block device: never waits for a peer */
    GR_KIND_STREAM, /* TCP socket without tricks: a short read means drained */
    GR_KIND_SOCKET, /* any other socket */
    GR_KIND_PIPE,   /* anonymous pipe: RWF_NOWAIT works */
    GR_KIND_OTHER   /* tty, FIFO, eventfd, inotify, ...: wait for readiness, then call */
};

/* gr_fd flags */
#define GR_FD_NONBLOCK 1u  /* the program's own O_NONBLOCK */
#define GR_FD_SHADOW   2u  /* O_NONBLOCK set by us on a listening socket, hidden from the program */
#define GR_FD_LOWAT    8u  /* SO_RCVLOWAT above 1 */
#define GR_FD_TIMEO    32u /* timeouts are known */
#define GR_FD_MODE     64u /* GR_FD_NONBLOCK is known */

/* gr_fdtable_get - state of @fd with its kind known; NULL: not a descriptor we can wait on, use the
 * plain call. */
struct gr_fd *gr_fdtable_get(int fd);

/* gr_fdtable_blocking - would a call on @f wait, as far as the program set it up? Asks the kernel
 * unless known. */
bool gr_fdtable_blocking(struct gr_fd *f);

/* gr_fdtable_deadline - when a call on @f that begins now has to end: SO_RCVTIMEO (@event GR_IN) or
 * SO_SNDTIMEO. */
int64_t gr_fdtable_deadline(struct gr_fd *f, unsigned event);

/*
 * gr_fdtable_opened - @fd has just been made by this process; @kind may be GR_KIND_UNKNOWN. Returns
 * its state, or NULL
 * (@fd negative included). gr_fdtable_mode() adds that its O_NONBLOCK is known,
 * gr_fdtable_accepted() that accept() made it.
 */
struct gr_fd *gr_fdtable_opened(int fd, enum gr_kind kind);
void gr_fdtable_mode(struct gr_fd *f, bool nonblock);
void gr_fdtable_accepted(struct gr_fd *f, const struct gr_fd *listener);
enum gr_kind gr_fdtable_socket_kind(int domain, int type);

/* gr_fdtable_early_socket - the process, still without threads, has made the socket @fd. */
void gr_fdtable_early_socket(int fd);

/* gr_fdtable_duplicated - @to is now a second number of @from's description. */
void gr_fdtable_duplicated(int from, int to);

/* gr_fdtable_closing - @fd is about to be closed or replaced. */
void gr_fdtable_closing(int fd);

/* gr_fdtable_changed - flags or timeouts of some description have been changed through one of its
 * numbers. */
void gr_fdtable_changed(void);

/* gr_fdtable_listener - make accept() on @f non-blocking by the hidden flag. False: not allowed,
 * others may share it. */
bool gr_fdtable_listener(struct gr_fd *f);

/* Hidden flags must not be inherited: cleared before exec, put back if it fails. */
void gr_fdtable_before_exec(void);
void gr_fdtable_after_failed_exec(void);

/* gr_fdtable_fork - descriptions that exist now are shared with a child; @exec_only: only those
 * that survive exec. */
void gr_fdtable_fork(bool exec_only);

/* gr_fdtable_passed - a child is about to be made that gets @fd, after exec as well, and of our
 * descriptors nothing else; -1: all that survive exec. */
void gr_fdtable_passed(int fd);

#endif
