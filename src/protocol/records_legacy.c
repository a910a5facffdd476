/* Message sets of magic 0 and 1 (before Kafka 0.11), big-endian.  A message:
 *
 *      | off | len | field                                                                   |
 *      |   0 |   8 | offset                                                                  |
 *      |   8 |   4 | size of what follows                                                    |
 *      |  12 |   4 | CRC-32 (IEEE) from magic to the end                                     |
 *      |  16 |   1 | magic                                                                   |
 *      |  17 |   1 | attributes: bits 0-2 codec (no zstd), bit 3 LogAppendTime (magic 1)     |
 *      |  18 |   8 | timestamp (magic 1 only)                                                |
 *      |     |   4 | key size, -1 null; key                                                  |
 *      |     |   4 | value size, -1 null; value                                              |
 *
 * With a codec the message is a wrapper: its value is a compressed set of messages of the same magic, themselves never
 * compressed.  The wrapper has the offset of its last message.  Inner offsets are absolute in magic 0 and count from 0
 * in magic 1, where wrapper offset - last inner offset gives the base (0 when the wrapper's is too small: some
 * producers left it at 0).  A wrapper with LogAppendTime lends its timestamp to all of its messages (KIP-31, KIP-32).
 *
 * The CRC of inner messages is not looked at: the wrapper's covers them. */
#include "protocol/records_legacy.h"

#define MESSAGE_MIN_V0 26 /* bytes with null key and value */
#define MESSAGE_MIN_V1 34
#define ENTRY_PREFIX   12 /* offset and size */

/* One message, decoded. */
struct message {
    int64_t offset, timestamp_ms; /* timestamp: -1 in magic 0 */
    int8_t magic, attributes;
    struct kci_bytes key, value;
};

size_t kci_records_legacy_min(int8_t magic)
{
    return magic == 0 ? MESSAGE_MIN_V0 : MESSAGE_MIN_V1;
}

void kci_records_legacy_header(const uint8_t *data, struct kci_batch_header *header)
{
    int8_t magic = (int8_t)data[16];
    int64_t timestamp_ms = magic == 0 ? -1 : (int64_t)kci_be64(data + 18);
    *header = (struct kci_batch_header){
        .base_offset = (int64_t)kci_be64(data),
        .batch_length = (int32_t)kci_be32(data + 8),
        .leader_epoch = -1,
        .magic = magic,
        .crc = kci_be32(data + 12),
        .attributes = data[17] & (magic == 0 ? KCI_BATCH_CODEC_MASK : KCI_BATCH_CODEC_MASK | KCI_BATCH_LOG_APPEND_TIME),
        .base_timestamp_ms = timestamp_ms,
        .max_timestamp_ms = timestamp_ms,
        .producer_id = -1,
        .producer_epoch = -1,
        .base_sequence = -1,
        .record_count = -1,
    };
}

static struct kci_bytes read_field(struct kci_reader *r)
{
    int32_t size = kci_reader_i32(r);
    if (size == -1)
        return (struct kci_bytes){ NULL, 0 };
    if (size < 0)
        r->failed = true;
    const uint8_t *data = kci_reader_take(r, (size_t)size);
    return (struct kci_bytes){ data, data ? (size_t)size : 0 };
}

/* The next message of a set; false: broken. */
static bool read_message(struct kci_reader *set, struct message *m)
{
    m->offset = kci_reader_i64(set);
    int32_t size = kci_reader_i32(set);
    if (size < MESSAGE_MIN_V0 - ENTRY_PREFIX)
        return false;
    const uint8_t *body = kci_reader_take(set, (size_t)size);
    if (!body)
        return false;
    struct kci_reader r = kci_reader_of(body, (size_t)size);
    kci_reader_i32(&r); /* CRC */
    m->magic = kci_reader_i8(&r);
    m->attributes = kci_reader_i8(&r);
    m->timestamp_ms = m->magic == 0 ? -1 : kci_reader_i64(&r);
    m->key = read_field(&r);
    m->value = read_field(&r);
    return !r.failed && kci_reader_left(&r) == 0;
}

/* The relative offsets of a magic 1 wrapper become absolute by adding *base. */
static bool find_base(struct kci_reader set, int64_t wrapper_offset, int64_t *base)
{
    int64_t last = -1;
    while (kci_reader_left(&set)) {
        last = kci_reader_i64(&set);
        int32_t size = kci_reader_i32(&set);
        if (size < 0 || !kci_reader_take(&set, (size_t)size))
            return false;
    }
    if (last < 0)
        return false;
    *base = wrapper_offset >= last ? wrapper_offset - last : 0;
    return true;
}

enum kci_batch_error kci_records_legacy_open(struct kci_batch_iterator *it, const uint8_t *data, size_t total,
                                             struct kci_compressor *c, size_t plain_max)
{
    struct message wrapper;
    int codec = it->header.attributes & KCI_BATCH_CODEC_MASK;
    it->left = -1;
    it->records = kci_reader_of(data, total);
    if (codec == KCI_CODEC_NONE)
        return KCI_BATCH_OK;
    if (codec > KCI_CODEC_LZ4)
        return KCI_BATCH_BAD_CODEC;
    if (!read_message(&it->records, &wrapper) || !wrapper.value.data)
        return KCI_BATCH_BAD_RECORDS;
    enum kci_batch_error error = kci_records_unpack(it, wrapper.value, c, plain_max);
    if (error == KCI_BATCH_OK && kci_reader_left(&it->records) == 0)
        error = KCI_BATCH_BAD_RECORDS;
    if (error == KCI_BATCH_OK && it->inner_magic == 1 &&
        !find_base(it->records, it->header.base_offset, &it->relative_base))
        error = KCI_BATCH_BAD_RECORDS;
    return error;
}

int kci_records_legacy_next(struct kci_batch_iterator *it, struct kci_record_view *view)
{
    struct message m;
    if (it->failed)
        return -1;
    if (kci_reader_left(&it->records) == 0)
        return 0;
    bool good = read_message(&it->records, &m) && m.magic == it->inner_magic;
    if (good && it->plain) /* inside a wrapper */
        good = (m.attributes & KCI_BATCH_CODEC_MASK) == 0 && m.offset >= 0 && m.offset < INT64_MAX - it->relative_base;
    if (!good || m.offset == INT64_MAX || it->relative_base + m.offset < it->next_offset) {
        it->failed = true;
        return -1;
    }
    view->offset = it->relative_base + m.offset;
    view->timestamp_ms =
        it->header.attributes & KCI_BATCH_LOG_APPEND_TIME ? it->header.max_timestamp_ms : m.timestamp_ms;
    view->key = m.key;
    view->value = m.value;
    view->header_count = 0;
    view->headers = kci_reader_of(NULL, 0);
    it->next_offset = view->offset + 1;
    return 1;
}
