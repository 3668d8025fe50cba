/* Errors as values: a code, a message, what the program adds. */
#ifndef GR_API_ERROR_H
#define GR_API_ERROR_H

#include <green/base.h>

/* gr_error_new - into *@out, with a copy of @message. Returns 0, -EINVAL (@code is not negative) or
 * -ENOMEM. */
int gr_error_new(int code, const char *message, void *payload, struct green_error **out);

/* gr_error_free - NULL is allowed. */
void gr_error_free(struct green_error *e);

#endif
