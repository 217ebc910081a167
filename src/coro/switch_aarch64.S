/* switch_aarch64.S -- the switch between two stacks, AAPCS64.
 *
 * What is saved lies in struct asyncio__coro, so that a switch writes nothing to either stack:
 *
 *     + 0   sp    sp
 *     + 8   fp    x29                 new: 0, the end of the chain of frame records
 *     + 16  pc    where to continue   new: asyncio__coro_trampoline
 *     + 24  base  x19                 the compiler's second frame pointer, in functions that need one
 *
 * All other registers are clobbered in the eyes of the code around: it saves those it needs, x30 among them. fpcr is
 * the thread's, not the coroutine's. x18 is the platform's where it has a use for it.
 *
 * The switch is reached by b and left by br, with the way back in x9. A bl would leave its return address with the
 * branch predictor, on whose stack the returns of the coroutine that goes on would all be off by one; and a ret would
 * be predicted to go back where the switch came from. A guarded control stack would see the same, but as an attack:
 * the note at the end claims BTI only. */

        .text

/* asyncio__switch: x0 is the coroutine to save, x1 the one to continue, x9 where the first is to continue later. */
        .globl  asyncio__switch
        .hidden asyncio__switch
        .type   asyncio__switch, %function
        .p2align 6                              /* the whole switch lies in one cache line */
asyncio__switch:
        .cfi_startproc
        .cfi_register x30, x9                   /* the return address is here */
        mov     x10, sp                         /* x10: scratch; sp itself cannot be stored */
        stp     x10, x29, [x0]                  /* save its stack and frame */
        stp     x9, x19, [x0, #16]              /* save where it continues, and its base */
        .cfi_escape 0x10, 29, 2, 0x70, 8        /* until sp changes, its x29 is at x0 + 8 ... */
        .cfi_escape 0x10, 19, 2, 0x70, 24       /* ... and its x19 at x0 + 24 */
        ldp     x10, x29, [x1]                  /* x10: the other's stack; its frame */
        ldp     x11, x19, [x1, #16]             /* x11: where it continues; its base */
        mov     sp, x10                         /* from here on unwinders see the other */
        .cfi_restore x29
        .cfi_restore x19
        .cfi_register x30, x11
        br      x11                             /* to a bti j */
        .cfi_endproc
        .size   asyncio__switch, . - asyncio__switch

/* Where a new coroutine begins: its entry function and the argument lie on the stack, below a multiple of 16. Never
 * returns. An undefined x30 in the caller's place tells unwinders that this frame is the outermost. */
        .globl  asyncio__coro_trampoline
        .hidden asyncio__coro_trampoline
        .type   asyncio__coro_trampoline, %function
        .p2align 4
asyncio__coro_trampoline:
        .cfi_startproc
        .cfi_undefined x30
        .cfi_undefined x29
        hint    #36                             /* bti j, spelled so that every assembler knows it */
        ldp     x16, x0, [sp], #16              /* x16: entry; x0: its argument */
        adr     x30, 1f                         /* x30: a return address, for unwinders; */
        br      x16                             /* blr would put it before those that the predictor knows */
1:      brk     #1                              /* an entry that returns has broken its promise */
        .cfi_endproc
        .size   asyncio__coro_trampoline, . - asyncio__coro_trampoline

        .section .note.gnu.property, "a", %note
        .p2align 3
        .word   4                               /* length of the name */
        .word   16                              /* length of the description */
        .word   5                               /* NT_GNU_PROPERTY_TYPE_0 */
        .asciz  "GNU"
        .word   0xc0000000                      /* GNU_PROPERTY_AARCH64_FEATURE_1_AND */
        .word   4                               /* length of its value */
        .word   1                               /* BTI */
        .word   0                               /* padding to 8 */

        .section .note.GNU-stack, "", %progbits
