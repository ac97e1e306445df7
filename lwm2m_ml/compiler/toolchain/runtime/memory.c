/* memcpy, memmove, memset, memcmp: a compiler may call these for any C code. Word copies where both sides are aligned. */
#include <stddef.h>
#include <stdint.h>

typedef uint32_t __attribute__((may_alias)) word;

/* Forwards, every word read before anything behind it is written: also right when `to` lies below an overlapping `from`,
   so no `restrict` here. */
static void copy_forwards(void *to, const void *from, size_t count) {
  uint8_t *t = to;
  const uint8_t *f = from;
  if ((((uintptr_t)t ^ (uintptr_t)f) & 3) == 0) {
    for (; count && ((uintptr_t)t & 3); count--) *t++ = *f++;
    for (; count >= 16; count -= 16, t += 16, f += 16) {
      word a = ((const word *)f)[0], b = ((const word *)f)[1], c = ((const word *)f)[2], d = ((const word *)f)[3];
      ((word *)t)[0] = a, ((word *)t)[1] = b, ((word *)t)[2] = c, ((word *)t)[3] = d;
    }
    for (; count >= 4; count -= 4, t += 4, f += 4) *(word *)t = *(const word *)f;
  }
  for (; count; count--) *t++ = *f++;
}

void *memcpy(void *restrict to, const void *restrict from, size_t count) {
  copy_forwards(to, from, count);
  return to;
}

void *memmove(void *to, const void *from, size_t count) {
  uint8_t *t = to;
  const uint8_t *f = from;
  if ((uintptr_t)t - (uintptr_t)f >= count) {
    copy_forwards(to, from, count);
  } else {
    while (count) count--, t[count] = f[count];
  }
  return to;
}

void *memset(void *to, int value, size_t count) {
  uint8_t *t = to;
  word pattern = (uint8_t)value * 0x01010101u;
  for (; count && ((uintptr_t)t & 3); count--) *t++ = (uint8_t)value;
  for (; count >= 4; count -= 4, t += 4) *(word *)t = pattern;
  for (; count; count--) *t++ = (uint8_t)value;
  return to;
}

int memcmp(const void *left, const void *right, size_t count) {
  const uint8_t *l = left, *r = right;
  for (; count; count--, l++, r++)
    if (*l != *r) return *l - *r;
  return 0;
}

#if defined(__arm__)
/* Run-time ABI for the Arm Architecture §4.3.4: note the order of the arguments of memset. */
void __aeabi_memcpy(void *to, const void *from, size_t count) { memcpy(to, from, count); }
void __aeabi_memcpy4(void *to, const void *from, size_t count) { memcpy(to, from, count); }
void __aeabi_memcpy8(void *to, const void *from, size_t count) { memcpy(to, from, count); }
void __aeabi_memmove(void *to, const void *from, size_t count) { memmove(to, from, count); }
void __aeabi_memmove4(void *to, const void *from, size_t count) { memmove(to, from, count); }
void __aeabi_memmove8(void *to, const void *from, size_t count) { memmove(to, from, count); }
void __aeabi_memset(void *to, size_t count, int value) { memset(to, value, count); }
void __aeabi_memset4(void *to, size_t count, int value) { memset(to, value, count); }
void __aeabi_memset8(void *to, size_t count, int value) { memset(to, value, count); }
void __aeabi_memclr(void *to, size_t count) { memset(to, 0, count); }
void __aeabi_memclr4(void *to, size_t count) { memset(to, 0, count); }
void __aeabi_memclr8(void *to, size_t count) { memset(to, 0, count); }
#endif
