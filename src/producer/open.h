/* The open batch of a partition: the one that records are appended to.  All with the partition's lock held. */
#ifndef KCI_PRODUCER_OPEN_H
#define KCI_PRODUCER_OPEN_H

#include "producer/internal.h"

/* Bytes in it, header included. */
static inline uint32_t kci_open_bytes(const struct kci_partition *partition)
{
    const struct kci_chunk *last = partition->open->last;
    return partition->open_before + (uint32_t)(partition->at - last->data) - last->start;
}
/* What a batch of the topic is aimed at, in bytes before compression. */
uint32_t kci_open_aim(const struct kci_producer *producer, const struct kci_topic *topic);
/* Does the sender have batches that it did not take yet?  Where records are compressed this is not asked: there the
 * thread that fills a batch ends it, so that compressing is not left to the sender alone. */
bool kci_open_behind(const struct kci_producer *producer);
/* How far it may grow now: to the aim, or while the sender is behind to what a request holds. */
uint32_t kci_open_limit(const struct kci_producer *producer, const struct kci_partition *partition);
/* Begin one with room for a first record of this size. */
enum kci_pool_result kci_open_begin(struct kci_producer *producer, struct kci_partition *partition, size_t record_size,
                                    enum kci_pool_right right, int64_t now);
/* Chunks behind its last, as many as a record of this size needs beyond the rest of it. */
enum kci_pool_result kci_open_extend(struct kci_producer *producer, struct kci_partition *partition, size_t record_size,
                                     enum kci_pool_right right);
/* Append a record of any size, for which there is room; looks anew at how far the fast way may go. */
void kci_open_write(struct kci_producer *producer, struct kci_partition *partition, const kc_record *record,
                    int64_t timestamp);
/* Close it and put it into the queue. Returns it; CLOSING if somebody must compress it now (compressing.c). */
struct kci_batch *kci_open_close(struct kci_producer *producer, struct kci_partition *partition);

/* ---- what is remembered per record: opaque pointers, and timestamps that compression hides ---- */

static inline bool kci_open_remembers(const struct kci_producer *producer, const struct kci_batch *batch,
                                      const kc_record *record)
{
    return record->opaque || batch->opaques.count || producer->stamps_every;
}
/* Places for it; nothing is changed if that fails. A fresh batch has them. */
static inline enum kci_pool_result kci_open_reserve(struct kci_producer *producer, struct kci_batch *batch,
                                                    enum kci_pool_right right)
{
    enum kci_pool_result result = kci_side_reserve(&batch->opaques, &producer->pool, right);
    return result || !producer->stamps ? result : kci_side_reserve(&batch->timestamps, &producer->pool, right);
}
static inline void kci_open_remember(struct kci_producer *producer, struct kci_batch *batch, const kc_record *record,
                                     int32_t index, int64_t timestamp, int64_t base_timestamp)
{
    if (record->opaque || batch->opaques.count)
        kci_side_add(&batch->opaques, index, (uint64_t)(uintptr_t)record->opaque);
    if (producer->stamps && (batch->timestamps.count || timestamp != base_timestamp))
        kci_side_add(&batch->timestamps, index, (uint64_t)timestamp);
}

#endif
