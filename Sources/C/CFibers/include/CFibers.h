// SPDX-License-Identifier: Apache-2.0
// A switch between stacks of one kernel thread, for the simulator: no installed program has it.
#ifndef CFIBERS_H
#define CFIBERS_H

// Saves the callee-saved registers and the stack pointer at `*from`, and goes on where `to` was saved.
void kt_fiber_switch(void **from, void *to);

// A saved stack pointer that, once switched to, calls `entry(argument)` on the stack that ends at `top`. `entry` must not
// return.
void *kt_fiber_prepare(void *top, void (*entry)(void *), void *argument);

#endif
