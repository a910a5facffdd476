/* What a producer may write.  In the order of Kafka's checks:
 *
 *      one batch, whole, magic 2      INVALID_RECORD, CORRUPT_MESSAGE (lengths)     CRC           CORRUPT_MESSAGE
 *      zstd before Produce v7         UNSUPPORTED_COMPRESSION_TYPE                  size          MESSAGE_TOO_LARGE
 *      base offset 0, count, control, sequence                                      INVALID_RECORD
 *      every record: lengths, offsets 0, 1, 2 ...                                   INVALID_RECORD
 *      compacted topic: keys          INVALID_RECORD + record_errors                timestamps    INVALID_TIMESTAMP
 *
 * The walk over the records is the consumer's iterator (protocol/records.h).  Compressed batches are decompressed for
 * it, as Kafka does, unless mock.records.check=header. Bytes are changed in three cases only: LogAppendTime, a wrong
 * maxTimestamp, and a topic with a codec of its own. */
#include "mockbroker/core/validate.h"

#include "base/checksum.h"
#include <stdio.h>

#define ATTRIBUTES_AT    21
#define MAX_TIMESTAMP_AT 35
#define CRC_AT           17

bool mb_validate_walk(const uint8_t *data, size_t size, int32_t count, struct mb_records_walk *walk)
{
    struct kci_batch_iterator it;
    struct kci_record_view view;
    int64_t min = INT64_MAX, max = INT64_MIN;
    int32_t null_keys = 0;
    if (!kci_batch_walk(&it, data, size, count))
        return false;
    int more = 1;
    for (int32_t i = 0; (more = kci_batch_next(&it, &view)) > 0; i++) {
        if (view.offset != i)
            return false;
        null_keys += view.key.data == NULL;
        min = view.timestamp_ms < min ? view.timestamp_ms : min;
        max = view.timestamp_ms > max ? view.timestamp_ms : max;
    }
    *walk = (struct mb_records_walk){ min, max, null_keys };
    return more == 0;
}

/* ---- the whole batch
 * ------------------------------------------------------------------------------------------------- */

static int16_t refuse(struct mb_append *append, int16_t error, const char *message)
{
    append->message = message;
    return error;
}

static int16_t check_header(const struct mb_topic *topic, struct mb_append *append, struct kci_batch_header *header)
{
    struct kci_reader r = kci_reader_of(append->records.data, append->records.size);
    size_t total = 0;
    if (!append->records.data || append->records.size == 0)
        return refuse(append, KCI_INVALID_RECORD,
                      "Produce requests with version 3 or later must have exactly one record batch");
    switch (kci_batch_peek(&r, header, &total)) {
    case KCI_BATCH_OK:
        break;
    case KCI_BATCH_BAD_MAGIC:
        return refuse(append, KCI_INVALID_RECORD, "the record batch is of no known magic");
    default:
        return refuse(append, KCI_CORRUPT_MESSAGE,
                      "the record batch is shorter than it says, or its length is impossible");
    }
    if (header->magic != 2)
        return refuse(append, KCI_INVALID_RECORD,
                      "Produce requests with version 3 or later may only contain batches of magic 2");
    if (total != append->records.size)
        return refuse(append, KCI_INVALID_RECORD,
                      "Produce requests with version 3 or later must have exactly one record batch");
    int codec = header->attributes & KCI_BATCH_CODEC_MASK;
    if (codec >= KCI_CODEC_COUNT || (codec == KCI_CODEC_ZSTD && append->version < 7))
        return KCI_UNSUPPORTED_COMPRESSION_TYPE;
    if (total > (size_t)topic->config.batch_bytes_max)
        return KCI_MESSAGE_TOO_LARGE;
    if (total > (size_t)topic->config.segment_bytes)
        return KCI_RECORD_LIST_TOO_LARGE;
    if (!append->internal && !kci_batch_crc_ok(append->records.data, total))
        return refuse(append, KCI_CORRUPT_MESSAGE, "the CRC of the record batch is wrong");
    if (header->base_offset != 0)
        return refuse(append, KCI_INVALID_RECORD, "the base offset of a produced batch must be 0");
    if (header->record_count <= 0 || header->last_offset_delta != header->record_count - 1)
        return refuse(append, KCI_INVALID_RECORD,
                      "the record count and the last offset delta of the batch do not agree");
    if (!append->internal && (header->attributes & KCI_BATCH_CONTROL))
        return refuse(append, KCI_INVALID_RECORD, "clients must not write control records");
    if (header->producer_id >= 0 && (header->base_sequence < 0 || header->producer_epoch < 0))
        return refuse(append, KCI_INVALID_RECORD, "a batch with a producer id needs an epoch and a sequence");
    if (header->attributes & KCI_BATCH_TRANSACTIONAL)
        return KCI_INVALID_TXN_STATE; /* no transaction was begun: there is no coordinator for them */
    return KCI_NONE;
}

/* The bad records one by one: only when the walk has found some. */
static void list_errors(struct mb_append *append, const struct kci_batch_header *header, const uint8_t *plain,
                        size_t size, int64_t low_ms, int64_t high_ms, bool need_key, const char *message)
{
    struct kci_reader r = kci_reader_of(plain, size);
    struct mb_record_error *errors = kci_arena_array(append->arena, (size_t)header->record_count, sizeof *errors);
    int32_t count = 0;
    for (int32_t i = 0; errors && i < header->record_count && !r.failed; i++) {
        int32_t length = kci_reader_varint(&r);
        struct kci_reader one = kci_reader_of(kci_reader_take(&r, (size_t)length), r.failed ? 0 : (size_t)length);
        kci_reader_i8(&one);
        int64_t timestamp = header->base_timestamp_ms + kci_reader_varlong(&one);
        kci_reader_varint(&one);
        bool no_key = kci_reader_varint(&one) < 0;
        if (need_key ? no_key : timestamp < low_ms || timestamp > high_ms)
            errors[count++] = (struct mb_record_error){ i, message };
    }
    append->record_errors = errors;
    append->record_error_count = count;
    char *text = kci_arena_take(append->arena, 256);
    if (text)
        snprintf(
            text, 256,
            "One or more records have been rejected due to %d record errors in total, and only showing the first three "
            "errors at most: %s",
            count, message);
    append->message = text;
}

static int64_t minus_clamped(int64_t a, int64_t b)
{
    return b > 0 && a < INT64_MIN + b ? INT64_MIN : a - b;
}
static int64_t plus_clamped(int64_t a, int64_t b)
{
    return b > 0 && a > INT64_MAX - b ? INT64_MAX : a + b;
}

static int16_t check_records(const struct mb_topic *topic, struct mb_append *append, int64_t wall_ms,
                             struct kci_batch_header *header, const uint8_t *plain, size_t size)
{
    struct mb_records_walk walk;
    if (!mb_validate_walk(plain, size, header->record_count, &walk))
        return refuse(append, KCI_INVALID_RECORD, "the records of the batch do not agree with its header");
    if (topic->config.compact && walk.null_keys) {
        list_errors(append, header, plain, size, 0, 0, true, "Compacted topic cannot accept message without key");
        return KCI_INVALID_RECORD;
    }
    if (topic->config.log_append_time)
        return KCI_NONE;
    int64_t low = minus_clamped(wall_ms, topic->config.timestamp_before_ms);
    int64_t high = plus_clamped(wall_ms, topic->config.timestamp_after_ms);
    int64_t first = (int64_t)((uint64_t)header->base_timestamp_ms + (uint64_t)walk.min_timestamp_delta);
    int64_t last = (int64_t)((uint64_t)header->base_timestamp_ms + (uint64_t)walk.max_timestamp_delta);
    if (!append->internal && (first < low || last > high)) {
        list_errors(append, header, plain, size, low, high, false, "Timestamp is out of range");
        return KCI_INVALID_TIMESTAMP;
    }
    header->max_timestamp_ms = last;
    return KCI_NONE;
}

/* Store under another codec: the records section is compressed anew, its bytes stay the same. */
static int16_t rewrite(struct mb_cluster *cluster, int codec, const uint8_t *batch, const uint8_t *plain, size_t size,
                       struct kci_batch_header *header, struct kci_frame **rewritten)
{
    struct kci_writer w = kci_writer_of(cluster->alloc, MB_DECOMPRESSED_BYTES_MAX);
    kci_writer_bytes(&w, batch, KCI_BATCH_HEADER_BYTES);
    if (codec == KCI_CODEC_NONE) {
        kci_writer_bytes(&w, plain, size);
    } else {
        struct kci_iov piece = { plain, size };
        if (kci_compress(cluster->compressor, codec, KCI_LEVEL_DEFAULT, &piece, 1, &w) != KCI_COMPRESS_OK)
            w.failed = true;
    }
    struct kci_frame *frame = w.failed ? NULL : kci_frame_new(cluster->alloc, (uint32_t)w.size);
    if (frame) {
        memcpy(frame->data, w.data, w.size);
        header->attributes = (int16_t)((header->attributes & ~KCI_BATCH_CODEC_MASK) | codec);
        header->batch_length = (int32_t)(w.size - KCI_BATCH_PREFIX_BYTES);
        kci_put32(frame->data + 8, (uint32_t)header->batch_length);
        kci_put16(frame->data + ATTRIBUTES_AT, (uint16_t)header->attributes);
        kci_put32(frame->data + CRC_AT, kci_crc32c(0, frame->data + ATTRIBUTES_AT, frame->size - ATTRIBUTES_AT));
    }
    kci_writer_destroy(&w);
    *rewritten = frame;
    return frame ? KCI_NONE : KCI_UNKNOWN_SERVER_ERROR;
}

/* Fields under the CRC that the broker sets. The bytes are ours alone by now. */
static void patch(uint8_t *batch, size_t size, const struct mb_topic *topic, int64_t wall_ms,
                  struct kci_batch_header *header)
{
    int64_t written = (int64_t)kci_be64(batch + MAX_TIMESTAMP_AT);
    if (topic->config.log_append_time) {
        header->attributes = (int16_t)(header->attributes | KCI_BATCH_LOG_APPEND_TIME);
        header->max_timestamp_ms = wall_ms;
    } else if (written == header->max_timestamp_ms) {
        return;
    }
    kci_put16(batch + ATTRIBUTES_AT, (uint16_t)header->attributes);
    kci_put64(batch + MAX_TIMESTAMP_AT, (uint64_t)header->max_timestamp_ms);
    kci_put32(batch + CRC_AT, kci_crc32c(0, batch + ATTRIBUTES_AT, size - ATTRIBUTES_AT));
}

int16_t mb_validate_batch(struct mb_cluster *cluster, const struct mb_topic *topic, struct mb_append *append,
                          int64_t wall_ms, struct kci_batch_header *header, struct kci_frame **rewritten)
{
    *rewritten = NULL;
    int16_t error = check_header(topic, append, header);
    if (error)
        return error;
    if ((header->attributes & KCI_BATCH_LOG_APPEND_TIME) && !append->internal)
        return refuse(append, KCI_INVALID_TIMESTAMP,
                      "a producer must not set the timestamp type of a batch to LogAppendTime");
    int codec = header->attributes & KCI_BATCH_CODEC_MASK;
    int wanted = topic->config.codec < 0 ? codec : topic->config.codec;
    const uint8_t *plain = append->records.data + KCI_BATCH_HEADER_BYTES;
    size_t size = append->records.size - KCI_BATCH_HEADER_BYTES;
    uint8_t *unpacked = NULL;
    bool look = codec == KCI_CODEC_NONE || wanted != codec || topic->config.compact || cluster->records_check_full;
    if (codec != KCI_CODEC_NONE && look) {
        switch (kci_decompress(cluster->compressor, codec, plain, size, cluster->alloc, MB_DECOMPRESSED_BYTES_MAX,
                               &unpacked, &size)) {
        case KCI_COMPRESS_OK:
            plain = unpacked;
            break;
        case KCI_COMPRESS_UNKNOWN:
            return KCI_UNSUPPORTED_COMPRESSION_TYPE;
        case KCI_COMPRESS_NO_MEMORY:
            return KCI_UNKNOWN_SERVER_ERROR;
        default:
            return refuse(append, KCI_CORRUPT_MESSAGE, "the compressed records cannot be decompressed");
        }
    }
    if (look)
        error = check_records(topic, append, wall_ms, header, plain, size);
    if (!error && wanted != codec)
        error = rewrite(cluster, wanted, append->records.data, plain, size, header, rewritten);
    if (!error) {
        uint8_t *batch = *rewritten ? (*rewritten)->data : (uint8_t *)(uintptr_t)append->records.data;
        patch(batch, *rewritten ? (*rewritten)->size : append->records.size, topic, wall_ms, header);
    }
    kci_alloc_free(cluster->alloc, unpacked);
    return error;
}
