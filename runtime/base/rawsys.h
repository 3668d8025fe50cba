/* System calls without libc: usable before anything is resolved, from handlers, and where a hook
 * must not be re-entered. */
#ifndef GR_BASE_RAWSYS_H
#define GR_BASE_RAWSYS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/uio.h>

/* Returns the kernel's answer: a result, or -errno. errno is not touched. */
#ifdef __clang_analyzer__
/* The analyser cannot know that the kernel writes through pointers; an unknown function may. */
long gr_syscall6(long nr, long a, long b, long c, long d, long e, long f);
#else
static inline long gr_syscall6(long nr, long a, long b, long c, long d, long e, long f)
{
#if defined(__x86_64__)
    long ret;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(ret)
                     : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return ret;
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = nr;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc #0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    return x0;
#else
#error "unsupported machine"
#endif
}
#endif

/* A system call to be made later, or elsewhere: its number and arguments. */
struct gr_syscall {
    long nr;
    long arg[6];
};

static inline long gr_syscall_make(const struct gr_syscall *c)
{
    return gr_syscall6(c->nr, c->arg[0], c->arg[1], c->arg[2], c->arg[3], c->arg[4], c->arg[5]);
}

/* GR_SYS(nr, up to six arguments) */
#define GR_SYS(...) GR_SYS_(__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define GR_SYS_(nr, a, b, c, d, e, f, ...)                                                         \
    gr_syscall6((long)(nr), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

/* gr_peek - copy @n bytes of our own memory that may have been unmapped. 0 or -errno. */
static inline int gr_peek(void *to, const void *from, size_t n)
{
    struct iovec local = {.iov_base = to, .iov_len = n};
    struct iovec remote = {.iov_base = (void *)from, .iov_len = n};
    long rc = GR_SYS(SYS_process_vm_readv, GR_SYS(SYS_getpid), &local, 1, &remote, 1, 0);
    return rc < 0 ? (int)rc : rc == (long)n ? 0 : -14; /* EFAULT */
}

#endif
