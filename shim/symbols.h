/*
 * Expands the table symbols.def: one slot per row (the real function), one number per row (for
 * counters and the audit).
 *
 * A slot starts as a stub that resolves every row and calls on, so it may be called from any
 * constructor.
 */
#ifndef GR_SHIM_SYMBOLS_H
#define GR_SHIM_SYMBOLS_H

#include <aio.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

/* How a row is treated. */
enum gr_class {
    GR_YIELD,   /* may wait: parks the green */
    GR_TRACK,   /* never waits, but changes what we know of a descriptor, thread or signal */
    GR_OFFLOAD, /* blocks without anything to wait on: runs on a worker thread */
    GR_EMULATE, /* implemented here */
    GR_PASSED   /* reviewed and left to libc */
};

struct gr_real {
#define GR_FN(ret, name, params, args, class)       ret(*name) params;
#define GR_FNV(ret, name, params, args, class, ver) ret(*name) params;
#define GR_OPT(ret, name, params, args, class)      ret(*name) params;
#define GR_ALIAS(target, alias)
#define GR_PASS(name, reason)
#include "shim/symbols.def"
#undef GR_FN
#undef GR_FNV
#undef GR_OPT
#undef GR_ALIAS
#undef GR_PASS
};

extern struct gr_real real __attribute__((visibility("hidden")));

enum gr_row {
#define GR_FN(ret, name, params, args, class)       GR_ROW_##name,
#define GR_FNV(ret, name, params, args, class, ver) GR_ROW_##name,
#define GR_OPT(ret, name, params, args, class)      GR_ROW_##name,
#define GR_ALIAS(target, alias)
#define GR_PASS(name, reason)
#include "shim/symbols.def"
#undef GR_FN
#undef GR_FNV
#undef GR_OPT
#undef GR_ALIAS
#undef GR_PASS
    GR_N_ROWS
};

/* gr_real_resolve - fill every slot, once; called by the stubs and by the constructor. */
void gr_real_resolve(void);

/* Name and class of each row. */
struct gr_row_info {
    const char *name;
    enum gr_class class;
};
extern const struct gr_row_info gr_rows[GR_N_ROWS] __attribute__((visibility("hidden")));

#endif
