/* System calls that an object makes by instructions of its own, past libc. */
#ifndef GREENAUDIT_CODE_H
#define GREENAUDIT_CODE_H

#include "tools/greenaudit/object.h"

/* code_scan - find them and fill in @o->calls, and whether it waits on futexes by them. */
void code_scan(struct object *o);

/* code_note - one of them, with @number or -1. For the decoders. */
void code_note(struct object *o, long number);

/* Where an instruction begins. */
struct place {
    uint64_t address;
    uint64_t size; /* of the function that begins there; 0: not known */
};

/*
 * code_decode - find them in @c, by decoding from those of the @n places that are known, which
 * ascend. Each machine has its own.
 */
void code_decode(struct object *o, const struct code *c, const struct place *places, size_t n);

/* code_call_name - name of a system call that can be slow or wait; NULL: another, or none. */
const char *code_call_name(long number);

/* code_call_matters - may it hold up the other threads? So may one whose number is not known. */
bool code_call_matters(long number);

#endif
