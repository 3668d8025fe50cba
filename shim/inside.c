/*
 * What libc calls inside itself under names of its own: the forms of read, write, open and close
 * that are no cancellation points, and the lock of streams, malloc, the resolver and all the rest.
 */
#include "runtime/core/lot.h"
#include "shim/io.h"

#include <fcntl.h>
#include <linux/futex.h>

/* Calls made while this is in scope do not act upon a request to cancel the green. */
struct uncancelled {
    struct green *g;
    bool disabled;
};

static struct uncancelled begin_uncancelled(struct green *g)
{
    struct uncancelled u = {g, g->cancel_disabled};
    g->cancel_disabled = true;
    return u;
}

static void end_uncancelled(const struct uncancelled *u)
{
    u->g->cancel_disabled = u->disabled;
}

#define UNCANCELLED(g)                                                                             \
    struct uncancelled u __attribute__((cleanup(end_uncancelled))) = begin_uncancelled(g);         \
    (void)u

ssize_t __read_nocancel(int fd, void *buf, size_t n)
{
    struct green *g = gr_on_green();
    if (!g) {
        return real.__read_nocancel(fd, buf, n);
    }
    GR_COUNT(__read_nocancel);
    UNCANCELLED(g);
    return gr_read_on(fd, buf, n);
}

ssize_t __write_nocancel(int fd, const void *buf, size_t n)
{
    struct green *g = gr_on_green();
    if (!g) {
        return real.__write_nocancel(fd, buf, n);
    }
    GR_COUNT(__write_nocancel);
    UNCANCELLED(g);
    return gr_write_on(fd, buf, n);
}

int __open64_nocancel(const char *path, int flags, ...)
{
    mode_t mode = 0;
    GR_TAKE_MODE(mode, flags);
    struct green *g = gr_on_green();
    if (!g) {
        return real.__open64_nocancel(path, flags, mode);
    }
    GR_COUNT(__open64_nocancel);
    UNCANCELLED(g);
    return gr_open_on(AT_FDCWD, path, flags, mode);
}

int __close_nocancel(int fd)
{
    if (!gr_on_green()) {
        return real.__close_nocancel(fd);
    }
    GR_COUNT(__close_nocancel);
    return gr_close_on(fd);
}

/*
 * The lock word is 0: free, 1: held, 2: held and somebody may wait. Whoever finds it held comes
 * here; whoever lets go of a 2 calls the other. Greens wait in the lot and kernel threads in the
 * kernel, so a wake looks in both.
 */
void __lll_lock_wait_private(int *lock)
{
    if (!gr_on_green()) {
        real.__lll_lock_wait_private(lock);
        return;
    }
    GR_COUNT(__lll_lock_wait_private);
    while (__atomic_exchange_n(lock, 2, __ATOMIC_ACQUIRE) != 0) {
        (void)gr_futex_wait((const uint32_t *)lock, 2, GR_FUTEX_ALL, GR_FOREVER, 0, GR_WHY_LIBC);
    }
}

void __lll_lock_wake_private(int *lock)
{
    if (!gr_active || gr_futex_wake((const uint32_t *)lock, 1, GR_FUTEX_ALL) == 0) {
        (void)GR_SYS(SYS_futex, lock, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL, NULL, 0);
    }
}
