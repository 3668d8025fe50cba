/* Each instruction has four bytes: nothing to decode. */
#include "tools/greenaudit/code.h"

#include <string.h>

#define SVC_0     0xd4000001U
#define LOOK_BACK 16 /* instructions between the number of a system call and the call */

static uint32_t instruction(const struct code *c, size_t i)
{
    uint32_t in;
    memcpy(&in, c->bytes + 4 * i, sizeof(in));
    return in;
}

/* mov x8, #number or mov w8, #number: the last one in front. */
static long number_before(const struct code *c, size_t i)
{
    for (size_t back = 1; back <= LOOK_BACK && back <= i; back++) {
        uint32_t in = instruction(c, i - back);
        if ((in & 0x7fe0001fU) == 0x52800008U) {
            return (long)((in >> 5) & 0xffff);
        }
    }
    return -1;
}

void code_decode(struct object *o, const struct code *c, const struct place *places, size_t n)
{
    (void)places;
    (void)n;
    for (size_t i = 0; i < c->size / 4; i++) {
        if (instruction(c, i) == SVC_0) {
            code_note(o, number_before(c, i));
        }
    }
}
