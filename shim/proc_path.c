/*
 * Files below /proc by path: /proc/self/task/TID/... and /proc/TID/... of a green are its
 * carrier's. Opening them is in fd.c.
 */
#include "shim/proc_path.h"

#include "shim/syscall.h"
#include "shim/thread_id.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>

bool gr_proc_path(const char **path, char buf[GR_PROC_PATH_MAX])
{
    if (GR_LIKELY(errno != ENOENT || strncmp(*path, "/proc/", 6) != 0)) {
        return false;
    }
    for (const char *at = *path + 5; at; at = strchr(at + 1, '/')) {
        long id = 0;
        const char *end = at + 1;
        while (*end >= '0' && *end <= '9' && id < GR_TID_LIMIT) {
            id = id * 10 + *end++ - '0';
        }
        bool is_id = end > at + 1 && (!*end || *end == '/') && id < GR_TID_LIMIT;
        if (!is_id || !gr_tid_is_ours((int)id) || strcmp(end, "/comm") == 0) {
            continue; /* the name is the green's own: not the carrier's */
        }
        int n = snprintf(buf, GR_PROC_PATH_MAX, "%.*s%d%s", (int)(at + 1 - *path), *path,
                         gr_kernel_tid((int)id), end);
        if (n >= GR_PROC_PATH_MAX) {
            return false;
        }
        *path = buf;
        return true;
    }
    return false;
}

/*
 * stat, lstat, fstatat, statx, access, faccessat, euidaccess, readlink, readlinkat, statfs,
 * opendir - <sys/stat.h>, <unistd.h>, <sys/statfs.h>, <dirent.h>
 * Class:    TRACK.
 */
GR_SHIM int stat(const char *path, struct stat *st)
{
    return GR_WITH_PROC_PATH(path, -1, real.stat(path, st));
}

GR_SHIM int lstat(const char *path, struct stat *st)
{
    return GR_WITH_PROC_PATH(path, -1, real.lstat(path, st));
}

GR_SHIM int fstatat(int dir, const char *path, struct stat *st, int flags)
{
    return GR_WITH_PROC_PATH(path, -1, real.fstatat(dir, path, st, flags));
}

/* What programs call that were built with glibc before 2.33. */
GR_SHIM int __xstat(int version, const char *path, struct stat *st)
{
    return GR_WITH_PROC_PATH(path, -1, real.__xstat(version, path, st));
}

GR_SHIM int __lxstat(int version, const char *path, struct stat *st)
{
    return GR_WITH_PROC_PATH(path, -1, real.__lxstat(version, path, st));
}

GR_SHIM int __fxstatat(int version, int dir, const char *path, struct stat *st, int flags)
{
    return GR_WITH_PROC_PATH(path, -1, real.__fxstatat(version, dir, path, st, flags));
}

GR_SHIM int statx(int dir, const char *path, int flags, unsigned mask, struct statx *stx)
{
    return GR_WITH_PROC_PATH(path, -1, real.statx(dir, path, flags, mask, stx));
}

GR_SHIM int access(const char *path, int mode)
{
    return GR_WITH_PROC_PATH(path, -1, real.access(path, mode));
}

GR_SHIM int faccessat(int dir, const char *path, int mode, int flags)
{
    return GR_WITH_PROC_PATH(path, -1, real.faccessat(dir, path, mode, flags));
}

GR_SHIM int euidaccess(const char *path, int mode)
{
    return GR_WITH_PROC_PATH(path, -1, real.euidaccess(path, mode));
}

GR_SHIM ssize_t readlink(const char *path, char *buf, size_t size)
{
    return GR_WITH_PROC_PATH(path, -1, real.readlink(path, buf, size));
}

GR_SHIM ssize_t readlinkat(int dir, const char *path, char *buf, size_t size)
{
    return GR_WITH_PROC_PATH(path, -1, real.readlinkat(dir, path, buf, size));
}

GR_SHIM ssize_t __readlink_chk(const char *path, char *buf, size_t size, size_t room)
{
    return GR_WITH_PROC_PATH(path, -1, real.__readlink_chk(path, buf, size, room));
}

GR_SHIM ssize_t __readlinkat_chk(int dir, const char *path, char *buf, size_t size, size_t room)
{
    return GR_WITH_PROC_PATH(path, -1, real.__readlinkat_chk(dir, path, buf, size, room));
}

GR_SHIM int statfs(const char *path, struct statfs *st)
{
    return GR_WITH_PROC_PATH(path, -1, real.statfs(path, st));
}

GR_SHIM DIR *opendir(const char *path)
{
    return GR_WITH_PROC_PATH(path, NULL, real.opendir(path));
}

/* --- by number --- */

/* Which argument is a path? -1: none. */
static int path_argument(long nr)
{
    switch (nr) {
    case SYS_stat:
    case SYS_lstat:
    case SYS_access:
    case SYS_readlink:
    case SYS_statfs:
        return 0;
    case SYS_newfstatat:
    case SYS_statx:
    case SYS_faccessat:
    case SYS_faccessat2:
    case SYS_readlinkat:
        return 1;
    default:
        return -1;
    }
}

bool gr_call_proc_path(const struct gr_call *s, long *ret)
{
    long arg[] = {s->a, s->b};
    int at = path_argument(s->nr);
    if (at < 0) {
        return false;
    }
    const char *path = (const char *)arg[at];
    *ret = GR_WITH_PROC_PATH(
        path, -1,
        (arg[at] = (long)path, gr_ret(gr_syscall6(s->nr, arg[0], arg[1], s->c, s->d, s->e, s->f))));
    return true;
}
