/* The vector table, and a call on a stack of its own. */
  .syntax unified
  .thumb
  .section .vectors, "a"
  .word 0x30080000
  .word reset
  .rept 14
  .word fault
  .endr

  .section .text.call_on_stack, "ax"
  .global call_on_stack
  .type call_on_stack, %function
  .thumb_func
call_on_stack:
  push {r4, lr}
  mov r4, sp
  mov sp, r2
  mov r3, r0
  mov r0, r1
  blx r3
  mov sp, r4
  pop {r4, pc}
  .size call_on_stack, . - call_on_stack
