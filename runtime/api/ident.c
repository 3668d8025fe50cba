#include "runtime/api/ident.h"

#include "runtime/core/lot.h"

#include <stdlib.h>
#include <string.h>

/* A bit for each number, set while somebody has it. The lot's lock of its address guards it. */
static struct {
    uint64_t *words;
    size_t n;
    size_t first; /* word with a free number; those before are full */
} taken;

/* Looks for a free number; 0 if every word is full. */
static unsigned take(void)
{
    for (; taken.first < taken.n; taken.first++) {
        uint64_t *word = &taken.words[taken.first];
        if (~*word) {
            int bit = __builtin_ctzll(~*word);
            *word |= 1ULL << bit;
            return (unsigned)(taken.first * 64 + (size_t)bit + 1);
        }
    }
    return 0;
}

unsigned gr_ident_of(unsigned *slot)
{
    uint64_t *more = NULL;
    size_t n = 0;
    struct gr_bucket *b = gr_lot_lock(&taken);
    while (!*slot && !(*slot = take())) {
        if (more && n > taken.n) {
            uint64_t *old = taken.words;
            memset(more, 0, n * sizeof(*more));
            if (old) {
                memcpy(more, old, taken.n * sizeof(*old));
            }
            taken.words = more;
            taken.n = n;
            more = old;
            continue;
        }
        n = taken.n ? 2 * taken.n : 16;
        gr_lot_unlock(b);
        free(more);
        more = malloc(n * sizeof(*more));
        if (!more) {
            return 0;
        }
        b = gr_lot_lock(&taken);
    }
    unsigned ident = *slot;
    gr_lot_unlock(b);
    free(more);
    return ident;
}

void gr_ident_free(unsigned ident)
{
    if (!ident) {
        return;
    }
    size_t word = (ident - 1) / 64;
    struct gr_bucket *b = gr_lot_lock(&taken);
    taken.words[word] &= ~(1ULL << (ident - 1) % 64);
    if (word < taken.first) {
        taken.first = word;
    }
    gr_lot_unlock(b);
}
