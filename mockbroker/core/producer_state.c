/* The window of an idempotent producer on one partition.
 *
 *      batches  [oldest ... newest]   up to five (first sequence, last sequence, base offset); all of one producer
 * epoch
 *
 * Rules (Kafka's ProducerAppendInfo): a batch that equals one of the window in both sequences is a duplicate and
 * answered with the original offset; an older epoch is fenced; a newer epoch begins at sequence 0; within an epoch
 * sequences are contiguous and wrap from 2^31-1 to 0; of an unknown producer everything is accepted.  Only the ends of
 * a batch count, never its contents. */
#include "mockbroker/core/producer_state.h"

struct mb_producer {
    int16_t epoch;
    int32_t count; /* of batches */
    struct {
        int32_t first_sequence, last_sequence;
        int64_t base_offset, timestamp_ms;
    } batches[MB_PRODUCER_BATCHES]; /* oldest first */
    int64_t last_ms;                /* the latest timestamp of its newest batch: what Kafka's expiry goes by */
};

void mb_producers_init(struct mb_producers *producers, const struct kci_alloc *alloc)
{
    producers->alloc = alloc;
    producers->map = kci_map_of(alloc, 0);
}

void mb_producers_destroy(struct mb_producers *producers)
{
    struct kci_map_entry *entry;
    for (size_t at = 0; (entry = kci_map_next(&producers->map, &at)) != NULL;)
        kci_alloc_free(producers->alloc, entry->value);
    kci_map_destroy(&producers->map);
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
        return MB_PRODUCER_APPEND;
    if (header->producer_epoch < known->epoch)
        return MB_PRODUCER_FENCED;
    if (header->producer_epoch > known->epoch)
        return header->base_sequence == 0 ? MB_PRODUCER_APPEND : MB_PRODUCER_OUT_OF_ORDER;
    int32_t last = sequence_add(header->base_sequence, header->last_offset_delta);
    for (int32_t i = 0; i < known->count; i++)
        if (known->batches[i].first_sequence == header->base_sequence && known->batches[i].last_sequence == last) {
            *base_offset = known->batches[i].base_offset;
            *timestamp_ms = known->batches[i].timestamp_ms;
            return MB_PRODUCER_DUPLICATE;
        }
    int32_t expected = sequence_add(known->batches[known->count - 1].last_sequence, 1);
    return header->base_sequence == expected ? MB_PRODUCER_APPEND : MB_PRODUCER_OUT_OF_ORDER;
}

bool mb_producers_note(struct mb_producers *producers, const struct kci_batch_header *header)
{
    struct mb_producer *known = kci_map_get_int(&producers->map, header->producer_id);
    if (!known) {
        known = kci_alloc_zero(producers->alloc, 1, sizeof *known);
        if (!known || !kci_map_set_int(&producers->map, header->producer_id, known)) {
            kci_alloc_free(producers->alloc, known);
            return false;
        }
    }
    if (known->epoch != header->producer_epoch) {
        known->epoch = header->producer_epoch;
        known->count = 0;
    }
    if (known->count == MB_PRODUCER_BATCHES) {
        memmove(known->batches, known->batches + 1, (MB_PRODUCER_BATCHES - 1) * sizeof known->batches[0]);
        known->count--;
    }
    known->batches[known->count].first_sequence = header->base_sequence;
    known->batches[known->count].last_sequence = sequence_add(header->base_sequence, header->last_offset_delta);
    known->batches[known->count].base_offset = header->base_offset;
    known->batches[known->count].timestamp_ms = header->max_timestamp_ms;
    known->count++;
    known->last_ms = header->max_timestamp_ms;
    return true;
}

void mb_producers_expire(struct mb_producers *producers, int64_t before_ms)
{
    struct kci_map_entry *entry;
    for (size_t at = 0; (entry = kci_map_next(&producers->map, &at)) != NULL;) {
        struct mb_producer *producer = entry->value;
        int64_t id;
        memcpy(&id, entry->key, sizeof id);
        if (producer->last_ms <= before_ms) {
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
        if (!producer->count)
            continue;
        memcpy(&view->id, entry->key, sizeof view->id);
        view->epoch = producer->epoch;
        view->last_sequence = producer->batches[producer->count - 1].last_sequence;
        view->timestamp_ms = producer->batches[producer->count - 1].timestamp_ms;
        count++;
    }
    return count;
}
