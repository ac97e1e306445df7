/* lwm2m_ml_verifier.c: see lwm2m_ml_verifier.h. The names of the parts are those of docs/module-format.md.
 *
 * SPDX-License-Identifier: MIT
 */
#include "lwm2m_ml_verifier.h"

#define MAJOR_UNSIGNED 0u
#define MAJOR_BYTES 2u
#define MAJOR_TEXT 3u
#define MAJOR_ARRAY 4u
#define MAJOR_MAP 5u
#define MAJOR_TAG 6u
#define MAJOR_SIMPLE 7u

#define SUIT_DIGEST_BYTES 36u
#define SIGNATURE_BYTES 64u
#define ELEMENT_MAXIMUM 65536u

/* A place in the package. Once something is wrong, `bad` stays set and nothing is read any more. */
struct cursor {
    const uint8_t *at;
    const uint8_t *end;
    int bad;
};

struct span {
    const uint8_t *data;
    size_t size;
};

/* What the manifest says. */
struct manifest {
    uint64_t sequence_number;
    uint64_t image_size;
    uint64_t payload_size;
    const uint8_t *vendor_id;
    const uint8_t *class_id;
    struct span component;
    const uint8_t *image_digest;
    const uint8_t *element_digests[3]; /* descriptor, provenance, block table; null: not there */
    uint64_t encoding;
    int encrypted;
};

static int equal(const uint8_t *one, const uint8_t *other, size_t size)
{
    uint8_t difference = 0;
    while (size-- > 0) {
        difference |= (uint8_t)(*one++ ^ *other++);
    }
    return difference == 0;
}

static struct cursor cursor_of(struct span span)
{
    struct cursor cursor = {span.data, span.data + span.size, 0};
    return cursor;
}

static int is_done(const struct cursor *cursor)
{
    return !cursor->bad && cursor->at == cursor->end;
}

/* Take `size` bytes; null when there are not so many. */
static const uint8_t *take(struct cursor *cursor, uint64_t size)
{
    const uint8_t *start = cursor->at;
    if (cursor->bad || size > (uint64_t)(cursor->end - cursor->at)) {
        cursor->bad = 1;
        return NULL;
    }
    cursor->at += (size_t)size;
    return start;
}

/* Read the head of an item in its shortest form. */
static uint64_t head(struct cursor *cursor, unsigned *major)
{
    const uint8_t *byte = take(cursor, 1);
    unsigned information, length, index;
    uint64_t argument = 0;
    if (byte == NULL) {
        return 0;
    }
    *major = *byte >> 5;
    information = *byte & 31u;
    if (information < 24) {
        return information;
    }
    if (information > 27) {
        cursor->bad = 1;
        return 0;
    }
    length = 1u << (information - 24);
    byte = take(cursor, length);
    if (byte == NULL) {
        return 0;
    }
    for (index = 0; index < length; index++) {
        argument = argument << 8 | byte[index];
    }
    if (*major != MAJOR_SIMPLE && argument < (length == 1 ? 24u : (uint64_t)1 << (4 * length))) {
        cursor->bad = 1;
    }
    return argument;
}

/* Read the head of an item that must be of one type. */
static uint64_t expect(struct cursor *cursor, unsigned wanted)
{
    unsigned major = 0;
    uint64_t argument = head(cursor, &major);
    if (major != wanted) {
        cursor->bad = 1;
    }
    return cursor->bad ? 0 : argument;
}

static struct span string(struct cursor *cursor, unsigned major)
{
    struct span span;
    uint64_t size = expect(cursor, major);
    span.data = take(cursor, size);
    span.size = span.data == NULL ? 0 : (size_t)size;
    return span;
}

/* Take bytes that must be these. */
static void literal(struct cursor *cursor, const char *bytes, size_t size)
{
    const uint8_t *found = take(cursor, size);
    if (found != NULL && !equal(found, (const uint8_t *)bytes, size)) {
        cursor->bad = 1;
    }
}

#define LITERAL(cursor, text) literal(cursor, text, sizeof(text) - 1)

/* Whether these bytes come next. Takes them if so. */
static int follows(struct cursor *cursor, const char *bytes, size_t size)
{
    if (cursor->bad || size > (size_t)(cursor->end - cursor->at) || !equal(cursor->at, (const uint8_t *)bytes, size)) {
        return 0;
    }
    cursor->at += size;
    return 1;
}

#define FOLLOWS(cursor, text) follows(cursor, text, sizeof(text) - 1)

/* Pass over one item, whatever it is. Each item is at least a byte, so the count of open items bounds itself. */
static void skip(struct cursor *cursor)
{
    uint64_t open = 1;
    while (open > 0 && !cursor->bad) {
        unsigned major = 0;
        uint64_t argument = head(cursor, &major);
        open--;
        if (cursor->bad) {
            return;
        }
        if (major == MAJOR_BYTES || major == MAJOR_TEXT) {
            (void)take(cursor, argument);
        } else if (major == MAJOR_ARRAY || major == MAJOR_MAP) {
            uint64_t left = (uint64_t)(cursor->end - cursor->at);
            if (argument > left || open > left) {
                cursor->bad = 1;
            }
            open += major == MAJOR_MAP ? 2 * argument : argument;
        } else if (major == MAJOR_TAG) {
            cursor->bad = 1;
        }
    }
}

/* §2: whether a trusted key signed the manifest, which `element` is with the head of its byte string. */
static int is_signed(struct span authentication, struct span element, const struct lwm2m_ml_crypto *crypto)
{
    static const char prefix[] = "\x84\x6aSignature1\x43\xa1\x01";
    uint8_t message[sizeof(prefix) - 1 + 4 + SUIT_DIGEST_BYTES];
    uint8_t digest[LWM2M_ML_DIGEST_BYTES];
    struct cursor cursor = cursor_of(authentication), inner;
    const uint8_t *suit_digest, *algorithm, *key_id = NULL, *signature;
    size_t index;

    LITERAL(&cursor, "\x82\x58\x24");
    suit_digest = take(&cursor, SUIT_DIGEST_BYTES);
    inner = cursor_of(string(&cursor, MAJOR_BYTES));
    if (!is_done(&cursor)) {
        return 0;
    }
    LITERAL(&inner, "\xd2\x84\x43\xa1\x01");
    algorithm = take(&inner, 1);
    if (FOLLOWS(&inner, "\xa1\x04\x48")) {
        key_id = take(&inner, LWM2M_ML_KEY_ID_BYTES);
    } else {
        LITERAL(&inner, "\xa0");
    }
    LITERAL(&inner, "\xf6\x58\x40");
    signature = take(&inner, SIGNATURE_BYTES);
    if (!is_done(&inner) || (*algorithm != 0x26 && *algorithm != 0x27)) {
        return 0;
    }
    crypto->hash(crypto->context, element.data, element.size, digest);
    if (!equal(suit_digest, (const uint8_t *)"\x82\x2f\x58\x20", 4) || !equal(suit_digest + 4, digest, sizeof(digest))) {
        return 0;
    }
    for (index = 0; index < sizeof(prefix) - 1; index++) {
        message[index] = (uint8_t)prefix[index];
    }
    message[index++] = *algorithm;
    message[index++] = 0x40;
    message[index++] = 0x58;
    message[index++] = 0x24;
    while (index < sizeof(message)) {
        message[index] = suit_digest[index - (sizeof(message) - SUIT_DIGEST_BYTES)];
        index++;
    }
    return crypto->verify(crypto->context, -1 - (int)(*algorithm & 31u), key_id, message, sizeof(message), signature);
}

/* §4: the form of a payload that is not simply the image. */
static void read_form(struct cursor *cursor, struct manifest *manifest)
{
    struct cursor form = cursor_of(string(cursor, MAJOR_BYTES));
    uint64_t entries = expect(&form, MAJOR_MAP);
    LITERAL(&form, "\x01");
    manifest->encoding = expect(&form, MAJOR_UNSIGNED);
    LITERAL(&form, "\x02");
    manifest->payload_size = expect(&form, MAJOR_UNSIGNED);
    if (form.bad || entries < 2 || manifest->encoding > LWM2M_ML_ENCODING_DELTA) {
        cursor->bad = 1;
        return;
    }
    entries -= 2;
    cursor->bad |= entries == 0 && manifest->encoding == LWM2M_ML_ENCODING_NONE
                   && manifest->payload_size == manifest->image_size;
    if (entries > 0 && FOLLOWS(&form, "\x03")) {
        uint64_t bits = expect(&form, MAJOR_UNSIGNED);
        form.bad |= bits < 1 || bits > 31;
        entries--;
    }
    if (entries > 0 && FOLLOWS(&form, "\x04")) {
        uint64_t bits = expect(&form, MAJOR_UNSIGNED);
        form.bad |= bits < 1 || bits > 31;
        entries--;
    }
    if (entries > 0 && FOLLOWS(&form, "\x05\x58\x20")) {
        (void)take(&form, LWM2M_ML_DIGEST_BYTES);
        entries--;
    }
    cursor->bad |= entries != 0 || !is_done(&form);
}

static void read_component(struct cursor *cursor, struct span *component)
{
    uint64_t parts, bytes = 0, index;
    component->data = cursor->at;
    parts = expect(cursor, MAJOR_ARRAY);
    cursor->bad |= parts < 1 || parts > 8;
    for (index = 0; index < parts && !cursor->bad; index++) {
        bytes += string(cursor, MAJOR_BYTES).size;
    }
    cursor->bad |= bytes > 64;
    component->size = cursor->bad ? 0 : (size_t)(cursor->at - component->data);
}

/* §3: read the manifest; whatever is not of the template makes it bad. */
static int read_manifest(struct span content, struct manifest *manifest)
{
    struct cursor cursor = cursor_of(content), common, shared, install;
    uint64_t elements = expect(&cursor, MAJOR_MAP), parameters;
    int has_form;

    LITERAL(&cursor, "\x01\x01\x02");
    manifest->sequence_number = expect(&cursor, MAJOR_UNSIGNED);
    LITERAL(&cursor, "\x03");
    common = cursor_of(string(&cursor, MAJOR_BYTES));
    LITERAL(&cursor, "\x07\x43\x82\x03\x0f\x09\x43\x82\x17\x02\x14");
    install = cursor_of(string(&cursor, MAJOR_BYTES));
    LITERAL(&cursor, "\x39\x01\x00\x82\x2f\x58\x20");
    manifest->element_digests[0] = take(&cursor, LWM2M_ML_DIGEST_BYTES);
    manifest->element_digests[1] = FOLLOWS(&cursor, "\x39\x01\x01\x82\x2f\x58\x20") ? take(&cursor, 32) : NULL;
    manifest->element_digests[2] = FOLLOWS(&cursor, "\x39\x01\x02\x82\x2f\x58\x20") ? take(&cursor, 32) : NULL;
    if (!is_done(&cursor)) {
        return 0;
    }
    elements -= (uint64_t)(manifest->element_digests[1] != NULL) + (uint64_t)(manifest->element_digests[2] != NULL);

    LITERAL(&common, "\xa2\x02\x81");
    read_component(&common, &manifest->component);
    LITERAL(&common, "\x04");
    shared = cursor_of(string(&common, MAJOR_BYTES));
    LITERAL(&shared, "\x86\x14\xa4\x01\x50");
    manifest->vendor_id = take(&shared, 16);
    LITERAL(&shared, "\x02\x50");
    manifest->class_id = take(&shared, 16);
    LITERAL(&shared, "\x03\x58\x24\x82\x2f\x58\x20");
    manifest->image_digest = take(&shared, LWM2M_ML_DIGEST_BYTES);
    LITERAL(&shared, "\x0e");
    manifest->image_size = expect(&shared, MAJOR_UNSIGNED);
    LITERAL(&shared, "\x01\x0f\x02\x0f");

    LITERAL(&install, "\x86\x14");
    parameters = expect(&install, MAJOR_MAP);
    manifest->encrypted = FOLLOWS(&install, "\x13");
    if (manifest->encrypted) {
        (void)string(&install, MAJOR_BYTES);
    }
    LITERAL(&install, "\x15\x67#module");
    has_form = FOLLOWS(&install, "\x39\x01\x00");
    if (has_form) {
        read_form(&install, manifest);
    } else {
        manifest->encoding = LWM2M_ML_ENCODING_NONE;
        manifest->payload_size = manifest->image_size;
    }
    LITERAL(&install, "\x15\x02\x03\x0f");

    return is_done(&common) && is_done(&shared) && is_done(&install) && elements == 7
           && parameters == 1u + (unsigned)manifest->encrypted + (unsigned)has_form
           && manifest->sequence_number > 0 && manifest->image_size > 0 && manifest->image_size <= UINT32_MAX
           && manifest->payload_size > 0 && manifest->payload_size <= UINT32_MAX;
}

/* Rows 3 to 5 of §8. */
static enum lwm2m_ml_result check_manifest(const struct manifest *manifest, const struct lwm2m_ml_recipient *recipient)
{
    if (!equal(manifest->vendor_id, recipient->vendor_id, 16) || !equal(manifest->class_id, recipient->class_id, 16)) {
        return LWM2M_ML_RESULT_WRONG_VENDOR_OR_CLASS;
    }
    if (recipient->component != NULL
        && (manifest->component.size != recipient->component_size
            || !equal(manifest->component.data, recipient->component, recipient->component_size))) {
        return LWM2M_ML_RESULT_WRONG_VENDOR_OR_CLASS;
    }
    if (manifest->sequence_number <= recipient->sequence_floor) {
        return LWM2M_ML_RESULT_SEQUENCE_NUMBER_TOO_LOW;
    }
    if (manifest->image_size > recipient->storage_bytes || manifest->payload_size > recipient->storage_bytes) {
        return LWM2M_ML_RESULT_STORAGE_TOO_SMALL;
    }
    return LWM2M_ML_RESULT_SUCCESS;
}

static size_t length_of(const char *text)
{
    size_t length = 0;
    while (text[length] != '\0') {
        length++;
    }
    return length;
}

static int is_text(struct span span, const char *text)
{
    return span.data != NULL && span.size == length_of(text) && equal(span.data, (const uint8_t *)text, span.size);
}

/* Whether `feature` is one of the words in `features`, each of which a space follows. */
static int has_feature(const char *features, struct span feature)
{
    while (*features != '\0') {
        size_t length = 0;
        while (features[length] != ' ' && features[length] != '\0') {
            length++;
        }
        if (length == feature.size && equal((const uint8_t *)features, feature.data, length)) {
            return 1;
        }
        features += length + (features[length] == ' ');
    }
    return 0;
}

/* Read one number of a version such as "1.0.0", and what must follow it. */
static uint32_t version_part(struct cursor *cursor, int last)
{
    uint32_t number = 0, digits = 0;
    while (cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9') {
        number = number * 10 + (uint32_t)(*cursor->at++ - '0');
        cursor->bad |= ++digits > 5;
    }
    cursor->bad |= digits == 0;
    if (!last) {
        LITERAL(cursor, ".");
    }
    return number;
}

/* What of the descriptor decides whether a module runs here. */
struct needs {
    uint64_t format, arena, stack;
    uint32_t abi_major, abi_minor;
    struct span operator_set;
    int lacks_feature;
};

static void read_abi(struct cursor *cursor, struct needs *needs)
{
    struct cursor version = cursor_of(string(cursor, MAJOR_TEXT));
    needs->abi_major = version_part(&version, 0);
    needs->abi_minor = version_part(&version, 0);
    (void)version_part(&version, 1);
    cursor->bad |= !is_done(&version);
}

static void read_features(struct cursor *cursor, const char *features, struct needs *needs)
{
    uint64_t count = expect(cursor, MAJOR_ARRAY);
    while (count-- > 0 && !cursor->bad) {
        struct span feature = string(cursor, MAJOR_TEXT);
        needs->lacks_feature |= features != NULL && !cursor->bad && !has_feature(features, feature);
    }
}

/* §5: read the keys that matter to a loader, pass over the others. Keys 0 to 16 and 18 must be there; 22 makes version 2. */
static int read_descriptor(struct span content, const char *features, struct needs *needs)
{
    struct cursor cursor = cursor_of(content);
    uint64_t entries = expect(&cursor, MAJOR_MAP), previous = 0, seen = 0, version = 0;
    while (entries-- > 0 && !cursor.bad) {
        uint64_t key = expect(&cursor, MAJOR_UNSIGNED);
        cursor.bad |= key > 22 || (seen != 0 && key <= previous);
        previous = key;
        seen |= (uint64_t)1 << (key & 31u);
        switch (key) {
        case 0: version = expect(&cursor, MAJOR_UNSIGNED); break;
        case 5: needs->format = expect(&cursor, MAJOR_UNSIGNED); break;
        case 6: read_abi(&cursor, needs); break;
        case 8: read_features(&cursor, features, needs); break;
        case 9: needs->operator_set = string(&cursor, MAJOR_TEXT); break;
        case 11: needs->arena = expect(&cursor, MAJOR_UNSIGNED); break;
        case 12: needs->stack = expect(&cursor, MAJOR_UNSIGNED); break;
        default: skip(&cursor); break;
        }
    }
    return is_done(&cursor) && version == 1 + (seen >> 22 & 1u) && (seen & 0x5ffffu) == 0x5ffffu
        && needs->format <= LWM2M_ML_FORMAT_BARE_METAL_IMAGE;
}

/* Rows 9 to 11 of §8. */
static enum lwm2m_ml_result check_needs(const struct needs *needs, const struct lwm2m_ml_recipient *recipient)
{
    uint64_t memory = recipient->working_memory_bytes;
    if (needs->arena > memory || needs->stack > memory - needs->arena) {
        return LWM2M_ML_RESULT_WORKING_MEMORY_TOO_SMALL;
    }
    if (!is_text(needs->operator_set, recipient->operator_set)) {
        return LWM2M_ML_RESULT_OPERATOR_MISSING;
    }
    if ((recipient->formats >> needs->format & 1u) == 0 || needs->abi_major != recipient->abi_major
        || needs->abi_minor > recipient->abi_minor || needs->lacks_feature) {
        return LWM2M_ML_RESULT_RUNTIME_VERSION_MISMATCH;
    }
    return LWM2M_ML_RESULT_SUCCESS;
}

/* Take an element's byte string of at most `maximum` bytes; `whole` is the byte string with its head. */
static struct span element(struct cursor *cursor, size_t maximum, struct span *whole)
{
    struct span content;
    whole->data = cursor->at;
    content = string(cursor, MAJOR_BYTES);
    cursor->bad |= content.size > maximum;
    whole->size = cursor->bad ? 0 : (size_t)(cursor->at - whole->data);
    return content;
}

/* Whether one more element with this key comes; it is an error if the envelope says that there are no more. */
static int key_follows(struct cursor *cursor, uint64_t *left, const char *key, size_t size)
{
    if (*left == 0 || !follows(cursor, key, size)) {
        return 0;
    }
    --*left;
    return 1;
}

#define KEY_FOLLOWS(cursor, left, key) key_follows(cursor, left, key, sizeof(key) - 1)

static int digest_is(const struct lwm2m_ml_crypto *crypto, struct span data, const uint8_t *expected)
{
    uint8_t digest[LWM2M_ML_DIGEST_BYTES];
    crypto->hash(crypto->context, data.data, data.size, digest);
    return expected != NULL && equal(digest, expected, sizeof(digest));
}

/* Take a severable element whose digest the manifest signs. */
static struct span signed_element(struct cursor *cursor, const uint8_t *digest, const struct lwm2m_ml_crypto *crypto)
{
    struct span whole, content = element(cursor, ELEMENT_MAXIMUM, &whole);
    if (!cursor->bad && !digest_is(crypto, whole, digest)) {
        cursor->bad = 1;
    }
    return content;
}

enum lwm2m_ml_result lwm2m_ml_verify(const uint8_t *package, size_t size, const struct lwm2m_ml_recipient *recipient,
                                     const struct lwm2m_ml_crypto *crypto, struct lwm2m_ml_verified *verified)
{
    struct span everything, authentication, content, whole, descriptor, payload;
    struct cursor cursor;
    struct manifest manifest;
    struct needs needs;
    enum lwm2m_ml_result result;
    uint64_t left;

    everything.data = package;
    everything.size = size;
    cursor = cursor_of(everything);
    LITERAL(&cursor, "\xd8\x6b");
    left = expect(&cursor, MAJOR_MAP);
    if (cursor.bad || left > 6 || !KEY_FOLLOWS(&cursor, &left, "\x02")) {
        return LWM2M_ML_RESULT_SIGNATURE_INVALID;
    }
    authentication = element(&cursor, LWM2M_ML_AUTHENTICATION_MAXIMUM, &whole);
    if (cursor.bad || !KEY_FOLLOWS(&cursor, &left, "\x03")) {
        return LWM2M_ML_RESULT_SIGNATURE_INVALID;
    }
    content = element(&cursor, LWM2M_ML_MANIFEST_MAXIMUM, &whole);
    if (cursor.bad || !is_signed(authentication, whole, crypto)) {
        return LWM2M_ML_RESULT_SIGNATURE_INVALID;
    }
    if (!read_manifest(content, &manifest)) {
        return LWM2M_ML_RESULT_DECODING_FAILED;
    }
    result = check_manifest(&manifest, recipient);
    if (result != LWM2M_ML_RESULT_SUCCESS) {
        return result;
    }

    if (!KEY_FOLLOWS(&cursor, &left, "\x39\x01\x00")) {
        return LWM2M_ML_RESULT_DIGEST_MISMATCH;
    }
    descriptor = signed_element(&cursor, manifest.element_digests[0], crypto);
    if (cursor.bad) {
        return LWM2M_ML_RESULT_DIGEST_MISMATCH;
    }
    needs.lacks_feature = 0;
    if (!read_descriptor(descriptor, recipient->isa, &needs)) {
        return LWM2M_ML_RESULT_DECODING_FAILED;
    }
    if (KEY_FOLLOWS(&cursor, &left, "\x39\x01\x01")) {
        (void)signed_element(&cursor, manifest.element_digests[1], crypto);
    }
    if (KEY_FOLLOWS(&cursor, &left, "\x39\x01\x02")) {
        (void)signed_element(&cursor, manifest.element_digests[2], crypto);
    }
    if (cursor.bad || !KEY_FOLLOWS(&cursor, &left, "\x67#module") || left != 0) {
        return LWM2M_ML_RESULT_DIGEST_MISMATCH;
    }
    if (expect(&cursor, MAJOR_BYTES) != manifest.payload_size || cursor.bad) {
        return LWM2M_ML_RESULT_DIGEST_MISMATCH;
    }
    if (manifest.encoding != LWM2M_ML_ENCODING_NONE) {
        return LWM2M_ML_RESULT_DECODING_FAILED;
    }
    if (manifest.encrypted) {
        return LWM2M_ML_RESULT_DECRYPTION_FAILED;
    }
    payload.data = take(&cursor, manifest.payload_size);
    payload.size = (size_t)manifest.payload_size;
    if (!is_done(&cursor) || manifest.image_size != manifest.payload_size
        || !digest_is(crypto, payload, manifest.image_digest)) {
        return LWM2M_ML_RESULT_DIGEST_MISMATCH;
    }
    result = check_needs(&needs, recipient);
    verified->sequence_number = manifest.sequence_number;
    verified->digest = manifest.image_digest;
    verified->descriptor = descriptor.data;
    verified->descriptor_size = descriptor.size;
    verified->image = payload.data;
    verified->image_size = payload.size;
    verified->arena_bytes = (uint32_t)needs.arena;
    verified->stack_bytes = (uint32_t)needs.stack;
    return result;
}

int32_t lwm2m_ml_load_and_invoke(const struct lwm2m_ml_verified *verified, void *address, void *arena)
{
    uint8_t *target = (uint8_t *)address;
    size_t index;
    if (((uintptr_t)address & (LWM2M_ML_IMAGE_ALIGNMENT - 1)) != 0 || ((uintptr_t)arena & (LWM2M_ML_ARENA_ALIGNMENT - 1)) != 0) {
        return -1;
    }
    for (index = 0; address != (const void *)verified->image && index < verified->image_size; index++) {
        target[index] = verified->image[index];
    }
    return lwm2m_ml_invoke(address, arena);
}
