/* Leading the callers of a function elsewhere by its name, where its entry cannot be changed. */
#ifndef GR_SHIM_REBIND_H
#define GR_SHIM_REBIND_H

#include "shim/image.h"

/*
 * gr_rebind - let the symbol @sym of @im stand for @own: for look-ups from now on, and in the
 * objects that are loaded, whose calls and pointers were bound by the loader. Calls within @im and
 * pointers that were copied are not reached.
 * Returns 0, or -EACCES: a page cannot be made writable; then some callers may be led to @own.
 */
int gr_rebind(const struct gr_image *im, const Elf64_Sym *sym, const void *own);

#endif
