#include "runtime/api/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int gr_error_new(int code, const char *message, void *payload, struct green_error **out)
{
    if (code >= 0) {
        return -EINVAL;
    }
    size_t n = message ? strlen(message) + 1 : 0;
    struct green_error *e = malloc(sizeof(*e) + n); /* the message lies behind it */
    if (!e) {
        return -ENOMEM;
    }
    *e = (struct green_error){
        .code = code, .message = n ? memcpy(e + 1, message, n) : NULL, .payload = payload};
    *out = e;
    return 0;
}

void gr_error_free(struct green_error *e)
{
    free(e);
}
