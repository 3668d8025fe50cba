/* What every header of the library begins with: versions, durations, errors. */
#ifndef GREEN_BASE_H
#define GREEN_BASE_H

#include <stddef.h>
#include <stdint.h>

/* Of these headers; green_version() has that of the library. */
#define GREEN_VERSION "0.1.0"

#define GREEN_API __attribute__((visibility("default")))

/*
 * GREEN_MS - @n milliseconds. GREEN_S - @n seconds. GREEN_FOREVER - no end.
 *
 * Durations are int64_t nanoseconds. A negative one is as good as 0, so that what is left of a
 * deadline can be given as it is.
 */
#define GREEN_MS(n)   ((int64_t)(n)*1000000)
#define GREEN_S(n)    ((int64_t)(n)*1000000000)
#define GREEN_FOREVER INT64_MAX

/* Why a greenlet or a result failed. In C++ it is written struct green_error. */
struct green_error {
    int code;            /* negative: -EIO, ... */
    const char *message; /* NULL: none was given */
    void *payload;       /* whatever the program gave, which goes on to own it; may be NULL */
};

#endif
