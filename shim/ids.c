/*
 * Changing user and group ids. libc makes every thread of the process do so, by a signal to each
 * thread it knows; all greens share the carrier, so the call is made once, under the identity of
 * the carrier's own thread.
 */
#include "shim/shim.h"

#include <grp.h>
#include <unistd.h>

/* Not inlined: errno's address is that of the borrowed identity in here, and of the caller outside.
 */
static GR_NOINLINE int call_keeping_errno(int (*fn)(long, long, long), long a, long b, long c,
                                          int *err)
{
    int rc = fn(a, b, c);
    *err = errno;
    return rc;
}

int gr_run_as_carrier(int (*fn)(long, long, long), long a, long b, long c)
{
    struct green *g = gr_self;
    struct green *main = g->hub->main; /* the carrier's own thread descriptor is its */
    if (g == main) {
        return fn(a, b, c);
    }
    g->crit++;
    main->crit++;
    gr_hub_borrow(g, main);
    int err;
    int rc = call_keeping_errno(fn, a, b, c, &err);
    gr_hub_borrow(main, g);
    main->crit--;
    g->crit--;
    if (rc) {
        errno = err;
    }
    return rc;
}

#define AS_CARRIER(name, a, b, c)                                                                  \
    (gr_on_green()                                                                                 \
         ? gr_run_as_carrier((int (*)(long, long, long))(void *)real.name, (long)(a), (long)(b),   \
                             (long)(c))                                                            \
         : ((int (*)(long, long, long))(void *)real.name)((long)(a), (long)(b), (long)(c)))

GR_SHIM int setuid(uid_t uid)
{
    return AS_CARRIER(setuid, uid, 0, 0);
}

GR_SHIM int setgid(gid_t gid)
{
    return AS_CARRIER(setgid, gid, 0, 0);
}

GR_SHIM int seteuid(uid_t uid)
{
    return AS_CARRIER(seteuid, uid, 0, 0);
}

GR_SHIM int setegid(gid_t gid)
{
    return AS_CARRIER(setegid, gid, 0, 0);
}

GR_SHIM int setreuid(uid_t ruid, uid_t euid)
{
    return AS_CARRIER(setreuid, ruid, euid, 0);
}

GR_SHIM int setregid(gid_t rgid, gid_t egid)
{
    return AS_CARRIER(setregid, rgid, egid, 0);
}

GR_SHIM int setresuid(uid_t ruid, uid_t euid, uid_t suid)
{
    return AS_CARRIER(setresuid, ruid, euid, suid);
}

GR_SHIM int setresgid(gid_t rgid, gid_t egid, gid_t sgid)
{
    return AS_CARRIER(setresgid, rgid, egid, sgid);
}

GR_SHIM int setgroups(size_t n, const gid_t *list)
{
    return AS_CARRIER(setgroups, n, list, 0);
}

GR_SHIM int initgroups(const char *user, gid_t group)
{
    return AS_CARRIER(initgroups, user, group, 0);
}
