/*
 * Points that tracers can watch (perf, bpftrace, SystemTap), as notes in the library: provider
 * "greenshim", listed by `readelf -n`. Each is one nop; there are none if <sys/sdt.h> was not there
 * at the build. Arguments should be what a register or memory holds anyway.
 *
 *   park(green, why, key)   the green waits: enum gr_why; what for, as an address
 *   wake(green)             it may go on
 *   switch(from, to)        the carrier goes over from one green to the other; 0: the hub
 */
#ifndef GR_BASE_PROBE_H
#define GR_BASE_PROBE_H

#if __has_include(<sys/sdt.h>)
#include <sys/sdt.h>
#define GR_PROBE1(name, a)       DTRACE_PROBE1(greenshim, name, a)
#define GR_PROBE2(name, a, b)    DTRACE_PROBE2(greenshim, name, a, b)
#define GR_PROBE3(name, a, b, c) DTRACE_PROBE3(greenshim, name, a, b, c)
#else
#define GR_PROBE1(name, a)       ((void)0)
#define GR_PROBE2(name, a, b)    ((void)0)
#define GR_PROBE3(name, a, b, c) ((void)0)
#endif

#endif
