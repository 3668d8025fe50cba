/* Which clock_gettime is the kernel's, and which our callers'. */
#include "runtime/base/clock.h"

#include <dlfcn.h>
#include <gnu/lib-names.h>

gr_clock_fn *gr_clock_kernel = clock_gettime;
gr_clock_fn *gr_clock_callers = clock_gettime;

void gr_clock_init(void)
{
    void *libc = dlopen(LIBC_SO, RTLD_LAZY | RTLD_NOLOAD);
    if (!libc) {
        return;
    }
    void *kernel = dlsym(libc, "clock_gettime");
    void *callers = dlsym(RTLD_NEXT, "clock_gettime");
    if (kernel && callers) {
        gr_clock_kernel = (gr_clock_fn *)kernel;
        gr_clock_callers = (gr_clock_fn *)callers;
    }
    (void)dlclose(libc);
}
