/* Greenlets that call functions of any type. */
#include <green/call.h>

#include "runtime/api/greenlet.h"
#include "runtime/api/signature.h"

#include <errno.h>

static int spawn(int64_t delay, struct greenlet **out, green_function *fn, const char *signature,
                 va_list ap)
{
    struct gr_call *c;
    struct greenlet *gl;
    int rc = gr_call_new(fn, signature, ap, &c);
    if (rc) {
        return rc;
    }
    rc = green_spawn_later(delay, gr_call_run, c, &gl);
    if (rc) {
        gr_call_free(c);
        return rc;
    }
    gl->call = c;
    if (out) {
        *out = gl;
    } else {
        green_unref(gl);
    }
    return 0;
}

int(green_spawn_call)(struct greenlet **out, green_function *fn, const char *signature, ...)
{
    va_list ap;
    va_start(ap, signature);
    int rc = spawn(0, out, fn, signature, ap);
    va_end(ap);
    return rc;
}

int(green_spawn_call_later)(int64_t delay, struct greenlet **out, green_function *fn,
                            const char *signature, ...)
{
    va_list ap;
    va_start(ap, signature);
    int rc = spawn(delay, out, fn, signature, ap);
    va_end(ap);
    return rc;
}

int green_call_get(struct greenlet *gl, void *out, size_t size, int64_t timeout)
{
    if (!gl->call) {
        return -EINVAL;
    }
    int rc = green_get(gl, NULL, timeout);
    if (rc) {
        return rc;
    }
    if (!gl->call->done) {
        return -ENODATA;
    }
    return out ? gr_call_copy_result(gl->call, out, size) : 0;
}
