/* Objects that make threads, each looked at once. */
#include "shim/maker.h"

#include "runtime/base/compiler.h"
#include "shim/image.h"

#include <string.h>

#define N_MAKERS  16
#define LOOK_BACK 48 /* bytes between the number of a system call and the call */

static struct {
    struct gr_text text;
    bool kernel_threads;
} makers[N_MAKERS];
static unsigned n_makers;
static struct gr_text latest; /* that needs none */

#if defined(__x86_64__)
/* mov $SYS_futex, into whatever register; some way behind it, syscall */
static bool has_futex_call(const uint8_t *p, const uint8_t *end)
{
    const uint8_t *begin = p;
    while ((p = memmem(p, (size_t)(end - p), "\x0f\x05", 2))) {
        const uint8_t *from = p - begin > LOOK_BACK ? p - LOOK_BACK : begin;
        for (const uint8_t *q = from; q + 5 <= p; q++) {
            if ((*q & 0xf8) == 0xb8 && memcmp(q + 1, "\xca\0\0\0", 4) == 0) {
                return true;
            }
        }
        p += 2;
    }
    return false;
}
#else
static bool has_futex_call(const uint8_t *p, const uint8_t *end)
{
    (void)p;
    (void)end;
    return false;
}
#endif

static GR_NOINLINE bool look_at(const void *caller)
{
    struct gr_image im;
    if (!gr_image_of(caller, &im)) {
        return false;
    }
    bool found = has_futex_call((const uint8_t *)im.text.start, (const uint8_t *)im.text.end);
    if (n_makers < N_MAKERS) {
        makers[n_makers].text = im.text;
        makers[n_makers].kernel_threads = found;
        n_makers++;
    }
    return found;
}

bool gr_maker_needs_kernel_threads(const void *caller)
{
    uintptr_t at = (uintptr_t)caller;
    if (at - latest.start < latest.end - latest.start) {
        return false;
    }
    for (unsigned i = 0; i < n_makers; i++) {
        if (at >= makers[i].text.start && at < makers[i].text.end) {
            latest = makers[i].kernel_threads ? latest : makers[i].text;
            return makers[i].kernel_threads;
        }
    }
    return look_at(caller);
}
