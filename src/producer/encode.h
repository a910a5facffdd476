/* One record in wire format v2, written straight into its batch.  The byte table stands in encode.c.
 *
 * Two ways: kci_encode_fast for a record without headers that surely fits into the rest of the chunk (nearly all), and
 * kci_encode_plan + kci_encode_across for all others.  Both write the same bytes. */
#ifndef KCI_PRODUCER_ENCODE_H
#define KCI_PRODUCER_ENCODE_H

#include "base/cursor.h"
#include "producer/pool.h"
#include <kclient/record.h>

/* More than all fields of a record without headers need besides key and value: length 5, attributes 1, timestamp 10,
 * offset 5, two sizes of 5, header count 1; and 8 to spare. */
#define KCI_ENCODE_SLACK 40u

static inline size_t kci_encode_size32(uint32_t v)
{
    return v < 0x80 ? 1 : v < 0x4000 ? 2 : kci_uvarint_size(v);
}
static inline size_t kci_encode_size64(uint64_t v)
{
    return v < 0x80 ? 1 : v < 0x4000 ? 2 : kci_uvarlong_size(v);
}
static inline uint8_t *kci_encode_put32(uint8_t *p, uint32_t v)
{
    if (v < 0x80) {
        p[0] = (uint8_t)v;
        return p + 1;
    }
    if (v < 0x4000) {
        p[0] = (uint8_t)(v | 0x80);
        p[1] = (uint8_t)(v >> 7);
        return p + 2;
    }
    return p + kci_put_uvarint(p, v);
}

/* memcpy for what is nearly always short: whole words that may overlap, instead of a call and its dispatch. */
static inline uint8_t *kci_encode_copy(uint8_t *to, const uint8_t *from, size_t size)
{
    if (size > 256) {
        memcpy(to, from, size);
    } else if (size >= 16) {
        for (size_t i = 0; i + 16 < size; i += 16)
            memcpy(to + i, from + i, 16);
        memcpy(to + size - 16, from + size - 16, 16);
    } else if (size >= 8) {
        memcpy(to, from, 8);
        memcpy(to + size - 8, from + size - 8, 8);
    } else if (size >= 4) {
        memcpy(to, from, 4);
        memcpy(to + size - 4, from + size - 4, 4);
    } else if (size) {
        to[0] = from[0];
        to[size / 2] = from[size / 2];
        to[size - 1] = from[size - 1];
    }
    return to + size;
}

/* True if the record is one for kci_encode_fast and `room` bytes are surely enough. */
static inline bool kci_encode_fits(const kc_record *record, size_t room)
{
    size_t key = record->key.size, value = record->value.size;
    return record->header_count == 0 && ((key | value) >> 30) == 0 && key + value + KCI_ENCODE_SLACK <= room &&
           (record->key.data || key == 0) && (record->value.data || value == 0);
}

/* Write it at `at`; returns the byte behind it. */
static inline uint8_t *kci_encode_fast(uint8_t *at, const kc_record *record, int64_t timestamp_delta,
                                       int32_t offset_delta)
{
    uint64_t timestamp = kci_zigzag64(timestamp_delta);
    uint32_t offset = (uint32_t)offset_delta << 1;
    uint32_t key = record->key.data ? (uint32_t)record->key.size << 1 : 1; /* zigzag; 1 is -1: null */
    uint32_t value = record->value.data ? (uint32_t)record->value.size << 1 : 1;
    size_t body = 1 + kci_encode_size64(timestamp) + kci_encode_size32(offset) + kci_encode_size32(key) +
                  record->key.size + kci_encode_size32(value) + record->value.size + 1;
    at = kci_encode_put32(at, (uint32_t)body << 1);
    *at++ = 0; /* attributes */
    if (timestamp < 0x80)
        *at++ = (uint8_t)timestamp;
    else
        at += kci_put_uvarlong(at, timestamp);
    at = kci_encode_put32(at, offset);
    at = kci_encode_put32(at, key);
    at = kci_encode_copy(at, record->key.data, record->key.size);
    at = kci_encode_put32(at, value);
    at = kci_encode_copy(at, record->value.data, record->value.size);
    *at++ = 0; /* header count */
    return at;
}

/* Most bytes that a record can need with any deltas; SIZE_MAX when a size in it is beyond what the format can hold. */
size_t kci_encode_bound(const kc_record *record);
/* Bytes of the record without its length prefix, and with it. */
size_t kci_encode_body_size(const kc_record *record, int64_t timestamp_delta, int32_t offset_delta);
static inline size_t kci_encode_size(const kc_record *record, int64_t timestamp_delta, int32_t offset_delta)
{
    size_t body = kci_encode_body_size(record, timestamp_delta, offset_delta);
    return kci_encode_size32((uint32_t)body << 1) + body;
}

/* A place in a rope of chunks where bytes are appended. */
struct kci_rope {
    struct kci_chunk *chunk; /* being filled */
    uint8_t *at, *end;       /* its free bytes */
    uint32_t chunk_data;     /* bytes of a whole chunk */
};
/* Append bytes; the chunks that it takes are already chained behind rope->chunk. Sets `end` of each chunk that it
 * fills. */
void kci_rope_put(struct kci_rope *rope, const void *data, size_t size);
/* Write the whole record, across as many chunks as it takes. */
void kci_encode_across(struct kci_rope *rope, const kc_record *record, int64_t timestamp_delta, int32_t offset_delta);

#endif
