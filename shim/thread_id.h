/* Ids of threads in calls that take one: greens have ids that the kernel does not know. */
#ifndef GR_SHIM_THREAD_ID_H
#define GR_SHIM_THREAD_ID_H

#include "runtime/core/tid.h"
#include "shim/shim.h"

/* gr_carrier_of - the kernel thread that runs the live green @id; @id itself if there is none. */
pid_t gr_carrier_of(pid_t id);

/* gr_kernel_tid - what the kernel is to be asked about when the program says @id. */
static inline pid_t gr_kernel_tid(pid_t id)
{
    return GR_UNLIKELY(gr_tid_is_ours(id)) ? gr_carrier_of(id) : id;
}

#endif
