/* Machine code that waits on futexes past libc. */
#ifndef GR_SHIM_FUTEX_CODE_H
#define GR_SHIM_FUTEX_CODE_H

#include <stdbool.h>
#include <stdint.h>

/* gr_code_has_futex_call - do the instructions in [@p, @end) make the system call futex(2) by
 * themselves? Known only on x86-64; false elsewhere. */
bool gr_code_has_futex_call(const uint8_t *p, const uint8_t *end);

#endif
