/* pid_t vfork(void): a jump to what gr_vfork_way() gives. See process.c. */
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
        jmp     *%rax
        .cfi_endproc
        .size   vfork, . - vfork

        .section .note.GNU-stack, "", @progbits
