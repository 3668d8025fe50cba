/*
 * Where a debugging tool finds the greens of a running process, whose memory it reads from outside.
 *
 * The record lies in a section of its own, so it is found in a stripped library, too. A tool is
 * built from the same headers; the sizes tell whether that is so.
 */
#ifndef GR_CORE_INSPECT_H
#define GR_CORE_INSPECT_H

#include "runtime/core/hub.h"

#define GR_INSPECT_SECTION ".greenshim"
#define GR_INSPECT_MAGIC   "greenshim greens"

struct gr_inspect {
    char magic[16]; /* GR_INSPECT_MAGIC without its end */
    uint32_t hub_size;
    uint32_t green_size;
    uint32_t whys;
    uint32_t name_at;            /* offset in struct green */
    struct gr_hub *const *hubs;  /* the first one */
    const char *const *why_name; /* gr_why_names */
    const char *resumed;         /* program counter of a green that is switched out */
};

extern const struct gr_inspect gr_inspect __attribute__((visibility("hidden")));

#endif
