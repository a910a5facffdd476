/* Metadata that is not true.
 *
 *      stale_metadata   topics, partitions and leaders as they were when the fault was armed; of a topic that was
 *                       deleted since, the leader is shown as the only replica
 *      no_leader        leader -1 and LEADER_NOT_AVAILABLE for the partitions that match
 *      missing_topic    UNKNOWN_TOPIC_OR_PARTITION for the topics that match; not among all topics
 *      empty_metadata   no topics and no brokers
 *      contradictory_metadata   whoever is asked says that it leads all partitions that match
 *      hidden_broker    one broker is not in the list, though it leads partitions (contradictory metadata) */
#include "mockbroker/core/fault_target.h"

typedef struct kci_metadata_response__metadata_response_topic topic_out;
typedef struct kci_metadata_response__metadata_response_partition partition_out;

struct mb_stale_topic {
    char name[MB_TOPIC_NAME_MAX + 1];
    struct kci_uuid id;
    bool internal;
    int32_t count; /* of partitions */
    struct {
        int32_t leader, epoch;
    } * partitions; /* owned */
};

void mb_fault_snapshot_free(struct mb_fault *fault)
{
    const struct kci_alloc *alloc = fault->faults->cluster->alloc;
    for (size_t i = 0; i < fault->stale_count; i++)
        kci_alloc_free(alloc, fault->stale[i].partitions);
    kci_alloc_free(alloc, fault->stale);
    fault->stale = NULL;
    fault->stale_count = 0;
}

bool mb_fault_snapshot(struct mb_fault *fault)
{
    const struct mb_cluster *cluster = fault->faults->cluster;
    struct mb_topic *topic;
    fault->stale = kci_alloc_zero(cluster->alloc, cluster->topics.count + 1, sizeof *fault->stale);
    for (size_t at = 0; fault->stale && (topic = mb_topic_next(cluster, &at)) != NULL;) {
        struct mb_stale_topic *stale = &fault->stale[fault->stale_count];
        stale->partitions = kci_alloc_zero(cluster->alloc, (size_t)topic->partition_count, sizeof *stale->partitions);
        if (!stale->partitions)
            return false;
        fault->stale_count++;
        memcpy(stale->name, topic->name, sizeof stale->name);
        stale->id = topic->id;
        stale->internal = topic->internal;
        stale->count = topic->partition_count;
        for (int32_t i = 0; i < stale->count; i++) {
            stale->partitions[i].leader = topic->partitions[i]->leader;
            stale->partitions[i].epoch = topic->partitions[i]->leader_epoch;
        }
    }
    return fault->stale != NULL;
}

static const struct mb_stale_topic *find_stale(const struct mb_fault *fault, struct kci_str name)
{
    for (size_t i = 0; i < fault->stale_count; i++)
        if (kci_str_equal(name, kci_str_of(fault->stale[i].name)))
            return &fault->stale[i];
    return NULL;
}

static void lose_topic(topic_out *topic)
{
    topic->error_code = KCI_UNKNOWN_TOPIC_OR_PARTITION;
    topic->topic_id = (struct kci_uuid){ { 0 } };
    topic->partitions_count = 0;
}

/* A topic that is deleted, as if it were not. false: no memory. */
static bool revive(struct kci_arena *arena, const struct mb_stale_topic *stale, topic_out *topic)
{
    kci_codec_init(&kci_metadata_response__metadata_response_topic_schema, topic);
    topic->name = kci_str_of(stale->name);
    topic->topic_id = stale->id;
    topic->is_internal = stale->internal;
    topic->partitions = kci_arena_array(arena, (size_t)stale->count, sizeof *topic->partitions);
    int32_t *leaders = kci_arena_array(arena, (size_t)stale->count, sizeof *leaders);
    for (int32_t i = 0; topic->partitions && leaders && i < stale->count; i++) {
        partition_out *partition = &topic->partitions[topic->partitions_count++];
        kci_codec_init(&kci_metadata_response__metadata_response_partition_schema, partition);
        leaders[i] = stale->partitions[i].leader;
        partition->partition_index = i;
        partition->leader_id = leaders[i];
        partition->leader_epoch = stale->partitions[i].epoch;
        partition->error_code = leaders[i] < 0 ? KCI_LEADER_NOT_AVAILABLE : KCI_NONE;
        partition->replica_nodes = partition->isr_nodes = &leaders[i];
        partition->replica_nodes_count = partition->isr_nodes_count = leaders[i] >= 0;
    }
    return topic->partitions && leaders;
}

static bool make_stale(struct kci_arena *arena, const struct mb_fault *fault, topic_out *topic)
{
    const struct mb_stale_topic *stale = find_stale(fault, topic->name);
    int32_t kept = 0;
    if (!stale) {
        lose_topic(topic);
        return true;
    }
    if (topic->error_code == KCI_UNKNOWN_TOPIC_OR_PARTITION)
        return revive(arena, stale, topic);
    topic->topic_id = stale->id; /* another one's by now, if it was deleted and created anew */
    for (int32_t i = 0; i < topic->partitions_count; i++) {
        partition_out *partition = &topic->partitions[i];
        if (partition->partition_index >= stale->count)
            continue; /* the topic has grown since */
        partition->leader_id = stale->partitions[partition->partition_index].leader;
        partition->leader_epoch = stale->partitions[partition->partition_index].epoch;
        partition->error_code = partition->leader_id < 0 ? KCI_LEADER_NOT_AVAILABLE : KCI_NONE;
        topic->partitions[kept++] = *partition;
    }
    topic->partitions_count = kept;
    return true;
}

static bool matches(const struct mb_fault *fault, struct kci_str topic)
{
    return !fault->match.topic[0] || mb_fault_name_matches(fault->match.topic, topic);
}

/* To the list of all topics, those that were deleted since. false: no memory. */
static bool add_deleted(struct kci_arena *arena, const struct mb_fault *fault, struct kci_metadata_response *response)
{
    int32_t there = response->topics_count;
    topic_out *topics = kci_arena_array(arena, (size_t)there + fault->stale_count, sizeof *topics);
    if (!topics)
        return false;
    if (there)
        memcpy(topics, response->topics, (size_t)there * sizeof *topics);
    response->topics = topics;
    for (size_t i = 0; i < fault->stale_count; i++) {
        struct kci_str name = kci_str_of(fault->stale[i].name);
        bool missing = matches(fault, name);
        for (int32_t k = 0; missing && k < there; k++)
            missing = !kci_str_equal(name, topics[k].name);
        if (missing && !revive(arena, &fault->stale[i], &topics[response->topics_count++]))
            return false;
    }
    return true;
}

static void lose_leaders(const struct mb_fault *fault, topic_out *topic)
{
    for (int32_t i = 0; i < topic->partitions_count; i++) {
        partition_out *partition = &topic->partitions[i];
        if (fault->match.partition >= 0 && fault->match.partition != partition->partition_index)
            continue;
        partition->leader_id = -1;
        partition->error_code = KCI_LEADER_NOT_AVAILABLE;
    }
}

static void claim_leaders(const struct mb_fault *fault, topic_out *topic, int32_t broker)
{
    for (int32_t i = 0; i < topic->partitions_count; i++) {
        partition_out *partition = &topic->partitions[i];
        if (fault->match.partition < 0 || fault->match.partition == partition->partition_index)
            partition->leader_id = broker;
    }
}

bool mb_fault_metadata(struct mb_fault_plan *plan, void *answer, void *user)
{
    struct kci_metadata_response *response = answer;
    const struct kci_metadata_request *asked = plan->request->body;
    const struct mb_fault *fault = user;
    bool all = asked->topics_count < 0 || (plan->request->header.version == 0 && asked->topics_count == 0);
    struct kci_arena *arena = &plan->request->arena;
    bool ok = true;
    int32_t kept = 0;
    if (fault->action.kind == MB_FAULT_EMPTY_METADATA) {
        response->topics_count = response->brokers_count = 0;
        return true;
    }
    for (int32_t i = 0; i < response->topics_count; i++) {
        topic_out *topic = &response->topics[i];
        if (!matches(fault, topic->name))
            ;
        else if (fault->action.kind == MB_FAULT_STALE_METADATA)
            ok &= make_stale(arena, fault, topic);
        else if (fault->action.kind == MB_FAULT_NO_LEADER)
            lose_leaders(fault, topic);
        else if (fault->action.kind == MB_FAULT_CONTRADICTORY_METADATA)
            claim_leaders(fault, topic, plan->request->broker);
        else if (fault->action.kind == MB_FAULT_MISSING_TOPIC)
            lose_topic(topic);
        if (!all || topic->error_code != KCI_UNKNOWN_TOPIC_OR_PARTITION)
            response->topics[kept++] = *topic;
    }
    response->topics_count = kept;
    if (all && fault->action.kind == MB_FAULT_STALE_METADATA)
        ok &= add_deleted(arena, fault, response);
    kept = 0;
    for (int32_t i = 0; i < response->brokers_count; i++)
        if (fault->action.kind != MB_FAULT_HIDDEN_BROKER || response->brokers[i].node_id != fault->action.number)
            response->brokers[kept++] = response->brokers[i];
    response->brokers_count = kept;
    return ok;
}
