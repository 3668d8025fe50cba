/* Which masks are in use, and what follows for the kernel's. */
#include "runtime/core/sigmask.h"

#include "runtime/base/rawsys.h"

#include <string.h>

#define N_MASKS 64

/* The masks in use and by how many greens. */
static struct {
    uint64_t mask;
    unsigned users;
} masks[N_MASKS];
static int n_masks;
static unsigned
    other_masks; /* greens whose mask found no room: they block nothing as far as the kernel goes */
static uint64_t kept_open;
static uint64_t kernel_mask;

bool gr_mask_count(uint64_t mask, int by)
{
    int room = -1;
    for (int i = 0; i < n_masks; i++) {
        if (masks[i].users && masks[i].mask == mask) {
            masks[i].users += (unsigned)by;
            return masks[i].users == 0;
        }
        if (room < 0 && !masks[i].users) {
            room = i;
        }
    }
    if (room < 0 && n_masks < N_MASKS) {
        room = n_masks++;
    }
    if (by < 0 || room < 0) {
        other_masks += (unsigned)by;
        return true;
    }
    masks[room].mask = mask;
    masks[room].users = 1;
    return true;
}

void gr_mask_keep_open(uint64_t set)
{
    kept_open = set;
}

uint64_t gr_mask_common(void)
{
    uint64_t all = other_masks ? 0 : ~0ULL;
    for (int i = 0; i < n_masks; i++) {
        all &= masks[i].users ? masks[i].mask : ~0ULL;
    }
    return all & ~(kept_open | GR_SIG_ALWAYS_OPEN);
}

static uint64_t set_kernel(uint64_t mask)
{
    uint64_t old = 0;
    (void)GR_SYS(SYS_rt_sigprocmask, SIG_SETMASK, &mask, &old, GR_SIG_SET_BYTES);
    return old;
}

void gr_mask_set_kernel(uint64_t mask)
{
    if (mask != kernel_mask) {
        kernel_mask = mask;
        (void)set_kernel(mask);
    }
}

uint64_t gr_mask_is_kernel(uint64_t mask)
{
    uint64_t old = kernel_mask;
    kernel_mask = mask;
    return old;
}

uint64_t gr_mask_block_all(void)
{
    return set_kernel(~0ULL);
}

void gr_mask_unblock(uint64_t old)
{
    (void)set_kernel(old);
}

void gr_mask_only(uint64_t mask)
{
    memset(masks, 0, sizeof(masks));
    n_masks = 0;
    other_masks = 0;
    (void)gr_mask_count(mask, 1);
    kernel_mask = ~mask;
    gr_mask_set_kernel(gr_mask_common());
}
