/* module_loader.c: see module_loader.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "module_loader.h"

static int settle(struct loader *loader, uint32_t state, enum lwm2m_ml_result result)
{
    loader->record.state = state;
    loader->record.result = (uint32_t)result;
    return loader->board->remember(&loader->record);
}

static uint32_t resting_state(const struct loader *loader)
{
    return loader->record.active == NO_SLOT ? LWM2M_ML_STATE_EMPTY : LWM2M_ML_STATE_ACTIVE;
}

void loader_boot(struct loader *loader, const struct loader_board *board, const struct loader_record *remembered)
{
    loader->board = board;
    loader->record = *remembered;
    loader->received = 0;
    if (loader->record.state == LWM2M_ML_STATE_TRIAL) {
        /* The module may have caused the reset. */
        (void)loader_give_up(loader, LWM2M_ML_RESULT_RESET_DURING_TRIAL);
    }
}

int loader_begin(struct loader *loader)
{
    loader->received = 0;
    return loader->board->erase(loader->board->package, loader->board->package_bytes);
}

int loader_write(struct loader *loader, const uint8_t *data, uint32_t size)
{
    const struct loader_board *board = loader->board;
    if (size > board->package_bytes - loader->received) {
        return -1;
    }
    if (board->program(board->package + loader->received, data, size) != 0) {
        return -1;
    }
    loader->received += size;
    return 0;
}

static enum lwm2m_ml_result refuse(struct loader *loader, enum lwm2m_ml_result why)
{
    /* What runs goes on running. */
    loader->record.candidate = NO_SLOT;
    (void)settle(loader, resting_state(loader), why);
    return why;
}

static enum lwm2m_ml_result verify(const struct loader *loader, struct lwm2m_ml_verified *verified)
{
    struct lwm2m_ml_recipient recipient = loader->board->recipient;
    recipient.sequence_floor = loader->record.floor;
    recipient.storage_bytes = loader->board->slot_bytes;
    return lwm2m_ml_verify(loader->board->package, loader->received, &recipient, &loader->board->crypto, verified);
}

enum lwm2m_ml_result loader_install(struct loader *loader)
{
    const struct loader_board *board = loader->board;
    struct lwm2m_ml_verified verified;
    enum lwm2m_ml_result result = verify(loader, &verified);
    uint32_t target = loader->record.active == 0u ? 1u : 0u;

    if (result != LWM2M_ML_RESULT_SUCCESS) {
        return refuse(loader, result);
    }
    /* The image is not aligned within the package, and a module runs at a multiple of 16: copy it. */
    if (board->erase(board->slot[target], board->slot_bytes) != 0
        || board->program(board->slot[target], verified.image, (uint32_t)verified.image_size) != 0) {
        return refuse(loader, LWM2M_ML_RESULT_STORAGE_TOO_SMALL);
    }
    if (board->self_test(board->slot[target], board->arena, &verified) != 0) {
        return refuse(loader, LWM2M_ML_RESULT_SELF_TEST_MISMATCH);
    }
    loader->record.candidate = target;
    loader->record.arena_bytes[target] = verified.arena_bytes;
    loader->record.floor = verified.sequence_number;
    if (settle(loader, LWM2M_ML_STATE_STAGED, LWM2M_ML_RESULT_INITIAL) != 0) {
        return refuse(loader, LWM2M_ML_RESULT_STORAGE_TOO_SMALL);
    }
    return LWM2M_ML_RESULT_SUCCESS;
}

int loader_activate(struct loader *loader)
{
    if (loader->record.state != LWM2M_ML_STATE_STAGED) {
        return -1;
    }
    return settle(loader, LWM2M_ML_STATE_TRIAL, LWM2M_ML_RESULT_INITIAL);
}

int loader_confirm(struct loader *loader)
{
    if (loader->record.state != LWM2M_ML_STATE_TRIAL) {
        return -1;
    }
    loader->record.active = loader->record.candidate;
    loader->record.candidate = NO_SLOT;
    return settle(loader, LWM2M_ML_STATE_ACTIVE, LWM2M_ML_RESULT_SUCCESS);
}

int loader_give_up(struct loader *loader, enum lwm2m_ml_result why)
{
    if (loader->record.candidate == NO_SLOT) {
        return -1;
    }
    loader->record.candidate = NO_SLOT;
    return settle(loader, resting_state(loader), why);
}

int32_t loader_infer(const struct loader *loader)
{
    const struct loader_record *record = &loader->record;
    uint32_t slot = record->state == LWM2M_ML_STATE_TRIAL ? record->candidate : record->active;
    if (slot == NO_SLOT) {
        return -1;
    }
    return lwm2m_ml_invoke(loader->board->slot[slot], loader->board->arena);
}
