/* switch_x86_64.S -- the switch between two stacks, System V ABI.
 *
 * What is saved lies in struct asyncio__coro, so that a switch writes nothing to either stack:
 *
 *     + 0   sp    rsp
 *     + 8   fp    rbp                 new: 0, the end of the chain of frame pointers
 *     + 16  pc    where to continue   new: asyncio__coro_trampoline
 *     + 24  base  rbx                 the compiler's second frame pointer, in functions that need one
 *
 * All other registers are clobbered in the eyes of the code around: it saves those it needs. mxcsr and the x87 control
 * word are the thread's, not the coroutine's.
 *
 * The switch is reached by jmp and left by jmp, with the way back in rax. A call would leave its return address with
 * the branch predictor, on whose stack the returns of the coroutine that goes on would all be off by one; and a ret
 * would be predicted to go back where the switch came from. A shadow stack would see the same, but as an attack: the
 * note at the end claims IBT only, and the dynamic loader leaves shadow stacks off. */

        .text

/* asyncio__switch: rdi is the coroutine to save, rsi the one to continue, rax where the first is to continue later. */
        .globl  asyncio__switch
        .hidden asyncio__switch
        .type   asyncio__switch, @function
        .p2align 6                              /* the whole switch lies in one cache line */
asyncio__switch:
        .cfi_startproc
        .cfi_def_cfa rsp, 0                     /* nobody pushed a return address ... */
        .cfi_register rip, rax                  /* ... it is here */
        movq    %rsp, (%rdi)                    /* save its stack */
        movq    %rbp, 8(%rdi)                   /* save its frame */
        movq    %rax, 16(%rdi)                  /* save where it continues */
        movq    %rbx, 24(%rdi)                  /* save its base */
        .cfi_escape 0x10, 6, 2, 0x75, 8         /* until rsp changes, its rbp is at rdi + 8 ... */
        .cfi_escape 0x10, 3, 2, 0x75, 24        /* ... and its rbx at rdi + 24 */
        movq    8(%rsi), %rbp                   /* the other's frame */
        movq    16(%rsi), %rcx                  /* rcx: where it continues */
        movq    24(%rsi), %rbx                  /* its base */
        movq    (%rsi), %rsp                    /* its stack; from here on unwinders see the other */
        .cfi_restore rbp
        .cfi_restore rbx
        .cfi_register rip, rcx
        notrack jmp *%rcx                       /* notrack: there is no endbr64 */
        .cfi_endproc
        .size   asyncio__switch, . - asyncio__switch

/* How functions end that may suspend: see ASYNCIO__SUSPENDS. The compiler wants this name. */
        .weak   __x86_return_thunk
        .hidden __x86_return_thunk
        .type   __x86_return_thunk, @function
        .p2align 4
__x86_return_thunk:
        .cfi_startproc
        popq    %rcx                            /* rcx: the return address; no result is returned there */
        .cfi_def_cfa_offset 0
        .cfi_register rip, rcx
        notrack jmp *%rcx
        .cfi_endproc
        .size   __x86_return_thunk, . - __x86_return_thunk

/* Where a new coroutine begins: its entry function and the argument lie on the stack, below a multiple of 16. Never
 * returns. An undefined rip in the caller's place tells unwinders that this frame is the outermost. */
        .globl  asyncio__coro_trampoline
        .hidden asyncio__coro_trampoline
        .type   asyncio__coro_trampoline, @function
        .p2align 4
asyncio__coro_trampoline:
        .cfi_startproc
        .cfi_undefined rip
        .cfi_undefined rbp
        popq    %rax                            /* rax: entry */
        popq    %rdi                            /* rdi: its argument */
        leaq    1f(%rip), %rcx                  /* rcx: a return address, for unwinders; */
        pushq   %rcx                            /* a call would put it before those that the predictor knows */
        notrack jmp *%rax                       /* rsp + 8 is a multiple of 16 there, as the ABI wants */
1:      ud2                                     /* an entry that returns has broken its promise */
        .cfi_endproc
        .size   asyncio__coro_trampoline, . - asyncio__coro_trampoline

        .section .note.gnu.property, "a", @note
        .p2align 3
        .long   4                               /* length of the name */
        .long   16                              /* length of the description */
        .long   5                               /* NT_GNU_PROPERTY_TYPE_0 */
        .asciz  "GNU"
        .long   0xc0000002                      /* GNU_PROPERTY_X86_FEATURE_1_AND */
        .long   4                               /* length of its value */
        .long   1                               /* IBT; not 2, SHSTK */
        .long   0                               /* padding to 8 */

        .section .note.GNU-stack, "", @progbits
