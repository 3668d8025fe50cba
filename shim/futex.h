/* futex(2) for callers of syscall(2). */
#ifndef GR_SHIM_FUTEX_H
#define GR_SHIM_FUTEX_H

#include <stdint.h>

/*
 * gr_futex - the system call, arguments as there (@arg is the timeout or the second count). A
 * result or -errno. Greens wait in the parking lot, foreign threads in the kernel; a wake reaches
 * both. Switches: on a green, for the operations that wait.
 */
long gr_futex(uint32_t *addr, int op, uint32_t val, uintptr_t arg, uint32_t *addr2, uint32_t val3);

#endif
