/* What a producer may write.  In the order of Kafka's checks, and with its codes, as a differential test against it
 * holds:
 *
 *      a whole batch, one, magic 2      INVALID_RECORD      zstd before Produce v7      UNSUPPORTED_COMPRESSION_TYPE
 *      base offset 0                    INVALID_RECORD      size                        MESSAGE_TOO_LARGE
 *      CRC                              CORRUPT_MESSAGE     no such codec               UNKNOWN_SERVER_ERROR
 *      count, control, sequence         INVALID_RECORD      what does not decompress    UNKNOWN_SERVER_ERROR
 *      every record: lengths, offsets 0, 1, 2 ...           INVALID_RECORD
 *      compacted topic: keys, times     INVALID_RECORD or, when a time is wrong, INVALID_TIMESTAMP; with record_errors
 *      size as it is stored             MESSAGE_TOO_LARGE   larger than a segment       RECORD_LIST_TOO_LARGE
 *
 * Where Kafka says nothing but a code, the answer says why.  Offsets of a batch that is not compressed are checked here
 * and not by Kafka, which stores them as they come.  The beginning of a second batch behind the first is cut off, unless
 * its length or its magic cannot be.
 *
 * The records are looked at with the consumer's checks (kci_batch_survey).  Compressed batches are decompressed for
 * that, as Kafka does, unless mock.records.check=header. Bytes are changed in three cases only: a timestamp type that
 * is not the topic's, a wrong maxTimestamp, and a topic with a codec of its own. */
#include "mockbroker/core/validate.h"

#include "base/checksum.h"
#include <stdio.h>

#define MAGIC_AT         16
#define LENGTH_LEAST     14 /* of a batch of any magic, behind its length */
#define ATTRIBUTES_AT    21
#define MAX_TIMESTAMP_AT 35
#define CRC_AT           17
#define ZSTD_SINCE       7 /* Produce version */

/* ---- the whole batch
 * ------------------------------------------------------------------------------------------------- */

static int16_t refuse(struct mb_append *append, int16_t error, const char *message)
{
    append->message = message;
    return error;
}

/* What follows the first batch: bytes that may be the beginning of another are none, as Kafka sees it. */
static int16_t check_rest(struct mb_append *append, size_t total)
{
    struct kci_reader r = kci_reader_of(append->records.data + total, append->records.size - total);
    kci_reader_take(&r, 8); /* base offset */
    int32_t length = kci_reader_i32(&r);
    kci_reader_take(&r, 4); /* leader epoch */
    int8_t magic = kci_reader_i8(&r);
    if (r.failed)
        return KCI_NONE;
    if (length < LENGTH_LEAST)
        return refuse(append, KCI_CORRUPT_MESSAGE, "the length of the second record batch is impossible");
    if (magic < 0 || magic > 2)
        return refuse(append, KCI_CORRUPT_MESSAGE, "Invalid magic found in record");
    if ((size_t)length + 12 > append->records.size - total)
        return KCI_NONE;
    return refuse(append, KCI_INVALID_RECORD,
                  "Produce requests of version 3 or later must have exactly one record batch");
}

/* The first batch of what was sent; what is left of another is forgotten. */
/* Once is enough: a batch that was found whole is so. */
static int16_t cut_batch(struct mb_append *append)
{
    struct kci_batch_header *header = &append->header;
    if (append->is_batch)
        return KCI_NONE;
    struct kci_reader r = kci_reader_of(append->records.data, append->records.size);
    size_t total = 0;
    if (append->records.size > MAGIC_AT && append->records.data[MAGIC_AT] > 2)
        return refuse(append, KCI_CORRUPT_MESSAGE, "Invalid magic found in record");
    switch (append->records.data ? kci_batch_peek(&r, header, &total) : KCI_BATCH_PARTIAL) {
    case KCI_BATCH_OK:
        break;
    case KCI_BATCH_PARTIAL:
        return refuse(append, KCI_INVALID_RECORD,
                      "Produce requests of version 3 or later must have a whole record batch");
    default:
        return refuse(append, KCI_CORRUPT_MESSAGE, "the length of the record batch is impossible");
    }
    if (header->magic != 2)
        return refuse(append, KCI_INVALID_RECORD,
                      "Produce requests of version 3 or later may only contain batches of magic 2");
    int codec = header->attributes & KCI_BATCH_CODEC_MASK;
    if (codec == KCI_CODEC_ZSTD && append->version < ZSTD_SINCE)
        return KCI_UNSUPPORTED_COMPRESSION_TYPE;
    if (codec >= KCI_CODEC_COUNT && append->version < ZSTD_SINCE) /* Kafka stumbles when it looks for zstd */
        return refuse(append, KCI_UNKNOWN_SERVER_ERROR, "there is no such compression codec");
    int16_t error = check_rest(append, total);
    if (error)
        return error;
    append->records.size = total;
    append->is_batch = true;
    return KCI_NONE;
}

int16_t mb_validate_shape(struct mb_append *append)
{
    return cut_batch(append);
}

static int16_t check_header(const struct mb_topic *topic, struct mb_append *append, struct kci_batch_header *header)
{
    int16_t error = cut_batch(append);
    if (error)
        return error;
    *header = append->header;
    if (header->base_offset != 0)
        return refuse(append, KCI_INVALID_RECORD, "the base offset of a produced batch must be 0");
    if (append->records.size > (size_t)topic->config.batch_bytes_max)
        return KCI_MESSAGE_TOO_LARGE;
    if (!append->internal && !kci_batch_crc_ok(append->records.data, append->records.size))
        return refuse(append, KCI_CORRUPT_MESSAGE, "the CRC of the record batch is wrong");
    if ((header->attributes & KCI_BATCH_CODEC_MASK) >= KCI_CODEC_COUNT)
        return refuse(append, KCI_UNKNOWN_SERVER_ERROR, "there is no such compression codec");
    if (header->record_count <= 0 || header->last_offset_delta != header->record_count - 1)
        return refuse(append, KCI_INVALID_RECORD,
                      "the record count and the last offset delta of the batch do not agree");
    if (!append->internal && (header->attributes & KCI_BATCH_CONTROL))
        return refuse(append, KCI_INVALID_RECORD, "clients must not write control records");
    if (!append->internal && header->producer_id >= 0 && header->base_sequence < 0)
        return refuse(append, KCI_INVALID_RECORD, "a batch with a producer id needs a sequence");
    return KCI_NONE;
}

/* ---- record by record
 * ------------------------------------------------------------------------------------------------ */

#define ERRORS_SHOWN     3 /* in the text, as Kafka has it */
#define ERROR_BYTES      (224 + MB_TOPIC_NAME_MAX)
#define ERROR_LIST_BYTES (ERRORS_SHOWN * (ERROR_BYTES + 40) + 160)

struct rules {
    bool need_key, append_time;
    bool of_broker;          /* the batch says LogAppendTime, which only a broker may */
    int64_t low_ms, high_ms; /* of a CreateTime */
};

static bool time_is_wrong(const struct rules *rules, int64_t timestamp_ms)
{
    if (!rules->append_time && timestamp_ms != -1)
        return timestamp_ms < rules->low_ms || timestamp_ms > rules->high_ms;
    return rules->of_broker;
}

static const char *lacks_key(const struct mb_topic *topic, struct mb_append *append)
{
    char *text = kci_arena_take(append->arena, ERROR_BYTES);
    if (!text)
        return "out of memory";
    snprintf(text, ERROR_BYTES, "Compacted topic cannot accept message without key in topic partition %s-%d",
             topic->name, append->partition);
    return text;
}

static const char *has_wrong_time(struct mb_append *append, const struct rules *rules, int32_t index,
                                  int64_t timestamp_ms)
{
    if (rules->append_time || timestamp_ms == -1)
        return "Invalid timestamp type in message. Producer should not set timestamp type to LogAppendTime.";
    char *text = kci_arena_take(append->arena, ERROR_BYTES);
    if (!text)
        return "out of memory";
    snprintf(text, ERROR_BYTES,
             "Timestamp %lld of message with offset %d is out of range. The timestamp should be within [%lld, %lld]",
             (long long)timestamp_ms, index, (long long)rules->low_ms, (long long)rules->high_ms);
    return text;
}

static const char *sum_up(struct mb_append *append)
{
    char *text = kci_arena_take(append->arena, ERROR_LIST_BYTES);
    if (!text)
        return "out of memory";
    int used = snprintf(text, ERROR_LIST_BYTES,
                        "One or more records have been rejected due to %d record errors in total, and only showing the "
                        "first three errors at most: [",
                        append->record_error_count);
    for (int32_t i = 0; i < append->record_error_count && i < ERRORS_SHOWN; i++)
        used += snprintf(text + used, ERROR_LIST_BYTES - (size_t)used, "%sRecordError(batchIndex=%d, message='%.*s')",
                         i ? ", " : "", append->record_errors[i].index, ERROR_BYTES, append->record_errors[i].message);
    snprintf(text + used, ERROR_LIST_BYTES - (size_t)used, "]");
    return text;
}

/* The bad records one by one: only when the walk has found some. */
static int16_t list_errors(const struct mb_topic *topic, struct mb_append *append,
                           const struct kci_batch_header *header, const uint8_t *plain, size_t size,
                           const struct rules *rules)
{
    struct kci_batch_iterator it;
    struct kci_record_view view;
    struct mb_record_error *errors = kci_arena_array(append->arena, (size_t)header->record_count, sizeof *errors);
    const char *key_text = NULL;
    bool any_time = false;
    int32_t count = 0;
    if (!errors || !kci_batch_walk(&it, plain, size, header->record_count))
        return KCI_UNKNOWN_SERVER_ERROR;
    for (int32_t i = 0; kci_batch_next(&it, &view) > 0; i++) {
        int64_t timestamp_ms = rules->of_broker
                                   ? header->max_timestamp_ms
                                   : (int64_t)((uint64_t)header->base_timestamp_ms + (uint64_t)view.timestamp_ms);
        bool no_key = rules->need_key && !view.key.data, of_time = !no_key && time_is_wrong(rules, timestamp_ms);
        any_time |= of_time;
        if (no_key && !key_text)
            key_text = lacks_key(topic, append); /* one for all that lack it */
        if (no_key || of_time)
            errors[count++] =
                (struct mb_record_error){ i, no_key ? key_text : has_wrong_time(append, rules, i, timestamp_ms) };
    }
    if (!count)
        return KCI_NONE;
    append->record_errors = errors;
    append->record_error_count = count;
    append->message = any_time ? "One or more records have been rejected due to invalid timestamp" : sum_up(append);
    return any_time ? KCI_INVALID_TIMESTAMP : KCI_INVALID_RECORD;
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
    struct kci_batch_survey walk;
    struct rules rules = { .need_key = topic->config.compact,
                           .append_time = topic->config.log_append_time,
                           .of_broker = (header->attributes & KCI_BATCH_LOG_APPEND_TIME) != 0,
                           .low_ms = minus_clamped(wall_ms, topic->config.timestamp_before_ms),
                           .high_ms = plus_clamped(wall_ms, topic->config.timestamp_after_ms) };
    if (!kci_batch_survey(plain, size, header->record_count, &walk))
        return refuse(append, KCI_INVALID_RECORD, "the records of the batch do not agree with its header");
    int64_t first = (int64_t)((uint64_t)header->base_timestamp_ms + (uint64_t)walk.timestamp_min_ms);
    int64_t last = (int64_t)((uint64_t)header->base_timestamp_ms + (uint64_t)walk.timestamp_max_ms);
    bool suspicious = (rules.need_key && walk.null_keys) || rules.of_broker ||
                      (!rules.append_time && (first < rules.low_ms || last > rules.high_ms));
    int16_t error =
        suspicious && !append->internal ? list_errors(topic, append, header, plain, size, &rules) : KCI_NONE;
    if (!error && !rules.append_time && !rules.of_broker)
        header->max_timestamp_ms = last;
    return error;
}

/* Store under another codec: the records section is compressed anew, its bytes stay the same. */
static int16_t rewrite(struct mb_cluster *cluster, const struct mb_topic *topic, const uint8_t *batch,
                       const uint8_t *plain, size_t size, struct kci_batch_header *header, struct kci_frame **rewritten)
{
    int codec = topic->config.codec;
    struct kci_writer w = kci_writer_of(cluster->alloc, MB_DECOMPRESSED_BYTES_MAX);
    kci_writer_bytes(&w, batch, KCI_BATCH_HEADER_BYTES);
    if (codec == KCI_CODEC_NONE) {
        kci_writer_bytes(&w, plain, size);
    } else {
        struct kci_iov piece = { plain, size };
        if (kci_compress(cluster->compressor, codec, topic->config.codec_level, &piece, 1, &w) != KCI_COMPRESS_OK)
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
    int16_t attributes = header->attributes;
    if (topic->config.log_append_time) {
        header->attributes = (int16_t)(attributes | KCI_BATCH_LOG_APPEND_TIME);
        header->max_timestamp_ms = wall_ms;
    } else {
        header->attributes = (int16_t)(attributes & ~KCI_BATCH_LOG_APPEND_TIME);
    }
    if (written == header->max_timestamp_ms && attributes == header->attributes)
        return;
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
    int codec = header->attributes & KCI_BATCH_CODEC_MASK;
    bool as_is = topic->config.codec < 0 || (header->attributes & KCI_BATCH_CONTROL); /* markers are never compressed */
    int wanted = as_is ? codec : topic->config.codec;
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
            return refuse(append, KCI_UNKNOWN_SERVER_ERROR, "the compressed records cannot be decompressed");
        }
    }
    if (look)
        error = check_records(topic, append, wall_ms, header, plain, size);
    if (!error && wanted != codec)
        error = rewrite(cluster, topic, append->records.data, plain, size, header, rewritten);
    size_t stored = *rewritten ? (*rewritten)->size : append->records.size;
    if (!error && stored > (size_t)topic->config.batch_bytes_max)
        error = KCI_MESSAGE_TOO_LARGE;
    else if (!error && stored > (size_t)topic->config.segment_bytes)
        error = KCI_RECORD_LIST_TOO_LARGE;
    if (!error) {
        uint8_t *batch = *rewritten ? (*rewritten)->data : (uint8_t *)(uintptr_t)append->records.data;
        patch(batch, stored, topic, wall_ms, header);
    }
    kci_alloc_free(cluster->alloc, unpacked);
    return error;
}
