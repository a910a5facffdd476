/* Which partition? Kafka's rules: the record's own; else murmur2 of the key over all partitions; else the sticky one
 * (KIP-794): all records without a key go to one partition until it got batch.size bytes, then to another. A custom
 * partitioner has spoken before (plug.c).
 *
 * The next sticky partition is drawn from those that have a leader, among these from those whose leader is in our rack
 * if there is any (partitioner.rack.aware), and not from those of a broker that could not take what was ready for
 * partitioner.availability.timeout.ms.
 *
 * Adaptive: partition i is drawn with probability proportional to  max backlog + batch.size - backlog i.  That is
 * Kafka's rule (queue sizes 0 3 1 -> weights 4 1 3) with bytes in the place of batches, since our batches grow.  It is
 * done by drawing uniformly and accepting with  weight i / (max backlog + batch.size),  which reads one partition in
 * the usual case, and none when nothing waits; the maximum is taken anew at most once in BACKLOG_US.  Only when that
 * was refused DRAWS_MAX times all weights are added up. */
#include "producer/internal.h"

#include "base/checksum.h"

#define DRAWS_MAX   8                   /* tries before all partitions are looked at one by one */
#define BACKLOG_US  1000                /* and one more per partition: how old the largest backlog may be */
#define BACKLOG_MAX (UINT64_C(1) << 31) /* bytes; beyond, one backlog is as bad as another */

int32_t kci_partitioner_by_key(const kc_record *record, int32_t count)
{
    return (int32_t)((kci_murmur2(record->key.data, record->key.size) & INT32_MAX) % (uint32_t)count);
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

/* ---- who may be drawn ---- */

struct drawing { /* one choice of the next sticky partition */
    const struct kci_topic *topic;
    uint32_t count;
    uint64_t base; /* largest backlog + batch.size; 0: all weigh the same */
    bool near;     /* only where the leader is in our rack */
};

static bool eligible(const struct drawing *d, uint32_t index)
{
    const struct kci_partition *partition = kci_topic_partition(d->topic, (int32_t)index);
    return atomic_load_explicit(&partition->available, memory_order_relaxed) &&
           (!d->near || atomic_load_explicit(&partition->near, memory_order_relaxed));
}

static uint64_t backlog_of(const struct kci_topic *topic, uint32_t index)
{
    uint64_t bytes = atomic_load_explicit(&kci_topic_partition(topic, (int32_t)index)->backlog, memory_order_relaxed);
    return bytes < BACKLOG_MAX ? bytes : BACKLOG_MAX;
}

static uint64_t weight_of(const struct drawing *d, uint32_t index)
{
    uint64_t bytes = d->base ? backlog_of(d->topic, index) : 0;
    return d->base > bytes ? d->base - bytes : 1; /* it grew since the maximum was taken: least of all */
}

/* The largest backlog, a little old. */
static uint64_t largest_backlog(struct kci_topic *topic, uint32_t count, int64_t now)
{
    int64_t at = atomic_load_explicit(&topic->backlog_at, memory_order_relaxed);
    if (now - at < BACKLOG_US + (int64_t)count && now >= at)
        return atomic_load_explicit(&topic->backlog_max, memory_order_relaxed);
    uint64_t max = 0;
    atomic_store_explicit(&topic->backlog_at, now, memory_order_relaxed);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t bytes = backlog_of(topic, i);
        if (bytes > max)
            max = bytes;
    }
    atomic_store_explicit(&topic->backlog_max, max, memory_order_relaxed);
    return max;
}

/* ---- the draw ---- */

/* By adding up: exact, and as slow as there are partitions. count: nobody is eligible. */
static uint32_t draw_from_all(const struct drawing *d, uint64_t random)
{
    uint64_t total = 0;
    uint32_t last = d->count;
    for (uint32_t i = 0; i < d->count; i++)
        if (eligible(d, i))
            total += weight_of(d, i);
    uint64_t left = total ? random % total : 0;
    for (uint32_t i = 0; i < d->count; i++) {
        if (!eligible(d, i))
            continue;
        uint64_t weight = weight_of(d, i);
        last = i;
        if (left < weight)
            break;
        left -= weight;
    }
    return last;
}

static uint32_t draw_next(const struct kci_producer *producer, struct kci_topic *topic, struct drawing *d)
{
    for (int tries = 0; tries < DRAWS_MAX; tries++) {
        uint64_t random = draw(producer, topic);
        uint32_t index = (uint32_t)((random >> 32) * d->count >> 32);
        if (eligible(d, index) && (!d->base || (random & UINT32_MAX) * d->base >> 32 < weight_of(d, index)))
            return index;
    }
    uint64_t random = draw(producer, topic);
    uint32_t index = draw_from_all(d, random);
    if (index == d->count && d->near) {
        d->near = false;
        index = draw_from_all(d, random);
    }
    return index < d->count ? index : (uint32_t)((random >> 32) * d->count >> 32); /* nobody can be sent to: any */
}

void kci_partitioner_switch(struct kci_producer *producer, struct kci_topic *topic, uint64_t seen, int64_t now)
{
    struct drawing d = { topic, (uint32_t)atomic_load_explicit(&topic->count, memory_order_acquire), 0, false };
    uint64_t max = producer->settings->partitioner_adaptive && d.count > 1 ? largest_backlog(topic, d.count, now) : 0;
    if (max)
        d.base = max + producer->batch_aim;
    d.near = atomic_load_explicit(&topic->near_count, memory_order_relaxed) > 0;
    uint64_t next = ((seen >> 32) + 1) << 32 | draw_next(producer, topic, &d);
    atomic_compare_exchange_strong(&topic->sticky, &seen, next);
}

int32_t kci_producer_available(struct kci_producer *producer, const char *name, int32_t index)
{
    struct kci_topic *topic = kci_topic_find(producer, name);
    if (!topic)
        return index;
    int32_t count = atomic_load_explicit(&topic->count, memory_order_acquire);
    for (int32_t i = index, tries = 0; tries < count; tries++, i = i + 1 < count ? i + 1 : 0)
        if (atomic_load_explicit(&kci_topic_partition(topic, i)->available, memory_order_relaxed))
            return i;
    return index;
}

/* ---- what the draw goes by ---- */

void kci_partitioner_queued(struct kci_partition *partition, struct kci_batch *batch)
{
    batch->filled = batch->bytes;
    kci_count(&partition->backlog, batch->filled);
    atomic_fetch_add_explicit(&partition->topic->producer->backlog, batch->filled, memory_order_relaxed);
}

void kci_partitioner_taken(struct kci_partition *partition, const struct kci_batch *batch)
{
    kci_count(&partition->backlog, (uint64_t)0 - batch->filled);
    atomic_fetch_sub_explicit(&partition->topic->producer->backlog, batch->filled, memory_order_relaxed);
}

void kci_partitioner_rack(struct kci_producer *producer, struct kci_partition *partition, int32_t node)
{
    const struct kci_settings *settings = producer->settings;
    if (!settings->partitioner_rack_aware || !settings->client_rack)
        return;
    bool near =
        node != KCI_NODE_NONE && strcmp(kci_cluster_node_rack(producer->cluster, node), settings->client_rack) == 0;
    if (near == atomic_load_explicit(&partition->near, memory_order_relaxed))
        return;
    atomic_store_explicit(&partition->near, near, memory_order_relaxed);
    atomic_fetch_add_explicit(&partition->topic->near_count, near ? 1 : -1, memory_order_relaxed);
}

/* Tell all partitions of the target; rare, so it may walk. */
static void avoid(struct kci_producer *producer, struct kci_target *target, bool avoided)
{
    target->avoided = avoided;
    KCI_LIST_EACH(link, &producer->topic_list)
    {
        struct kci_topic *topic = KCI_CONTAINER(link, struct kci_topic, link);
        int32_t count = atomic_load(&topic->count);
        for (int32_t i = 0; i < count; i++) {
            struct kci_partition *partition = kci_topic_partition(topic, i);
            if (partition->target == target)
                atomic_store_explicit(&partition->available, !avoided, memory_order_relaxed);
        }
    }
}

int64_t kci_partitioner_stuck(struct kci_producer *producer, struct kci_target *target, bool stuck, int64_t now)
{
    int64_t timeout = (int64_t)producer->settings->partitioner_availability_timeout_ms * 1000;
    if (timeout == 0)
        return KCI_NEVER;
    if (!stuck) {
        target->stuck_since = KCI_NEVER;
        if (target->avoided)
            avoid(producer, target, false);
        return KCI_NEVER;
    }
    if (target->stuck_since == KCI_NEVER)
        target->stuck_since = now;
    if (target->avoided)
        return KCI_NEVER;
    if (now - target->stuck_since < timeout)
        return target->stuck_since + timeout;
    avoid(producer, target, true);
    return KCI_NEVER;
}
