/* Record batches: v2 written and read, message sets v0 and v1 read.  The byte table of the format stands in records.c.
 * Iteration is a view: no object, no copy per record. */
#ifndef KCI_PROTOCOL_RECORDS_H
#define KCI_PROTOCOL_RECORDS_H

#include "base/cursor.h"
#include "protocol/compress.h"

#define KCI_BATCH_HEADER_BYTES 61 /* v2, up to and including recordsCount */
#define KCI_BATCH_PREFIX_BYTES 12 /* baseOffset + batchLength: not counted in batchLength */

enum { /* attributes of a batch */
       KCI_BATCH_CODEC_MASK = 7,
       KCI_BATCH_LOG_APPEND_TIME = 1 << 3,
       KCI_BATCH_TRANSACTIONAL = 1 << 4,
       KCI_BATCH_CONTROL = 1 << 5,
       KCI_BATCH_DELETE_HORIZON = 1 << 6,
};

struct kci_batch_header {
    int64_t base_offset;
    int32_t batch_length; /* bytes after this field; total = +12 */
    int32_t leader_epoch;
    int8_t magic;
    uint32_t crc;
    int16_t attributes;
    int32_t last_offset_delta;
    int64_t base_timestamp_ms, max_timestamp_ms;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    int32_t record_count;
};

enum kci_batch_error {
    KCI_BATCH_OK = 0,
    KCI_BATCH_PARTIAL,    /* fewer bytes than the header says: a truncated tail, to be ignored in a fetch */
    KCI_BATCH_BAD_LENGTH, /* length below the header's or beyond INT32_MAX - 12 */
    KCI_BATCH_BAD_MAGIC,  /* not 0, 1 or 2 */
    KCI_BATCH_BAD_CRC,
    KCI_BATCH_BAD_RECORDS,     /* count, lengths, offsets or trailing bytes do not agree */
    KCI_BATCH_BAD_CODEC,       /* unknown codec, or one that was left out at build time */
    KCI_BATCH_BAD_COMPRESSION, /* the compressed bytes are corrupt */
    KCI_BATCH_TOO_LARGE,       /* decompression would exceed the budget */
    KCI_BATCH_NO_MEMORY,
};
const char *kci_batch_error_text(enum kci_batch_error error);

/* Look at the batch (or legacy message) that begins at r->at without moving the reader. For magic 0/1 the header is
 * filled with the equivalents (record_count is -1, offsets and timestamp are the message's; a compressed message has
 * the offset of its last record). header and total are set only when the result is KCI_BATCH_OK. *total: its bytes. */
enum kci_batch_error kci_batch_peek(const struct kci_reader *r, struct kci_batch_header *header, size_t *total);
/* CRC of a whole batch (total bytes at data) against its header: CRC-32C for v2, CRC-32 for v0/v1. */
bool kci_batch_crc_ok(const uint8_t *data, size_t total);
/* Write the 61 bytes of a v2 header, CRC as given. */
void kci_batch_header_put(uint8_t *out, const struct kci_batch_header *header);
/* In a batch in memory: set offset and leader epoch (not covered by the CRC). */
void kci_batch_set_offset(uint8_t *batch, int64_t base_offset, int32_t leader_epoch);

struct kci_record_view {
    int64_t offset, timestamp_ms;
    struct kci_bytes key, value;
    int32_t header_count;
    struct kci_reader headers; /* positioned at the first header: kci_record_header_next */
};
/* The next header, or false at the end. In a view of kci_batch_next this never fails: the headers were checked. */
bool kci_record_header_next(struct kci_reader *headers, struct kci_str *name, struct kci_bytes *value);

/* Walks the records of one batch of any magic, decompressing first where needed. */
struct kci_batch_iterator {
    struct kci_batch_header header;
    struct kci_reader records; /* the plain bytes of the records section */
    int32_t left;              /* records still to come; -1: until the bytes end (magic 0/1) */
    int64_t next_offset;       /* for checks: offsets must rise */
    uint8_t *plain;            /* decompressed bytes, owned; NULL when read in place */
    size_t plain_size;
    const struct kci_alloc *alloc;
    int64_t relative_base; /* magic 1 compressed: absolute offset of inner offset 0 */
    int8_t inner_magic;
    bool failed; /* sticky */
};
/* Begin with the batch of `total` bytes at data (as kci_batch_peek said). Decompresses at most plain_max bytes. The CRC
 * is not looked at. After a failure there is nothing to close (closing is fine). */
enum kci_batch_error kci_batch_open(struct kci_batch_iterator *it, const uint8_t *data, size_t total,
                                    const struct kci_alloc *alloc, size_t plain_max);
/* The same with the caller's decompression contexts; c may be NULL. */
enum kci_batch_error kci_batch_open_with(struct kci_batch_iterator *it, const uint8_t *data, size_t total,
                                         struct kci_compressor *c, const struct kci_alloc *alloc, size_t plain_max);
/* 1: *view is the next record, wholly checked, valid as long as the batch's bytes and the iterator's are; 0: the end,
 * all consistent; -1: KCI_BATCH_BAD_RECORDS. */
int kci_batch_next(struct kci_batch_iterator *it, struct kci_record_view *view);
void kci_batch_close(struct kci_batch_iterator *it);
/* Begin with the plain bytes of a records section that is not, or no longer, compressed: `count` records of magic 2,
 * whose offsets and timestamps are given as their deltas. Nothing to close. false: too few bytes for so many. */
bool kci_batch_walk(struct kci_batch_iterator *it, const uint8_t *records, size_t size, int32_t count);

/* What a broker wants to know of records that it is to store. */
struct kci_batch_survey {
    int64_t timestamp_min_ms, timestamp_max_ms; /* deltas, as from kci_batch_walk(); INT64_MAX and INT64_MIN of none */
    int32_t null_keys;                          /* how many records have no key */
};
/* All that kci_batch_walk() and kci_batch_next() would look at, at once and faster: true when there are `count`
 * records, with offset deltas 0, 1, 2 ..., and nothing behind them. *survey is set then. */
bool kci_batch_survey(const uint8_t *records, size_t size, int32_t count, struct kci_batch_survey *survey);

/* A plain writer of one v2 batch, for tests, the broker's own records and tools (the producer has its own, see
 * accumulator). */
struct kci_record {
    int64_t timestamp_ms;
    struct kci_bytes key, value;
    const struct kci_record_header *headers;
    size_t header_count;
};
struct kci_record_header {
    struct kci_str name;
    struct kci_bytes value;
};
void kci_record_write(struct kci_writer *w, const struct kci_record *record, int64_t base_timestamp_ms,
                      int32_t offset_delta);
/* Append a whole batch: header fields from `header` (offset, epoch, attributes incl. codec, producer fields); counts,
 * timestamps (max_timestamp_ms only without KCI_BATCH_LOG_APPEND_TIME), length and CRC are computed. With count 0 the
 * header's last_offset_delta and timestamps stand. Compression takes its memory from w->alloc; a fixed writer has none:
 * KCI_BATCH_NO_MEMORY. level: KCI_LEVEL_DEFAULT or the codec's. On failure w has its old bytes and has failed. */
enum kci_batch_error kci_batch_write(struct kci_writer *w, const struct kci_batch_header *header,
                                     const struct kci_record *records, size_t count, int level);

#endif
