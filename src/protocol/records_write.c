/* Writes one v2 batch from records that the caller holds; the formats stand in records.c.  The producer does not come
 * here (it encodes into its accumulator as records arrive), but shares the sizes.
 *
 * The header is left open, the records follow (or, with a codec, their compressed form), then length, counts and CRC
 * are filled in.  A batch is written wholly or not at all. */
#include "base/checksum.h"
#include "protocol/records.h"

#define OFFSET_COVERED 21 /* first byte under the CRC */

void kci_batch_header_put(uint8_t *out, const struct kci_batch_header *header)
{
    kci_put64(out, (uint64_t)header->base_offset);
    kci_put32(out + 8, (uint32_t)header->batch_length);
    kci_put32(out + 12, (uint32_t)header->leader_epoch);
    out[16] = (uint8_t)header->magic;
    kci_put32(out + 17, header->crc);
    kci_put16(out + 21, (uint16_t)header->attributes);
    kci_put32(out + 23, (uint32_t)header->last_offset_delta);
    kci_put64(out + 27, (uint64_t)header->base_timestamp_ms);
    kci_put64(out + 35, (uint64_t)header->max_timestamp_ms);
    kci_put64(out + 43, (uint64_t)header->producer_id);
    kci_put16(out + 51, (uint16_t)header->producer_epoch);
    kci_put32(out + 53, (uint32_t)header->base_sequence);
    kci_put32(out + 57, (uint32_t)header->record_count);
}

static size_t varint_size(int64_t value)
{
    return kci_uvarlong_size(kci_zigzag64(value));
}

static size_t field_size(struct kci_bytes field)
{
    return field.data ? varint_size((int64_t)field.size) + field.size : 1;
}

/* Bytes after the size of the record. */
static size_t body_size(const struct kci_record *record, int64_t base_timestamp_ms, int32_t offset_delta)
{
    int64_t timestamp_delta = (int64_t)((uint64_t)record->timestamp_ms - (uint64_t)base_timestamp_ms);
    size_t size = 1 + varint_size(timestamp_delta) + varint_size(offset_delta) + field_size(record->key) +
                  field_size(record->value) + varint_size((int64_t)record->header_count);
    for (size_t i = 0; i < record->header_count; i++)
        size += varint_size((int64_t)record->headers[i].name.size) + record->headers[i].name.size +
                field_size(record->headers[i].value);
    return size;
}

static void write_field(struct kci_writer *w, struct kci_bytes field)
{
    kci_writer_varint(w, field.data ? (int32_t)field.size : -1);
    kci_writer_bytes(w, field.data, field.size);
}

void kci_record_write(struct kci_writer *w, const struct kci_record *record, int64_t base_timestamp_ms,
                      int32_t offset_delta)
{
    size_t body = body_size(record, base_timestamp_ms, offset_delta);
    if (body > INT32_MAX) {
        w->failed = true;
        return;
    }
    kci_writer_varint(w, (int32_t)body);
    kci_writer_i8(w, 0);
    kci_writer_varlong(w, (int64_t)((uint64_t)record->timestamp_ms - (uint64_t)base_timestamp_ms));
    kci_writer_varint(w, offset_delta);
    write_field(w, record->key);
    write_field(w, record->value);
    kci_writer_varint(w, (int32_t)record->header_count);
    for (size_t i = 0; i < record->header_count; i++) {
        kci_writer_varint(w, (int32_t)record->headers[i].name.size);
        kci_writer_bytes(w, record->headers[i].name.data, record->headers[i].name.size);
        write_field(w, record->headers[i].value);
    }
}

static void write_records(struct kci_writer *w, const struct kci_record *records, size_t count,
                          int64_t base_timestamp_ms)
{
    for (size_t i = 0; i < count; i++)
        kci_record_write(w, &records[i], base_timestamp_ms, (int32_t)i);
}

static enum kci_batch_error compress_records(struct kci_writer *w, const struct kci_record *records, size_t count,
                                             int64_t base_timestamp_ms, int codec, int32_t level)
{
    struct kci_compressor *c = w->alloc ? kci_compressor_new(w->alloc) : NULL;
    if (!c)
        return KCI_BATCH_NO_MEMORY;
    struct kci_writer plain = kci_writer_of(w->alloc, INT32_MAX);
    enum kci_compress_result result = KCI_COMPRESS_NO_MEMORY;
    write_records(&plain, records, count, base_timestamp_ms);
    if (!plain.failed)
        result = kci_compress(c, codec, level, &(struct kci_iov){ plain.data, plain.size }, 1, w);
    kci_writer_destroy(&plain);
    kci_compressor_destroy(c);
    switch (result) {
    case KCI_COMPRESS_OK:
        return KCI_BATCH_OK;
    case KCI_COMPRESS_UNKNOWN:
        return KCI_BATCH_BAD_CODEC;
    case KCI_COMPRESS_TOO_LARGE:
        return KCI_BATCH_TOO_LARGE;
    default:
        return KCI_BATCH_NO_MEMORY;
    }
}

/* What the records say of the header: counts and timestamps. */
static void count_records(struct kci_batch_header *header, const struct kci_record *records, size_t count)
{
    header->record_count = (int32_t)count;
    if (count == 0)
        return;
    int64_t max = records[0].timestamp_ms;
    for (size_t i = 1; i < count; i++)
        max = records[i].timestamp_ms > max ? records[i].timestamp_ms : max;
    header->last_offset_delta = (int32_t)count - 1;
    header->base_timestamp_ms = records[0].timestamp_ms;
    if (!(header->attributes & KCI_BATCH_LOG_APPEND_TIME))
        header->max_timestamp_ms = max;
}

enum kci_batch_error kci_batch_write(struct kci_writer *w, const struct kci_batch_header *header,
                                     const struct kci_record *records, size_t count, int level)
{
    struct kci_batch_header h = *header;
    int codec = h.attributes & KCI_BATCH_CODEC_MASK;
    size_t start = w->size;
    enum kci_batch_error error = KCI_BATCH_OK;
    if (count > INT32_MAX)
        return KCI_BATCH_TOO_LARGE;
    if (!kci_codec_built_in(codec))
        return KCI_BATCH_BAD_CODEC;
    h.magic = 2;
    count_records(&h, records, count);
    kci_writer_room(w, KCI_BATCH_HEADER_BYTES);
    if (codec == KCI_CODEC_NONE || count == 0)
        write_records(w, records, count, h.base_timestamp_ms);
    else if (!w->failed)
        error = compress_records(w, records, count, h.base_timestamp_ms, codec, level);
    if (error == KCI_BATCH_OK && w->failed)
        error = KCI_BATCH_NO_MEMORY;
    if (error == KCI_BATCH_OK && w->size - start > INT32_MAX)
        error = KCI_BATCH_TOO_LARGE;
    if (error != KCI_BATCH_OK) {
        w->size = start;
        w->failed = true;
        return error;
    }
    uint8_t *batch = w->data + start;
    size_t total = w->size - start;
    h.batch_length = (int32_t)(total - KCI_BATCH_PREFIX_BYTES);
    kci_batch_header_put(batch, &h);
    kci_put32(batch + 17, kci_crc32c(0, batch + OFFSET_COVERED, total - OFFSET_COVERED));
    return KCI_BATCH_OK;
}
