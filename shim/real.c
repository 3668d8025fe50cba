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
#include <string.h>

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

/* The first behind us; the first of all if we are behind libc, by the order in which a program is
 * linked. If it is libc's, in the version that is meant; a preloaded library's has none. */
static void *find(const char *name, const char *version)
{
    int saved = errno;
    void *where = RTLD_NEXT;
    void *fn = dlsym(where, name);
    if (!fn) {
        where = RTLD_DEFAULT;
        fn = dlsym(where, name);
        fn = fn && in_one_object(fn, (const void *)missing) ? NULL : fn;
    }
    void *pinned = version ? dlvsym(where, name, version) : NULL;
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

static const struct {
    int first; /* row */
    unsigned parts;
} sections[] = {
#define GR_SECTION(parts) {GR_JOIN(GR_SECTION_, __LINE__), parts},
#define GR_ROW(ret, name, params, args, class, version, reach)
#include "shim/symbols.def"
};

static const struct {
    const char *alias;
    enum gr_row row;
} aliases[] = {
#define GR_ROW(ret, name, params, args, class, version, reach)
#define GR_ALIAS(target, alias) {#alias, GR_ROW_##target},
#include "shim/symbols.def"
};

unsigned gr_row_parts(const struct gr_row_info *row)
{
    size_t i = GR_ARRAY_SIZE(sections);
    while (i && sections[i - 1].first > row - gr_rows) {
        i--;
    }
    return i ? sections[i - 1].parts : GR_BASE;
}

const struct gr_row_info *gr_row_find(const char *name)
{
    for (int i = 0; i < GR_N_ROWS; i++) {
        if (strcmp(gr_rows[i].name, name) == 0) {
            return &gr_rows[i];
        }
    }
    for (size_t i = 0; i < GR_ARRAY_SIZE(aliases); i++) {
        if (strcmp(aliases[i].alias, name) == 0) {
            return &gr_rows[aliases[i].row];
        }
    }
    return NULL;
}

void (*gr_real_find(const char *name))(void)
{
    void *fn = find(name, NULL);
    void (*as_function)(void) = NULL;
    if (fn != (void *)missing) {
        memcpy(&as_function, &fn, sizeof(fn));
    }
    return as_function;
}

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
