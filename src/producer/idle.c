/* Topics that are not sent to any more (metadata.max.idle.ms): they are dropped from the metadata that is asked for,
 * and come back with the next record.
 *
 * A dropped topic keeps its partitions, so that a record can be appended at once; but its leaders count as unknown, so
 * it waits in its batch until the metadata is there again, instead of going to a broker that led it long ago. A topic
 * with a record that has no fate is never dropped.
 *
 * Use is noticed where the sender sees it anyway (a topic comes, a batch goes), never per record. */
#include "producer/internal.h"

static bool is_quiet(struct kci_partition *partition)
{
    kci_lock_take(&partition->lock);
    bool quiet = !partition->open && kci_list_empty(&partition->queue);
    kci_lock_release(&partition->lock);
    return quiet && kci_list_empty(&partition->outstanding);
}

/* Does nothing wait in it? What comes in meanwhile announces itself and brings the topic back. */
static bool is_unused(const struct kci_topic *topic)
{
    int32_t count = atomic_load(&topic->count);
    for (int32_t i = 0; i < count; i++)
        if (!is_quiet(kci_topic_partition(topic, i)))
            return false;
    return true;
}

static void drop(struct kci_producer *producer, struct kci_topic *topic, int64_t now)
{
    int32_t count = atomic_load(&topic->count);
    kci_log(&producer->logger, KCI_LOG_DEBUG, "producer", "topic %s was not used for metadata.max.idle.ms: forgotten",
            topic->name);
    topic->idle = true;
    topic->generation = 0;
    topic->info = NULL;
    kci_cluster_forget_topic(producer->cluster, kci_str_of(topic->name));
    for (int32_t i = 0; i < count; i++)
        kci_lane_leader(producer, kci_topic_partition(topic, i), KCI_NODE_NONE, -1, now);
}

void kci_idle_used(struct kci_producer *producer, struct kci_topic *topic, int64_t now)
{
    int64_t at = now + (int64_t)producer->settings->metadata_max_idle_ms * 1000;
    topic->used_at = now;
    if (producer->idle_at > at)
        producer->idle_at = at;
    if (!topic->idle)
        return;
    topic->idle = false;
    topic->info = kci_cluster_want_topic(producer->cluster, kci_str_of(topic->name), now);
}

void kci_idle_run(struct kci_producer *producer, int64_t now)
{
    int64_t limit = (int64_t)producer->settings->metadata_max_idle_ms * 1000, next = KCI_NEVER;
    if (now < producer->idle_at)
        return;
    KCI_LIST_EACH(link, &producer->topic_list)
    {
        struct kci_topic *topic = KCI_CONTAINER(link, struct kci_topic, link);
        if (topic->idle)
            continue;
        if (now >= topic->used_at + limit && is_unused(topic)) {
            drop(producer, topic, now);
            continue;
        }
        int64_t at = topic->used_at + limit > now ? topic->used_at + limit : now + limit; /* in use, but nothing went */
        next = at < next ? at : next;
    }
    producer->idle_at = next;
    kci_health_topics(producer);
}
