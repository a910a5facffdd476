/* What a metadata answer, or a leader hint, says of one topic.
 *
 * Brokers do not learn of changes at the same time, so an answer may be older than what is known.  The leader epoch
 * decides, per partition (PROTOCOL 2.8, KIP-320): an older epoch is ignored, unless the topic id changed, because then
 * it is another topic with the same name and its epochs begin anew.  Epochs count from version 9 on; before, brokers
 * gave stale ones (KAFKA-9212).
 *
 * A leader that the answer does not list as a broker, and that nobody ever did, is none: it cannot be reached, and the
 * next answer may say who it is.
 *
 * Errors do not erase: partitions keep their last value while the topic's error is visible, so that a producer can go
 * on with the leaders it knows.  An update builds the new arrays completely before it gives up the old ones. */
#include "cluster/internal.h"

#define EPOCHS_RELIABLE_FROM 9 /* version of Metadata */

void kci_topics_free(struct kci_metadata *metadata, const struct kci_alloc *alloc, struct kci_topic *topic)
{
    if (kci_map_get(&metadata->by_id, topic->info.id.b, sizeof topic->info.id.b) == topic)
        kci_map_remove(&metadata->by_id, topic->info.id.b, sizeof topic->info.id.b);
    kci_alloc_free(alloc, topic->partitions);
    kci_alloc_free(alloc, topic->replicas);
    kci_alloc_free(alloc, topic);
}

/* The arrays being built for one topic. */
struct build {
    const struct kci_cluster *cluster;
    struct kci_partition_info *partitions;
    int32_t count;
    int32_t *replicas;
    size_t replicas_used;
};

static const int32_t *copy_ids(struct build *b, const int32_t *ids, int32_t count)
{
    int32_t *copy = b->replicas + b->replicas_used;
    if (count <= 0)
        return copy;
    memcpy(copy, ids, (size_t)count * sizeof *ids);
    b->replicas_used += (size_t)count;
    return copy;
}

/* What is known of a partition, carried over. */
static void put_known(struct build *b, const struct kci_partition_info *known)
{
    struct kci_partition_info *p = &b->partitions[known->id];
    *p = *known;
    p->replicas = copy_ids(b, known->replicas, known->replica_count);
    p->isr = copy_ids(b, known->isr, known->isr_count);
}

static bool is_broker(const struct kci_cluster *cluster, int32_t id)
{
    return id >= 0 && !KCI_NODE_IS_LANE(id) && kci_node_find(cluster, id);
}

static void put_answer(struct build *b, const struct kci_metadata_response__metadata_response_partition *answer,
                       bool epochs)
{
    struct kci_partition_info *p = &b->partitions[answer->partition_index];
    p->leader = is_broker(b->cluster, answer->leader_id) ? answer->leader_id : KCI_NODE_NONE;
    p->leader_epoch = epochs ? answer->leader_epoch : -1;
    p->error = answer->error_code;
    p->replica_count = answer->replica_nodes_count > 0 ? answer->replica_nodes_count : 0;
    p->isr_count = answer->isr_nodes_count > 0 ? answer->isr_nodes_count : 0;
    p->replicas = copy_ids(b, answer->replica_nodes, p->replica_count);
    p->isr = copy_ids(b, answer->isr_nodes, p->isr_count);
}

static bool same_ids(const int32_t *a, int32_t a_count, const int32_t *b, int32_t b_count)
{
    return a_count == b_count && (a_count == 0 || memcmp(a, b, (size_t)a_count * sizeof *a) == 0);
}

static bool same_partition(const struct kci_partition_info *a, const struct kci_partition_info *b)
{
    return a->leader == b->leader && a->leader_epoch == b->leader_epoch && a->error == b->error &&
           same_ids(a->replicas, a->replica_count, b->replicas, b->replica_count) &&
           same_ids(a->isr, a->isr_count, b->isr, b->isr_count);
}

static bool same_partitions(const struct kci_topic *topic, const struct build *b)
{
    if (topic->info.partition_count != b->count)
        return false;
    for (int32_t i = 0; i < b->count; i++)
        if (!same_partition(&topic->partitions[i], &b->partitions[i]))
            return false;
    return true;
}

/* Brokers name all partitions of a topic; an index far beyond their number would only cost memory. */
static bool is_index(const struct kci_metadata_response__metadata_response_topic *answer, int32_t index)
{
    return index >= 0 && index < KCI_PARTITIONS_MAX && index < answer->partitions_count + KCI_PARTITION_HOLES_MAX;
}

/* Memory for the arrays: as many partitions as the highest index says, as many ids as both sides have. */
static bool allocate(struct build *b, const struct kci_alloc *alloc, const struct kci_topic *topic, int32_t keep,
                     const struct kci_metadata_response__metadata_response_topic *answer)
{
    size_t ids = 0;
    b->count = keep;
    for (int32_t i = 0; i < keep; i++)
        ids += (size_t)topic->partitions[i].replica_count + (size_t)topic->partitions[i].isr_count;
    for (int32_t i = 0; i < answer->partitions_count; i++) {
        const struct kci_metadata_response__metadata_response_partition *p = &answer->partitions[i];
        if (is_index(answer, p->partition_index) && p->partition_index >= b->count)
            b->count = p->partition_index + 1;
        ids += (size_t)(p->replica_nodes_count > 0 ? p->replica_nodes_count : 0) +
               (size_t)(p->isr_nodes_count > 0 ? p->isr_nodes_count : 0);
    }
    b->partitions = kci_alloc_zero(alloc, (size_t)b->count, sizeof *b->partitions);
    b->replicas = kci_alloc_zero(alloc, ids, sizeof *b->replicas);
    if (b->partitions && b->replicas)
        return true;
    kci_alloc_free(alloc, b->partitions);
    kci_alloc_free(alloc, b->replicas);
    return false;
}

/* Fill the arrays; true when some partition has no leader, so that asking again is worth it. */
static bool fill(struct build *b, const struct kci_topic *topic, int32_t keep,
                 const struct kci_metadata_response__metadata_response_topic *answer, bool epochs)
{
    bool again = false;
    for (int32_t i = 0; i < b->count; i++) {
        b->partitions[i] = (struct kci_partition_info){
            .id = i, .leader = KCI_NODE_NONE, .leader_epoch = -1, .error = KCI_UNKNOWN_TOPIC_OR_PARTITION
        };
        b->partitions[i].replicas = b->partitions[i].isr = b->replicas;
    }
    for (int32_t i = 0; i < keep; i++)
        put_known(b, &topic->partitions[i]);
    for (int32_t i = 0; i < answer->partitions_count; i++) {
        const struct kci_metadata_response__metadata_response_partition *p = &answer->partitions[i];
        if (!is_index(answer, p->partition_index))
            continue;
        /* an answer without an epoch cannot be compared: the last word counts, as for Java */
        if (!epochs || p->leader_epoch < 0 || b->partitions[p->partition_index].leader_epoch <= p->leader_epoch)
            put_answer(b, p, epochs);
    }
    for (int32_t i = 0; i < b->count; i++)
        again = again || b->partitions[i].leader == KCI_NODE_NONE;
    return again;
}

/* Adopt the id; true when it is another topic than the one known so far. */
static bool take_id(struct kci_metadata *metadata, struct kci_topic *topic, const struct kci_uuid *id, bool *changed)
{
    struct kci_uuid old = topic->info.id;
    if (kci_uuid_is_zero(id) || kci_uuid_equal(id, &old))
        return false;
    if (!kci_map_set(&metadata->by_id, id->b, sizeof id->b, topic))
        return false; /* the next answer tries again */
    if (kci_map_get(&metadata->by_id, old.b, sizeof old.b) == topic)
        kci_map_remove(&metadata->by_id, old.b, sizeof old.b);
    topic->info.id = *id;
    *changed = true;
    return !kci_uuid_is_zero(&old);
}

static bool is_retriable(int16_t error)
{
    return kci_error_flags(error) != 0;
}

bool kci_topics_take(struct kci_metadata *metadata, const struct kci_alloc *alloc, struct kci_topic *topic,
                     const struct kci_metadata_response__metadata_response_topic *answer, int16_t version,
                     bool *changed)
{
    struct kci_topic_info *info = &topic->info;
    bool mine = !info->known || info->error != answer->error_code || info->internal != answer->is_internal;
    if (answer->error_code != KCI_NONE && answer->partitions_count <= 0) {
        topic->due = is_retriable(answer->error_code);
        info->error = answer->error_code;
        info->known = true;
    } else {
        struct build b = { .cluster = KCI_CONTAINER(metadata, struct kci_cluster, metadata) };
        bool another = take_id(metadata, topic, &answer->topic_id, &mine);
        bool identified = !kci_uuid_is_zero(&answer->topic_id);
        /* Partitions of one topic are never taken away: fewer of them are an old answer. Without ids it may be a new
         * topic. */
        int32_t keep = another ? 0 : info->partition_count;
        if (!identified && keep > answer->partitions_count)
            keep = answer->partitions_count;
        if (!allocate(&b, alloc, topic, keep, answer)) {
            topic->due = true;
            return false;
        }
        bool again = fill(&b, topic, keep, answer, version >= EPOCHS_RELIABLE_FROM);
        mine = mine || !same_partitions(topic, &b);
        kci_alloc_free(alloc, topic->partitions);
        kci_alloc_free(alloc, topic->replicas);
        topic->partitions = b.partitions;
        topic->replicas = b.replicas;
        info->partitions = b.partitions;
        info->partition_count = b.count;
        info->error = answer->error_code;
        info->internal = answer->is_internal;
        info->known = true;
        topic->due = again || is_retriable(answer->error_code);
    }
    if (mine) {
        info->generation = metadata->generation;
        *changed = true;
    }
    return true;
}

bool kci_cluster_leader_hint(struct kci_cluster *cluster, struct kci_str name, int32_t partition, int32_t leader,
                             int32_t epoch, int64_t now)
{
    struct kci_metadata *m = &cluster->metadata;
    struct kci_topic *topic = kci_map_get_str(&m->by_name, name);
    if (!topic || partition < 0 || partition >= topic->info.partition_count || !is_broker(cluster, leader))
        return false;
    struct kci_partition_info *p = &topic->partitions[partition];
    if (epoch <= p->leader_epoch)
        return false;
    p->leader = leader;
    p->leader_epoch = epoch;
    p->error = KCI_NONE;
    topic->info.generation = ++m->generation;
    if (cluster->on_metadata)
        cluster->on_metadata(cluster->owner, now);
    return true;
}
