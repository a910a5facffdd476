/* Automatic balancing: every leader.imbalance.check.interval.seconds, partitions whose preferred replica could lead and
 * does not are given back to it (auto.leader.rebalance.enable; a KRaft controller asks for no percentage). */
#include "mockbroker/core/cluster.h"

static void balance_fires(void *owner, int64_t now)
{
    struct mb_cluster *cluster = owner;
    struct mb_topic *topic;
    for (size_t at = 0; (topic = mb_topic_next(cluster, &at)) != NULL;)
        for (int32_t i = 0; i < topic->partition_count; i++) {
            struct mb_partition *partition = topic->partitions[i];
            struct mb_replica *preferred = &partition->replicas[0];
            if (partition->leader >= 0 && partition->leader != preferred->broker && !partition->target &&
                preferred->in_isr && mb_cluster_is_running(cluster, preferred->broker))
                mb_controller_lead(partition, preferred, now);
        }
    mb_balance_start(cluster, now);
}

void mb_balance_start(struct mb_cluster *cluster, int64_t now)
{
    cluster->balance.fire = balance_fires;
    cluster->balance.owner = cluster;
    if (mb_cluster_property(cluster, "auto.leader.rebalance.enable"))
        mb_alarm_set(cluster, &cluster->balance,
                     now + mb_cluster_property(cluster, "leader.imbalance.check.interval.seconds") * 1000000);
}
