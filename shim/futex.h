/* futex(2) for callers of syscall(2). */
#ifndef GR_SHIM_FUTEX_H
#define GR_SHIM_FUTEX_H

#include <stdint.h>
#include <sys/types.h>

/*
 * gr_futex - the system call, arguments as there (@arg is the timeout or the second count). A
 * result or -errno. Greens wait in the parking lot, foreign threads in the kernel; a wake reaches
 * both. Switches: on a green, for the operations that wait.
 */
long gr_futex(uint32_t *addr, int op, uint32_t val, uintptr_t arg, uint32_t *addr2, uint32_t val3);

/*
 * gr_futex_waitv - futex_waitv(2) on a green, arguments as there: which of @waiters was woken, or
 * -errno. A kernel thread waits in the green's place, as a wake reaches the kernel too. Switches.
 */
struct timespec;
long gr_futex_waitv(const void *waiters, unsigned n, unsigned flags, const struct timespec *abs,
                    clockid_t clock);

#endif
