/*
 * int getcontext(ucontext_t *), int swapcontext(ucontext_t *, const ucontext_t *),
 * int setcontext(const ucontext_t *): jumps to what the ways in ucontext_x86_64.c give: libc's, or
 * the rest of this file, which leaves the mask of signals to them.
 *
 * Offsets in ucontext_t, public by <sys/ucontext.h>; ucontext_x86_64.c checks them.
 */
#define R8      40
#define R9      48
#define R12     72
#define R13     80
#define R14     88
#define R15     96
#define RDI     104
#define RSI     112
#define RBP     120
#define RBX     128
#define RDX     136
#define RCX     152
#define RSP     160
#define RIP     168
#define FPREGS  224
#define FPMEM   424
#define MXCSR   448

        .text

/* @way(@rdi, @rsi) says where to go on, as if we had not been called. */
        .macro  by_way name, way
        .globl  \name
        .type   \name, @function
        .p2align 4
\name:
.L\name:
        .cfi_startproc
        endbr64
        sub     $24, %rsp
        .cfi_adjust_cfa_offset 24
        mov     %rdi, (%rsp)
        mov     %rsi, 8(%rsp)
        call    \way
        mov     (%rsp), %rdi
        mov     8(%rsp), %rsi
        add     $24, %rsp
        .cfi_adjust_cfa_offset -24
        jmp     *%rax
        .cfi_endproc
        .size   \name, . - \name
        .endm

        by_way  getcontext, gr_getcontext_way
        by_way  setcontext, gr_setcontext_way
        by_way  swapcontext, gr_swapcontext_way

        .macro  begin name
        .globl  \name
        .hidden \name
        .type   \name, @function
        .p2align 4
\name:
        .cfi_startproc
        endbr64
        .endm

        .macro  end name
        .cfi_endproc
        .size   \name, . - \name
        .endm

/* Into the context @rdi, which goes on behind the call with 0. */
        .macro  save
        mov     %rbx, RBX(%rdi)
        mov     %rbp, RBP(%rdi)
        mov     %r12, R12(%rdi)
        mov     %r13, R13(%rdi)
        mov     %r14, R14(%rdi)
        mov     %r15, R15(%rdi)
        mov     (%rsp), %rcx
        mov     %rcx, RIP(%rdi)
        lea     8(%rsp), %rcx
        mov     %rcx, RSP(%rdi)
        lea     FPMEM(%rdi), %rcx
        mov     %rcx, FPREGS(%rdi)
        fnstenv (%rcx)
        fldenv  (%rcx)                  /* it masked the exceptions */
        stmxcsr MXCSR(%rdi)
        .endm

        begin   gr_context_save
        save
        xor     %eax, %eax
        ret
        end     gr_context_save

        begin   gr_context_swap
        save
        mov     %rsi, %rdi
        jmp     .Lsetcontext
        end     gr_context_swap

        begin   gr_context_load
        mov     FPREGS(%rdi), %rcx
        fldenv  (%rcx)
        ldmxcsr MXCSR(%rdi)
        mov     RSP(%rdi), %rsp
        .cfi_def_cfa_offset 0
        .cfi_undefined %rip
        mov     RBX(%rdi), %rbx
        mov     RBP(%rdi), %rbp
        mov     R12(%rdi), %r12
        mov     R13(%rdi), %r13
        mov     R14(%rdi), %r14
        mov     R15(%rdi), %r15
        mov     RIP(%rdi), %rcx
        push    %rcx
        mov     RSI(%rdi), %rsi         /* what makecontext() gives a function */
        mov     RDX(%rdi), %rdx
        mov     RCX(%rdi), %rcx
        mov     R8(%rdi), %r8
        mov     R9(%rdi), %r9
        mov     RDI(%rdi), %rdi
        xor     %eax, %eax
        ret
        end     gr_context_load

        .section .note.GNU-stack, "", @progbits
