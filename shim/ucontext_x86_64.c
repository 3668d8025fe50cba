/*
 * <ucontext.h>: contexts have the mask of the green.
 *
 * libc saves and sets the mask by system calls of its own instructions: it would save the
 * carrier's, which all greens share, and give it to all of them. So on a green the registers are
 * ours to save and load (context_x86_64.S). makecontext() is libc's. The function that it makes
 * goes on to uc_link inside libc: without body hooks libc does all of it.
 */
#include "shim/body.h"
#include "shim/shim.h"

#include <stddef.h>
#include <ucontext.h>

_Static_assert(offsetof(ucontext_t, uc_mcontext.gregs[REG_R8]) == 40 &&
                   offsetof(ucontext_t, uc_mcontext.gregs[REG_RIP]) == 168 &&
                   offsetof(ucontext_t, uc_mcontext.fpregs) == 224 &&
                   offsetof(ucontext_t, __fpregs_mem) == 424 &&
                   offsetof(ucontext_t, __fpregs_mem.mxcsr) == 448,
               "context_x86_64.S has these offsets");

typedef int gr_context_fn(ucontext_t *to, const ucontext_t *from);
gr_context_fn gr_context_save;
gr_context_fn gr_context_swap;
gr_context_fn gr_context_load;

gr_context_fn *gr_getcontext_way(ucontext_t *to);
gr_context_fn *gr_setcontext_way(const ucontext_t *from);
gr_context_fn *gr_swapcontext_way(ucontext_t *to);

static bool is_ours(void)
{
    return gr_on_green() && (gr_body_parts & (GREEN_SIGNAL | GREEN_THREAD));
}

static void save_mask(ucontext_t *to)
{
    (void)gr_sig_mask(SIG_BLOCK, NULL, (uint64_t *)(void *)&to->uc_sigmask);
}

/*
 * getcontext, setcontext, swapcontext - <ucontext.h>; getcontext(3), makecontext(3)
 * Class:    EMULATE on greens.
 */
gr_context_fn *gr_getcontext_way(ucontext_t *to)
{
    if (!is_ours()) {
        return (gr_context_fn *)(void *)real.getcontext;
    }
    GR_COUNT(getcontext);
    save_mask(to);
    return gr_context_save;
}

gr_context_fn *gr_setcontext_way(const ucontext_t *from)
{
    if (!is_ours()) {
        return (gr_context_fn *)(void *)real.setcontext;
    }
    GR_COUNT(setcontext);
    (void)gr_sig_mask(SIG_SETMASK, (const uint64_t *)(const void *)&from->uc_sigmask, NULL);
    return gr_context_load;
}

gr_context_fn *gr_swapcontext_way(ucontext_t *to)
{
    if (!is_ours()) {
        return real.swapcontext;
    }
    GR_COUNT(swapcontext);
    save_mask(to);
    return gr_context_swap;
}
