/* Runs the reference verifier on an emulated core: facts and package come in the arena, the result goes back there.
 *
 * Hashes are computed here; whether a signature is good is answered by the host, which is asked through the arena. */
#include "lwm2m_ml_verifier.h"

struct exchange {
    uint32_t package_size, component_size, has_isa, answer;
    uint32_t floor_low, floor_high, storage_bytes, working_memory_bytes;
    uint32_t abi_major, abi_minor, formats, invoke_at;
    uint8_t vendor_id[16], class_id[16], component[64];
    char isa[96], operator_set[32];
    /* What the host is asked. */
    uint32_t asked, has_key_id, message_size;
    int32_t algorithm;
    uint8_t key_id[8], message[64], signature[64];
    /* What came out. */
    uint32_t result, image_offset, image_size, arena_bytes, stack_bytes, descriptor_offset, descriptor_size;
    uint32_t sequence_low, sequence_high;
    int32_t returned;
    /* The state of SHA-256. */
    uint32_t words[8], total, filled;
    uint8_t block[64];
    uint32_t module_arena[8];
    uint8_t package[1];
};

static uint32_t rotate(uint32_t word, unsigned count) { return word >> count | word << (32 - count); }

static void start(struct exchange *state)
{
    static const uint32_t initial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    int index;
    for (index = 0; index < 8; index++) state->words[index] = initial[index];
    state->total = state->filled = 0;
}

static void compress(struct exchange *state)
{
    static const uint32_t constants[64] = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
        0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
        0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
        0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
        0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
        0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
        0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
        0xc67178f2};
    uint32_t schedule[64], v[8];
    int i;
    for (i = 0; i < 16; i++) {
        const uint8_t *b = state->block + 4 * i;
        schedule[i] = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    }
    for (; i < 64; i++) {
        uint32_t a = schedule[i - 15], b = schedule[i - 2];
        schedule[i] = schedule[i - 16] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + schedule[i - 7]
                      + (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
    }
    for (i = 0; i < 8; i++) v[i] = state->words[i];
    for (i = 0; i < 64; i++) {
        uint32_t one = v[7] + (rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25)) + ((v[4] & v[5]) ^ (~v[4] & v[6]))
                       + constants[i] + schedule[i];
        uint32_t two = (rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22))
                       + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
        v[7] = v[6], v[6] = v[5], v[5] = v[4], v[4] = v[3] + one, v[3] = v[2], v[2] = v[1], v[1] = v[0], v[0] = one + two;
    }
    for (i = 0; i < 8; i++) state->words[i] += v[i];
    state->filled = 0;
}

static void add(struct exchange *state, uint8_t byte)
{
    state->block[state->filled++] = byte;
    if (state->filled == 64) compress(state);
}

static void hash(void *context, const uint8_t *data, size_t size, uint8_t *digest)
{
    struct exchange *state = context;
    uint32_t bits;
    int i;
    state->total += (uint32_t)size;
    while (size-- > 0) add(state, *data++);
    if (digest == NULL) return;
    bits = state->total * 8;
    add(state, 0x80);
    while (state->filled != 56) add(state, 0);
    for (i = 0; i < 4; i++) add(state, 0);
    for (i = 24; i >= 0; i -= 8) add(state, (uint8_t)(bits >> i));
    for (i = 0; i < 32; i++) digest[i] = (uint8_t)(state->words[i / 4] >> (24 - 8 * (i % 4)));
    start(state);
}

static void copy(uint8_t *target, const uint8_t *source, size_t size)
{
    while (size-- > 0) *target++ = *source++;
}

static int ask(void *context, int algorithm, const uint8_t *key_id, const uint8_t *message, size_t size,
               const uint8_t *signature)
{
    struct exchange *state = context;
    state->asked = 1;
    state->algorithm = algorithm;
    state->has_key_id = key_id != NULL;
    if (key_id != NULL) copy(state->key_id, key_id, sizeof(state->key_id));
    state->message_size = (uint32_t)size;
    copy(state->message, message, size);
    copy(state->signature, signature, 64);
    return (int)state->answer;
}

int32_t module_invoke(struct exchange *state)
{
    struct lwm2m_ml_recipient recipient;
    struct lwm2m_ml_crypto crypto;
    struct lwm2m_ml_verified verified;
    uint8_t *base = (uint8_t *)state;

    if (state->invoke_at != 0) {
        verified.image = (const uint8_t *)(uintptr_t)state->invoke_at;
        verified.image_size = 16;
        state->returned = lwm2m_ml_load_and_invoke(&verified, (void *)(uintptr_t)state->invoke_at, state->module_arena);
        return 0;
    }
    recipient.vendor_id = state->vendor_id;
    recipient.class_id = state->class_id;
    recipient.component = state->component_size ? state->component : NULL;
    recipient.component_size = state->component_size;
    recipient.sequence_floor = (uint64_t)state->floor_high << 32 | state->floor_low;
    recipient.storage_bytes = state->storage_bytes;
    recipient.working_memory_bytes = state->working_memory_bytes;
    recipient.abi_major = state->abi_major;
    recipient.abi_minor = state->abi_minor;
    recipient.formats = state->formats;
    recipient.operator_set = state->operator_set;
    recipient.isa = state->has_isa ? state->isa : NULL;
    crypto.context = state;
    crypto.hash = hash;
    crypto.verify = ask;
    start(state);
    state->asked = 0;
    state->result = (uint32_t)lwm2m_ml_verify(state->package, state->package_size, &recipient, &crypto, &verified);
    if (state->result == LWM2M_ML_RESULT_SUCCESS) {
        state->image_offset = (uint32_t)(verified.image - base);
        state->image_size = (uint32_t)verified.image_size;
        state->arena_bytes = verified.arena_bytes;
        state->stack_bytes = verified.stack_bytes;
        state->descriptor_offset = (uint32_t)(verified.descriptor - base);
        state->descriptor_size = (uint32_t)verified.descriptor_size;
        state->sequence_low = (uint32_t)verified.sequence_number;
        state->sequence_high = (uint32_t)(verified.sequence_number >> 32);
    }
    return 0;
}
