/*
 * AArch64 (AAPCS64).
 *
 * void gr_ctx_switch(struct gr_ctx *from (x0), const struct gr_ctx *to (x1))
 *   Frame left on the suspended stack, 176 bytes from its stack pointer upwards:
 *     0 x29 x30, 16 x19 x20, 32 x21 x22, 48 x23 x24, 64 x25 x26, 80 x27 x28,
 *     96 d8 d9, 112 d10 d11, 128 d12 d13, 144 d14 d15, 160 fpcr fpsr
 *   gr_ctx_resumed is where a suspended context goes on.
 *
 * gr_ctx_entry: first code of a context: x19 = entry, x20 = argument. The unwinder stops here. The
 *   frame stays above what the entry uses, to begin again from. Why contexts go on with a return,
 *   but begin and end without one: see x86_64.S.
 *
 * long gr_arch_syscall(nr, a, b, c, d, e, f): see x86_64.S.
 */
        .text

        .globl  gr_ctx_switch
        .hidden gr_ctx_switch
        .type   gr_ctx_switch, %function
        .p2align 4
gr_ctx_switch:
        .cfi_startproc
        hint    #34                     /* bti c */
        sub     sp, sp, #176
        .cfi_def_cfa_offset 176
        stp     x29, x30, [sp, #0]
        .cfi_offset x29, -176
        .cfi_offset x30, -168
        stp     x19, x20, [sp, #16]
        .cfi_offset x19, -160
        .cfi_offset x20, -152
        stp     x21, x22, [sp, #32]
        .cfi_offset x21, -144
        .cfi_offset x22, -136
        stp     x23, x24, [sp, #48]
        .cfi_offset x23, -128
        .cfi_offset x24, -120
        stp     x25, x26, [sp, #64]
        .cfi_offset x25, -112
        .cfi_offset x26, -104
        stp     x27, x28, [sp, #80]
        .cfi_offset x27, -96
        .cfi_offset x28, -88
        stp     d8, d9, [sp, #96]
        stp     d10, d11, [sp, #112]
        stp     d12, d13, [sp, #128]
        stp     d14, d15, [sp, #144]
        mrs     x2, fpcr
        mrs     x3, fpsr
        stp     x2, x3, [sp, #160]
        mov     x2, sp
        str     x2, [x0]
.Lgo:
        ldp     x2, x3, [x1]
        mov     sp, x2
        msr     tpidr_el0, x3
        .globl  gr_ctx_resumed
        .hidden gr_ctx_resumed
gr_ctx_resumed:
        ldp     x2, x3, [sp, #160]
        msr     fpcr, x2
        msr     fpsr, x3
        ldp     d14, d15, [sp, #144]
        ldp     d12, d13, [sp, #128]
        ldp     d10, d11, [sp, #112]
        ldp     d8, d9, [sp, #96]
        ldp     x27, x28, [sp, #80]
        ldp     x25, x26, [sp, #64]
        ldp     x23, x24, [sp, #48]
        ldp     x21, x22, [sp, #32]
        ldp     x19, x20, [sp, #16]
        ldp     x29, x30, [sp, #0]
        add     sp, sp, #176
        .cfi_def_cfa_offset 0
        adrp    x2, gr_ctx_entry
        add     x2, x2, :lo12:gr_ctx_entry
        cmp     x30, x2
        b.eq    gr_ctx_entry
        ret
        .cfi_endproc
        .size   gr_ctx_switch, . - gr_ctx_switch

        .globl  gr_ctx_entry
        .hidden gr_ctx_entry
        .type   gr_ctx_entry, %function
        .p2align 4
gr_ctx_entry:
        .cfi_startproc
        .cfi_undefined x30
        sub     sp, sp, #176
        mov     x29, xzr
        mov     x30, xzr
        mov     x0, x20
        blr     x19
        mov     x1, x0
        b       .Lgo
        .cfi_endproc
        .size   gr_ctx_entry, . - gr_ctx_entry

        .globl  gr_arch_syscall
        .hidden gr_arch_syscall
        .type   gr_arch_syscall, %function
        .p2align 4
gr_arch_syscall:
        .cfi_startproc
        hint    #34
        mov     x8, x0
        mov     x0, x1
        mov     x1, x2
        mov     x2, x3
        mov     x3, x4
        mov     x4, x5
        mov     x5, x6
        .globl  gr_arch_syscall_insn
        .hidden gr_arch_syscall_insn
gr_arch_syscall_insn:
        svc     #0
        ret
        .globl  gr_arch_syscall_abort
        .hidden gr_arch_syscall_abort
gr_arch_syscall_abort:
        mov     x0, #-5000
        ret
        .cfi_endproc
        .size   gr_arch_syscall, . - gr_arch_syscall

/* void gr_arch_call_on(top, fn, a, b, c): see arch.h. */
        .globl  gr_arch_call_on
        .hidden gr_arch_call_on
        .type   gr_arch_call_on, %function
        .p2align 4
gr_arch_call_on:
        .cfi_startproc
        hint    #34
        stp     x29, x30, [sp, #-16]!
        .cfi_def_cfa_offset 16
        .cfi_offset x29, -16
        .cfi_offset x30, -8
        mov     x29, sp
        .cfi_def_cfa_register x29
        and     x0, x0, #-16
        mov     sp, x0
        mov     x9, x1
        mov     x0, x2
        mov     x1, x3
        mov     x2, x4
        blr     x9
        mov     sp, x29
        .cfi_def_cfa_register sp
        ldp     x29, x30, [sp], #16
        .cfi_def_cfa_offset 0
        ret
        .cfi_endproc
        .size   gr_arch_call_on, . - gr_arch_call_on

/* void gr_arch_enter(sp, fn, a, b, c): call fn(a, b, c) on the signal frame at sp. */
        .globl  gr_arch_enter
        .hidden gr_arch_enter
        .type   gr_arch_enter, %function
        .p2align 4
gr_arch_enter:
        .cfi_startproc
        hint    #34
        mov     sp, x0
        mov     x9, x1
        mov     x0, x2
        mov     x1, x3
        mov     x2, x4
        blr     x9
        mov     x8, #139                /* rt_sigreturn */
        svc     #0
        .cfi_endproc
        .size   gr_arch_enter, . - gr_arch_enter

        .section .note.GNU-stack, "", %progbits
