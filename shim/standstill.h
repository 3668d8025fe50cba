/* Doing something while no other thread of the process runs. */
#ifndef GR_SHIM_STANDSTILL_H
#define GR_SHIM_STANDSTILL_H

#include <stdbool.h>
#include <stdint.h>

/*
 * gr_standstill - call @fn(@arg) while the other kernel threads of the process stand still.
 * @may_stop: may a thread stand at this instruction? Otherwise it is let go on a little
 * @fn:       runs in a process of its own on our memory, with the caller's thread pointer, or in
 *            place if there are no other threads; it must not allocate and makes system calls of
 *            its own only. No signal is handled meanwhile
 *
 * Returns NULL, or in words why it was not called. Never switches.
 */
const char *gr_standstill(bool (*may_stop)(uintptr_t pc, void *arg), void (*fn)(void *arg),
                          void *arg);

#endif
