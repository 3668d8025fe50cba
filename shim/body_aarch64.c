/* Body hooks are made for x86-64 only; elsewhere calls are reached by name. */
#include "shim/body.h"

uint8_t gr_stub_area[GR_STUB_AREA];

size_t gr_hook_plan(struct gr_hook *h, uint8_t *out, uintptr_t stub, const char **why)
{
    (void)h;
    (void)out;
    (void)stub;
    *why = "is of a machine whose instructions are not known";
    return 0;
}

bool gr_hook_plan_empty(struct gr_hook *h, const char **why)
{
    return gr_hook_plan(h, NULL, 0, why) != 0;
}
