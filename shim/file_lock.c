/*
 * <sys/file.h>, <fcntl.h>, <unistd.h>: locks on files.
 *
 * They belong to the open file description or to the process, so any kernel thread may take them.
 * The kernel looks for deadlocks among those that wait in it, which a stand-in does.
 */
#include "shim/kernel_wait.h"
#include "shim/shim.h"

#include <fcntl.h>
#include <sys/file.h>

/*
 * flock - <sys/file.h>; flock(2)
 * Class:    YIELD unless LOCK_NB.
 * Waits:    until the lock is free, or a handler without SA_RESTART ran (EINTR). Not a cancellation
 * point.
 */
GR_SHIM int flock(int fd, int operation)
{
    if (!gr_on_green()) {
        return real.flock(fd, operation);
    }
    GR_COUNT(flock);
    if (operation & (LOCK_NB | LOCK_UN)) {
        gr_hub_charge();
        return real.flock(fd, operation);
    }
    struct gr_kernel_wait w = {.call = {SYS_flock, {fd, operation}},
                               .attempt = {SYS_flock, {fd, operation | LOCK_NB}},
                               .would_block = EWOULDBLOCK,
                               .restarts = true,
                               .flags = GR_SIGNAL,
                               .deadline = GR_FOREVER};
    return (int)gr_ret(gr_kernel_wait(&w));
}

/* POSIX lets F_SETLK fail with EACCES as well; Linux says EAGAIN. */
long gr_lock_record(int fd, int cmd, struct flock *lock)
{
    int no_wait = cmd == F_SETLKW ? F_SETLK : F_OFD_SETLK;
    struct gr_kernel_wait w = {.call = {SYS_fcntl, {fd, cmd, (long)lock}},
                               .attempt = {SYS_fcntl, {fd, no_wait, (long)lock}},
                               .would_block = EAGAIN,
                               .restarts = true,
                               .flags = GR_INTR,
                               .deadline = GR_FOREVER};
    return gr_kernel_wait(&w);
}

/*
 * lockf - <unistd.h>; POSIX.1-2024 lockf(); lockf(3)
 * Class:    YIELD with F_LOCK.
 * Waits:    as fcntl() with F_SETLKW, of which it is a form. A cancellation point.
 */
GR_SHIM int lockf(int fd, int cmd, off_t len)
{
    if (!gr_on_green() || cmd != F_LOCK) {
        return real.lockf(fd, cmd, len);
    }
    GR_CANCEL_POINT(lockf);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_CUR, .l_len = len};
    return (int)gr_ret(gr_lock_record(fd, F_SETLKW, &lock));
}
