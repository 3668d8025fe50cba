/*
 * The slots of the table: each starts as a stub that finds the real function behind us, keeps it in
 * the slot, and calls on. Nothing has to be initialised before the first call, and a process pays
 * only for what it uses.
 */
#include "shim/symbols.h"

#include "runtime/base/clock.h"
#include "runtime/base/compiler.h"

#include <dlfcn.h>
#include <errno.h>
#include <gnu/lib-names.h>
#include <stddef.h>

static int missing(void)
{
    errno = ENOSYS;
    return -1;
}

static bool in_one_object(const void *a, const void *b)
{
    Dl_info of_a;
    Dl_info of_b;
    return dladdr(a, &of_a) && dladdr(b, &of_b) && of_a.dli_fbase == of_b.dli_fbase;
}

/* The first behind us. If it is libc's, in the version that is meant; a preloaded library's has
 * none. */
static void *find(const char *name, const char *version)
{
    int saved = errno;
    void *fn = dlsym(RTLD_NEXT, name);
    void *pinned = version ? dlvsym(RTLD_NEXT, name, version) : NULL;
    if (fn && pinned && in_one_object(fn, pinned)) {
        fn = pinned;
    }
    errno = saved;
    return fn ? fn : (void *)missing;
}

static void resolve(void *slot, const char *name, const char *version)
{
    __atomic_store_n((void **)slot, find(name, version), __ATOMIC_RELEASE);
}

#define GR_ROW(ret, name, params, args, class, version, reach)                                     \
    static ret stub_##name params                                                                  \
    {                                                                                              \
        resolve(&real.name, #name, version);                                                       \
        return real.name args;                                                                     \
    }
#include "shim/symbols.def"

struct gr_real real = {
#define GR_ROW(ret, name, params, args, class, version, reach) .name = stub_##name,
#include "shim/symbols.def"
};

/* Our functions by names that nobody else's can take the place of: aliases.ld.in. */
#define GR_ROW(ret, name, params, args, class, version, reach)                                     \
    extern void gr_own_##name(void) __attribute__((visibility("hidden")));
#include "shim/symbols.def"

const struct gr_row_info gr_rows[GR_N_ROWS] = {
#define GR_ROW(ret, name, params, args, class, version, reach)                                     \
    {#name, version, gr_own_##name, offsetof(struct gr_real, name), class, GR_REACH_##reach},
#include "shim/symbols.def"
};

void gr_real_resolve(void)
{
    for (int i = 0; i < GR_N_ROWS; i++) {
        const struct gr_row_info *row = &gr_rows[i];
        resolve(gr_row_slot(row), row->name, row->version);
    }
}

void gr_real_clocks(void)
{
    void *libc = dlopen(LIBC_SO, RTLD_LAZY | RTLD_NOLOAD);
    void *kernel = libc ? dlsym(libc, "clock_gettime") : NULL;
    const void *behind = (const void *)real.clock_gettime; /* libc's, our stub, another library's */
    bool is_libcs = !kernel || in_one_object(behind, kernel) ||
                    in_one_object(behind, (const void *)gr_real_clocks);
    gr_clock_callers = real.clock_gettime;
    gr_clock_kernel = is_libcs ? real.clock_gettime : (gr_clock_fn *)kernel;
    if (libc) {
        (void)dlclose(libc);
    }
}

bool gr_row_missing(const struct gr_row_info *row)
{
    return *gr_row_slot(row) == (void *)missing;
}
