// SPDX-License-Identifier: Apache-2.0
#include "CFibers.h"

#include <stddef.h>
#include <stdint.h>

void kt_fiber_start(void);

#if defined(__x86_64__)

// System V ABI: rbx, rbp and r12 to r15 belong to the caller. At a function's entry rsp is 8 below a multiple of 16.
__asm__(
    ".text\n"
    ".globl kt_fiber_switch\n"
    ".type kt_fiber_switch,@function\n"
    "kt_fiber_switch:\n"
    "  pushq %rbp\n"
    "  pushq %rbx\n"
    "  pushq %r12\n"
    "  pushq %r13\n"
    "  pushq %r14\n"
    "  pushq %r15\n"
    "  movq %rsp, (%rdi)\n"
    "  movq %rsi, %rsp\n"
    "  popq %r15\n"
    "  popq %r14\n"
    "  popq %r13\n"
    "  popq %r12\n"
    "  popq %rbx\n"
    "  popq %rbp\n"
    "  ret\n"
    ".size kt_fiber_switch,.-kt_fiber_switch\n"
    ".globl kt_fiber_start\n"
    ".type kt_fiber_start,@function\n"
    "kt_fiber_start:\n"
    "  .cfi_startproc\n"
    "  .cfi_undefined rip\n"
    "  movq %r12, %rdi\n"
    "  callq *%rbx\n"
    "  ud2\n"
    "  .cfi_endproc\n"
    ".size kt_fiber_start,.-kt_fiber_start\n");

enum { FRAME = 9, ENTRY = 4, ARGUMENT = 3, RETURN = 6 };

#elif defined(__aarch64__)

// AAPCS64: x19 to x30, d8 to d15 and sp belong to the caller; sp is always a multiple of 16.
__asm__(
    ".text\n"
    ".globl kt_fiber_switch\n"
    ".type kt_fiber_switch,%function\n"
    "kt_fiber_switch:\n"
    "  stp x19, x20, [sp, #-160]!\n"
    "  stp x21, x22, [sp, #16]\n"
    "  stp x23, x24, [sp, #32]\n"
    "  stp x25, x26, [sp, #48]\n"
    "  stp x27, x28, [sp, #64]\n"
    "  stp x29, x30, [sp, #80]\n"
    "  stp d8, d9, [sp, #96]\n"
    "  stp d10, d11, [sp, #112]\n"
    "  stp d12, d13, [sp, #128]\n"
    "  stp d14, d15, [sp, #144]\n"
    "  mov x9, sp\n"
    "  str x9, [x0]\n"
    "  mov sp, x1\n"
    "  ldp x21, x22, [sp, #16]\n"
    "  ldp x23, x24, [sp, #32]\n"
    "  ldp x25, x26, [sp, #48]\n"
    "  ldp x27, x28, [sp, #64]\n"
    "  ldp x29, x30, [sp, #80]\n"
    "  ldp d8, d9, [sp, #96]\n"
    "  ldp d10, d11, [sp, #112]\n"
    "  ldp d12, d13, [sp, #128]\n"
    "  ldp d14, d15, [sp, #144]\n"
    "  ldp x19, x20, [sp], #160\n"
    "  ret\n"
    ".size kt_fiber_switch,.-kt_fiber_switch\n"
    ".globl kt_fiber_start\n"
    ".type kt_fiber_start,%function\n"
    "kt_fiber_start:\n"
    "  .cfi_startproc\n"
    "  .cfi_undefined x30\n"
    "  mov x0, x20\n"
    "  blr x19\n"
    "  brk #1\n"
    "  .cfi_endproc\n"
    ".size kt_fiber_start,.-kt_fiber_start\n");

enum { FRAME = 20, ENTRY = 0, ARGUMENT = 1, RETURN = 11 };

#else
#error "the simulator has no fibers for this processor"
#endif

void *kt_fiber_prepare(void *top, void (*entry)(void *), void *argument) {
  uintptr_t *end = (uintptr_t *)((uintptr_t)top & ~(uintptr_t)15);
  // On x86-64 the return address lies above the registers, and the stack is at a multiple of 16 once it is taken.
  uintptr_t *saved = end - FRAME;
  for (int i = 0; i < FRAME; i++) saved[i] = 0;
  saved[RETURN] = (uintptr_t)kt_fiber_start;
  saved[ENTRY] = (uintptr_t)entry;
  saved[ARGUMENT] = (uintptr_t)argument;
  return saved;
}
