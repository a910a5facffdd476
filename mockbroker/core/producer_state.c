/* The window of an idempotent producer on one partition, and its transaction.
 *
 *      batches  [oldest ... newest]   up to five (first sequence, last sequence, base offset); all of one epoch
 *
 * Rules (Kafka's ProducerAppendInfo): a batch that equals one of the window in both sequences is a duplicate and
 * answered with the original offset; an older epoch is fenced; a newer epoch begins at sequence 0; within an epoch
 * sequences are contiguous and wrap from 2^31-1 to 0; of an unknown producer everything is accepted.  Only the ends of
 * a batch count, never its contents.  Batches without a sequence are a coordinator's: they are in a transaction, and in
 * no window.
 *
 * A transactional batch opens a transaction; the marker, a control batch of the same producer, ends it.  After a marker
 * of a newer epoch (transaction.version 2) the producer begins at sequence 0 again. */
#include "mockbroker/core/producer_state.h"

#define MARKER_KEY_BYTES   4 /* int16 version | int16 type: 0 abort, 1 commit */
#define MARKER_VALUE_BYTES 6 /* int16 version | int32 epoch of the coordinator */

struct mb_producer {
    int16_t epoch;
    int32_t count; /* of batches */
    struct {
        int32_t first_sequence, last_sequence;
        int64_t base_offset, timestamp_ms;
    } batches[MB_PRODUCER_BATCHES]; /* oldest first */
    int64_t last_ms;                /* the latest timestamp of its newest batch: what Kafka's expiry goes by */
    int64_t first_offset;           /* of its open transaction; -1: none */
    int32_t coordinator_epoch;      /* of its last marker; -1: none */
};

void mb_producers_init(struct mb_producers *producers, const struct kci_alloc *alloc)
{
    producers->alloc = alloc;
    producers->map = kci_map_of(alloc, 0);
    mb_txn_index_init(&producers->transactions, alloc);
}

void mb_producers_destroy(struct mb_producers *producers)
{
    struct kci_map_entry *entry;
    for (size_t at = 0; (entry = kci_map_next(&producers->map, &at)) != NULL;)
        kci_alloc_free(producers->alloc, entry->value);
    kci_map_destroy(&producers->map);
    mb_txn_index_destroy(&producers->transactions);
    mb_producers_init(producers, producers->alloc);
}

int64_t mb_producers_last(const struct mb_producers *producers, int64_t producer_id)
{
    const struct mb_producer *known = kci_map_get_int(&producers->map, producer_id);
    return known && known->count ? known->batches[known->count - 1].base_offset : -1;
}

/* The sequence `count` further on, wrapping at 2^31. */
static int32_t sequence_add(int32_t sequence, int32_t count)
{
    return (int32_t)(((uint32_t)sequence + (uint32_t)count) & 0x7fffffffu);
}

enum mb_producer_verdict mb_producers_check(const struct mb_producers *producers, const struct kci_batch_header *header,
                                            int64_t *base_offset, int64_t *timestamp_ms)
{
    const struct mb_producer *known = kci_map_get_int(&producers->map, header->producer_id);
    if (!known)
        return MB_PRODUCER_UNKNOWN;
    if (header->producer_epoch < known->epoch)
        return MB_PRODUCER_FENCED;
    if (known->first_offset >= 0 && !(header->attributes & KCI_BATCH_TRANSACTIONAL))
        return MB_PRODUCER_IN_TRANSACTION;
    if (header->base_sequence < 0)
        return MB_PRODUCER_APPEND;
    if (header->producer_epoch > known->epoch)
        return header->base_sequence == 0 ? MB_PRODUCER_APPEND : MB_PRODUCER_OUT_OF_ORDER;
    int32_t last = sequence_add(header->base_sequence, header->last_offset_delta);
    for (int32_t i = 0; i < known->count; i++)
        if (known->batches[i].first_sequence == header->base_sequence && known->batches[i].last_sequence == last) {
            *base_offset = known->batches[i].base_offset;
            *timestamp_ms = known->batches[i].timestamp_ms;
            return MB_PRODUCER_DUPLICATE;
        }
    int32_t expected = known->count ? sequence_add(known->batches[known->count - 1].last_sequence, 1) : 0;
    return header->base_sequence == expected ? MB_PRODUCER_APPEND : MB_PRODUCER_OUT_OF_ORDER;
}

/* NULL: no memory. */
static struct mb_producer *obtain(struct mb_producers *producers, int64_t producer_id)
{
    struct mb_producer *known = kci_map_get_int(&producers->map, producer_id);
    if (known)
        return known;
    known = kci_alloc_zero(producers->alloc, 1, sizeof *known);
    if (!known || !kci_map_set_int(&producers->map, producer_id, known)) {
        kci_alloc_free(producers->alloc, known);
        return NULL;
    }
    known->first_offset = -1;
    known->coordinator_epoch = -1;
    return known;
}

static void note_sequence(struct mb_producer *known, const struct kci_batch_header *header)
{
    if (known->count == MB_PRODUCER_BATCHES) {
        memmove(known->batches, known->batches + 1, (MB_PRODUCER_BATCHES - 1) * sizeof known->batches[0]);
        known->count--;
    }
    known->batches[known->count].first_sequence = header->base_sequence;
    known->batches[known->count].last_sequence = sequence_add(header->base_sequence, header->last_offset_delta);
    known->batches[known->count].base_offset = header->base_offset;
    known->batches[known->count].timestamp_ms = header->max_timestamp_ms;
    known->count++;
}

/* Control batches of other kinds, and those that cannot be read, end nothing. */
static bool note_marker(struct mb_producers *producers, struct mb_producer *known,
                        const struct kci_batch_header *header, const uint8_t *batch, int64_t settled)
{
    struct kci_batch_iterator it;
    struct kci_record_view marker;
    size_t total = (size_t)header->batch_length + KCI_BATCH_PREFIX_BYTES;
    if (kci_batch_open(&it, batch, total, producers->alloc, 0) != KCI_BATCH_OK)
        return true;
    if (kci_batch_next(&it, &marker) == 1 && marker.key.size >= MARKER_KEY_BYTES &&
        kci_be16(marker.key.data + 2) <= 1) {
        bool aborted = kci_be16(marker.key.data + 2) == 0;
        if (!mb_txn_index_end(&producers->transactions, header->producer_id, header->base_offset, aborted, settled))
            return false;
        known->first_offset = -1;
        if (marker.value.size >= MARKER_VALUE_BYTES)
            known->coordinator_epoch = (int32_t)kci_be32(marker.value.data + 2);
    }
    kci_batch_close(&it);
    return true;
}

bool mb_producers_note(struct mb_producers *producers, const struct kci_batch_header *header, const uint8_t *batch,
                       int64_t settled)
{
    bool control = (header->attributes & KCI_BATCH_CONTROL) != 0;
    if (header->producer_id < 0)
        return true;
    struct mb_producer *known = obtain(producers, header->producer_id);
    if (!known)
        return false;
    if (known->epoch != header->producer_epoch) {
        known->epoch = header->producer_epoch;
        known->count = 0;
    }
    known->last_ms = header->max_timestamp_ms;
    if (control)
        return note_marker(producers, known, header, batch, settled);
    if ((header->attributes & KCI_BATCH_TRANSACTIONAL) && known->first_offset < 0) {
        if (!mb_txn_index_begin(&producers->transactions, header->producer_id, header->base_offset))
            return false;
        known->first_offset = header->base_offset;
    }
    if (header->base_sequence >= 0)
        note_sequence(known, header);
    return true;
}

bool mb_producers_in_transaction(const struct mb_producers *producers, int64_t producer_id, int16_t epoch)
{
    const struct mb_producer *known = kci_map_get_int(&producers->map, producer_id);
    return known && known->first_offset >= 0 && known->epoch == epoch;
}

bool mb_producers_fenced(const struct mb_producers *producers, int64_t producer_id, int16_t epoch)
{
    const struct mb_producer *known = kci_map_get_int(&producers->map, producer_id);
    return known && epoch < known->epoch;
}

void mb_producers_expire(struct mb_producers *producers, int64_t before_ms)
{
    struct kci_map_entry *entry;
    for (size_t at = 0; (entry = kci_map_next(&producers->map, &at)) != NULL;) {
        struct mb_producer *producer = entry->value;
        int64_t id;
        memcpy(&id, entry->key, sizeof id);
        if (producer->last_ms <= before_ms && producer->first_offset < 0) {
            kci_map_remove_int(&producers->map, id);
            kci_alloc_free(producers->alloc, producer);
        }
    }
}

size_t mb_producers_list(const struct mb_producers *producers, struct mb_producer_view *out, size_t max)
{
    const struct kci_map_entry *entry;
    size_t count = 0;
    for (size_t at = 0; count < max && (entry = kci_map_next(&producers->map, &at)) != NULL;) {
        const struct mb_producer *producer = entry->value;
        struct mb_producer_view *view = &out[count];
        memcpy(&view->id, entry->key, sizeof view->id);
        view->epoch = producer->epoch;
        view->last_sequence = producer->count ? producer->batches[producer->count - 1].last_sequence : -1;
        view->timestamp_ms = producer->last_ms;
        view->coordinator_epoch = producer->coordinator_epoch;
        view->first_offset = producer->first_offset;
        view->last_offset = -1;
        view->last_delta = 0;
        if (producer->count) {
            int32_t first = producer->batches[producer->count - 1].first_sequence;
            view->last_delta = (int32_t)(((uint32_t)view->last_sequence - (uint32_t)first) & 0x7fffffffu);
            view->last_offset = producer->batches[producer->count - 1].base_offset + view->last_delta;
        }
        count++;
    }
    return count;
}
