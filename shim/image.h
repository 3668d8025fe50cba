/* A loaded object, as the loader sees it: where its text lies, and its dynamic symbols. */
#ifndef GR_SHIM_IMAGE_H
#define GR_SHIM_IMAGE_H

#include "shim/text.h"

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gr_image {
    uintptr_t base;
    struct gr_text text; /* the executable segment */
    const Elf64_Sym *symbols;
    const char *strings;
    const uint32_t *hash;             /* DT_GNU_HASH */
    const uint16_t *versions;         /* DT_VERSYM; NULL: it has none */
    const Elf64_Rela *relocations[2]; /* data, calls */
    size_t n_relocations[2];
    const char *soname; /* NULL: it has none */
};

/* gr_image_of - the object whose text holds @addr. False: none, or it has no hash table of symbols.
 */
bool gr_image_of(const void *addr, struct gr_image *out);

/* gr_image_named - the object that was loaded as @library: the name of a file or of the object
 * itself (DT_SONAME). False: it is not loaded, or has no hash table of symbols. */
bool gr_image_named(const char *library, struct gr_image *out);

/* gr_image_each - call @fn(object, @arg) for all that are loaded. */
void gr_image_each(void (*fn)(const struct gr_image *im, void *arg), void *arg);

/* gr_image_holds - is @addr in its text? */
static inline bool gr_image_holds(const struct gr_image *im, const void *addr)
{
    return (uintptr_t)addr >= im->text.start && (uintptr_t)addr < im->text.end;
}

/* gr_image_function - the symbol of the function @name that it exports, in the default version;
 * NULL: there is none. */
const Elf64_Sym *gr_image_function(const struct gr_image *im, const char *name);

/* gr_image_size - how many bytes the function @name at @addr has; 0: no such symbol there. */
size_t gr_image_size(const struct gr_image *im, const char *name, const void *addr);

#endif
