/* Copies what may be seen out of the engine's structs, so that nobody outside depends on how those are made. */
#include "mockbroker/core/view.h"

#include "mockbroker/core/cluster.h"
#include "mockbroker/core/group_offsets.h"
#include "mockbroker/core/group_registry.h"
#include "mockbroker/core/modern.h"
#include "mockbroker/core/txn_registry.h"

void mb_view_cluster(const struct mb_cluster *cluster, struct mb_cluster_view *out)
{
    *out = (struct mb_cluster_view){ .id = cluster->id,
                                     .brokers = cluster->broker_count,
                                     .controller = cluster->controller,
                                     .controller_epoch = cluster->controller_epoch,
                                     .requests = cluster->request_count };
    KCI_LIST_EACH(node, &cluster->connections)
    out->connections++;
}

bool mb_view_broker(const struct mb_cluster *cluster, int32_t id, enum mb_broker_state *state)
{
    const struct mb_broker *broker = mb_cluster_broker(cluster, id);
    *state = MB_BROKER_STOPPED;
    if (broker && broker->paused)
        *state = broker->running ? MB_BROKER_PAUSED : MB_BROKER_FENCED;
    else if (broker && broker->running)
        *state = broker->leaving ? MB_BROKER_LEAVING : MB_BROKER_RUNNING;
    return broker != NULL;
}

bool mb_view_leaving(const struct mb_cluster *cluster, int32_t id, int32_t *held, char *text, size_t text_size)
{
    const struct mb_broker *broker = mb_cluster_broker(cluster, id);
    text[0] = '\0';
    if (!broker || !broker->leaving)
        return false;
    mb_member_waits(cluster, id, held, text, text_size);
    return true;
}

const char *mb_view_broker_state(enum mb_broker_state state)
{
    static const char *const names[] = { "stopped", "running", "paused", "fenced", "leaving" };
    return names[state];
}

bool mb_view_topic_next(const struct mb_cluster *cluster, size_t *at, struct mb_topic_view *out)
{
    const struct mb_topic *topic = mb_topic_next(cluster, at);
    if (topic)
        *out = (struct mb_topic_view){ topic->name, topic->id, topic->partition_count, topic->replication_factor,
                                       topic->internal };
    return topic != NULL;
}

size_t mb_view_replicas(const struct mb_cluster *cluster, struct kci_str topic_name, int32_t index,
                        struct mb_replica_view *out, size_t max)
{
    const struct mb_topic *topic = mb_topic_find(cluster, topic_name);
    const struct mb_partition *partition = topic ? mb_topic_partition(topic, index) : NULL;
    size_t count = partition ? (size_t)partition->replica_count : 0;
    for (size_t i = 0; i < count && i < max; i++) {
        const struct mb_replica *replica = &partition->replicas[i];
        out[i] =
            (struct mb_replica_view){ replica->broker, replica->in_isr, replica->eligible, replica->log.end_offset };
    }
    return count;
}

static void view_group(const struct mb_group *group, struct mb_group_view *out)
{
    const struct mb_groups *groups = group->owner;
    *out = (struct mb_group_view){ .id = group->id,
                                   .state = mb_group_state_name(group),
                                   .protocol = group->modern ? mb_modern_assignor(group) : group->protocol,
                                   .generation = group->modern ? group->modern->epoch : group->generation,
                                   .coordinator = groups->partitions[group->partition].broker,
                                   .modern = group->modern != NULL,
                                   .members = group->modern ? group->modern->member_count : group->member_count };
}

bool mb_view_group_next(const struct mb_cluster *cluster, size_t *at, struct mb_group_view *out)
{
    const struct kci_map_entry *entry = kci_map_next(&cluster->groups->by_id, at);
    if (entry)
        view_group(entry->value, out);
    return entry != NULL;
}

bool mb_view_group(const struct mb_cluster *cluster, struct kci_str id, struct mb_group_view *out)
{
    const struct mb_group *group = mb_groups_find(cluster->groups, id);
    if (group)
        view_group(group, out);
    return group != NULL;
}

const void *mb_view_member_next(const struct mb_cluster *cluster, struct kci_str id, const void *previous,
                                struct mb_group_member_view *out)
{
    const struct mb_group *group = mb_groups_find(cluster->groups, id);
    const struct kci_list *members = !group ? NULL : group->modern ? &group->modern->members : &group->members;
    const struct kci_list *node = !members   ? NULL
                                  : previous ? ((const struct kci_list *)previous)->next
                                             : members->next;
    if (!members || node == members)
        return NULL;
    if (group->modern) {
        const struct mb_modern_member *member = KCI_CONTAINER(node, const struct mb_modern_member, link);
        *out = (struct mb_group_member_view){ member->id, member->client_id, member->client_host, member->instance_id,
                                              member->epoch };
    } else {
        const struct mb_group_member *member = KCI_CONTAINER(node, const struct mb_group_member, link);
        *out = (struct mb_group_member_view){ member->id, member->client_id, member->client_host, member->instance_id,
                                              -1 };
    }
    return node;
}

void mb_view_group_offsets(const struct mb_cluster *cluster, struct kci_str id,
                           void (*each)(void *context, const struct mb_group_offset_view *offset), void *context)
{
    const struct mb_group *group = mb_groups_find(cluster->groups, id);
    const struct mb_offset_topic *topic;
    for (size_t at = 0; group && (topic = mb_offsets_next_topic(group, &at)) != NULL;) {
        const struct mb_offset *offset;
        int32_t index;
        for (size_t in = 0; (offset = mb_offsets_next(topic, &in, &index)) != NULL;) {
            struct mb_partition_view view = { .log_end = -1 };
            mb_cluster_partition(cluster, topic->name, index, &view);
            each(context, &(struct mb_group_offset_view){ topic->name.data, index, offset->offset, view.high_watermark,
                                                          offset->metadata });
        }
    }
}

bool mb_view_txn_next(const struct mb_cluster *cluster, size_t *at, struct mb_txn_view *out)
{
    const struct kci_map_entry *entry = kci_map_next(&cluster->transactions->by_id, at);
    const struct mb_txn *txn = entry ? entry->value : NULL;
    if (txn)
        *out = (struct mb_txn_view){ .id = txn->id,
                                     .state = kci_states_name(&mb_txn_states, txn->state),
                                     .producer_id = txn->meta.producer_id,
                                     .epoch = txn->meta.epoch,
                                     .timeout_ms = txn->meta.timeout_ms,
                                     .started_ms = mb_txn_is_idle(txn) ? -1 : txn->meta.started_ms,
                                     .coordinator = txn->owner->homes[txn->partition].broker };
    return txn != NULL;
}

void mb_view_txn_partitions(const struct mb_cluster *cluster, struct kci_str id,
                            void (*each)(void *context, struct kci_str topic, int32_t partition), void *context)
{
    const struct mb_txn *txn = mb_txns_find(cluster->transactions, id);
    const struct mb_txn_part *part;
    for (size_t at = 0; txn && (part = mb_txn_next_part(txn, &at));)
        each(context, part->topic, part->partition);
}
