/* The way every call on a descriptor goes: try without blocking, wait for readiness, try again. */
#ifndef GR_SHIM_IO_H
#define GR_SHIM_IO_H

#include "shim/fdtable.h"
#include "shim/shim.h"

#include <fcntl.h>
#include <stdarg.h>

/* A system call on a descriptor, in the form that never blocks, and as the program made it. arg[0]
 * is the descriptor. */
struct gr_call {
    long nr; /* the form that never blocks */
    long arg[6];
    long plain_nr; /* the program's own */
    long plain[6];
    size_t want; /* bytes asked for: less is a short read */
    bool ask;    /* there is no such form: ask poll() first, then make the program's call */
    bool begun;  /* part of a write is done: a handler ends it, restartable or not */
    bool ended;  /* the kernel itself ended a blocking call: a short count is the result */
};

/*
 * gr_io_retry - carry out @c on *@f, waiting for @event (GR_IN, GR_OUT) as a blocking call would;
 * *@f and the descriptor in
 * @c follow a number that is closed meanwhile. Returns the kernel's answer: a result or -errno.
 */
long gr_io_retry(struct gr_fd **f, unsigned event, struct gr_call *c);

/*
 * gr_io_write_all - the same for writes: repeat until all is written, as blocking descriptors do.
 * @advance takes
 * @n written bytes off @c and returns how many are left.
 */
long gr_io_write_all(struct gr_fd **f, struct gr_call *c,
                     size_t (*advance)(struct gr_call *c, size_t n));

/* gr_io_ready - does poll() find @fd ready for @event (GR_IN, GR_OUT) now? */
bool gr_io_ready(int fd, unsigned event);

/* gr_io_fionbio - set or clear O_NONBLOCK for the time of one call. */
void gr_io_fionbio(int fd, int on);

/* gr_read_on, gr_write_on - read(2), write(2) on a green. */
ssize_t gr_read_on(int fd, void *buf, size_t n);
ssize_t gr_write_on(int fd, const void *buf, size_t n);

/* gr_open_on, gr_close_on - openat(2), close(2) on a green. */
int gr_open_on(int dir, const char *path, int flags, mode_t mode);
int gr_close_on(int fd);

/* The optional argument of open() and its kind. */
static inline bool gr_open_needs_mode(int flags)
{
    return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
}

#define GR_TAKE_MODE(mode, flags)                                                                  \
    do {                                                                                           \
        if (gr_open_needs_mode(flags)) {                                                           \
            va_list ap;                                                                            \
            va_start(ap, flags);                                                                   \
            (mode) = va_arg(ap, mode_t);                                                           \
            va_end(ap);                                                                            \
        }                                                                                          \
    } while (0)

#define GR_CALL_ARGS(c) (c)->arg[0], (c)->arg[1], (c)->arg[2], (c)->arg[3], (c)->arg[4], (c)->arg[5]
#define GR_CALL_PLAIN(c)                                                                           \
    (c)->plain[0], (c)->plain[1], (c)->plain[2], (c)->plain[3], (c)->plain[4], (c)->plain[5]

#endif
