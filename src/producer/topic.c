/* Topics and their partitions, as application threads see them: names looked up under a lock (and remembered by the
 * address of their text, in append.c), partition arrays read without one.
 *
 * A topic is made by the first append that names it and lives as long as the producer; the sender asks the cluster for
 * it, and publishes its partitions when they are known: first the array, then the count. Arrays only grow, by doubling,
 * and old ones are kept until the end, so a reader never needs to be waited for. */
#include "producer/internal.h"

#define TOPICS_MAX 100000 /* names that one producer keeps: beyond it is a bug of the application */

static struct kci_topic *topic_new(struct kci_producer *producer, const char *name)
{
    size_t size = strlen(name);
    struct kci_topic *topic = kci_alloc_zero(producer->alloc, 1, sizeof *topic);
    char *copy = kci_alloc_new(producer->alloc, size + 1);
    if (!topic || !copy || producer->topics.count >= TOPICS_MAX || !kci_map_set(&producer->topics, name, size, topic)) {
        kci_alloc_free(producer->alloc, topic);
        kci_alloc_free(producer->alloc, copy);
        return NULL;
    }
    memcpy(copy, name, size + 1);
    topic->name = copy;
    topic->producer = producer;
    atomic_init(&topic->batch_bytes_max, producer->batch_max);
    atomic_init(&topic->ratio, KCI_RATIO_ONE);
    struct kci_topic *head = atomic_load(&producer->new_topics);
    do
        topic->new_next = head;
    while (!atomic_compare_exchange_weak(&producer->new_topics, &head, topic));
    return topic;
}

struct kci_topic *kci_topic_find(struct kci_producer *producer, const char *name)
{
    bool made = false;
    kci_lock_take(&producer->topics_lock);
    struct kci_topic *topic = kci_map_get(&producer->topics, name, strlen(name));
    if (!topic) {
        topic = topic_new(producer, name);
        made = topic != NULL;
    }
    kci_lock_release(&producer->topics_lock);
    if (made)
        producer->wake(producer->context);
    return topic;
}

void kci_topic_ask(struct kci_producer *producer, struct kci_topic *topic)
{
    if (!atomic_exchange(&topic->asked, true))
        kci_attention(producer);
}

/* Begin to want the topics that appends have named since. */
void kci_topic_take_new(struct kci_producer *producer, int64_t now)
{
    struct kci_topic *topic = atomic_exchange(&producer->new_topics, NULL);
    while (topic) {
        struct kci_topic *next = topic->new_next;
        kci_list_push(&producer->topic_list, &topic->link);
        kci_counts_topic(producer, topic);
        topic->info = kci_cluster_want_topic(producer->cluster, kci_str_of(topic->name), now);
        kci_idle_used(producer, topic, now);
        topic = next;
    }
}

/* ---- partitions ---- */

static bool remember_block(struct kci_producer *producer, struct kci_topic *topic, void *block)
{
    if (topic->block_count == topic->block_capacity) {
        size_t capacity = topic->block_capacity ? topic->block_capacity * 2 : 4;
        void **blocks = kci_alloc_resize(producer->alloc, topic->blocks, capacity * sizeof *blocks);
        if (!blocks)
            return false;
        topic->blocks = blocks;
        topic->block_capacity = capacity;
    }
    topic->blocks[topic->block_count++] = block;
    return true;
}

static void *block_new(struct kci_producer *producer, struct kci_topic *topic, size_t count, size_t size)
{
    void *block = kci_alloc_zero(producer->alloc, count, size);
    if (block && !remember_block(producer, topic, block)) {
        kci_alloc_free(producer->alloc, block);
        return NULL;
    }
    return block;
}

/* Its timers stay in the heaps for ever, so that setting them later cannot fail. */
static bool partition_init(struct kci_producer *producer, struct kci_topic *topic, struct kci_partition *partition,
                           int32_t index, int64_t now)
{
    kci_lock_init(&partition->lock, producer->lock_ops);
    kci_list_init(&partition->queue);
    kci_list_init(&partition->outstanding);
    partition->topic = topic;
    partition->index = index;
    partition->producer_id = -1;
    partition->leaderless_at = now;
    partition->leader_epoch = -1;
    return kci_heap_set(&producer->timers, &partition->timer, KCI_NEVER) &&
           kci_heap_set(&producer->expiries, &partition->expiry, KCI_NEVER);
}

/* Make partitions up to count. false: out of memory, and nothing is changed for readers. */
static bool grow(struct kci_producer *producer, struct kci_topic *topic, int32_t count, int64_t now)
{
    int32_t have = atomic_load(&topic->count);
    struct kci_partition **array = atomic_load(&topic->partitions);
    if (count > topic->capacity) {
        int32_t capacity = topic->capacity ? topic->capacity * 2 : count;
        if (capacity < count)
            capacity = count;
        struct kci_partition **larger = block_new(producer, topic, (size_t)capacity, sizeof(struct kci_partition *));
        if (!larger)
            return false;
        if (have)
            memcpy(larger, array, (size_t)have * sizeof *larger);
        array = larger;
        topic->capacity = capacity;
        atomic_store_explicit(&topic->partitions, array, memory_order_release);
    }
    struct kci_partition *fresh = block_new(producer, topic, (size_t)(count - have), sizeof *fresh);
    if (!fresh)
        return false;
    for (int32_t i = have; i < count; i++) {
        if (!partition_init(producer, topic, &fresh[i - have], i, now)) {
            for (int32_t k = have; k <= i; k++) {
                kci_heap_remove(&producer->timers, &fresh[k - have].timer);
                kci_heap_remove(&producer->expiries, &fresh[k - have].expiry);
            }
            return false; /* the block stays with the topic and is freed with it */
        }
        array[i] = &fresh[i - have];
    }
    topic->leaderless += count - have;
    return true;
}

static void update(struct kci_producer *producer, struct kci_topic *topic, int64_t now)
{
    const struct kci_topic_info *info = topic->info;
    int32_t have = atomic_load(&topic->count), count = info->partition_count;
    int16_t error = info->error;
    bool barred = error && !(kci_error_flags(error) & KCI_ERROR_RETRIABLE);
    atomic_store(&topic->barred, barred ? error : 0);
    if (info->partitions && count > have && !grow(producer, topic, count, now)) {
        kci_log(&producer->logger, KCI_LOG_ERROR, "producer", "out of memory for the %d partitions of topic %s",
                (int)count, topic->name);
        kci_cluster_refresh(producer->cluster, "out of memory for a topic", now);
        return; /* the generation is not taken: looked at again */
    }
    topic->generation = info->generation;
    int32_t known = count > have ? count : have;
    for (int32_t i = 0; info->partitions && i < known; i++) {
        struct kci_partition *partition = atomic_load(&topic->partitions)[i];
        bool listed = i < count;
        kci_lane_leader(producer, partition, listed ? info->partitions[i].leader : KCI_NODE_NONE,
                        listed ? info->partitions[i].leader_epoch : -1, now);
    }
    if (info->partitions && count > have) {
        producer->partition_count += (size_t)(count - have);
        kci_pool_expect(&producer->pool, producer->partition_count);
        atomic_store_explicit(&topic->count, count, memory_order_release);
        if (have == 0)
            kci_partitioner_switch(producer, topic, 0, now);
    }
    producer->must_notify = true;
}

void kci_topic_on_metadata(struct kci_producer *producer, int64_t now)
{
    KCI_LIST_EACH(node, &producer->topic_list)
    {
        struct kci_topic *topic = KCI_CONTAINER(node, struct kci_topic, link);
        if (!topic->info && !topic->idle) /* there was no memory */
            topic->info = kci_cluster_want_topic(producer->cluster, kci_str_of(topic->name), now);
        if (topic->info && topic->info->known && topic->info->generation != topic->generation)
            update(producer, topic, now);
        if (atomic_load(&topic->asked)) {
            atomic_store(&topic->asked, false); /* whoever still misses something asks again */
            producer->must_notify = true;
        }
    }
    kci_health_topics(producer);
}

void kci_topic_destroy_all(struct kci_producer *producer)
{
    size_t at = 0;
    for (struct kci_map_entry *entry; (entry = kci_map_next(&producer->topics, &at)) != NULL;) {
        struct kci_topic *topic = entry->value;
        for (size_t i = 0; i < topic->block_count; i++)
            kci_alloc_free(producer->alloc, topic->blocks[i]);
        kci_alloc_free(producer->alloc, topic->blocks);
        kci_alloc_free(producer->alloc, topic->name);
        kci_alloc_free(producer->alloc, topic);
    }
    kci_map_destroy(&producer->topics);
}
