/* What a partition remembers of producers: the last five batches of each, to recognise repeats (PROTOCOL 4.1), and the
 * transaction that it has open. */
#ifndef MB_CORE_PRODUCER_STATE_H
#define MB_CORE_PRODUCER_STATE_H

#include "base/map.h"
#include "mockbroker/core/txn_index.h"
#include "protocol/records.h"

#define MB_PRODUCER_BATCHES 5 /* max.in.flight.requests.per.connection that Kafka supports with idempotence */

struct mb_producers {
    const struct kci_alloc *alloc;
    struct kci_map map; /* producer id -> struct mb_producer (owned) */
    struct mb_txn_index transactions;
};

enum mb_producer_verdict {
    MB_PRODUCER_APPEND,    /* next in order */
    MB_PRODUCER_UNKNOWN,   /* nothing is known of this producer */
    MB_PRODUCER_DUPLICATE, /* already there */
    MB_PRODUCER_OUT_OF_ORDER,
    MB_PRODUCER_FENCED,         /* an older epoch */
    MB_PRODUCER_IN_TRANSACTION, /* a batch outside of the transaction that is open */
};

void mb_producers_init(struct mb_producers *producers, const struct kci_alloc *alloc);
void mb_producers_destroy(struct mb_producers *producers);
/* Judge a batch with a producer id; for a duplicate *base_offset and *timestamp_ms are those of the original. */
enum mb_producer_verdict mb_producers_check(const struct mb_producers *producers, const struct kci_batch_header *header,
                                            int64_t *base_offset, int64_t *timestamp_ms);
/* Remember a batch that is in the log (header.base_offset is its offset; `batch` are its bytes, read for markers only).
 * `settled`: what is below it is below the high watermark for good. false: out of memory. */
bool mb_producers_note(struct mb_producers *producers, const struct kci_batch_header *header, const uint8_t *batch,
                       int64_t settled);
/* Has this epoch of the producer a transaction open here? */
bool mb_producers_in_transaction(const struct mb_producers *producers, int64_t producer_id, int16_t epoch);
/* Has a newer epoch of the producer been here? */
bool mb_producers_fenced(const struct mb_producers *producers, int64_t producer_id, int16_t epoch);
/* The base offset of the last batch of a producer; -1: it is not known. */
int64_t mb_producers_last(const struct mb_producers *producers, int64_t producer_id);
/* What is told of a producer. */
struct mb_producer_view {
    int64_t id;
    int16_t epoch;
    int32_t last_sequence;
    int64_t timestamp_ms;      /* of its last batch */
    int32_t coordinator_epoch; /* of its last marker; -1: none */
    int64_t first_offset;      /* of its open transaction; -1: none */
    int64_t last_offset;       /* of its last batch with a sequence; -1: none is known */
    int32_t last_delta;        /* of that batch: its records but one */
};
/* At most `max` of them; how many. */
size_t mb_producers_list(const struct mb_producers *producers, struct mb_producer_view *out, size_t max);
/* Forget producers whose newest batch is of before_ms or earlier. */
void mb_producers_expire(struct mb_producers *producers, int64_t before_ms);

#endif
