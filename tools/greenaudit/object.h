/* One ELF file as the dynamic loader sees it. */
#ifndef GREENAUDIT_OBJECT_H
#define GREENAUDIT_OBJECT_H

#include <libelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A symbol of the dynamic symbol table. */
struct symbol {
    const char *name;
    const char *version; /* NULL: none */
    uint64_t address;
    uint64_t size;
    bool defined;
    bool is_function;
};

/* Instructions that are mapped into memory. */
struct code {
    const uint8_t *bytes;
    size_t size;
    uint64_t address;
};

/* A system call that the object makes by instructions of its own. */
struct call {
    long number; /* -1: not known */
    unsigned count;
};

struct object {
    char *path;
    const char *name; /* as others ask for it: DT_SONAME, or the file's own */
    dev_t device;
    ino_t inode;
    int fd;
    Elf *elf;
    const struct object *parent; /* it is loaded for this one; NULL: the program */
    bool is_plugin;
    bool is_go;

    const char **needed;
    size_t n_needed;
    const char *rpath;   /* NULL: none */
    const char *runpath; /* NULL: none */
    bool no_default;     /* DF_1_NODEFLIB */

    struct symbol *symbols;
    size_t n_symbols;

    struct code *code; /* the sections or, without sections, the segments that are executed */
    size_t n_code;
    size_t code_size;
    uint64_t unwind; /* address of .eh_frame_hdr; 0: none */

    /* code_scan() */
    struct call *calls;
    size_t n_calls;
    unsigned n_all_calls;
    bool waits_on_futexes;
};

/*
 * object_open - read the file @path. @parent is borrowed.
 * Returns NULL if it is not an ELF file that the loader would take on this machine.
 */
struct object *object_open(const char *path, const struct object *parent);

/* object_close - frees it; NULL is allowed. */
void object_close(struct object *o);

/*
 * object_bytes - what the file has for the memory from @address on.
 * Returns where it is and in *@size how much of it there is; NULL: nothing.
 */
const uint8_t *object_bytes(const struct object *o, uint64_t address, size_t *size);

/* object_symbol - its symbol @name, @defined or needed; NULL: none. */
const struct symbol *object_symbol(const struct object *o, const char *name, bool defined);

/* object_is_libc - libc or its loader? */
bool object_is_libc(const struct object *o);

#endif
