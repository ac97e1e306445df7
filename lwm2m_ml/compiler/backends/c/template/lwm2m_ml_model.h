/* A machine learning model as C, API version 1. The names stay the same from one version of a model to the next.

   uint8_t arena[LWM2M_ML_MODEL_ARENA_BYTES], aligned to LWM2M_ML_MODEL_ARENA_ALIGNMENT;
   memcpy(lwm2m_ml_model_input(&lwm2m_ml_model, arena, 0), sample, lwm2m_ml_model.inputs[0].bytes);
   if (lwm2m_ml_model_run(&lwm2m_ml_model, arena) == LWM2M_ML_MODEL_OK) use(lwm2m_ml_model_output(..., 0));

   No heap, no recursion, no global state: two arenas are two independent models, and an interrupt may use its own.
   real = scale * (integer - zero_point). Inputs do not survive a run; write all of them before each.

   Define LWM2M_ML_MODEL as another prefix, for model.c and for whoever includes this, to link several models. */
#ifndef LWM2M_ML_MODEL_H
#define LWM2M_ML_MODEL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LWM2M_ML_MODEL_API_VERSION 1

#ifndef LWM2M_ML_MODEL
#define LWM2M_ML_MODEL lwm2m_ml_model
#endif

#define LWM2M_ML_MODEL_JOIN_(prefix, name) prefix##name
#define LWM2M_ML_MODEL_JOIN(prefix, name) LWM2M_ML_MODEL_JOIN_(prefix, name)
#define LWM2M_ML_MODEL_INVOKE LWM2M_ML_MODEL_JOIN(LWM2M_ML_MODEL, _invoke)

#define LWM2M_ML_MODEL_ARENA_BYTES @ARENA_BYTES@U
#define LWM2M_ML_MODEL_ARENA_ALIGNMENT 16U

#define LWM2M_ML_MODEL_OK 0
#define LWM2M_ML_MODEL_BAD_ARENA (-1)

typedef enum {
  LWM2M_ML_FLOAT32 = 0,
  LWM2M_ML_INT8 = 1
} lwm2m_ml_type_t;

typedef struct {
  lwm2m_ml_type_t type;
  uint32_t rank;
  const int32_t *shape;
  float scale;
  int32_t zero_point;
  uint32_t offset;
  uint32_t bytes;
} lwm2m_ml_tensor_t;

typedef struct {
  uint32_t api_version;
  uint32_t arena_bytes;
  uint32_t input_count;
  uint32_t output_count;
  const lwm2m_ml_tensor_t *inputs;
  const lwm2m_ml_tensor_t *outputs;
  int32_t (*run)(void *arena);
} lwm2m_ml_model_t;

/* The model as a table, for firmware that chooses among several. */
extern const lwm2m_ml_model_t LWM2M_ML_MODEL;

/* The same inference by its own name: lwm2m_ml_model_invoke. */
int32_t LWM2M_ML_MODEL_INVOKE(void *arena);

/* One inference: LWM2M_ML_MODEL_OK, or LWM2M_ML_MODEL_BAD_ARENA for an arena that is NULL or not aligned. */
static inline int32_t lwm2m_ml_model_run(const lwm2m_ml_model_t *model, void *arena)
{
  return model->run(arena);
}

static inline void *lwm2m_ml_model_input(const lwm2m_ml_model_t *model, void *arena, uint32_t number)
{
  return number < model->input_count ? (uint8_t *)arena + model->inputs[number].offset : NULL;
}

static inline const void *lwm2m_ml_model_output(const lwm2m_ml_model_t *model, const void *arena, uint32_t number)
{
  return number < model->output_count ? (const uint8_t *)arena + model->outputs[number].offset : NULL;
}

#ifdef __cplusplus
}
#endif

#endif
