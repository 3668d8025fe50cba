/* <green/monkey.h>: which parts are patched, and patching them later. */
#include <green/monkey.h>

#include "runtime/base/config.h"
#include "runtime/base/log.h"
#include "shim/body.h"
#include "shim/shim.h"

#include <string.h>

#define PUBLIC (GR_ALL_PARTS & ~GR_BASE)

static const char *const part_names[] = {"os",  "io",     "thread",     "time",  "socket",
                                         "dns", "select", "subprocess", "signal"};

_Static_assert(1U << (GR_ARRAY_SIZE(part_names) - 1) == GREEN_SIGNAL, "a name for each part");

/* Those whose calls come to us. */
static unsigned patched(void)
{
    return gr_at_start && gr_config.enabled ? GR_ALL_PARTS : gr_body_parts;
}

static int patch(unsigned parts)
{
    if (!gr_config.enabled) {
        return -ENOTSUP;
    }
    if ((patched() & parts) == parts) {
        return 0;
    }
    int saved = errno;
    struct green *g = gr_self;
    if (g) {
        gr_enter(g);
    }
    gr_body_lock();
    int rc = gr_body_install(parts);
    gr_body_unlock();
    if (g) {
        gr_leave(g);
    }
    if (rc) {
        gr_log("libc's calls are not patched: %s", gr_body_refusal());
    }
    errno = saved;
    return rc;
}

int green_patch_all(unsigned without)
{
    unsigned parts = PUBLIC & ~without;
    return (without & ~PUBLIC) || !parts ? -EINVAL : patch(parts);
}

int green_patch_socket(unsigned without)
{
    if (without & ~(unsigned)GREEN_DNS) {
        return -EINVAL;
    }
    return patch(GREEN_SOCKET | (GREEN_DNS & ~without));
}

int green_patch_os(void)
{
    return patch(GREEN_OS);
}

int green_patch_io(void)
{
    return patch(GREEN_IO);
}

int green_patch_thread(void)
{
    return patch(GREEN_THREAD);
}

int green_patch_time(void)
{
    return patch(GREEN_TIME);
}

int green_patch_dns(void)
{
    return patch(GREEN_DNS);
}

int green_patch_select(void)
{
    return patch(GREEN_SELECT);
}

int green_patch_subprocess(void)
{
    return patch(GREEN_SUBPROCESS);
}

int green_patch_signal(void)
{
    return patch(GREEN_SIGNAL);
}

int green_is_patched(const char *name)
{
    if (!name) {
        return 0;
    }
    for (size_t i = 0; i < GR_ARRAY_SIZE(part_names); i++) {
        if (strcmp(part_names[i], name) == 0) {
            return (patched() & 1U << i) != 0;
        }
    }
    const struct gr_row_info *row = gr_row_find(name);
    return row && row->class != GR_PASSED && !gr_row_missing(row) &&
           (gr_row_parts(row) & patched()) != 0;
}

void (*green_get_original(const char *name))(void)
{
    const struct gr_row_info *row = name ? gr_row_find(name) : NULL;
    if (!row) {
        return name ? gr_real_find(name) : NULL;
    }
    void (*fn)(void) = NULL;
    if (!gr_row_missing(row)) {
        memcpy(&fn, gr_row_slot(row), sizeof(fn));
    }
    return fn;
}
