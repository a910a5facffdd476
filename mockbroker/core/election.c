/* Leaders, ISRs and logs by request: ElectLeaders (KIP-460), and what a test wants to be true of a partition. */
#include "mockbroker/core/cluster.h"

static struct mb_partition *find(struct mb_cluster *cluster, struct kci_str name, int32_t index, int64_t now)
{
    struct mb_topic *topic = mb_topic_find(cluster, name);
    cluster->now = now;
    return topic ? mb_topic_partition(topic, index) : NULL;
}

static bool runs(const struct mb_replica *replica)
{
    return mb_cluster_is_running(replica->partition->cluster, replica->broker);
}

static int16_t elect_unclean(struct mb_partition *partition, int64_t now)
{
    if (partition->leader >= 0)
        return KCI_ELECTION_NOT_NEEDED;
    mb_controller_elect(partition, now); /* a member of the ISR, if one lives */
    for (int32_t i = 0; partition->leader < 0 && i < partition->replica_count; i++)
        if (runs(&partition->replicas[i]))
            mb_controller_lead(partition, &partition->replicas[i], now);
    return partition->leader < 0 ? KCI_ELIGIBLE_LEADERS_NOT_AVAILABLE : KCI_NONE;
}

int16_t mb_election_run(struct mb_partition *partition, bool unclean, int64_t now)
{
    struct mb_replica *preferred = &partition->replicas[0];
    if (unclean)
        return elect_unclean(partition, now);
    if (partition->leader == preferred->broker)
        return KCI_ELECTION_NOT_NEEDED;
    if (!preferred->in_isr || !runs(preferred))
        return KCI_PREFERRED_LEADER_NOT_AVAILABLE;
    mb_controller_lead(partition, preferred, now);
    return KCI_NONE;
}

int16_t mb_cluster_elect(struct mb_cluster *cluster, struct kci_str topic, int32_t index, bool unclean, int64_t now)
{
    struct mb_partition *partition = find(cluster, topic, index, now);
    return partition ? mb_election_run(partition, unclean, now) : KCI_UNKNOWN_TOPIC_OR_PARTITION;
}

static bool is_among(const int32_t *brokers, int32_t count, int32_t broker)
{
    for (int32_t i = 0; i < count; i++)
        if (brokers[i] == broker)
            return true;
    return false;
}

static bool is_held_out(const struct mb_replica *replica, int64_t now)
{
    (void)now;
    return replica->held_out;
}

int16_t mb_cluster_set_isr(struct mb_cluster *cluster, struct kci_str topic, int32_t index, const int32_t *brokers,
                           int32_t count, int64_t now)
{
    struct mb_partition *partition = find(cluster, topic, index, now);
    if (!partition)
        return KCI_UNKNOWN_TOPIC_OR_PARTITION;
    for (int32_t i = 0; i < count; i++)
        if (!mb_partition_replica(partition, brokers[i]))
            return KCI_INVALID_REPLICA_ASSIGNMENT;
    if (count < 1 || (partition->leader >= 0 && !is_among(brokers, count, partition->leader)))
        return KCI_INVALID_REQUEST;
    for (int32_t i = 0; i < partition->replica_count; i++)
        partition->replicas[i].held_out = !is_among(brokers, count, partition->replicas[i].broker);
    mb_controller_shrink_all(partition, is_held_out, now);
    mb_replication_kick(partition, now); /* who is wanted again comes in when it has everything */
    return KCI_NONE;
}

int16_t mb_cluster_truncate(struct mb_cluster *cluster, struct kci_str topic, int32_t index, int32_t broker,
                            int64_t offset, int64_t now)
{
    struct mb_partition *partition = find(cluster, topic, index, now);
    struct mb_replica *replica = partition ? mb_partition_replica(partition, broker) : NULL;
    if (!partition)
        return KCI_UNKNOWN_TOPIC_OR_PARTITION;
    if (!replica)
        return KCI_INVALID_REPLICA_ASSIGNMENT;
    if (offset < replica->log.start_offset || offset > replica->log.end_offset)
        return KCI_OFFSET_OUT_OF_RANGE;
    if (partition->leader >= 0 && partition->leader != broker &&
        offset < mb_partition_leader(partition)->high_watermark)
        mb_controller_shrink(replica, now);     /* the ISR has everything below the high watermark */
    if (mb_cluster_is_running(cluster, broker)) /* as do the eligible ones; of one that is down nobody knows yet */
        replica->eligible = false;
    if (mb_log_truncate(&replica->log, offset) != 0 || !mb_replica_rebuild_producers(replica))
        return KCI_KAFKA_STORAGE_ERROR;
    if (replica->high_watermark > replica->log.end_offset)
        replica->high_watermark = replica->log.end_offset;
    replica->synced_epoch = -1;
    if (partition->leader == broker)
        mb_controller_lead(partition, replica, now); /* a new epoch: the followers cut theirs to it */
    else
        mb_replication_kick(partition, now);
    return KCI_NONE;
}

int16_t mb_cluster_reassign(struct mb_cluster *cluster, struct kci_str topic, int32_t index, const int32_t *brokers,
                            int32_t count, int64_t now)
{
    char text[200];
    struct mb_partition *partition = find(cluster, topic, index, now);
    return partition ? mb_reassign_begin(partition, brokers, count, text, sizeof text, now)
                     : KCI_UNKNOWN_TOPIC_OR_PARTITION;
}
