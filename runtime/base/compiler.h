/* Compiler attributes and small helpers that every layer uses. */
#ifndef GR_BASE_COMPILER_H
#define GR_BASE_COMPILER_H

#include <stddef.h>
#include <stdint.h>

#define GR_LIKELY(x)   __builtin_expect(!!(x), 1)
#define GR_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define GR_NOINLINE    __attribute__((noinline))
#define GR_NORETURN    __attribute__((noreturn))
#define GR_HOT         __attribute__((hot))
#define GR_COLD        __attribute__((cold, noinline))
#define GR_UNUSED      __attribute__((unused))
#define GR_WEAK        __attribute__((weak))
#define GR_NODISCARD   __attribute__((warn_unused_result))

/* Thread-local words of ours live in the static TLS block, one load away from the thread pointer.
 */
#define GR_TLS __thread __attribute__((tls_model("initial-exec")))

/*
 * Fetch the cache line at @p, which will be written to. A statement that must not go away: gcc
 * drops calls of functions that do nothing but __builtin_prefetch().
 */
#define GR_FETCH(p)                                                                                \
    do {                                                                                           \
        __builtin_prefetch((p), 1);                                                                \
        __asm__ volatile("");                                                                      \
    } while (0)

#define GR_CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define GR_FITS(a, b)                      _Static_assert(sizeof(a) <= sizeof(b), "must fit")
#define GR_ARRAY_SIZE(a)                   (sizeof(a) / sizeof((a)[0]))

static inline uintptr_t gr_align_up(uintptr_t n, uintptr_t align)
{
    return (n + align - 1) & ~(align - 1);
}

static inline uintptr_t gr_align_down(uintptr_t n, uintptr_t align)
{
    return n & ~(align - 1);
}

#endif
