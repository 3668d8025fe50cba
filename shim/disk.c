/*
 * <unistd.h>, <fcntl.h>, <sys/mman.h>: calls that wait until a disk has done its work.
 *
 * While other threads can run they go to a stand-in. Signals do not cut them short: their handlers
 * run when the call is over, as natively.
 */
#include "shim/kernel_wait.h"
#include "shim/shim.h"

#include <fcntl.h>
#include <sys/mman.h>

/*
 * fsync - <unistd.h>; POSIX.1-2024 fsync(), fdatasync(), sync(); syncfs(2), sync_file_range(2)
 * Class:    OFFLOAD. Cancellation points, but for sync and syncfs.
 */
GR_SHIM int fsync(int fd)
{
    if (!gr_on_green()) {
        return real.fsync(fd);
    }
    GR_CANCEL_POINT(fsync);
    struct gr_syscall c = {SYS_fsync, {fd}};
    return (int)gr_ret(gr_kernel_disk(&c, GR_CANCEL));
}

GR_SHIM int fdatasync(int fd)
{
    if (!gr_on_green()) {
        return real.fdatasync(fd);
    }
    GR_CANCEL_POINT(fdatasync);
    struct gr_syscall c = {SYS_fdatasync, {fd}};
    return (int)gr_ret(gr_kernel_disk(&c, GR_CANCEL));
}

GR_SHIM void sync(void)
{
    if (!gr_on_green()) {
        real.sync();
        return;
    }
    GR_COUNT(sync);
    struct gr_syscall c = {SYS_sync, {0}};
    (void)gr_kernel_disk(&c, 0);
}

GR_SHIM int syncfs(int fd)
{
    if (!gr_on_green()) {
        return real.syncfs(fd);
    }
    GR_COUNT(syncfs);
    struct gr_syscall c = {SYS_syncfs, {fd}};
    return (int)gr_ret(gr_kernel_disk(&c, 0));
}

#define WAIT_FLAGS (SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WAIT_AFTER)

GR_SHIM int sync_file_range(int fd, off64_t offset, off64_t n, unsigned flags)
{
    gr_look_for_cancel();
    if (!gr_on_green() || !(flags & WAIT_FLAGS)) {
        return real.sync_file_range(fd, offset, n, flags);
    }
    GR_COUNT(sync_file_range);
    struct gr_syscall c = {SYS_sync_file_range, {fd, offset, n, flags}};
    return (int)gr_ret(gr_kernel_disk(&c, GR_CANCEL));
}

/* msync - <sys/mman.h>; POSIX.1-2024 msync(). Class: OFFLOAD with MS_SYNC. A cancellation point. */
GR_SHIM int msync(void *addr, size_t n, int flags)
{
    gr_look_for_cancel();
    if (!gr_on_green() || !(flags & MS_SYNC)) {
        return real.msync(addr, n, flags);
    }
    GR_COUNT(msync);
    struct gr_syscall c = {SYS_msync, {(long)addr, (long)n, flags}};
    return (int)gr_ret(gr_kernel_disk(&c, GR_CANCEL));
}

/*
 * fallocate - <fcntl.h>; POSIX.1-2024 posix_fallocate(); fallocate(2)
 * Class:    OFFLOAD. fallocate is a cancellation point.
 */
GR_SHIM int fallocate(int fd, int mode, off_t offset, off_t n)
{
    if (!gr_on_green()) {
        return real.fallocate(fd, mode, offset, n);
    }
    GR_CANCEL_POINT(fallocate);
    struct gr_syscall c = {SYS_fallocate, {fd, mode, offset, n}};
    return (int)gr_ret(gr_kernel_disk(&c, GR_CANCEL));
}

struct reserve {
    int fd;
    off_t offset;
    off_t n;
    int rc;
};

static bool run_reserve(void *arg)
{
    struct reserve *r = arg;
    r->rc = real.posix_fallocate(r->fd, r->offset, r->n);
    return r->rc != EINTR;
}

/* Where the file system cannot do it, libc writes to every block. */
GR_SHIM int posix_fallocate(int fd, off_t offset, off_t n)
{
    if (!gr_on_green() || gr_hub_quiet()) {
        return real.posix_fallocate(fd, offset, n);
    }
    GR_COUNT(posix_fallocate);
    struct reserve r = {.fd = fd, .offset = offset, .n = n};
    (void)gr_standin_run(run_reserve, &r, GR_FOREVER, 0);
    return r.rc;
}

/* copy_file_range - <unistd.h>; copy_file_range(2). Class: OFFLOAD. A cancellation point. */
GR_SHIM ssize_t copy_file_range(int in, off64_t *off_in, int out, off64_t *off_out, size_t n,
                                unsigned flags)
{
    if (!gr_on_green()) {
        return real.copy_file_range(in, off_in, out, off_out, n, flags);
    }
    GR_CANCEL_POINT(copy_file_range);
    struct gr_syscall c = {SYS_copy_file_range,
                           {in, (long)off_in, out, (long)off_out, (long)n, flags}};
    return gr_ret(gr_kernel_disk(&c, GR_CANCEL));
}
