/* Record batches read: v2 here, magic 0 and 1 in records_legacy.c.  Writing: records_write.c.  A v2 batch, big-endian:
 *
 *      | off | len | field                                                                                     |
 *      |   0 |   8 | baseOffset                                                                                |
 *      |   8 |   4 | batchLength: bytes after this field                                                       |
 *      |  12 |   4 | partitionLeaderEpoch, set by the broker, -1 from producers                                |
 *      |  16 |   1 | magic 2                                                                                   |
 *      |  17 |   4 | CRC-32C from attributes to the end                                                        |
 *      |  21 |   2 | attributes: bits 0-2 codec, 3 LogAppendTime, 4 transactional, 5 control, 6 delete horizon |
 *      |  23 |   4 | lastOffsetDelta                                                                           |
 *      |  27 |   8 | baseTimestamp            |  35 |   8 | maxTimestamp                                         |
 *      |  43 |   8 | producerId               |  51 |   2 | producerEpoch         |  53 |   4 | baseSequence         |
 *      |  57 |   4 | number of records                                                                         |
 *      |  61 |   - | records, as one compressed block when there is a codec                                    |
 *
 *      record: varint size of the rest, int8 attributes (unused), varlong timestamp delta, varint offset delta,
 *              varint key size or -1, key, varint value size or -1, value, varint number of headers,
 *              headers: varint name size, name, varint value size or -1, value
 *
 * What is checked, always: every size against the bytes that are there, the sizes of a record against its parts, the
 * number of records, no byte left over, offsets that rise (a compacted batch has gaps) and stay within lastOffsetDelta.
 *
 * Iterating is the consumer's hot path.  next_record is compiled twice: `near_end` false may read any run of varints
 * without looking for the end of the bytes, since VARINTS_MAX bytes are there; true looks at every byte. */
#include "protocol/records.h"

#include "base/checksum.h"
#include "protocol/records_legacy.h"

#define OFFSET_LENGTH     8
#define OFFSET_EPOCH      12
#define OFFSET_LEGACY_CRC 12
#define OFFSET_MAGIC      16
#define OFFSET_CRC        17
#define OFFSET_COVERED    21 /* first byte under the CRC of v2 */
#define PEEK_BYTES        17 /* up to and including magic, in all formats */
#define LENGTH_MIN        14 /* batchLength of the smallest legacy message */
#define RECORD_MIN        7  /* bytes of the smallest record */
#define VARINTS_MAX       32 /* at least: size 5, attributes 1, timestamp 10, offset 5, key size 5 */

const char *kci_batch_error_text(enum kci_batch_error error)
{
    static const char *const texts[] = {
        [KCI_BATCH_OK] = "ok",
        [KCI_BATCH_PARTIAL] = "the batch is cut off",
        [KCI_BATCH_BAD_LENGTH] = "the length of the batch is impossible",
        [KCI_BATCH_BAD_MAGIC] = "the batch has an unknown format version",
        [KCI_BATCH_BAD_CRC] = "the checksum of the batch does not match",
        [KCI_BATCH_BAD_RECORDS] = "the records do not agree with the header of their batch",
        [KCI_BATCH_BAD_CODEC] = "the compression codec is unknown or was left out at build time",
        [KCI_BATCH_BAD_COMPRESSION] = "the compressed records are corrupt",
        [KCI_BATCH_TOO_LARGE] = "the records would be larger than allowed when decompressed",
        [KCI_BATCH_NO_MEMORY] = "out of memory",
    };
    return (size_t)error < sizeof texts / sizeof *texts ? texts[error] : "unknown error";
}

static void read_header(const uint8_t *p, struct kci_batch_header *header)
{
    *header = (struct kci_batch_header){
        .base_offset = (int64_t)kci_be64(p),
        .batch_length = (int32_t)kci_be32(p + OFFSET_LENGTH),
        .leader_epoch = (int32_t)kci_be32(p + OFFSET_EPOCH),
        .magic = (int8_t)p[OFFSET_MAGIC],
        .crc = kci_be32(p + OFFSET_CRC),
        .attributes = (int16_t)kci_be16(p + 21),
        .last_offset_delta = (int32_t)kci_be32(p + 23),
        .base_timestamp_ms = (int64_t)kci_be64(p + 27),
        .max_timestamp_ms = (int64_t)kci_be64(p + 35),
        .producer_id = (int64_t)kci_be64(p + 43),
        .producer_epoch = (int16_t)kci_be16(p + 51),
        .base_sequence = (int32_t)kci_be32(p + 53),
        .record_count = (int32_t)kci_be32(p + 57),
    };
}

enum kci_batch_error kci_batch_peek(const struct kci_reader *r, struct kci_batch_header *header, size_t *total)
{
    size_t left = r->failed ? 0 : kci_reader_left(r);
    if (left < KCI_BATCH_PREFIX_BYTES)
        return KCI_BATCH_PARTIAL;
    uint32_t length = kci_be32(r->at + OFFSET_LENGTH);
    if (length < LENGTH_MIN || length > INT32_MAX - KCI_BATCH_PREFIX_BYTES)
        return KCI_BATCH_BAD_LENGTH;
    if (left < PEEK_BYTES)
        return KCI_BATCH_PARTIAL;
    uint8_t magic = r->at[OFFSET_MAGIC];
    size_t size = length + KCI_BATCH_PREFIX_BYTES;
    if (magic > 2)
        return KCI_BATCH_BAD_MAGIC;
    if (size < (magic == 2 ? KCI_BATCH_HEADER_BYTES : kci_records_legacy_min((int8_t)magic)))
        return KCI_BATCH_BAD_LENGTH;
    if (left < size)
        return KCI_BATCH_PARTIAL;
    if (magic == 2)
        read_header(r->at, header);
    else
        kci_records_legacy_header(r->at, header);
    *total = size;
    return KCI_BATCH_OK;
}

bool kci_batch_crc_ok(const uint8_t *data, size_t total)
{
    if (total < LENGTH_MIN + KCI_BATCH_PREFIX_BYTES)
        return false;
    if (data[OFFSET_MAGIC] < 2)
        return kci_crc32(0, data + OFFSET_MAGIC, total - OFFSET_MAGIC) == kci_be32(data + OFFSET_LEGACY_CRC);
    return kci_crc32c(0, data + OFFSET_COVERED, total - OFFSET_COVERED) == kci_be32(data + OFFSET_CRC);
}

void kci_batch_set_offset(uint8_t *batch, int64_t base_offset, int32_t leader_epoch)
{
    kci_put64(batch, (uint64_t)base_offset);
    kci_put32(batch + OFFSET_EPOCH, (uint32_t)leader_epoch);
}

enum kci_batch_error kci_records_unpack(struct kci_batch_iterator *it, struct kci_bytes packed,
                                        struct kci_compressor *c, size_t plain_max)
{
    int codec = it->header.attributes & KCI_BATCH_CODEC_MASK;
    switch (kci_decompress(c, codec, packed.data, packed.size, it->alloc, plain_max, &it->plain, &it->plain_size)) {
    case KCI_COMPRESS_OK:
        it->records = kci_reader_of(it->plain, it->plain_size);
        return KCI_BATCH_OK;
    case KCI_COMPRESS_UNKNOWN:
        return KCI_BATCH_BAD_CODEC;
    case KCI_COMPRESS_TOO_LARGE:
        return KCI_BATCH_TOO_LARGE;
    case KCI_COMPRESS_NO_MEMORY:
        return KCI_BATCH_NO_MEMORY;
    default:
        return KCI_BATCH_BAD_COMPRESSION;
    }
}

/* Do the numbers of a v2 header agree with each other? There is an offset after the last one. */
static bool header_plausible(const struct kci_batch_header *h)
{
    return h->base_offset >= 0 && h->last_offset_delta >= 0 && h->record_count >= 0 &&
           h->base_offset < INT64_MAX - h->last_offset_delta && h->record_count - 1 <= h->last_offset_delta;
}

static enum kci_batch_error open_v2(struct kci_batch_iterator *it, const uint8_t *data, size_t total,
                                    struct kci_compressor *c, size_t plain_max)
{
    struct kci_bytes body = { data + KCI_BATCH_HEADER_BYTES, total - KCI_BATCH_HEADER_BYTES };
    if (!header_plausible(&it->header))
        return KCI_BATCH_BAD_RECORDS;
    it->left = it->header.record_count;
    it->next_offset = it->header.base_offset;
    it->records = kci_reader_of(body.data, body.size);
    /* A batch that compaction emptied keeps its codec bits, with no bytes to decompress. */
    if (it->header.attributes & KCI_BATCH_CODEC_MASK && !(it->left == 0 && body.size == 0)) {
        enum kci_batch_error error = kci_records_unpack(it, body, c, plain_max);
        if (error != KCI_BATCH_OK)
            return error;
    }
    return kci_reader_left(&it->records) / RECORD_MIN < (size_t)it->left ? KCI_BATCH_BAD_RECORDS : KCI_BATCH_OK;
}

enum kci_batch_error kci_batch_open_with(struct kci_batch_iterator *it, const uint8_t *data, size_t total,
                                         struct kci_compressor *c, const struct kci_alloc *alloc, size_t plain_max)
{
    struct kci_reader r = kci_reader_of(data, total);
    size_t peeked;
    *it = (struct kci_batch_iterator){ .alloc = alloc };
    enum kci_batch_error error = kci_batch_peek(&r, &it->header, &peeked);
    if (error == KCI_BATCH_OK && peeked != total)
        error = KCI_BATCH_BAD_LENGTH;
    if (error == KCI_BATCH_OK) {
        it->inner_magic = it->header.magic;
        error = it->header.magic == 2 ? open_v2(it, data, total, c, plain_max)
                                      : kci_records_legacy_open(it, data, total, c, plain_max);
    }
    if (error != KCI_BATCH_OK) {
        kci_batch_close(it);
        it->failed = true;
    }
    return error;
}

enum kci_batch_error kci_batch_open(struct kci_batch_iterator *it, const uint8_t *data, size_t total,
                                    const struct kci_alloc *alloc, size_t plain_max)
{
    return kci_batch_open_with(it, data, total, NULL, alloc, plain_max);
}

void kci_batch_close(struct kci_batch_iterator *it)
{
    if (!it)
        return;
    kci_alloc_free(it->alloc, it->plain);
    it->plain = NULL;
    it->records = kci_reader_of(NULL, 0);
}

/* What reading a varint gives: two registers, nothing spilled. */
struct varint {
    const uint8_t *next; /* the place behind it; NULL when it is cut or too long */
    uint64_t value;
};

/* A varint of more than three bytes, or one close to the end. */
static __attribute__((noinline)) struct varint varint_slow(const uint8_t *p, const uint8_t *end, bool is_long)
{
    struct kci_reader r = kci_reader_of(p, (size_t)(end - p));
    uint64_t value = is_long ? kci_reader_uvarlong(&r) : kci_reader_uvarint(&r);
    return (struct varint){ r.failed ? NULL : r.at, value };
}

/* Read a varint at p; without near_end three bytes are there. */
static inline struct varint varint(const uint8_t *p, const uint8_t *end, bool is_long, bool near_end)
{
    if (near_end)
        return varint_slow(p, end, is_long);
    if (__builtin_expect(p[0] < 0x80, 1))
        return (struct varint){ p + 1, p[0] };
    if (__builtin_expect(p[1] < 0x80, 1))
        return (struct varint){ p + 2, (uint64_t)(p[0] & 0x7f) | (uint64_t)p[1] << 7 };
    if (__builtin_expect(p[2] < 0x80, 1)) /* offsets in batches of more than 8,192 records */
        return (struct varint){ p + 3, (uint64_t)(p[0] & 0x7f) | (uint64_t)(p[1] & 0x7f) << 7 | (uint64_t)p[2] << 14 };
    return varint_slow(p, end, is_long);
}

static inline int64_t unzigzag(uint64_t u)
{
    return (int64_t)(u >> 1 ^ (0 - (u & 1)));
}

/* A nullable field of `size` bytes at p in a record that ends at `end`; p may lie beyond it. */
static inline bool take_field(const uint8_t **p, const uint8_t *end, int64_t size, struct kci_bytes *field)
{
    if (size < 0) {
        field->data = NULL;
        field->size = 0;
        return size == -1;
    }
    if (size > end - *p)
        return false;
    field->data = *p;
    field->size = (size_t)size;
    *p += size;
    return true;
}

/* Do `count` headers fill the reader exactly? */
static bool headers_fit(struct kci_reader headers, int64_t count)
{
    struct kci_str name;
    struct kci_bytes value;
    if (count < 0 || (size_t)count > kci_reader_left(&headers) / 2) /* two sizes of one byte each */
        return false;
    for (; count; count--)
        if (!kci_record_header_next(&headers, &name, &value))
            return false;
    return kci_reader_left(&headers) == 0;
}

static int bad(struct kci_batch_iterator *it)
{
    it->failed = true;
    return -1;
}

bool kci_batch_walk(struct kci_batch_iterator *it, const uint8_t *records, size_t size, int32_t count)
{
    *it = (struct kci_batch_iterator){ .inner_magic = 2, .left = count, .records = kci_reader_of(records, size) };
    it->header.last_offset_delta = INT32_MAX;
    return count >= 0 && (size_t)count <= size / RECORD_MIN;
}

/* The record at it->records.at; see the top for near_end. */
static inline __attribute__((always_inline)) int next_record(struct kci_batch_iterator *it,
                                                             struct kci_record_view *view, bool near_end)
{
    const uint8_t *p = it->records.at, *bytes_end = it->records.end;

    struct varint size = varint(p, bytes_end, false, near_end);
    p = size.next;
    if (!p || unzigzag(size.value) < RECORD_MIN - 1 || unzigzag(size.value) > bytes_end - p)
        return bad(it);
    const uint8_t *end = p + unzigzag(size.value);
    struct varint timestamp = varint(p + 1, bytes_end, true, near_end);
    if (!timestamp.next)
        return bad(it);
    struct varint offset = varint(timestamp.next, bytes_end, false, near_end);
    if (!offset.next)
        return bad(it);
    struct varint key_size = varint(offset.next, bytes_end, false, near_end);
    p = key_size.next;
    if (!p || !take_field(&p, end, unzigzag(key_size.value), &view->key))
        return bad(it);
    near_end = near_end || bytes_end - p < VARINTS_MAX;
    struct varint value_size = varint(p, bytes_end, false, near_end);
    p = value_size.next;
    if (!p || !take_field(&p, end, unzigzag(value_size.value), &view->value))
        return bad(it);
    struct varint count = varint(p, bytes_end, false, near_end || bytes_end - p < VARINTS_MAX);
    p = count.next;
    int64_t offset_delta = unzigzag(offset.value);
    if (!p || p > end || offset_delta < 0 || offset_delta > it->header.last_offset_delta)
        return bad(it);
    view->offset = it->header.base_offset + offset_delta;
    view->header_count = (int32_t)unzigzag(count.value);
    view->headers = (struct kci_reader){ p, end, false };
    if (view->offset < it->next_offset)
        return bad(it);
    if ((p != end || count.value != 0) && !headers_fit(view->headers, unzigzag(count.value)))
        return bad(it);
    view->timestamp_ms = it->header.attributes & KCI_BATCH_LOG_APPEND_TIME
                             ? it->header.max_timestamp_ms
                             : (int64_t)((uint64_t)it->header.base_timestamp_ms + (uint64_t)unzigzag(timestamp.value));
    it->next_offset = view->offset + 1;
    it->records.at = end;
    it->left--;
    return 1;
}

static __attribute__((noinline)) int next_near_end(struct kci_batch_iterator *it, struct kci_record_view *view)
{
    if (it->failed)
        return -1;
    if (it->inner_magic != 2)
        return kci_records_legacy_next(it, view);
    if (it->left == 0)
        return kci_reader_left(&it->records) == 0 ? 0 : bad(it);
    return next_record(it, view, true);
}

int kci_batch_next(struct kci_batch_iterator *it, struct kci_record_view *view)
{
    /* left is -1 in legacy sets and 0 at the end: both are for the other one, as is whatever lies close to the end. */
    if (__builtin_expect(it->left > 0 && !it->failed && it->records.end - it->records.at >= VARINTS_MAX, 1))
        return next_record(it, view, false);
    return next_near_end(it, view);
}

bool kci_batch_survey(const uint8_t *records, size_t size, int32_t count, struct kci_batch_survey *survey)
{
    struct kci_batch_iterator it; /* its address leaves this function only in the beginning: it stays in registers */
    struct kci_batch_survey sum = { INT64_MAX, INT64_MIN, 0 };
    struct kci_record_view view;
    if (!kci_batch_walk(&it, records, size, count))
        return false;
    struct kci_batch_iterator at = it;
    for (int32_t i = 0; i < count; i++) {
        bool near_end = at.records.end - at.records.at < VARINTS_MAX;
        if ((near_end ? next_record(&at, &view, true) : next_record(&at, &view, false)) < 0 || view.offset != i)
            return false;
        sum.null_keys += view.key.data == NULL;
        sum.timestamp_min_ms = view.timestamp_ms < sum.timestamp_min_ms ? view.timestamp_ms : sum.timestamp_min_ms;
        sum.timestamp_max_ms = view.timestamp_ms > sum.timestamp_max_ms ? view.timestamp_ms : sum.timestamp_max_ms;
    }
    *survey = sum;
    return at.records.at == at.records.end;
}

bool kci_record_header_next(struct kci_reader *headers, struct kci_str *name, struct kci_bytes *value)
{
    if (headers->failed || kci_reader_left(headers) == 0)
        return false;
    int32_t name_size = kci_reader_varint(headers);
    const uint8_t *text = name_size < 0 ? NULL : kci_reader_take(headers, (size_t)name_size);
    int32_t value_size = kci_reader_varint(headers);
    const uint8_t *data = value_size < 0 ? NULL : kci_reader_take(headers, (size_t)value_size);
    if (!text || value_size < -1 || headers->failed) {
        headers->failed = true;
        return false;
    }
    *name = (struct kci_str){ (const char *)text, (size_t)name_size };
    *value = (struct kci_bytes){ data, data ? (size_t)value_size : 0 };
    return true;
}
