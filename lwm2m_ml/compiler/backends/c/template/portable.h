/* What compilers say in different words. Everything else in model.c is C99. */
#ifndef LWM2M_ML_PORTABLE_H
#define LWM2M_ML_PORTABLE_H

#include <stdint.h>

#if defined(__GNUC__) || defined(__clang__)
#define MODEL_NOINLINE __attribute__((noinline))
#define MODEL_INLINE __attribute__((always_inline)) inline
#define MODEL_ALIGNED(bytes) __attribute__((aligned(bytes)))
/* Kernels of one kind share a signature, and not each needs all of it. */
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wunused-variable"
#pragma GCC diagnostic ignored "-Wunused-but-set-variable"
#else
#define MODEL_NOINLINE
#define MODEL_INLINE inline
#if defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define MODEL_ALIGNED(bytes) _Alignas(bytes)
#else
#define MODEL_ALIGNED(bytes)
#endif
#endif

#if defined(__BYTE_ORDER__) && defined(__ORDER_BIG_ENDIAN__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#error "The constants of this model are packed for little-endian processors"
#endif

/* How many zero bits a number has before its highest one; 32 for zero. */
static inline int32_t model_leading_zeros(uint32_t value)
{
  int32_t count = 0;
  if (value == 0U) return 32;
  while ((value & 0x80000000U) == 0U) {
    value <<= 1;
    ++count;
  }
  return count;
}

#endif
