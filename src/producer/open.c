/* The open batch: where it begins, how far it grows, how it ends.
 *
 *   at ---------------> stop ............ chunk_end        of the last chunk
 *   next free byte      the fast way      end of memory
 *                       ends here
 *
 * `stop` is the chunk's end, or the byte at which the batch has reached its limit: there it is looked at again whether
 * the partition still has another batch waiting. So the fast way compares with one pointer only.
 *
 * A batch aims at batch.size on the wire: where records are compressed, the topic's recent ratio says how many plain
 * bytes that is (at most AIM_FACTOR_MAX times batch.size, because the plain bytes are what takes memory until then). */
#include "producer/open.h"

#define AIM_FACTOR_MAX 8

uint32_t kci_open_aim(const struct kci_producer *producer, const struct kci_topic *topic)
{
    uint32_t max = atomic_load_explicit(&topic->batch_bytes_max, memory_order_relaxed), aim = producer->batch_aim;
    uint32_t ratio = atomic_load_explicit(&topic->ratio, memory_order_relaxed);
    if (ratio < KCI_RATIO_ONE) {
        uint64_t plain = (uint64_t)aim * KCI_RATIO_ONE / (ratio ? ratio : 1), most = (uint64_t)aim * AIM_FACTOR_MAX;
        aim = (uint32_t)(plain < most ? plain : most < UINT32_MAX ? most : UINT32_MAX);
    }
    return aim < max ? aim : max;
}

bool kci_open_behind(const struct kci_producer *producer)
{
    return !producer->stamps && atomic_load_explicit(&producer->backlog, memory_order_relaxed) > 0;
}

uint32_t kci_open_limit(const struct kci_producer *producer, const struct kci_partition *partition)
{
    if (partition->queued || kci_open_behind(producer))
        return atomic_load_explicit(&partition->topic->batch_bytes_max, memory_order_relaxed);
    return kci_open_aim(producer, partition->topic);
}

static void set_stop(const struct kci_producer *producer, struct kci_partition *partition)
{
    uint32_t limit = kci_open_limit(producer, partition), bytes = kci_open_bytes(partition);
    uint32_t aim = kci_open_aim(producer, partition->topic);
    if (bytes < aim && aim < limit) /* there it is looked at again: the sender may not be behind any more */
        limit = aim;
    size_t left = limit > bytes ? limit - bytes : 0, room = (size_t)(partition->chunk_end - partition->at);
    partition->stop = partition->at + (left < room ? left : room);
}

enum kci_pool_result kci_open_begin(struct kci_producer *producer, struct kci_partition *partition, size_t record_size,
                                    enum kci_pool_right right, int64_t now)
{
    size_t room = kci_pool_chunk_data(&producer->pool);
    size_t need = sizeof(struct kci_batch) + KCI_BATCH_HEADER_BYTES + record_size;
    struct kci_chunk *chunk;
    enum kci_pool_result result = need <= room
                                      ? kci_pool_take_first(&producer->pool, need, right, &chunk)
                                      : kci_pool_take(&producer->pool, (need + room - 1) / room, right, &chunk);
    if (result)
        return result;
    struct kci_batch *batch =
        kci_batch_begin(chunk, kci_pool_room(&producer->pool, chunk), &partition->at, &partition->chunk_end);
    batch->partition = partition;
    batch->created_at = now;
    batch->generation = kci_flush_enter(producer);
    partition->open = batch;
    partition->open_count = 0;
    partition->open_before = 0;
    return KCI_POOL_OK;
}

enum kci_pool_result kci_open_extend(struct kci_producer *producer, struct kci_partition *partition, size_t record_size,
                                     enum kci_pool_right right)
{
    size_t room = kci_pool_chunk_data(&producer->pool), left = (size_t)(partition->chunk_end - partition->at);
    struct kci_chunk *chunk;
    if (record_size <= left)
        return KCI_POOL_OK;
    enum kci_pool_result result = kci_pool_take(&producer->pool, (record_size - left + room - 1) / room, right, &chunk);
    if (result == KCI_POOL_OK)
        partition->open->last->next = chunk;
    return result;
}

void kci_open_write(struct kci_producer *producer, struct kci_partition *partition, const kc_record *record,
                    int64_t timestamp)
{
    struct kci_batch *batch = partition->open;
    int32_t index = partition->open_count;
    if (index == 0)
        partition->base_timestamp_ms = partition->max_timestamp_ms = timestamp;
    else if (timestamp > partition->max_timestamp_ms)
        partition->max_timestamp_ms = timestamp;
    int64_t delta = timestamp - partition->base_timestamp_ms;
    if (kci_open_remembers(producer, batch, record))
        kci_open_remember(producer, batch, record, index, timestamp, partition->base_timestamp_ms);
    uint32_t bytes = kci_open_bytes(partition) + (uint32_t)kci_encode_size(record, delta, index);
    struct kci_rope rope = { batch->last, partition->at, partition->chunk_end, kci_pool_chunk_data(&producer->pool) };
    kci_encode_across(&rope, record, delta, index);
    while (batch->last != rope.chunk) {
        batch->last = batch->last->next;
        batch->chunk_count++;
    }
    partition->at = rope.at;
    partition->chunk_end = rope.end;
    partition->open_before = bytes - (uint32_t)(rope.at - rope.chunk->data - rope.chunk->start);
    partition->open_count++;
    set_stop(producer, partition);
}

struct kci_batch *kci_open_close(struct kci_producer *producer, struct kci_partition *partition)
{
    struct kci_batch *batch = partition->open;
    batch->last->end = (uint32_t)(partition->at - batch->last->data);
    batch->count = partition->open_count;
    batch->bytes = kci_open_bytes(partition);
    batch->base_timestamp_ms = partition->base_timestamp_ms;
    batch->max_timestamp_ms = partition->max_timestamp_ms;
    partition->bytes_closed += batch->bytes;
    kci_partitioner_queued(partition, batch);
    partition->open = NULL;
    partition->at = partition->stop = partition->chunk_end = NULL;
    kci_list_push(&partition->queue, &batch->link);
    partition->queued++;
    kci_batch_move(batch, producer->settings->compression_type ? KCI_BATCH_CLOSING : KCI_BATCH_SEALED);
    return batch;
}
