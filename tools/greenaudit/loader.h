/* Finds the libraries of a program as ld.so(8) does, without starting it. */
#ifndef GREENAUDIT_LOADER_H
#define GREENAUDIT_LOADER_H

#include "tools/greenaudit/object.h"

/* A library that was not found. */
struct missing {
    const char *name;
    const struct object *needed_by;
};

/* The program, what it needs, what that needs, in the order of the loader; then plug-ins. */
struct closure {
    struct object **objects;
    size_t n_objects;
    struct missing *missing;
    size_t n_missing;
    char *cache; /* of ld.so.cache; NULL: there is none */
    size_t cache_size;
};

/*
 * loader_program - begin with the program @path and all that it needs, and what LD_PRELOAD names.
 * False: it cannot be read.
 */
bool loader_program(struct closure *c, const char *path);

/*
 * loader_plugin - add what dlopen(@name) in the program would load, with all that it needs.
 * False: not found, or not for this machine.
 */
bool loader_plugin(struct closure *c, const char *name);

/* loader_free - frees what @c holds. */
void loader_free(struct closure *c);

/* loader_libc - the libc of the closure; NULL: it has none. */
const struct object *loader_libc(const struct closure *c);

#endif
