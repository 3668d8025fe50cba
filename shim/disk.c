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
#include <sys/uio.h>

#define LARGEST 0x7ffff000UL /* the kernel's own limit on one transfer, MAX_RW_COUNT */

/* --- reading at a position --- */

static bool ends_at(int fd, off_t off)
{
    char c;
    struct iovec v = {&c, 1};
    return GR_SYS(SYS_preadv2, fd, &v, 1, off, 0, RWF_NOWAIT) == 0;
}

static long length(const struct iovec *v, int n)
{
    size_t sum = 0;
    for (int i = 0; i < n; i++) {
        sum += v[i].iov_len;
    }
    return (long)(sum < LARGEST ? sum : LARGEST);
}

/*
 * The program's call @c, which reads to @v. If the page cache has all of it that was it; else the
 * call is made, whole, on a stand-in. At a position that changes no result; at the current one,
 * as read() does, the pieces would not be one for others who share it.
 */
static long read_at(const struct gr_syscall *c, const struct iovec *v, int n, off_t off)
{
    int fd = (int)c->arg[0];
    if (off < 0 || gr_hub_quiet() || gr_cancelled(gr_self, GR_CANCEL)) {
        return off < 0 ? gr_syscall_make(c) : gr_kernel_disk(c, GR_CANCEL);
    }
    long rc = GR_SYS(SYS_preadv2, fd, v, n, off, 0, RWF_NOWAIT);
    if (rc == -EAGAIN || (rc > 0 && rc < length(v, n) && !ends_at(fd, off + rc))) {
        return gr_kernel_disk(c, GR_CANCEL);
    }
    gr_hub_charge();
    return rc == -EOPNOTSUPP || rc == -ENOSYS ? gr_syscall_make(c) : rc;
}

/*
 * pread - <unistd.h>, <sys/uio.h>; POSIX.1-2024 pread(); readv(2)
 * Class:    OFFLOAD if the disk must be asked. Cancellation points.
 */
GR_SHIM ssize_t pread(int fd, void *buf, size_t n, off_t off)
{
    if (!gr_on_green()) {
        return real.pread(fd, buf, n, off);
    }
    GR_CANCEL_POINT(pread);
    struct iovec v = {buf, n};
    struct gr_syscall c = {SYS_pread64, {fd, (long)buf, (long)n, off}};
    return gr_ret(read_at(&c, &v, 1, off));
}

extern void __chk_fail(void) GR_NORETURN;

GR_SHIM ssize_t __pread_chk(int fd, void *buf, size_t n, off_t off, size_t size)
{
    if (n > size) {
        __chk_fail();
    }
    return pread(fd, buf, n, off);
}

GR_SHIM ssize_t preadv(int fd, const struct iovec *v, int n, off_t off)
{
    if (!gr_on_green()) {
        return real.preadv(fd, v, n, off);
    }
    GR_CANCEL_POINT(preadv);
    struct gr_syscall c = {SYS_preadv, {fd, (long)v, n, off}};
    return gr_ret(read_at(&c, v, n, off));
}

/* --- writing back --- */

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
