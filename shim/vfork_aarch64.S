/* pid_t vfork(void): a jump to what gr_vfork_way() gives. See process.c. */
        .text
        .globl  vfork
        .type   vfork, %function
        .p2align 4
vfork:
        .cfi_startproc
        hint    #34                     /* bti c */
        stp     x29, x30, [sp, #-16]!
        .cfi_adjust_cfa_offset 16
        .cfi_offset x29, -16
        .cfi_offset x30, -8
        bl      gr_vfork_way
        mov     x16, x0                 /* bti c lets a jump by x16 in */
        ldp     x29, x30, [sp], #16
        .cfi_adjust_cfa_offset -16
        .cfi_restore x29
        .cfi_restore x30
        br      x16
        .cfi_endproc
        .size   vfork, . - vfork

        .section .note.GNU-stack, "", %progbits
