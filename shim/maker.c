/* Objects that make threads, each looked at once. */
#include "shim/maker.h"

#include "runtime/base/compiler.h"
#include "shim/futex_code.h"
#include "shim/image.h"

#define N_MAKERS 16

static struct {
    struct gr_text text;
    bool kernel_threads;
} makers[N_MAKERS];
static unsigned n_makers;
static struct gr_text latest; /* that needs none */

static GR_NOINLINE bool look_at(const void *caller)
{
    struct gr_image im;
    if (!gr_image_of(caller, &im)) {
        return false;
    }
    bool found =
        gr_code_has_futex_call((const uint8_t *)im.text.start, (const uint8_t *)im.text.end);
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
