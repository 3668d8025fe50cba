/*
 * greenshim-report, a process that prints what the watchdog of this one notices.
 *
 * To tell where in a program something happens takes libraries, memory and time, none of which
 * should come from the program. The reporter sees memory and registers through files in /proc that
 * are opened here, so that it may do so whatever rights the program gives up later.
 */
#ifndef GR_SVC_REPORTER_H
#define GR_SVC_REPORTER_H

#include <stddef.h>
#include <stdint.h>

enum gr_stall_event {
    GR_STALL_BEGAN, /* noticed */
    GR_STALL_GOES_ON,
    GR_STALL_ENDED
};

enum gr_stall_kind {
    GR_STALL_CALL,  /* blocked in a system call */
    GR_STALL_FAULT, /* blocked outside of calls: a page is being read */
    GR_STALL_CPU    /* computes */
};

/* How much of the carrier's stack goes with a stall that has just been noticed. */
#define GR_STALL_STACK 32768

/* One packet to greenshim-report; @stack is cut to its length. */
struct gr_stall {
    uint32_t event;
    uint32_t kind;
    int32_t tid;      /* the carrier */
    uint32_t held_up; /* greens that could have run, at most so far */
    int64_t ns;       /* how long so far */
    uint64_t green;   /* id; 0: the scheduler itself */
    char name[16];    /* of the green, if it has one */
    int64_t nr;       /* of the call */
    uint64_t args[6]; /* of the call */
    uint64_t sp;      /* registers; 0 if it computes */
    uint64_t pc;
    uint64_t switches; /* the hub's counter, and its address: the stall lasts while it stays so */
    uint64_t switches_at;
    unsigned char stack[GR_STALL_STACK]; /* from @sp on; none if it computes */
};

/* The numbers under which greenshim-report finds what it inherits. */
enum {
    GR_REPORT_STALLS = 0, /* socket */
    GR_REPORT_MAPS = 3,   /* /proc/PID/maps */
    GR_REPORT_MEM = 4,    /* /proc/PID/mem */
    GR_REPORT_CALL = 5    /* /proc/PID/task/TID/syscall of the carrier */
};

/*
 * gr_reporter_find - remember where the library that this is part of lies: the reporter is beside
 * it, or in ../bin or ../../bin. Not from the watchdog: it asks the loader.
 */
void gr_reporter_find(void);

/*
 * gr_reporter_start - start the reporter of this process; it inherits @call_fd, the carrier's
 * /proc/self/task/TID/syscall. The program gets neither a child by it nor a signal.
 * Returns the socket for the functions below, or -errno. Blocks until it has been started.
 */
int gr_reporter_start(int call_fd);

/* gr_reporter_send - the packet @s with the first @stack bytes of its stack. */
void gr_reporter_send(int fd, const struct gr_stall *s, size_t stack);

/* gr_reporter_finish - nothing more comes: wait for the last of its lines, at most @seconds. */
void gr_reporter_finish(int fd, int seconds);

#endif
