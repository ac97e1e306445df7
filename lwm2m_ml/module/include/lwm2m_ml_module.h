/* lwm2m_ml_module.h: what a device must know to hold, call and report on an inference module. C99, no dependencies.
 *
 * The package that carries a module is specified in docs/module-format.md of lwm2m-ml. This header has the rules of the
 * module ABI, version 1.0.0, for modules of format 2: native, position-independent code.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef LWM2M_ML_MODULE_H
#define LWM2M_ML_MODULE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Runtime Version of 42769/x/1. A module runs on a device of the same major and of no lower minor version. */
#define LWM2M_ML_ABI_MAJOR 1
#define LWM2M_ML_ABI_MINOR 0
#define LWM2M_ML_ABI_PATCH 0
#define LWM2M_ML_ABI "1.0.0"

/* 1. The image. One flat piece of machine code and constants, little-endian, without relocations, GOT, data or bss. It
 *    runs at any address that is a multiple of LWM2M_ML_IMAGE_ALIGNMENT, in flash or in RAM, and never writes to
 *    itself: memory protection may allow read and execute only.
 *
 * 2. The entry is the first byte of the image. The caller sets the Thumb bit on Arm; lwm2m_ml_invoke() does.
 *    Arm: AAPCS. RISC-V: psABI ilp32; gp and tp are neither used nor changed.
 *
 * 3. The arena is the module's only memory: arena_bytes (descriptor key 11) at a multiple of LWM2M_ML_ARENA_ALIGNMENT,
 *    read and write, need not be executable, need not be cleared. Different arenas may be used at the same time by
 *    tasks that preempt each other; one arena by one call at a time.
 *
 * 4. The stack. A call uses at most stack_bytes (descriptor key 12) below the stack pointer at the call, which is
 *    aligned as the calling convention says: 8 on Arm, 16 on RISC-V. What interrupts push comes on top of it.
 *
 * 5. Tensors. Before each call write every input at its offset in the arena; after it, read the outputs at theirs.
 *    Inputs are lost during the call, because their memory is used again. Outputs stay until the next call.
 *
 * 6. The FPU. A module whose ISA list (descriptor key 8) names a floating-point unit may use it: the caller has enabled
 *    it before. Otherwise no floating-point register is touched. No argument and no result is floating point.
 *
 * 7. Caches. Who copies an image into RAM cleans the data cache over it, invalidates the instruction cache, and executes
 *    DSB and ISB (Arm) or FENCE.I (RISC-V) before the first call.
 *
 * 8. A module runs unprivileged, calls nothing outside of itself, uses no system call, no interrupt, no peripheral, and
 *    returns: it has no loop whose count is not fixed when it is compiled.
 */
#define LWM2M_ML_IMAGE_ALIGNMENT 16
#define LWM2M_ML_ARENA_ALIGNMENT 16

/* Returns 0 when the outputs are valid. Everything else is a failure, which counts in 42770/x/26. */
typedef int32_t (*lwm2m_ml_entry)(void *arena);

#define LWM2M_ML_OK 0

/* Run one inference: `image` is the verified payload, `arena` its working memory. */
static inline int32_t lwm2m_ml_invoke(const void *image, void *arena)
{
    uintptr_t address = (uintptr_t)image;
#if defined(__thumb__) || defined(__ARM_ARCH_6M__) || defined(__ARM_ARCH_7M__) || defined(__ARM_ARCH_7EM__)
    address |= 1u;
#endif
    return ((lwm2m_ml_entry)address)(arena);
}

/* Sizes of what arrives before the payload; see docs/module-format.md. */
#define LWM2M_ML_AUTHENTICATION_MAXIMUM 256
#define LWM2M_ML_MANIFEST_MAXIMUM 1024
#define LWM2M_ML_DIGEST_BYTES 32
#define LWM2M_ML_KEY_ID_BYTES 8

/* Labels of the envelope's elements, in the order in which they arrive; the payload's is the text "#module". */
#define LWM2M_ML_ELEMENT_AUTHENTICATION 2
#define LWM2M_ML_ELEMENT_MANIFEST 3
#define LWM2M_ML_ELEMENT_DESCRIPTOR (-257)
#define LWM2M_ML_ELEMENT_PROVENANCE (-258)
#define LWM2M_ML_ELEMENT_BLOCK_TABLE (-259)

/* 42769/x/11 and descriptor key 5. */
enum lwm2m_ml_format {
    LWM2M_ML_FORMAT_INTERPRETED_GRAPH = 0,
    LWM2M_ML_FORMAT_PORTABLE = 1,
    LWM2M_ML_FORMAT_NATIVE = 2,
    LWM2M_ML_FORMAT_BARE_METAL_IMAGE = 3
};

/* 42769/x/21 and parameter -257 of the manifest. */
enum lwm2m_ml_encoding {
    LWM2M_ML_ENCODING_NONE = 0,
    LWM2M_ML_ENCODING_ZSTD = 1,
    LWM2M_ML_ENCODING_HEATSHRINK = 2,
    LWM2M_ML_ENCODING_DELTA = 3
};

/* 42770/x/11. */
enum lwm2m_ml_state {
    LWM2M_ML_STATE_EMPTY = 0,
    LWM2M_ML_STATE_STAGED = 1,
    LWM2M_ML_STATE_TRIAL = 2,
    LWM2M_ML_STATE_ACTIVE = 3,
    LWM2M_ML_STATE_STANDBY = 4,
    LWM2M_ML_STATE_FAILED = 5
};

/* 42770/x/12. */
enum lwm2m_ml_result {
    LWM2M_ML_RESULT_INITIAL = 0,
    LWM2M_ML_RESULT_SUCCESS = 1,
    LWM2M_ML_RESULT_SIGNATURE_INVALID = 2,
    LWM2M_ML_RESULT_DIGEST_MISMATCH = 3,
    LWM2M_ML_RESULT_WRONG_VENDOR_OR_CLASS = 4,
    LWM2M_ML_RESULT_SEQUENCE_NUMBER_TOO_LOW = 5,
    LWM2M_ML_RESULT_STORAGE_TOO_SMALL = 6,
    LWM2M_ML_RESULT_WORKING_MEMORY_TOO_SMALL = 7,
    LWM2M_ML_RESULT_OPERATOR_MISSING = 8,
    LWM2M_ML_RESULT_RUNTIME_VERSION_MISMATCH = 9,
    LWM2M_ML_RESULT_DELTA_BASE_MISMATCH = 10,
    LWM2M_ML_RESULT_DECODING_FAILED = 11,
    LWM2M_ML_RESULT_DECRYPTION_FAILED = 12,
    LWM2M_ML_RESULT_SELF_TEST_MISMATCH = 13,
    LWM2M_ML_RESULT_LATENCY_LIMIT_PASSED = 14,
    LWM2M_ML_RESULT_TRIAL_UNCONFIRMED = 15,
    LWM2M_ML_RESULT_DRIFT_OR_FAILURE_LIMIT_PASSED = 16,
    LWM2M_ML_RESULT_RESET_DURING_TRIAL = 17,
    LWM2M_ML_RESULT_ROLLED_BACK_BY_SERVER = 18
};

#ifdef __cplusplus
}
#endif

#endif /* LWM2M_ML_MODULE_H */
