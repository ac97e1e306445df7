/* Integer arithmetic that a 32-bit core has no instruction for: shifts, products and quotients of 64 bits, quotients of
   32 bits on cores without a divider, counting of zeros. Names as in GCC's libgcc and the Run-time ABI for Arm §4. */
#include <stdint.h>

typedef union {
  uint64_t whole;
  struct {
    uint32_t low, high;
  } half;
} parts;

uint64_t __ashldi3(uint64_t value, int count) {
  parts v = {value}, r;
  if (count & 32) {
    r.half.low = 0, r.half.high = v.half.low << (count & 31);
  } else if (count) {
    r.half.low = v.half.low << count, r.half.high = (v.half.high << count) | (v.half.low >> (32 - count));
  } else {
    return value;
  }
  return r.whole;
}

uint64_t __lshrdi3(uint64_t value, int count) {
  parts v = {value}, r;
  if (count & 32) {
    r.half.high = 0, r.half.low = v.half.high >> (count & 31);
  } else if (count) {
    r.half.high = v.half.high >> count, r.half.low = (v.half.low >> count) | (v.half.high << (32 - count));
  } else {
    return value;
  }
  return r.whole;
}

int64_t __ashrdi3(int64_t value, int count) {
  parts v = {(uint64_t)value}, r;
  int32_t high = (int32_t)v.half.high;
  if (count & 32) {
    r.half.high = (uint32_t)(high >> 31), r.half.low = (uint32_t)(high >> (count & 31));
  } else if (count) {
    r.half.high = (uint32_t)(high >> count), r.half.low = (v.half.low >> count) | (v.half.high << (32 - count));
  } else {
    return value;
  }
  return (int64_t)r.whole;
}

static uint64_t product(uint32_t a, uint32_t b) {
#if defined(__ARM_FEATURE_DSP) || (defined(__ARM_ARCH) && __ARM_ARCH >= 7) || defined(__riscv_mul)
  return (uint64_t)a * b;
#else
  uint32_t al = a & 0xFFFF, ah = a >> 16, bl = b & 0xFFFF, bh = b >> 16;
  uint32_t low = al * bl, cross = ah * bl + (low >> 16), other = al * bh + (cross & 0xFFFF);
  parts r = {.half = {(other << 16) | (low & 0xFFFF), ah * bh + (cross >> 16) + (other >> 16)}};
  return r.whole;
#endif
}

uint64_t __muldi3(uint64_t left, uint64_t right) {
  parts l = {left}, r = {right}, p = {product(l.half.low, r.half.low)};
  p.half.high += l.half.low * r.half.high + l.half.high * r.half.low;
  return p.whole;
}

int __clzsi2(uint32_t value) {
  int count = 32;
  for (int step = 16; step; step >>= 1)
    if (value >> step) value >>= step, count -= step;
  return value ? count - 1 : count;
}

int __clzdi2(uint64_t value) {
  parts v = {value};
  return v.half.high ? __clzsi2(v.half.high) : 32 + __clzsi2(v.half.low);
}

int __ctzsi2(uint32_t value) { return 31 - __clzsi2(value & (0 - value)); }

int __ctzdi2(uint64_t value) {
  parts v = {value};
  return v.half.low ? __ctzsi2(v.half.low) : 32 + __ctzsi2(v.half.high);
}

int __popcountsi2(uint32_t value) {
  value -= (value >> 1) & 0x55555555;
  value = (value & 0x33333333) + ((value >> 2) & 0x33333333);
  return (int)((((value + (value >> 4)) & 0x0F0F0F0F) * 0x01010101u) >> 24);
}

int __popcountdi2(uint64_t value) {
  parts v = {value};
  return __popcountsi2(v.half.low) + __popcountsi2(v.half.high);
}

/* Quotient in the low word, remainder in the high word: r0 and r1 on Arm, which is what __aeabi_uidivmod promises.
   Division by zero gives 0 and the dividend, as the cores' own dividers are configured to do. */
static uint64_t divide32(uint32_t dividend, uint32_t divisor) {
  uint32_t quotient = 0;
  if (divisor && dividend >= divisor) {
    int shift = __clzsi2(divisor) - __clzsi2(dividend);
    for (divisor <<= shift; shift >= 0; shift--, divisor >>= 1) {
      quotient <<= 1;
      if (dividend >= divisor) dividend -= divisor, quotient |= 1;
    }
  }
  parts r = {.half = {quotient, dividend}};
  return r.whole;
}

static uint64_t divide32_signed(int32_t dividend, int32_t divisor) {
  uint32_t a = (uint32_t)dividend, b = (uint32_t)divisor;
  parts r = {divide32(dividend < 0 ? 0 - a : a, divisor < 0 ? 0 - b : b)};
  if ((dividend ^ divisor) < 0) r.half.low = 0 - r.half.low;
  if (dividend < 0) r.half.high = 0 - r.half.high;
  return r.whole;
}

uint32_t __udivsi3(uint32_t a, uint32_t b) { return (uint32_t)divide32(a, b); }
uint32_t __umodsi3(uint32_t a, uint32_t b) { return (uint32_t)(divide32(a, b) >> 32); }
int32_t __divsi3(int32_t a, int32_t b) { return (int32_t)divide32_signed(a, b); }
int32_t __modsi3(int32_t a, int32_t b) { return (int32_t)(divide32_signed(a, b) >> 32); }

uint64_t __udivmoddi4(uint64_t dividend, uint64_t divisor, uint64_t *remainder) {
  uint64_t quotient = 0;
  if (divisor && dividend >= divisor) {
    int shift = __clzdi2(divisor) - __clzdi2(dividend);
    for (divisor = __ashldi3(divisor, shift); shift >= 0; shift--, divisor >>= 1) {
      quotient <<= 1;
      if (dividend >= divisor) dividend -= divisor, quotient |= 1;
    }
  }
  if (remainder) *remainder = dividend;
  return quotient;
}

int64_t __divmoddi4(int64_t dividend, int64_t divisor, int64_t *remainder) {
  uint64_t rest, a = (uint64_t)dividend, b = (uint64_t)divisor;
  uint64_t quotient = __udivmoddi4(dividend < 0 ? 0 - a : a, divisor < 0 ? 0 - b : b, &rest);
  if (remainder) *remainder = (int64_t)(dividend < 0 ? 0 - rest : rest);
  return (int64_t)((dividend ^ divisor) < 0 ? 0 - quotient : quotient);
}

uint64_t __udivdi3(uint64_t a, uint64_t b) { return __udivmoddi4(a, b, 0); }
int64_t __divdi3(int64_t a, int64_t b) { return __divmoddi4(a, b, 0); }

uint64_t __umoddi3(uint64_t a, uint64_t b) {
  uint64_t rest;
  __udivmoddi4(a, b, &rest);
  return rest;
}

int64_t __moddi3(int64_t a, int64_t b) {
  int64_t rest;
  __divmoddi4(a, b, &rest);
  return rest;
}

#if defined(__arm__)
uint64_t __aeabi_llsl(uint64_t value, int count) { return __ashldi3(value, count); }
uint64_t __aeabi_llsr(uint64_t value, int count) { return __lshrdi3(value, count); }
int64_t __aeabi_lasr(int64_t value, int count) { return __ashrdi3(value, count); }
uint64_t __aeabi_lmul(uint64_t left, uint64_t right) { return __muldi3(left, right); }
uint32_t __aeabi_uidiv(uint32_t a, uint32_t b) { return (uint32_t)divide32(a, b); }
int32_t __aeabi_idiv(int32_t a, int32_t b) { return (int32_t)divide32_signed(a, b); }
uint64_t __aeabi_uidivmod(uint32_t a, uint32_t b) { return divide32(a, b); }
uint64_t __aeabi_idivmod(int32_t a, int32_t b) { return divide32_signed(a, b); }

int __aeabi_lcmp(int64_t a, int64_t b) { return (a > b) - (a < b); }
int __aeabi_ulcmp(uint64_t a, uint64_t b) { return (a > b) - (a < b); }

/* Quotient in r0:r1, remainder in r2:r3, which C cannot say. */
#define DIVMOD(name, divide)                             \
  __attribute__((naked)) void name(void) {               \
    __asm__("push {r7, lr}\n"                            \
            "sub sp, #16\n"                              \
            "add r7, sp, #8\n"                           \
            "str r7, [sp]\n"                             \
            "bl " #divide "\n"                           \
            "ldr r2, [sp, #8]\n"                         \
            "ldr r3, [sp, #12]\n"                        \
            "add sp, #16\n"                              \
            "pop {r7, pc}\n");                           \
  }
DIVMOD(__aeabi_uldivmod, __udivmoddi4)
DIVMOD(__aeabi_ldivmod, __divmoddi4)
#endif
