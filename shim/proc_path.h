/* Paths below /proc that name a green by its id, which the kernel does not know. */
#ifndef GR_SHIM_PROC_PATH_H
#define GR_SHIM_PROC_PATH_H

#include "runtime/base/compiler.h"

#include <errno.h>
#include <stdbool.h>

#define GR_PROC_PATH_MAX 96

/*
 * gr_proc_path - a call with *@path has failed, errno tells how: is it that of a green? *@path is
 * then the same path of its carrier, in @buf.
 *
 * Only what the kernel has read is looked at, so that a bad pointer stays its affair.
 */
bool gr_proc_path(const char **path, char buf[GR_PROC_PATH_MAX]);

/* The value of @call, an expression with the variable @path, made again if @path is that of a
 * green. @failed: its value when it fails. */
#define GR_WITH_PROC_PATH(path, failed, call)                                                      \
    __extension__({                                                                                \
        char proc_path_[GR_PROC_PATH_MAX];                                                         \
        int proc_errno_ = errno;                                                                   \
        __auto_type proc_rc_ = (call);                                                             \
        if (GR_UNLIKELY(proc_rc_ == (failed)) && gr_proc_path(&(path), proc_path_)) {              \
            errno = proc_errno_;                                                                   \
            proc_rc_ = (call);                                                                     \
        }                                                                                          \
        proc_rc_;                                                                                  \
    })

#endif
