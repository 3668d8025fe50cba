/* Results that are filled by others than those who made them. */
#ifndef GR_API_EVENT_H
#define GR_API_EVENT_H

#include <green/event.h>

struct gr_call;

/* gr_result_ref - one more reference, which is returned, to be given to green_result_free(). */
struct green_result *gr_result_ref(struct green_result *r);

/* gr_result_store - @value, or @error, which is @r's from then on. */
void gr_result_store(struct green_result *r, void *value, struct green_error *error);

/* gr_result_keep_call - @c, whose value @r is to hold, is freed with @r. gr_result_call - it, or
 * NULL. */
void gr_result_keep_call(struct green_result *r, struct gr_call *c);
struct gr_call *gr_result_call(const struct green_result *r);

#endif
