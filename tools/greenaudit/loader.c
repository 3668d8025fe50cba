/*
 * The search of ld.so(8): DT_RPATH, LD_LIBRARY_PATH, DT_RUNPATH, /etc/ld.so.cache, the directories
 * of the system. Builds for particular processors (glibc-hwcaps) are left aside: they have the same
 * symbols.
 */
#include "tools/greenaudit/loader.h"

#include "tools/greenaudit/list.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#define CACHE_FILE  "/etc/ld.so.cache"
#define CACHE_MAX   (64 << 20)
#define OBJECTS_MAX 4096 /* more of them, or of missing ones, are damage */
#define OUR_LIBRARY "libgreenshim.so"

/* The file's flags of a library for glibc and this machine. */
#if defined(__x86_64__)
#define CACHE_FLAGS 0x0303
#elif defined(__aarch64__)
#define CACHE_FLAGS 0x0a03
#endif

static const char *const system_directories[] = {
    "/lib/" GR_MULTIARCH, "/usr/lib/" GR_MULTIARCH, "/lib64", "/usr/lib64", "/lib", "/usr/lib"};

/* --- ld.so.cache --- */

struct cache_header {
    char magic[20]; /* glibc-ld.so.cache1.1 */
    uint32_t n;
    uint32_t strings;
    uint32_t unused[5];
};

struct cache_entry {
    int32_t flags;
    uint32_t name; /* offset from the header */
    uint32_t path;
    uint32_t version;
    uint64_t processor; /* 0: any */
};

static void read_cache(struct closure *c)
{
    int fd = open(CACHE_FILE, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0 && st.st_size < CACHE_MAX) {
        size_t size = (size_t)st.st_size;
        c->cache = malloc(size + 1);
        if (c->cache && read(fd, c->cache, size) == (ssize_t)size) {
            c->cache[size] = '\0'; /* every string in it ends */
            c->cache_size = size;
        }
    }
    if (fd >= 0) {
        (void)close(fd);
    }
}

/* Files of older systems have another table in front. */
static const char *find_cache_table(const struct closure *c)
{
    static const char magic[] = "glibc-ld.so.cache1.1";
    return c->cache_size ? memmem(c->cache, c->cache_size, magic, sizeof(magic) - 1) : NULL;
}

/* The next path that the cache has for @name, from entry *@i on; NULL: no more. */
static const char *look_in_cache(const struct closure *c, const char *name, uint32_t *i)
{
    const char *table = find_cache_table(c);
    size_t size = table ? (size_t)(c->cache + c->cache_size - table) : 0;
    struct cache_header header;
    if (size < sizeof(header)) {
        return NULL;
    }
    memcpy(&header, table, sizeof(header));
    while (*i < header.n) {
        struct cache_entry e;
        size_t at = sizeof(header) + (size_t)(*i)++ * sizeof(e);
        if (at + sizeof(e) > size) {
            return NULL;
        }
        memcpy(&e, table + at, sizeof(e));
        if (e.flags == CACHE_FLAGS && e.processor == 0 && e.name < size && e.path < size &&
            strcmp(table + e.name, name) == 0) {
            return table + e.path;
        }
    }
    return NULL;
}

/* --- paths --- */

/* The value of a $TOKEN at @p, or NULL; *@n is its length. */
static const char *token(const char *p, const char *origin, size_t *n)
{
    const struct {
        const char *name;
        const char *value;
    } tokens[] = {{"ORIGIN", origin},
                  {"LIB", "lib/" GR_MULTIARCH},
                  {"PLATFORM", (const char *)getauxval(AT_PLATFORM)}};
    bool braces = p[1] == '{';
    const char *name = p + 1 + braces;
    for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
        size_t len = strlen(tokens[i].name);
        if (strncmp(name, tokens[i].name, len) == 0 && (!braces || name[len] == '}') &&
            tokens[i].value) {
            *n = 1 + 2 * (size_t)braces + len;
            return tokens[i].value;
        }
    }
    return NULL;
}

/* @from up to @end with its tokens replaced. False: too long. */
static bool expand(char *out, const char *from, const char *end, const struct object *o)
{
    char origin[PATH_MAX];
    if (!realpath(o->path, origin)) {
        return false;
    }
    *strrchr(origin, '/') = '\0';
    size_t used = 0;
    for (const char *p = from; p < end;) {
        size_t n = 1;
        const char *value = *p == '$' ? token(p, origin, &n) : NULL;
        size_t len = value ? strlen(value) : n;
        if (used + len >= PATH_MAX) {
            return false;
        }
        memcpy(out + used, value ? value : p, len);
        used += len;
        p += n;
    }
    out[used] = '\0';
    return true;
}

static const struct object *program_of(const struct closure *c)
{
    return c->objects[0];
}

static struct object *find_by_inode(const struct closure *c, const char *path)
{
    struct stat st;
    if (stat(path, &st)) {
        return NULL;
    }
    for (size_t i = 0; i < c->n_objects; i++) {
        if (c->objects[i]->device == st.st_dev && c->objects[i]->inode == st.st_ino) {
            return c->objects[i];
        }
    }
    return NULL;
}

/* The object that is there, opened now or before; NULL: none, or not one for this machine. */
static struct object *try_path(struct closure *c, const char *path, const struct object *for_whom)
{
    struct object *o = find_by_inode(c, path);
    if (o || c->n_objects == OBJECTS_MAX) {
        return o;
    }
    o = object_open(path, for_whom);
    if (o) {
        c->objects = list_room(c->objects, c->n_objects, sizeof(struct object *));
        c->objects[c->n_objects++] = o;
    }
    return o;
}

static struct object *try_directory(struct closure *c, const char *dir, const char *name,
                                    const struct object *for_whom)
{
    char path[2 * PATH_MAX];
    int n = snprintf(path, sizeof(path), "%s%s%s", dir, *dir ? "/" : "", name);
    return n > 0 && n < PATH_MAX ? try_path(c, path, for_whom) : NULL;
}

/* In a list of directories of @owner's, separated by any of @separators; "" is the current one. */
static struct object *try_list(struct closure *c, const char *list, const char *separators,
                               const char *name, const struct object *owner,
                               const struct object *for_whom)
{
    for (const char *p = list; p && *list;) {
        const char *end = p + strcspn(p, separators);
        char dir[PATH_MAX];
        struct object *o =
            expand(dir, p, end, owner) ? try_directory(c, dir, name, for_whom) : NULL;
        if (o) {
            return o;
        }
        p = *end ? end + 1 : NULL;
    }
    return NULL;
}

/* DT_RPATH of who needs it, of who needs that one and so on up to the program. */
static struct object *try_rpaths(struct closure *c, const char *name, const struct object *for_whom)
{
    if (for_whom->runpath) {
        return NULL;
    }
    bool at_program = false;
    for (const struct object *o = for_whom; o; o = o->parent) {
        struct object *found = try_list(c, o->rpath, ":", name, o, for_whom);
        if (found) {
            return found;
        }
        at_program |= o == program_of(c);
    }
    const struct object *program = program_of(c);
    return at_program ? NULL : try_list(c, program->rpath, ":", name, program, for_whom);
}

static struct object *try_system(struct closure *c, const char *name, const struct object *for_whom)
{
    struct object *o = NULL;
    uint32_t i = 0;
    for (const char *path; !o && (path = look_in_cache(c, name, &i));) {
        o = try_path(c, path, for_whom);
    }
    size_t n = sizeof(system_directories) / sizeof(system_directories[0]);
    for (size_t k = 0; !o && k < n; k++) {
        o = try_directory(c, system_directories[k], name, for_whom);
    }
    return o;
}

static struct object *find_loaded(const struct closure *c, const char *name)
{
    for (size_t i = 1; i < c->n_objects; i++) {
        if (strcmp(c->objects[i]->name, name) == 0) {
            return c->objects[i];
        }
    }
    return NULL;
}

static struct object *find(struct closure *c, const char *name, const struct object *for_whom)
{
    if (strchr(name, '/')) {
        char path[PATH_MAX];
        return expand(path, name, name + strlen(name), for_whom) ? try_path(c, path, for_whom)
                                                                 : NULL;
    }
    struct object *o = find_loaded(c, name);
    if (!o) {
        o = try_rpaths(c, name, for_whom);
    }
    if (!o) {
        o = try_list(c, getenv("LD_LIBRARY_PATH"), ":;", name, program_of(c), for_whom);
    }
    if (!o) {
        o = try_list(c, for_whom->runpath, ":", name, for_whom, for_whom);
    }
    if (!o && !for_whom->no_default) {
        o = try_system(c, name, for_whom);
    }
    return o;
}

/* --- the closure --- */

static void note_missing(struct closure *c, const char *name, const struct object *needed_by)
{
    for (size_t i = 0; i < c->n_missing; i++) {
        if (strcmp(c->missing[i].name, name) == 0) {
            return;
        }
    }
    if (c->n_missing < OBJECTS_MAX) {
        c->missing = list_room(c->missing, c->n_missing, sizeof(*c->missing));
        c->missing[c->n_missing++] = (struct missing){name, needed_by};
    }
}

/* All that is needed by the objects from number @i on, breadth first. */
static void load_needed(struct closure *c, size_t i)
{
    for (; i < c->n_objects; i++) {
        const struct object *o = c->objects[i];
        for (size_t k = 0; k < o->n_needed && c->n_missing < OBJECTS_MAX; k++) {
            if (!find(c, o->needed[k], o)) {
                note_missing(c, o->needed[k], o);
            }
        }
    }
}

/* As the loader does: what is not found is left out. Our own library would be no part of this. */
static void load_preloaded(struct closure *c)
{
    const char *list = getenv("LD_PRELOAD");
    char *copy = list ? strdup(list) : NULL;
    char *rest = copy;
    for (char *name; rest && (name = strsep(&rest, ": "));) {
        const char *slash = strrchr(name, '/');
        if (*name && strcmp(slash ? slash + 1 : name, OUR_LIBRARY) != 0) {
            (void)find(c, name, program_of(c));
        }
    }
    free(copy);
}

bool loader_program(struct closure *c, const char *path)
{
    struct object *program = object_open(path, NULL);
    if (!program) {
        return false;
    }
    c->objects = list_room(c->objects, 0, sizeof(struct object *));
    c->objects[c->n_objects++] = program;
    read_cache(c);
    load_preloaded(c);
    load_needed(c, 0);
    return true;
}

bool loader_plugin(struct closure *c, const char *name)
{
    size_t first = c->n_objects;
    if (!find(c, name, program_of(c))) {
        return false;
    }
    load_needed(c, first);
    for (size_t i = first; i < c->n_objects; i++) {
        c->objects[i]->is_plugin = true;
    }
    return true;
}

void loader_free(struct closure *c)
{
    for (size_t i = 0; i < c->n_objects; i++) {
        object_close(c->objects[i]);
    }
    free(c->objects);
    free(c->missing);
    free(c->cache);
}

const struct object *loader_libc(const struct closure *c)
{
    for (size_t i = 0; i < c->n_objects; i++) {
        if (strcmp(c->objects[i]->name, "libc.so.6") == 0) {
            return c->objects[i];
        }
    }
    return NULL;
}
