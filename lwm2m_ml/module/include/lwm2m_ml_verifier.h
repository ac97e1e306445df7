/* lwm2m_ml_verifier.h: reference verifier and loader of inference modules for devices. C99, no malloc, no recursion.
 *
 * It checks a package that lies in memory (flash or RAM) as docs/module-format.md §8 says, in that order, and tells where
 * the module's image lies. Hashes and signatures are the device's business: two functions. Encoded and encrypted
 * payloads are refused; unpack them while they arrive, or ask the server not to send any (42769/x/21).
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef LWM2M_ML_VERIFIER_H
#define LWM2M_ML_VERIFIER_H

#include <stddef.h>

#include "lwm2m_ml_module.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The device's cryptography; `context` is passed back. */
struct lwm2m_ml_crypto {
    void *context;
    /* SHA-256 over all data since the last digest. With `digest` null more data follows; otherwise write 32 bytes. */
    void (*hash)(void *context, const uint8_t *data, size_t size, uint8_t *digest);
    /* Return 1 if a trusted key made `signature` (64 bytes) over `message`, else 0. `algorithm` is -8 (Ed25519) or -7
     * (ES256). `key_id` are the first 8 bytes of the thumbprint of a trusted key that has to be tried, or null: then
     * try every one of the algorithm. */
    int (*verify)(void *context, int algorithm, const uint8_t *key_id, const uint8_t *message, size_t size,
                  const uint8_t *signature);
};

/* What the device is, has and can do. */
struct lwm2m_ml_recipient {
    const uint8_t *vendor_id;      /* 16 bytes */
    const uint8_t *class_id;       /* 16 bytes */
    const uint8_t *component;      /* the identifier as CBOR, e.g. 81 46 "module"; null: any */
    size_t component_size;
    uint64_t sequence_floor;
    uint32_t storage_bytes;
    uint32_t working_memory_bytes;
    uint32_t abi_major;
    uint32_t abi_minor;
    uint32_t formats;              /* bit n is set if modules of format n run here */
    const char *operator_set;      /* usually "native" */
    const char *isa;               /* features, each followed by a space: "armv7e-m dsp "; null: not checked */
};

/* What is known of a package that passed; all pointers point into it. */
struct lwm2m_ml_verified {
    uint64_t sequence_number;
    const uint8_t *digest;         /* 32 bytes: 42770/x/3 */
    const uint8_t *descriptor;
    size_t descriptor_size;
    const uint8_t *image;
    size_t image_size;
    uint32_t arena_bytes;
    uint32_t stack_bytes;
};

/* Check a whole package. Returns LWM2M_ML_RESULT_SUCCESS, or what to report in 42770/x/12; then `verified` means nothing. */
enum lwm2m_ml_result lwm2m_ml_verify(const uint8_t *package, size_t size, const struct lwm2m_ml_recipient *recipient,
                                     const struct lwm2m_ml_crypto *crypto, struct lwm2m_ml_verified *verified);

/* Copy a verified image to RAM at `address` (aligned to LWM2M_ML_IMAGE_ALIGNMENT) and run it once there, or, if it lies
 * aligned where it is, pass that. Returns what the module returns, or -1 if `address` or `arena` is not aligned. */
int32_t lwm2m_ml_load_and_invoke(const struct lwm2m_ml_verified *verified, void *address, void *arena);

#ifdef __cplusplus
}
#endif

#endif /* LWM2M_ML_VERIFIER_H */
