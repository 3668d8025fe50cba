/* Backtraces from little: at a system call only two registers are known. */
#ifndef GREENSHIM_REPORT_UNWIND_H
#define GREENSHIM_REPORT_UNWIND_H

#include "tools/greenshim-report/process.h"

struct frame {
    uint64_t pc;
    bool guessed; /* found by its looks on the stack, not by the unwind tables */
};

/*
 * unwind - the frames from @r on outwards, at most @max; @r is used up. At least one.
 *
 * Each step follows the call frame information. Where that needs a register which is not known, the
 * return address is searched for on the stack: the first word that follows a call instruction and
 * fits. The frame behind it is then marked as guessed, unless that call calls just this function.
 */
size_t unwind(Dwfl *dwfl, struct registers *r, struct frame *frames, size_t max);

#endif
