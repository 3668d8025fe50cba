/* Looks for system calls of one kind in machine code, without decoding it. */
#include "shim/futex_code.h"

#if defined(__x86_64__)
#include <string.h>

#define LOOK_BACK 48 /* bytes between the number of a system call and the call */

/* mov $SYS_futex, into whatever register; some way behind it, syscall */
bool gr_code_has_futex_call(const uint8_t *p, const uint8_t *end)
{
    const uint8_t *begin = p;
    while ((p = memmem(p, (size_t)(end - p), "\x0f\x05", 2))) {
        const uint8_t *from = p - begin > LOOK_BACK ? p - LOOK_BACK : begin;
        for (const uint8_t *q = from; q + 5 <= p; q++) {
            if ((*q & 0xf8) == 0xb8 && memcmp(q + 1, "\xca\0\0\0", 4) == 0) {
                return true;
            }
        }
        p += 2;
    }
    return false;
}
#else
bool gr_code_has_futex_call(const uint8_t *p, const uint8_t *end)
{
    (void)p;
    (void)end;
    return false;
}
#endif
