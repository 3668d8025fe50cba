/*
 * The slots of the table: each starts as a stub that finds the real function behind us, keeps it in
 * the slot, and calls on. Nothing has to be initialised before the first call, and a process pays
 * only for what it uses.
 */
#include "shim/symbols.h"

#include "runtime/base/compiler.h"

#include <dlfcn.h>
#include <errno.h>

static int missing(void)
{
    errno = ENOSYS;
    return -1;
}

static void *find(const char *name, const char *version)
{
    int saved = errno;
    void *fn = version ? dlvsym(RTLD_NEXT, name, version) : NULL;
    if (!fn) {
        fn = dlsym(RTLD_NEXT, name);
    }
    errno = saved;
    return fn ? fn : (void *)missing;
}

static void resolve(void *slot, const char *name, const char *version)
{
    __atomic_store_n((void **)slot, find(name, version), __ATOMIC_RELEASE);
}

#define STUB(ret, name, params, args, version)                                                     \
    static ret stub_##name params                                                                  \
    {                                                                                              \
        resolve(&real.name, #name, version);                                                       \
        return real.name args;                                                                     \
    }

#define GR_FN(ret, name, params, args, class)       STUB(ret, name, params, args, NULL)
#define GR_FNV(ret, name, params, args, class, ver) STUB(ret, name, params, args, ver)
#define GR_OPT(ret, name, params, args, class)      STUB(ret, name, params, args, NULL)
#define GR_ALIAS(target, alias)
#define GR_PASS(name, reason)
#include "shim/symbols.def"
#undef GR_FN
#undef GR_FNV
#undef GR_OPT
#undef GR_ALIAS
#undef GR_PASS

struct gr_real real = {
#define GR_FN(ret, name, params, args, class)       .name = stub_##name,
#define GR_FNV(ret, name, params, args, class, ver) .name = stub_##name,
#define GR_OPT(ret, name, params, args, class)      .name = stub_##name,
#define GR_ALIAS(target, alias)
#define GR_PASS(name, reason)
#include "shim/symbols.def"
#undef GR_FN
#undef GR_FNV
#undef GR_OPT
#undef GR_ALIAS
#undef GR_PASS
};

const struct gr_row_info gr_rows[GR_N_ROWS] = {
#define GR_FN(ret, name, params, args, class)       {#name, class},
#define GR_FNV(ret, name, params, args, class, ver) {#name, class},
#define GR_OPT(ret, name, params, args, class)      {#name, class},
#define GR_ALIAS(target, alias)
#define GR_PASS(name, reason)
#include "shim/symbols.def"
#undef GR_FN
#undef GR_FNV
#undef GR_OPT
#undef GR_ALIAS
#undef GR_PASS
};

/* NOLINTNEXTLINE(readability-function-size): one line for each row */
void gr_real_resolve(void)
{
#define GR_FN(ret, name, params, args, class)       resolve(&real.name, #name, NULL);
#define GR_FNV(ret, name, params, args, class, ver) resolve(&real.name, #name, ver);
#define GR_OPT(ret, name, params, args, class)      resolve(&real.name, #name, NULL);
#define GR_ALIAS(target, alias)
#define GR_PASS(name, reason)
#include "shim/symbols.def"
#undef GR_FN
#undef GR_FNV
#undef GR_OPT
#undef GR_ALIAS
#undef GR_PASS
}
