/* Writing into the text of the running program. */
#ifndef GR_SHIM_TEXT_H
#define GR_SHIM_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gr_patch {
    uint8_t *at;
    const uint8_t *bytes;
    size_t n;
};

/* A mapping of text, whole pages. */
struct gr_text {
    uintptr_t start;
    uintptr_t end;
};

/*
 * gr_text_write - write @patches, in ascending order and each within one of @texts; every page
 * stays executable throughout. Nothing else may run. Returns the way that it took, in words, or
 * NULL: no way is open, nothing has changed.
 */
const char *gr_text_write(const struct gr_patch *patches, size_t n, const struct gr_text *texts,
                          size_t n_texts);

#endif
