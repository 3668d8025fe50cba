/*
 * x86-64 System V.
 *
 * void gr_ctx_switch(struct gr_ctx *from (rdi), const struct gr_ctx *to (rsi))
 *   Frame left on the suspended stack, from its stack pointer upwards:
 *     0 mxcsr, 4 x87 control word, 8 r15, 16 r14, 24 r13, 32 r12, 40 rbx, 48 rbp, 56 return address
 *   gr_ctx_resumed is where a suspended context goes on; debuggers unwind from
 *   (rsp = ctx.sp, rip = gr_ctx_resumed).
 *   It goes on with a return, and a context begins and ends without one: so the processor's stack
 *   of return addresses holds what the context that goes on will return to, if it was suspended in
 *   the same place as the one before it.
 *
 * gr_ctx_entry: first code of a context: r12 = entry, r13 = argument. The unwinder stops here. The
 *   frame stays above what the entry uses, to begin again from.
 *
 * long gr_arch_syscall(nr, a, b, c, d, e, f): from gr_arch_syscall up to and including the
 *   instruction at gr_arch_syscall_insn nothing has been done yet (or the kernel is about to
 *   restart it): a handler may move rip to gr_arch_syscall_abort.
 */
        .text

        .globl  gr_ctx_switch
        .hidden gr_ctx_switch
        .type   gr_ctx_switch, @function
        .p2align 4
gr_ctx_switch:
        .cfi_startproc
        push    %rbp
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbp, 0
        push    %rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbx, 0
        push    %r12
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r12, 0
        push    %r13
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r13, 0
        push    %r14
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r14, 0
        push    %r15
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r15, 0
        sub     $8, %rsp
        .cfi_adjust_cfa_offset 8
        stmxcsr (%rsp)
        fnstcw  4(%rsp)
        mov     (%rsp), %r8d
        movzwl  4(%rsp), %r9d
        mov     %rsp, (%rdi)
.Lgo:
        mov     (%rsi), %rsp
        mov     8(%rsi), %rax
        mov     %rax, gr_tp_now(%rip)
        cmpb    $0, gr_tp_writable(%rip)
        je      .Lset_fs_slowly
        wrfsbase %rax
        .globl  gr_ctx_resumed
        .hidden gr_ctx_resumed
gr_ctx_resumed:
        cmp     %r8d, (%rsp)            /* loading control words is slow, and they seldom differ */
        jne     .Lload_control
        cmp     %r9w, 4(%rsp)
        jne     .Lload_control
.Lrestore:
        add     $8, %rsp
        .cfi_remember_state
        .cfi_adjust_cfa_offset -8
        pop     %r15
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r15
        pop     %r14
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r14
        pop     %r13
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r13
        pop     %r12
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r12
        pop     %rbx
        .cfi_adjust_cfa_offset -8
        .cfi_restore %rbx
        pop     %rbp
        .cfi_adjust_cfa_offset -8
        .cfi_restore %rbp
        lea     gr_ctx_entry(%rip), %rcx
        cmp     %rcx, (%rsp)
        je      gr_ctx_entry
        ret
        .cfi_restore_state
.Lset_fs_slowly:
        mov     %rax, %rsi
        mov     $158, %eax              /* arch_prctl */
        mov     $0x1002, %edi           /* ARCH_SET_FS */
        syscall
        jmp     gr_ctx_resumed
.Lload_control:
        ldmxcsr (%rsp)
        fldcw   4(%rsp)
        jmp     .Lrestore
        .cfi_endproc
        .size   gr_ctx_switch, . - gr_ctx_switch

        .globl  gr_ctx_entry
        .hidden gr_ctx_entry
        .type   gr_ctx_entry, @function
        .p2align 4
gr_ctx_entry:
        .cfi_startproc
        .cfi_undefined %rip
        sub     $56, %rsp
        xor     %ebp, %ebp
        mov     %r13, %rdi
        call    *%r12
        stmxcsr -8(%rsp)
        fnstcw  -4(%rsp)
        mov     -8(%rsp), %r8d
        movzwl  -4(%rsp), %r9d
        mov     %rax, %rsi
        jmp     .Lgo
        .cfi_endproc
        .size   gr_ctx_entry, . - gr_ctx_entry

        .globl  gr_arch_syscall
        .hidden gr_arch_syscall
        .type   gr_arch_syscall, @function
        .p2align 4
gr_arch_syscall:
        .cfi_startproc
        mov     %rdi, %rax
        mov     %rsi, %rdi
        mov     %rdx, %rsi
        mov     %rcx, %rdx
        mov     %r8, %r10
        mov     %r9, %r8
        mov     8(%rsp), %r9
        .globl  gr_arch_syscall_insn
        .hidden gr_arch_syscall_insn
gr_arch_syscall_insn:
        syscall
        cmpq    $0, gr_tp_trap(%rip)
        jne     .Lmend
        ret
.Lmend:                                 /* gr_tp_mend(): the kernel may have switched tasks */
        rdfsbase %rcx
        cmp     gr_tp_trap(%rip), %rcx
        jne     .Lmended
        mov     gr_tp_now(%rip), %rcx
        wrfsbase %rcx
.Lmended:
        ret
        .globl  gr_arch_syscall_abort
        .hidden gr_arch_syscall_abort
gr_arch_syscall_abort:
        mov     $-5000, %rax
        ret
        .cfi_endproc
        .size   gr_arch_syscall, . - gr_arch_syscall

/* void gr_arch_call_on(top, fn, a, b, c): see arch.h. */
        .globl  gr_arch_call_on
        .hidden gr_arch_call_on
        .type   gr_arch_call_on, @function
        .p2align 4
gr_arch_call_on:
        .cfi_startproc
        push    %rbp
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbp, 0
        mov     %rsp, %rbp
        .cfi_def_cfa_register %rbp
        mov     %rdi, %rsp
        and     $-16, %rsp
        mov     %rsi, %rax
        mov     %rdx, %rdi
        mov     %rcx, %rsi
        mov     %r8, %rdx
        call    *%rax
        mov     %rbp, %rsp
        .cfi_def_cfa_register %rsp
        pop     %rbp
        .cfi_adjust_cfa_offset -8
        .cfi_restore %rbp
        ret
        .cfi_endproc
        .size   gr_arch_call_on, . - gr_arch_call_on

/*
 * Where handlers return to. The kernel wants it on x86-64; unwinders and debuggers know a signal
 * frame by exactly these bytes, so there is no CFI here on purpose.
 */
        .globl  gr_arch_sigreturn
        .hidden gr_arch_sigreturn
        .type   gr_arch_sigreturn, @function
        .p2align 4
        nop
gr_arch_sigreturn:
        mov     $15, %rax               /* rt_sigreturn */
        syscall
        .size   gr_arch_sigreturn, . - gr_arch_sigreturn

/* void gr_arch_enter(sp, fn, a, b, c): call fn(a, b, c) with this stack pointer, which points to
 * where it shall return to. */
        .globl  gr_arch_enter
        .hidden gr_arch_enter
        .type   gr_arch_enter, @function
        .p2align 4
gr_arch_enter:
        .cfi_startproc
        .cfi_undefined %rip
        mov     %rdi, %rsp
        mov     %rsi, %rax
        mov     %rdx, %rdi
        mov     %rcx, %rsi
        mov     %r8, %rdx
        jmp     *%rax
        .cfi_endproc
        .size   gr_arch_enter, . - gr_arch_enter

        .section .note.GNU-stack, "", @progbits
