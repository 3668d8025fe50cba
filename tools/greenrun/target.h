/* Whether a program can run under libgreenshim.so: what the kernel and the loader would do with it.
 */
#ifndef GREENRUN_TARGET_H
#define GREENRUN_TARGET_H

#include <limits.h>

/* Exit statuses of greenrun; documented in greenrun.1. */
enum status {
    STATUS_OK = 0,
    STATUS_USAGE = 2,         /* bad option, or bad value of an option or variable */
    STATUS_NOT_ELF = 65,      /* neither an ELF program nor a script */
    STATUS_INTERPRETER = 66,  /* a script whose interpreter fails one of these checks */
    STATUS_STATIC = 67,       /* no dynamic loader, so nothing can be preloaded */
    STATUS_PRIVILEGED = 68,   /* set-user-ID, set-group-ID or file capabilities */
    STATUS_MACHINE = 69,      /* 32-bit, or for another processor */
    STATUS_LIBC = 70,         /* not glibc's loader */
    STATUS_PRELOADED = 71,    /* libgreenshim.so is in LD_PRELOAD already */
    STATUS_LIBRARY = 72,      /* libgreenshim.so is missing or has an impossible path */
    STATUS_GO = 73,           /* Go's runtime bypasses libc */
    STATUS_CANNOT_EXEC = 126, /* found, but a directory or without execute permission */
    STATUS_NOT_FOUND = 127
};

/* A checked program; @why is one clause "what is wrong; what to do" when the check failed. */
struct target {
    char path[PATH_MAX];
    char why[2 * PATH_MAX + 256];
};

/*
 * target_find - look a command up as execvp() does: in PATH unless the name has a slash.
 * Returns STATUS_OK and @t->path, or STATUS_NOT_FOUND or STATUS_CANNOT_EXEC and @t->why.
 */
enum status target_find(struct target *t, const char *name);

/*
 * target_check - may the file @t->path run under the library?
 * Follows scripts to their interpreters, and `#!/usr/bin/env NAME` to NAME.
 * Returns STATUS_OK, or the reason's status and @t->why.
 */
enum status target_check(struct target *t);

#endif
