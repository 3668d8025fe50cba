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

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * gr_body_install - hook the bodies of all rows of the table that belong to one of @parts, or none.
 * Call once the slots are filled. Hooks that are in place stay.
 * Returns 0, or -EBUSY or -ENOTSUP as green_patch_all() does; gr_body_refusal() tells why.
 */
int gr_body_install(unsigned parts);

/* The parts whose bodies are hooked; GR_BASE with any. */
extern unsigned gr_body_parts __attribute__((visibility("hidden")));

/* gr_body_hooked - are those hooked by which libc waits for something inside itself? */
static inline bool gr_body_hooked(unsigned parts)
{
    return (gr_body_parts & parts) == parts;
}

/* gr_body_refusal - why the last attempt failed, in words for the user; NULL: it did not. */
const char *gr_body_refusal(void);

/* gr_body_of_libc - does @addr lie in libc's own text? False without hooks. */
bool gr_body_of_libc(const void *addr);

/* --- the machine's part: body_MACHINE.c --- */

#define GR_HOOK_MAX 16 /* bytes that a hook may overwrite */
#define GR_STUB_MAX 64 /* bytes of a stub at most */

/* Where stubs are placed: room in our own text. */
#define GR_STUB_AREA 12288
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

#endif
