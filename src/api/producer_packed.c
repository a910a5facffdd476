/* kc_producer_send_packed: records from one block of bytes (the layout is in the public header), as runs of kc_record
 * that point into it.
 *
 * Sizes are checked before they are used: the block is data of a caller in another language, not ours. */
#include "api/producer_handle.h"

#define RUN_RECORDS  64  /* records per inner call */
#define HEADERS_MAX  256 /* of one record; and of one run together */
#define FIXED_BYTES  36u /* of a record */
#define HEADER_FIXED 8u  /* bytes of a header before its name */

struct unpacking {
    const uint8_t *at, *end;
    kc_record records[RUN_RECORDS];
    kc_header headers[HEADERS_MAX];
    size_t count, header_count; /* of this run */
    const char *wrong;          /* why the record at `at` cannot be read; NULL: it can */
};

static int32_t int_at(const uint8_t *at)
{
    int32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

/* `size` bytes, or null if it is -1. false: not there. */
static bool part(const uint8_t **at, const uint8_t *end, int32_t size, kc_bytes *out)
{
    *out = (kc_bytes){ 0 };
    if (size == -1)
        return true;
    if (size < 0 || size > end - *at)
        return false;
    *out = (kc_bytes){ *at, (size_t)size };
    *at += size;
    return true;
}

static bool header(const uint8_t **at, const uint8_t *end, kc_header *out)
{
    kc_bytes name;
    if ((size_t)(end - *at) < HEADER_FIXED)
        return false;
    int32_t name_size = int_at(*at), value_size = int_at(*at + 4);
    *at += HEADER_FIXED;
    if (name_size < 1 || !part(at, end, name_size, &name) || memchr(name.data, 0, name.size) != *at - 1 ||
        !part(at, end, value_size, &out->value))
        return false;
    out->name = name.data;
    return true;
}

/* The record at u->at into the run. false: u->wrong says why, or the run is full of headers. */
static bool unpack(struct unpacking *u, const char *topic)
{
    size_t left = (size_t)(u->end - u->at), size = left < 4 ? 0 : (uint32_t)int_at(u->at);
    u->wrong = "a packed record is cut off, or its size is wrong";
    if (size < FIXED_BYTES || size > left)
        return false;
    const uint8_t *at = u->at, *end = at + size;
    kc_record *record = &u->records[u->count];
    uint64_t opaque;
    *record = (kc_record)KC_RECORD_INIT;
    record->topic = topic;
    record->partition = int_at(at + 4);
    memcpy(&record->timestamp_ms, at + 8, 8);
    memcpy(&opaque, at + 16, 8);
    record->opaque = (void *)(uintptr_t)opaque;
    int32_t key_size = int_at(at + 24), value_size = int_at(at + 28);
    uint32_t headers = (uint32_t)int_at(at + 32);
    at += FIXED_BYTES;
    if (headers > HEADERS_MAX) {
        u->wrong = "a packed record has more than 256 headers";
        return false;
    }
    if (!part(&at, end, key_size, &record->key) || !part(&at, end, value_size, &record->value))
        return false;
    if (headers > HEADERS_MAX - u->header_count) {
        u->wrong = NULL; /* in the next run */
        return false;
    }
    record->headers = headers ? &u->headers[u->header_count] : NULL;
    record->header_count = headers;
    for (uint32_t i = 0; i < headers; i++)
        if (!header(&at, end, &u->headers[u->header_count + i]))
            return false;
    if (at != end)
        return false;
    u->wrong = NULL;
    u->header_count += headers;
    u->count++;
    u->at = end;
    return true;
}

kc_err kc_producer_send_packed(kc_producer *producer, const char *topic, const void *data, size_t size,
                               size_t *accepted, kc_error *error)
{
    struct unpacking u = { .at = data, .end = (const uint8_t *)data + size };
    size_t total = 0, *out = accepted ? accepted : &total;
    *out = 0;
    if (!producer || !topic || (!data && size))
        return kci_fail(error, KC_ERR_ARGUMENT, 0, "producer, topic and data must not be NULL");
    while (u.at < u.end) {
        size_t taken = 0;
        u.count = u.header_count = 0;
        while (u.count < RUN_RECORDS && u.at < u.end && unpack(&u, topic))
            ;
        if (u.count) {
            kc_err err = kc_producer_send(producer, u.records, u.count, &taken, error);
            *out += taken;
            if (err)
                return err;
        }
        if (u.wrong)
            return kci_fail(error, KC_ERR_ARGUMENT, 0, "%s (record %zu)", u.wrong, *out);
    }
    return KC_OK;
}
