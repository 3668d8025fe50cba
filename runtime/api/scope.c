/* Ends and errors from any depth: unwinding, and the scopes that catch it. */
#include "runtime/api/api.h"
#include "runtime/api/error.h"
#include "runtime/api/greenlet.h"
#include "runtime/base/log.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* A place that catches what green_fail() throws. */
struct scope {
    struct scope *outer;
    struct green_error *error;
    bool caught;
};

static GR_TLS struct scope *innermost;

extern void __pthread_unwind_next(__pthread_unwind_buf_t *buf) GR_NORETURN;

/* Runs cleanup handlers and destructors up to the innermost base: of a scope, or of the thread. */
static GR_NORETURN void unwind(void)
{
    __pthread_unwind_buf_t here;
    __pthread_register_cancel(&here); /* links to the base that is to be next */
    __pthread_unwind_next(&here);
}

void green_exit(void *value)
{
    if (gr_self) {
        gr_self->retval = value;
    }
    pthread_exit(value);
}

void green_fail(int code, const char *message, void *payload)
{
    struct green_error *e = NULL;
    if (gr_error_new(code < 0 ? code : -EINVAL, message, payload, &e)) {
        gr_die("no memory for an error");
    }
    if (innermost) {
        innermost->error = e;
        innermost->caught = true;
        unwind();
    }
    struct greenlet *gl = green_current();
    if (gl && !gl->error) {
        gl->error = e;
    } else {
        gr_log("a kernel thread failed: %s (%d)", message ? message : "", code);
        gr_error_free(e);
    }
    green_exit(NULL);
}

int green_try(void *(*fn)(void *), void *arg, void **value_out, struct green_error **error_out)
{
    struct scope s = {.outer = innermost};
    __pthread_unwind_buf_t buf;
    if (__sigsetjmp_cancel(buf.__cancel_jmp_buf, 0) == 0) {
        __pthread_register_cancel(&buf);
        innermost = &s;
        void *value = fn(arg);
        innermost = s.outer;
        __pthread_unregister_cancel(&buf);
        if (value_out) {
            *value_out = value;
        }
        return 0;
    }
    innermost = s.outer;
    if (!s.caught) {
        __pthread_unwind_next(&buf); /* the thread ends: on to the next base */
    }
    __pthread_unregister_cancel(&buf);
    int code = s.error->code;
    if (error_out) {
        *error_out = s.error;
    } else {
        gr_error_free(s.error);
    }
    return code;
}

void green_error_free(struct green_error *e)
{
    gr_error_free(e);
}
