/* The public functions of <green/green.h>. */
#include <green/green.h>

#include "runtime/base/log.h"
#include "runtime/core/hub.h"
#include "runtime/core/tls.h"
#include "runtime/svc/watchdog.h"

#include <errno.h>

const char *green_version(void)
{
    return GREEN_VERSION;
}

int green_spawn(void *(*fn)(void *), void *arg, struct green **out)
{
    if (!gr_active) {
        const char *why;
        gr_tls_snapshot(); /* done long ago, unless the program is linked with the runtime alone */
        int rc = gr_runtime_start(&why);
        if (rc) {
            gr_log("no green threads: %s", why);
            return rc;
        }
    }
    struct gr_green_attr attr = {.guard_size = 4096};
    struct green *g;
    int rc = gr_hub_here() ? gr_green_new(&attr, fn, arg, &g) : -ENOTSUP;
    if (rc == 0) {
        gr_watchdog_start();
        gr_green_start(g);
        *out = g;
    }
    return rc;
}

int green_join(struct green *g, void **value_out, int64_t timeout)
{
    return gr_green_join(g, value_out,
                         timeout == GREEN_FOREVER ? GR_FOREVER : gr_deadline_in(timeout));
}

int green_sleep(int64_t duration)
{
    if (duration <= 0) {
        gr_yield();
        return 0;
    }
    int rc = gr_sleep_until(gr_deadline_in(duration), GR_INTR);
    return rc == -GR_ERESTART ? -EINTR : rc;
}

struct green *green_current(void)
{
    return gr_self;
}

uint64_t green_id(const struct green *g)
{
    return g->id;
}
