/* The record behind a child process. */
#ifndef GR_API_POPEN_H
#define GR_API_POPEN_H

#include "runtime/api/object.h"
#include "runtime/core/request.h"

#include <green/subprocess.h>

/* What has come out of a pipe. */
struct gr_output {
    char *data; /* NULL: nothing has been read */
    size_t n;
    size_t room;
};

struct green_popen {
    struct green_object object; /* its lock guards @returncode */
    atomic_uint refs;           /* the handle, and one of the green that reaps the child */
    struct gr_request request;  /* of a kernel thread, for that green */
    pid_t pid;
    int32_t returncode;
    int fd[3]; /* our ends, -1: none, or closed */
    bool communicating;
    bool busy;
    bool piped[3];
    const char *input; /* not written yet */
    size_t left;
    char *own_input; /* a copy of it, once the caller's cannot be counted on */
    struct gr_output output[2];
};

/* gr_popen_await - wait for the child. Returns 0, -ETIMEDOUT, or with GR_CANCEL in @flags
 * -ECANCELED: the caller acts on that. @deadline 0: only look. */
int gr_popen_await(struct green_popen *p, int64_t deadline, unsigned flags);

#endif
