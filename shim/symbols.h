/*
 * Expands the table symbols.def: one slot per row (the real function), one number per row (for
 * counters and the audit).
 *
 * A slot starts as a stub that resolves every row and calls on, so it may be called from any
 * constructor.
 */
#ifndef GR_SHIM_SYMBOLS_H
#define GR_SHIM_SYMBOLS_H

#include <green/monkey.h>

#include <aio.h>
#include <dirent.h>
#include <fcntl.h>
#include <mqueue.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <termios.h>
#include <threads.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include <wordexp.h>

/* How a row is treated. */
enum gr_class {
    GR_YIELD,   /* may wait: parks the green */
    GR_TRACK,   /* never waits, but changes what we know of a descriptor, thread or signal */
    GR_OFFLOAD, /* blocks without anything to wait on: runs on a worker thread */
    GR_EMULATE, /* implemented here */
    GR_PASSED   /* reviewed and left to libc */
};

struct gr_real {
#define GR_ROW(ret, name, params, args, class, version, reach) ret(*name) params;
#include "shim/symbols.def"
};

extern struct gr_real real __attribute__((visibility("hidden")));

#define GR_JOIN_(a, b) a##b
#define GR_JOIN(a, b)  GR_JOIN_(a, b)

/* The first row of a section has the section's number. */
enum gr_row {
#define GR_SECTION(parts)                                                                          \
    GR_JOIN(GR_SECTION_, __LINE__),                                                                \
        GR_JOIN(GR_BEFORE_, __LINE__) = GR_JOIN(GR_SECTION_, __LINE__) - 1,
#define GR_ROW(ret, name, params, args, class, version, reach) GR_ROW_##name,
#include "shim/symbols.def"
    GR_N_ROWS
};

/* Part of the rows that go with any part of <green/monkey.h>. */
#define GR_BASE      (1U << 31)
#define GR_ALL_PARTS (GR_BASE | ((GREEN_SIGNAL << 1) - 1))

/* gr_real_resolve - fill every slot, once; called by the constructor. */
void gr_real_resolve(void);

/* gr_real_clocks - tell base/clock.h which clock_gettime is which. Before the first green, not in
 * our constructor: to open libc there leaves the loader without its TLS. */
void gr_real_clocks(void);

/* How a row is reached: by its exported name, by a hook of libc's body, by both. */
enum gr_reach {
    GR_REACH_BOTH,
    GR_REACH_MAYBE, /* by both, if libc has it */
    GR_REACH_NAME,
    GR_REACH_BODY
};

struct gr_row_info {
    const char *name;
    const char *version; /* of the real one, or NULL: the default */
    void (*own)(void);   /* our function */
    uint16_t slot;       /* offset in struct gr_real */
    uint8_t class;
    uint8_t reach;
};
extern const struct gr_row_info gr_rows[GR_N_ROWS] __attribute__((visibility("hidden")));

static inline void **gr_row_slot(const struct gr_row_info *row)
{
    return (void **)((char *)&real + row->slot);
}

/* gr_row_parts - the parts that it belongs to. */
unsigned gr_row_parts(const struct gr_row_info *row);

/* gr_row_find - the row of @name, which may be an alias; NULL: none. */
const struct gr_row_info *gr_row_find(const char *name);

/* gr_real_find - the function behind us of any name; NULL: none. */
void (*gr_real_find(const char *name))(void);

/* gr_row_missing - does the libc at hand lack it? After gr_real_resolve(). */
bool gr_row_missing(const struct gr_row_info *row);

#endif
