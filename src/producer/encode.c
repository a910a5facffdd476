/* The slow way of writing a record: any size, with headers, across chunks.
 *
 *   length          varint     bytes that follow
 *   attributes      int8       0
 *   timestampDelta  varlong    from the batch's base timestamp
 *   offsetDelta     varint     0, 1, 2 ... in the batch
 *   keyLength       varint     -1: null        key    bytes
 *   valueLength     varint     -1: null        value  bytes
 *   headerCount     varint     then for each: nameLength varint, name, valueLength varint (-1: null), value
 *
 * All varints are zigzag (PROTOCOL: records v2). */
#include "producer/encode.h"

#define PART_BYTES_MAX ((size_t)INT32_MAX / 2) /* one key, value or header; far above any max.request.size */

static uint32_t size_field(kc_bytes bytes)
{
    return bytes.data ? (uint32_t)bytes.size << 1 : 1;
}

static size_t part_size(kc_bytes bytes)
{
    return kci_encode_size32(size_field(bytes)) + bytes.size;
}

static size_t headers_size(const kc_record *record)
{
    size_t size = kci_encode_size32((uint32_t)record->header_count << 1);
    for (size_t i = 0; i < record->header_count; i++) {
        const kc_header *header = &record->headers[i];
        size += part_size((kc_bytes){ header->name, strlen(header->name) }) + part_size(header->value);
    }
    return size;
}

size_t kci_encode_bound(const kc_record *record)
{
    if (record->key.size > PART_BYTES_MAX || record->value.size > PART_BYTES_MAX ||
        record->header_count > PART_BYTES_MAX / 2)
        return SIZE_MAX;
    size_t size = 32 + record->key.size + record->value.size;
    for (size_t i = 0; i < record->header_count; i++) {
        size_t name = strlen(record->headers[i].name), value = record->headers[i].value.size;
        if (name > PART_BYTES_MAX || value > PART_BYTES_MAX)
            return SIZE_MAX;
        size += name + value + 10;
        if (size > PART_BYTES_MAX)
            return SIZE_MAX;
    }
    return size;
}

size_t kci_encode_body_size(const kc_record *record, int64_t timestamp_delta, int32_t offset_delta)
{
    return 1 + kci_encode_size64(kci_zigzag64(timestamp_delta)) + kci_encode_size32((uint32_t)offset_delta << 1) +
           part_size(record->key) + part_size(record->value) + headers_size(record);
}

void kci_rope_put(struct kci_rope *rope, const void *data, size_t size)
{
    const uint8_t *from = data;
    while (size) {
        size_t piece = (size_t)(rope->end - rope->at);
        if (piece == 0) {
            rope->chunk->end = (uint32_t)(rope->at - rope->chunk->data);
            rope->chunk = rope->chunk->next;
            rope->at = rope->chunk->data;
            rope->end = rope->at + rope->chunk_data;
            continue;
        }
        if (piece > size)
            piece = size;
        memcpy(rope->at, from, piece);
        rope->at += piece;
        from += piece;
        size -= piece;
    }
}

static void put_varint(struct kci_rope *rope, uint32_t value)
{
    uint8_t bytes[5];
    kci_rope_put(rope, bytes, kci_put_uvarint(bytes, value));
}

static void put_part(struct kci_rope *rope, kc_bytes part)
{
    put_varint(rope, size_field(part));
    kci_rope_put(rope, part.data, part.size);
}

void kci_encode_across(struct kci_rope *rope, const kc_record *record, int64_t timestamp_delta, int32_t offset_delta)
{
    uint8_t bytes[10];
    put_varint(rope, (uint32_t)kci_encode_body_size(record, timestamp_delta, offset_delta) << 1);
    kci_rope_put(rope, "", 1); /* attributes: 0 */
    kci_rope_put(rope, bytes, kci_put_uvarlong(bytes, kci_zigzag64(timestamp_delta)));
    put_varint(rope, (uint32_t)offset_delta << 1);
    put_part(rope, record->key);
    put_part(rope, record->value);
    put_varint(rope, (uint32_t)record->header_count << 1);
    for (size_t i = 0; i < record->header_count; i++) {
        put_part(rope, (kc_bytes){ record->headers[i].name, strlen(record->headers[i].name) });
        put_part(rope, record->headers[i].value);
    }
}
