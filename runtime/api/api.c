#include "runtime/api/api.h"

#include "runtime/api/stuck.h"
#include "runtime/base/log.h"
#include "runtime/core/rest.h"
#include "runtime/core/tls.h"

int gr_api_start(void)
{
    const char *why;
    if (!gr_rest_on_stuck) {
        gr_rest_on_stuck = gr_report_stuck;
    }
    if (gr_active) {
        return 0;
    }
    if (!gr_on_main_thread()) {
        return -ENOTSUP; /* green threads are main's, and those that they make */
    }
    gr_tls_snapshot(); /* done long ago, unless the program is linked with the runtime alone */
    int rc = gr_runtime_start(&why);
    if (rc) {
        gr_log("no green threads: %s", why);
    }
    return rc;
}

int gr_api_wait_for(struct gr_bucket *b, struct gr_waiter *w, int64_t timeout, enum gr_why why)
{
    if (timeout <= 0) {
        gr_lot_unlock(b);
        return -EAGAIN;
    }
    return gr_api_result(gr_lot_wait(b, w, gr_api_deadline(timeout), GR_API_PARK, why));
}
