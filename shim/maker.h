/* Who makes a thread decides of which kind it has to be. */
#ifndef GR_SHIM_MAKER_H
#define GR_SHIM_MAKER_H

#include <stdbool.h>

/*
 * gr_maker_needs_kernel_threads - @caller is code that calls pthread_create(). Does the object it
 * belongs to wait on futexes by system calls of its own instructions, as libgomp does? Nobody sees
 * these, and a green in one would stop all that might wake it. Never switches.
 */
bool gr_maker_needs_kernel_threads(const void *caller);

#endif
