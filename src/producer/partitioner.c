/* Which partition? Kafka's rules: the record's own; else murmur2 of the key over all partitions; else the sticky one
 * (KIP-794): all records without a key go to one partition until it got batch.size bytes, then to another, drawn
 * uniformly from those that have a leader. A custom partitioner has spoken before (plug.c). */
#include "producer/internal.h"

#include "base/checksum.h"

#define DRAWS_MAX 8 /* tries to hit a partition with a leader before they are looked for one by one */

int32_t kci_partitioner_by_key(const kc_record *record, int32_t count)
{
    return (int32_t)((kci_murmur2(record->key.data, record->key.size) & INT32_MAX) % (uint32_t)count);
}

int32_t kci_partitioner_sticky(const struct kci_topic *topic)
{
    return (int32_t)(uint32_t)atomic_load_explicit(&topic->sticky, memory_order_relaxed);
}

/* Random numbers for several threads: a counter, mixed. */
static uint64_t draw(const struct kci_producer *producer, struct kci_topic *topic)
{
    uint64_t z =
        producer->seed + 0x9E3779B97F4A7C15u * (1 + atomic_fetch_add_explicit(&topic->draws, 1, memory_order_relaxed));
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static bool available(const struct kci_topic *topic, uint32_t index)
{
    return atomic_load_explicit(&kci_topic_partition(topic, (int32_t)index)->available, memory_order_relaxed);
}

void kci_partitioner_switch(struct kci_producer *producer, struct kci_topic *topic, uint64_t seen)
{
    uint32_t count = (uint32_t)atomic_load_explicit(&topic->count, memory_order_acquire), index = 0;
    for (int tries = 0; tries < DRAWS_MAX; tries++) {
        index = (uint32_t)((draw(producer, topic) >> 32) * count >> 32);
        if (available(topic, index))
            break;
    }
    for (uint32_t i = 0; i < count && !available(topic, index); i++) /* when none has a leader: any */
        index = index + 1 < count ? index + 1 : 0;
    uint64_t next = ((seen >> 32) + 1) << 32 | index;
    atomic_compare_exchange_strong(&topic->sticky, &seen, next);
}
