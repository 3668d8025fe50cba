/*
 * Body hooks: the entries of libc's own functions jump to ours.
 *
 * Names preloaded before libc's never see what libc calls inside itself, nor pointers taken from
 * libc. So the functions of the table are reached twice: by name, and by a jump written over the
 * entry of libc's body. The instructions displaced by the jump are moved to a stub, which goes on
 * behind them; from then on the slot real.NAME leads to that stub, so it is libc's function as
 * before.
 */
#ifndef GR_SHIM_BODY_H
#define GR_SHIM_BODY_H

#include "shim/image.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * gr_body_install - hook the bodies of all rows of the table that belong to one of @parts, or none.
 * Call once the slots are filled. Hooks that are in place stay.
 * Returns 0, or -EBUSY or -ENOTSUP as green_patch_all() does; gr_body_refusal() tells why. With the
 * lock held, if there may be other threads.
 */
int gr_body_install(unsigned parts);

/* The parts whose bodies are hooked; GR_BASE with any. */
extern unsigned gr_body_parts __attribute__((visibility("hidden")));

/* gr_body_hooked - are those hooked by which libc waits for something inside itself? */
static inline bool gr_body_hooked(unsigned parts)
{
    return (gr_body_parts & parts) == parts;
}

/*
 * gr_body_redirect - lead the function @name of @im at @entry to @own, as those of the table.
 * @original: receives the function as it was; written while nobody else runs
 * @fresh:    nobody can be in the function yet: other threads need not be stopped
 * Returns 0, or as gr_body_install().
 */
int gr_body_redirect(const struct gr_image *im, const char *name, const void *entry,
                     const void *own, void **original, bool fresh);

/* gr_body_replace_empty - lead @entry, a function of the loader's that only returns, to @own.
 * Returns NULL, or in words why not. With the lock held. */
const char *gr_body_replace_empty(const char *name, const void *entry, const void *own);

/* gr_body_lock, gr_body_unlock - one at a time changes text; a thread that waits runs no green. */
void gr_body_lock(void);
void gr_body_unlock(void);

/* gr_body_refusal - why the last attempt failed, in words for the user; NULL: it did not. */
const char *gr_body_refusal(void);

/* gr_body_of_libc - does @addr lie in libc's own text? False without hooks. */
bool gr_body_of_libc(const void *addr);

/* --- the machine's part: body_MACHINE.c --- */

#define GR_HOOK_MAX 16 /* bytes that a hook may overwrite */
#define GR_STUB_MAX 64 /* bytes of a stub at most */

/* Where stubs are placed: room in our own text. */
#define GR_STUB_AREA 16384
extern uint8_t gr_stub_area[] __attribute__((visibility("hidden")));

/* A hook of the function at @entry, as planned. */
struct gr_hook {
    const uint8_t *entry;
    size_t size;               /* of the function */
    uintptr_t own;             /* where it shall lead */
    uint8_t *at;               /* out: first byte to overwrite */
    size_t len;                /* out: how many */
    uint8_t code[GR_HOOK_MAX]; /* out: by what */
};

/*
 * gr_hook_plan - plan @h and write its stub, which will lie at @stub, to @out. Returns the stub's
 * length, or 0 with *@why: the entry is not one that can be moved.
 */
size_t gr_hook_plan(struct gr_hook *h, uint8_t *out, uintptr_t stub, const char **why);

/* gr_hook_plan_empty - the same for a function that does nothing but return, and has padding behind
 * it. It needs no stub. */
bool gr_hook_plan_empty(struct gr_hook *h, const char **why);

#endif
