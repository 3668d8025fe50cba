/* Machine-dependent set-up in C: first frames, interrupted contexts. */
#include "runtime/arch/arch.h"

#include "runtime/base/compiler.h"
#include "runtime/base/rawsys.h"

#include <signal.h>
#include <string.h>
#include <ucontext.h>

#define FRAME_ALIGN 64 /* of the floating-point state in a signal frame */

extern const char gr_ctx_entry[] __attribute__((visibility("hidden")));
extern const char gr_arch_syscall_insn[] __attribute__((visibility("hidden")));
extern const char gr_arch_syscall_abort[] __attribute__((visibility("hidden")));

#if defined(__x86_64__)

struct frame {
    uint32_t mxcsr;
    uint16_t x87;
    uint16_t unused;
    uint64_t r15, r14, r13, r12, rbx, rbp, rip;
};

void gr_ctx_make(struct gr_ctx *ctx, void *top, void *tp, gr_ctx_entry_fn *entry, void *arg)
{
    struct frame *f = (struct frame *)gr_align_down((uintptr_t)top, 16) - 1;
    memset(f, 0, sizeof(*f));
    __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(f->mxcsr), "=m"(f->x87));
    f->r12 = (uintptr_t)entry;
    f->r13 = (uintptr_t)arg;
    f->rip = (uintptr_t)gr_ctx_entry;
    ctx->sp = f;
    ctx->tp = tp;
}

static unsigned long long *context_pc(void *ucontext)
{
    return (unsigned long long *)&((ucontext_t *)ucontext)->uc_mcontext.gregs[REG_RIP];
}

uintptr_t gr_arch_sp(const void *ucontext)
{
    return (uintptr_t)((const ucontext_t *)ucontext)->uc_mcontext.gregs[REG_RSP];
}

/* MXCSR, and above it the control word of the x87. */
static uint64_t exchange_modes(uint64_t modes)
{
    uint32_t mxcsr;
    uint16_t x87;
    __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(x87));
    uint64_t old = mxcsr | (uint64_t)x87 << 32;
    if (modes != old) {
        mxcsr = (uint32_t)modes;
        x87 = (uint16_t)(modes >> 32);
        __asm__ volatile("ldmxcsr %0\n\tfldcw %1" : : "m"(mxcsr), "m"(x87));
    }
    return old;
}

#define STANDARD_MODES (0x1f80 | 0x37fULL << 32)

#define RED_ZONE 128 /* below the stack pointer, in use all the same */

/* The frame: where to return to, the context, the siginfo; above them the floating-point state. */
static char *frame_of(const siginfo_t *info, const void *ucontext)
{
    (void)info;
    return (char *)ucontext - sizeof(void *);
}

static void relocate(ucontext_t *uc, ptrdiff_t by)
{
    if (uc->uc_mcontext.fpregs) {
        uc->uc_mcontext.fpregs = (void *)((char *)uc->uc_mcontext.fpregs + by);
    }
}

#elif defined(__aarch64__)

struct frame {
    uint64_t x29, x30, x19, x20, x21_28[8], d8_15[8], fpcr, fpsr;
};

void gr_ctx_make(struct gr_ctx *ctx, void *top, void *tp, gr_ctx_entry_fn *entry, void *arg)
{
    struct frame *f = (struct frame *)gr_align_down((uintptr_t)top, 16) - 1;
    memset(f, 0, sizeof(*f));
    __asm__ volatile("mrs %0, fpcr\n\tmrs %1, fpsr" : "=r"(f->fpcr), "=r"(f->fpsr));
    f->x19 = (uintptr_t)entry;
    f->x20 = (uintptr_t)arg;
    f->x30 = (uintptr_t)gr_ctx_entry;
    ctx->sp = f;
    ctx->tp = tp;
}

static unsigned long long *context_pc(void *ucontext)
{
    return &((ucontext_t *)ucontext)->uc_mcontext.pc;
}

uintptr_t gr_arch_sp(const void *ucontext)
{
    return (uintptr_t)((const ucontext_t *)ucontext)->uc_mcontext.sp;
}

static uint64_t exchange_modes(uint64_t modes)
{
    uint64_t old;
    __asm__ volatile("mrs %0, fpcr" : "=r"(old));
    if (modes != old) {
        __asm__ volatile("msr fpcr, %0" : : "r"(modes));
    }
    return old;
}

#define STANDARD_MODES 0

#define RED_ZONE 0

/* The frame: the siginfo, the context; above them what did not fit into it. */
static char *frame_of(const siginfo_t *info, const void *ucontext)
{
    (void)ucontext;
    return (char *)info;
}

static void relocate(ucontext_t *uc, ptrdiff_t by)
{
    char *end = (char *)uc->uc_mcontext.__reserved + sizeof(uc->uc_mcontext.__reserved);
    char *p = (char *)uc->uc_mcontext.__reserved;
    for (struct _aarch64_ctx *c = (void *)p; p < end && c->magic && c->size; c = (void *)p) {
        if (c->magic == EXTRA_MAGIC) {
            ((struct extra_context *)c)->datap += (__u64)by;
        }
        p += c->size;
    }
}

#endif

uintptr_t gr_arch_pc(const void *ucontext)
{
    return *context_pc((void *)ucontext);
}

uint64_t gr_arch_fp_begin(void)
{
    return exchange_modes(STANDARD_MODES);
}

void gr_arch_fp_end(uint64_t modes)
{
    (void)exchange_modes(modes);
}

char *gr_arch_free_stack(const void *ucontext)
{
    return (char *)gr_arch_sp(ucontext) - RED_ZONE;
}

extern void gr_arch_enter(void *sp, gr_arch_handler_fn *fn, long sig, siginfo_t *info, void *uc)
    __attribute__((visibility("hidden")));

void gr_arch_move_handler(gr_arch_handler_fn *fn, int sig, siginfo_t *info, void *ucontext,
                          const char *end, char *top)
{
    const char *frame = frame_of(info, ucontext);
    size_t size = (size_t)(end - frame);
    uintptr_t to = gr_align_down((uintptr_t)top - size - FRAME_ALIGN, FRAME_ALIGN) +
                   (uintptr_t)frame % FRAME_ALIGN;
    ptrdiff_t by = (ptrdiff_t)(to - (uintptr_t)frame);
    memcpy((void *)to, frame, size);
    relocate((ucontext_t *)((char *)ucontext + by), by);
    gr_arch_enter((void *)to, fn, sig, (siginfo_t *)((char *)info + by), (char *)ucontext + by);
}

bool gr_arch_abort(void *ucontext)
{
    unsigned long long *pc = context_pc(ucontext);
    if (*pc < (uintptr_t)gr_arch_syscall || *pc > (uintptr_t)gr_arch_syscall_insn) {
        return false;
    }
    *pc = (uintptr_t)gr_arch_syscall_abort;
    return true;
}
