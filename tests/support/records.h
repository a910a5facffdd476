/* Building batches for tests: from hex, from a records section, from legacy messages. */
#ifndef TEST_SUPPORT_RECORDS_H
#define TEST_SUPPORT_RECORDS_H

#include "base/checksum.h"
#include "protocol/records.h"

#include <stdlib.h>

/* Bytes of a hex text, whose spaces do not count; yours to free. */
static inline uint8_t *test_from_hex(const char *hex, size_t *size)
{
    uint8_t *bytes = malloc(strlen(hex) / 2 + 1);
    for (*size = 0; *hex; hex += *hex == ' ' ? 1 : 2)
        if (*hex != ' ')
            bytes[(*size)++] = (uint8_t)strtoul((char[]){ hex[0], hex[1], 0 }, NULL, 16);
    return bytes;
}

static inline struct kci_bytes test_bytes(const char *text)
{
    return (struct kci_bytes){ (const uint8_t *)text, text ? strlen(text) : 0 };
}

/* The header of a batch as a producer without idempotence sends it. */
static inline struct kci_batch_header test_batch_header(void)
{
    return (struct kci_batch_header){
        .leader_epoch = -1, .magic = 2, .producer_id = -1, .producer_epoch = -1, .base_sequence = -1
    };
}

/* A v2 batch around a records section as it is, right or wrong: only length and CRC are made to fit. */
static inline void test_batch_around(struct kci_writer *w, struct kci_batch_header header, const void *section,
                                     size_t size)
{
    size_t start = w->size;
    header.batch_length = (int32_t)(KCI_BATCH_HEADER_BYTES - KCI_BATCH_PREFIX_BYTES + size);
    uint8_t *p = kci_writer_room(w, KCI_BATCH_HEADER_BYTES);
    kci_writer_bytes(w, section, size);
    p = w->data + start;
    kci_batch_header_put(p, &header);
    kci_put32(p + 17, kci_crc32c(0, p + 21, KCI_BATCH_HEADER_BYTES - 21 + size));
}

/* A message of magic 0 or 1; timestamp_ms is left out in magic 0. Returns its place in w. */
static inline size_t test_legacy_message(struct kci_writer *w, int64_t offset, int8_t magic, int8_t attributes,
                                         int64_t timestamp_ms, struct kci_bytes key, struct kci_bytes value)
{
    size_t start = w->size;
    kci_writer_i64(w, offset);
    kci_writer_i32(w, 0);
    kci_writer_i32(w, 0);
    kci_writer_i8(w, magic);
    kci_writer_i8(w, attributes);
    if (magic > 0)
        kci_writer_i64(w, timestamp_ms);
    kci_writer_i32(w, key.data ? (int32_t)key.size : -1);
    kci_writer_bytes(w, key.data, key.size);
    kci_writer_i32(w, value.data ? (int32_t)value.size : -1);
    kci_writer_bytes(w, value.data, value.size);
    kci_put32(w->data + start + 8, (uint32_t)(w->size - start - 12));
    kci_put32(w->data + start + 12, kci_crc32(0, w->data + start + 16, w->size - start - 16));
    return start;
}

#endif
