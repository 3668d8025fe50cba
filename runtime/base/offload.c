#include "runtime/base/offload.h"

#include <string.h>

/* From the end: only the path of a library may have any characters. */
const char *gr_offload_split(char *text, struct gr_offload_spec *out)
{
    char *equals = strrchr(text, '=');
    if (!equals) {
        return "'=' and a signature are missing";
    }
    *equals = '\0';
    char *colon = strrchr(text, ':');
    if (!colon || colon == text || !colon[1]) {
        *equals = '=';
        return "a library, ':' and a function must stand before the '='";
    }
    *colon = '\0';
    *out = (struct gr_offload_spec){text, colon + 1, equals + 1};
    return NULL;
}
