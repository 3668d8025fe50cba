/* The process that is watched, as it is seen from here. */
#ifndef GREENSHIM_REPORT_PROCESS_H
#define GREENSHIM_REPORT_PROCESS_H

#include "runtime/svc/reporter.h"

#include <elfutils/libdwfl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Registers by their DWARF numbers, as far as they are known. */
#if defined(__x86_64__)
enum { N_REGS = 17, REG_FP = 6, REG_SP = 7, REG_PC = 16 };
#elif defined(__aarch64__)
enum { N_REGS = 33, REG_FP = 29, REG_SP = 31, REG_PC = 32 /* DWARF has none */ };
#else
#error "unsupported machine"
#endif

struct registers {
    uint64_t value[N_REGS];
    bool known[N_REGS];
};

/* process_stack - the copy of the carrier's stack that reads are answered from: @n bytes at @at.
 * @copy is borrowed. */
void process_stack(const unsigned char *copy, uint64_t at, size_t n);

/* process_read - memory of the process: from the copy of the stack, else what is there now. */
bool process_read(uint64_t at, void *to, size_t n);

/*
 * process_stop - stop the kernel thread @tid (ptrace(2)) and take its registers; what call it was
 * about to leave goes into @call, if that is not NULL. process_go - it goes on.
 *
 * Returns NULL, or why it has not been stopped.
 */
const char *process_stop(int tid, struct registers *r, struct gr_stall *call);
void process_go(int tid);

/*
 * process_catch - registers and stack of the carrier while it computes, by stopping it for a moment
 * (ptrace(2)). Only if it is in no system call and the stall @s still lasts. @stack has room for
 * GR_STALL_STACK bytes; *@n is what was read. If it was busy in the kernel, the call goes into @s.
 *
 * Returns NULL or why there is nothing.
 */
const char *process_catch(struct gr_stall *s, struct registers *r, unsigned char *stack, size_t *n);

#endif
