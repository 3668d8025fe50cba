/* Whether a program can run under libgreenshim.so: what the kernel and the loader would do with it.
 */
#ifndef GREENRUN_TARGET_H
#define GREENRUN_TARGET_H

#include <libelf.h>
#include <limits.h>
#include <stdbool.h>

/* Programs for other machines are refused. */
#if defined(__x86_64__)
#define TARGET_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define TARGET_MACHINE EM_AARCH64
#else
#error "greenrun: this processor is not supported"
#endif

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

/*
 * A checked program; @why is one clause "what is wrong; what to do" when the check failed. @elf is
 * the file that the kernel would load, the interpreter of a script; "" if the check did not get as
 * far as looking into it.
 */
struct target {
    char path[PATH_MAX];
    char elf[PATH_MAX];
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

/* target_loader - the dynamic loader that the file @fd asks for (PT_INTERP), or "" if it asks for
 * none. False: damaged. */
bool target_loader(Elf *elf, int fd, char *loader, size_t size);

/* target_is_go - was it linked by Go? */
bool target_is_go(Elf *elf);

#endif
