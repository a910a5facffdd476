/* Copies what may be seen out of the engine's structs, so that nobody outside depends on how those are made. */
#include "mockbroker/core/view.h"

#include "mockbroker/core/cluster.h"
#include "mockbroker/core/group_registry.h"
#include "mockbroker/core/modern.h"

void mb_view_cluster(const struct mb_cluster *cluster, struct mb_cluster_view *out)
{
    *out = (struct mb_cluster_view){ .id = cluster->id,
                                     .brokers = cluster->broker_count,
                                     .controller = cluster->controller,
                                     .requests = cluster->request_count };
    KCI_LIST_EACH(node, &cluster->connections)
    out->connections++;
}

bool mb_view_broker(const struct mb_cluster *cluster, int32_t id, bool *running)
{
    const struct mb_broker *broker = mb_cluster_broker(cluster, id);
    *running = broker && broker->running;
    return broker != NULL;
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
        out[i] = (struct mb_replica_view){ replica->broker, replica->in_isr, replica->log.end_offset };
    }
    return count;
}

bool mb_view_group_next(const struct mb_cluster *cluster, size_t *at, struct mb_group_view *out)
{
    const struct mb_groups *groups = cluster->groups;
    const struct kci_map_entry *entry = kci_map_next(&groups->by_id, at);
    if (!entry)
        return false;
    const struct mb_group *group = entry->value;
    *out = (struct mb_group_view){ .id = group->id,
                                   .state = mb_group_state_name(group),
                                   .protocol = group->modern ? mb_modern_assignor(group) : group->protocol,
                                   .generation = group->modern ? group->modern->epoch : group->generation,
                                   .coordinator = groups->partitions[group->partition].broker,
                                   .members = group->modern ? group->modern->member_count : group->member_count };
    return true;
}
