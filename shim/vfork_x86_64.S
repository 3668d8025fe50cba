/*
 * pid_t vfork(void): a jump to what gr_vfork_way() gives, or the system call itself. The return
 * address is in a register over the call, for the child writes to the stack. See process.c.
 */
        .text
        .globl  vfork
        .type   vfork, @function
        .p2align 4
vfork:
        .cfi_startproc
        endbr64
        sub     $8, %rsp
        .cfi_adjust_cfa_offset 8
        call    gr_vfork_way
        add     $8, %rsp
        .cfi_adjust_cfa_offset -8
        test    %rax, %rax
        je      .Lvfork
        jmp     *%rax
.Lvfork:
        pop     %rdi
        .cfi_adjust_cfa_offset -8
        .cfi_register %rip, %rdi
        mov     $58, %eax               /* vfork */
        syscall
        push    %rdi
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rip, 0
        test    %rax, %rax
        je      .Lreturn                /* the child */
        mov     %rax, %rdi
        sub     $8, %rsp
        .cfi_adjust_cfa_offset 8
        call    gr_vfork_end
        add     $8, %rsp
        .cfi_adjust_cfa_offset -8
.Lreturn:
        ret
        .cfi_endproc
        .size   vfork, . - vfork

        .section .note.GNU-stack, "", @progbits
