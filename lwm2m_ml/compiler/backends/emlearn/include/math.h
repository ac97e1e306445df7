/* The little of math.h that emlearn's networks need, for cores without a C library. */
#ifndef LWM2M_ML_MATH_H
#define LWM2M_ML_MATH_H

#define INFINITY (__builtin_inff())
#define NAN (__builtin_nanf(""))

float expf(float value);
float logf(float value);
float fabsf(float value);

static float tanhf(float value)
{
  float size = value < 0.0f ? -value : value;
  float low = size < 0.0005f ? size : 1.0f - 2.0f / (expf(2.0f * size) + 1.0f);
  return value < 0.0f ? -low : low;
}

#endif
