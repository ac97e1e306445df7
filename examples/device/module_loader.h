/* module_loader.h: a loader of inference modules for devices with memory-mapped flash: one area where packages arrive, two
 * slots for images. A sketch to start from: docs/connect-a-device.md says what a product adds.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef MODULE_LOADER_H
#define MODULE_LOADER_H

#include "lwm2m_ml_verifier.h"

#define NO_SLOT 2u

/* What must survive a power cut. The numbers are those of 42770/x/11 and 12. */
struct loader_record {
    uint32_t state;
    uint32_t result;
    uint32_t active;        /* the slot that is confirmed, or NO_SLOT */
    uint32_t candidate;     /* the slot that is staged or on trial, or NO_SLOT */
    uint32_t arena_bytes[2];
    uint64_t floor;         /* the highest sequence number that was accepted */
};

/* What the board gives. Functions return 0 when they succeeded. */
struct loader_board {
    const uint8_t *package;
    uint32_t package_bytes;
    const uint8_t *slot[2]; /* at multiples of LWM2M_ML_IMAGE_ALIGNMENT, executable */
    uint32_t slot_bytes;
    void *arena;            /* at a multiple of LWM2M_ML_ARENA_ALIGNMENT, recipient.working_memory_bytes long */
    struct lwm2m_ml_recipient recipient;
    struct lwm2m_ml_crypto crypto;
    int (*erase)(const uint8_t *area, uint32_t size);
    int (*program)(const uint8_t *at, const uint8_t *data, uint32_t size);
    int (*remember)(const struct loader_record *record); /* whole or not at all, in a journal */
    int (*self_test)(const uint8_t *image, void *arena, const struct lwm2m_ml_verified *verified);
};

struct loader {
    const struct loader_board *board;
    struct loader_record record;
    uint32_t received;
};

/* After each start, with the record that was remembered last (zeroes and NO_SLOT at first). */
void loader_boot(struct loader *loader, const struct loader_board *board, const struct loader_record *remembered);

/* Object 9: a package comes, block by block. */
int loader_begin(struct loader *loader);
int loader_write(struct loader *loader, const uint8_t *data, uint32_t size);
enum lwm2m_ml_result loader_install(struct loader *loader);
int loader_activate(struct loader *loader);

/* Object 42770: Confirm, Roll Back, and the deadline of the trial. */
int loader_confirm(struct loader *loader);
int loader_give_up(struct loader *loader, enum lwm2m_ml_result why);

/* One inference: inputs are in the arena, outputs will be. Returns LWM2M_ML_OK, or counts as a failure. */
int32_t loader_infer(const struct loader *loader);

#endif
