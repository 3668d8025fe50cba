/* The clocks, as found by name; shim/real.c knows better. */
#include "runtime/base/clock.h"

gr_clock_fn *gr_clock_kernel = clock_gettime;
gr_clock_fn *gr_clock_callers = clock_gettime;
