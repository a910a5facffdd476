/* The controller: who leads, who is in sync.  Its decisions take effect at once on all brokers.
 *
 * A change of leader raises the leader epoch, also a change to "none" (as KRaft does).  Leaders are elected in the order
 * of the assignment, from
 *
 *      the ISR  >  the eligible replicas, or else who led last (elr.c)  >  with unclean.leader.election.enable: whoever lives
 *
 * and else the partition waits.  What an unclean leader lacks is lost. */
#include "mockbroker/core/cluster.h"

#include "mockbroker/core/elr.h"
#include "mockbroker/core/fault_storage.h"

void mb_controller_changed(struct mb_cluster *cluster)
{
    cluster->metadata_dirty = true;
    cluster->metadata_version++;
}

static void tell_coordinator(struct mb_partition *partition, int64_t now)
{
    struct mb_cluster *cluster = partition->cluster;
    if (!partition->topic->internal)
        return;
    if (cluster->groups && strcmp(partition->topic->name, MB_OFFSETS_TOPIC) == 0)
        mb_groups_on_leader(cluster->groups, partition->index, partition->leader, now);
    if (cluster->transactions && strcmp(partition->topic->name, MB_TRANSACTIONS_TOPIC) == 0)
        mb_txns_on_leader(cluster->transactions, partition->index, partition->leader, now);
}

static void no_leader(struct mb_partition *partition, int64_t now)
{
    if (partition->leader < 0)
        return;
    if (mb_elr_on(partition->cluster) && mb_partition_isr_count(partition) == 0)
        partition->last_known_leader = partition->leader;
    partition->leader = -1;
    partition->leader_epoch++;
    mb_elr_settle(partition);
    mb_partition_fail_waiters(partition, KCI_NOT_LEADER_OR_FOLLOWER, now);
    mb_controller_changed(partition->cluster);
    tell_coordinator(partition, now);
}

void mb_controller_lead(struct mb_partition *partition, struct mb_replica *replica, int64_t now)
{
    struct mb_cluster *cluster = partition->cluster;
    bool first = partition->leader_epoch < 0, unclean = !replica->in_isr && !replica->eligible;
    partition->leader = replica->broker;
    partition->leader_epoch += cluster->options.plant != MB_PLANT_SAME_EPOCH || partition->leader_epoch < 0;
    partition->epoch_start = replica->log.end_offset;
    if (!mb_log_epoch_begin(&replica->log, partition->leader_epoch, partition->epoch_start))
        kci_log(&cluster->logger, KCI_LOG_ERROR, "controller", "out of memory: %s-%d forgets where epoch %d began",
                partition->topic->name, partition->index, partition->leader_epoch);
    replica->in_isr = true;
    replica->eligible = false;
    replica->failed = false;
    replica->synced_epoch = partition->leader_epoch;
    for (int32_t i = 0; i < partition->replica_count; i++) {
        struct mb_replica *other = &partition->replicas[i];
        other->caught_up_at = now;
        if (other == replica)
            continue;
        other->synced_epoch = -1;
        if (unclean || (other->in_isr && !mb_cluster_is_running(cluster, other->broker)))
            mb_elr_leave(other);
        other->eligible = other->eligible && !unclean && !first;
    }
    mb_elr_settle(partition);
    kci_log(&cluster->logger, KCI_LOG_DEBUG, "controller", "broker %d leads %s-%d from offset %lld in epoch %d%s",
            replica->broker, partition->topic->name, partition->index, (long long)partition->epoch_start,
            partition->leader_epoch, unclean ? " (unclean)" : "");
    mb_partition_fail_waiters(partition, KCI_NOT_LEADER_OR_FOLLOWER, now);
    mb_replication_kick(partition, now);
    mb_controller_changed(cluster);
    tell_coordinator(partition, now);
}

void mb_controller_elect(struct mb_partition *partition, int64_t now)
{
    struct mb_cluster *cluster = partition->cluster;
    struct mb_replica *any = NULL, *next = NULL, *leader = mb_partition_leader(partition);
    if (leader && mb_elr_on(cluster) && !mb_cluster_is_running(cluster, leader->broker))
        mb_elr_leave(leader); /* also when it is the last one */
    for (int32_t i = 0; !next && i < partition->replica_count; i++) {
        struct mb_replica *replica = &partition->replicas[i];
        if (!mb_cluster_is_running(cluster, replica->broker))
            continue;
        next = replica->in_isr ? replica : NULL;
        any = any ? any : replica;
    }
    if (!next)
        next = mb_elr_choose(partition);
    if (!next && partition->topic->config.unclean)
        next = any;
    if (next)
        mb_controller_lead(partition, next, now);
    else
        no_leader(partition, now);
}

static bool leave_isr(struct mb_replica *replica)
{
    struct mb_partition *partition = replica->partition;
    if (!replica->in_isr || mb_partition_isr_count(partition) == 1) /* the last one keeps the data */
        return false;
    mb_elr_leave(replica);
    kci_log(&partition->cluster->logger, KCI_LOG_INFO, "controller", "broker %d leaves the ISR of %s-%d",
            replica->broker, partition->topic->name, partition->index);
    return true;
}

static void has_shrunk(struct mb_partition *partition, int64_t now)
{
    mb_elr_settle(partition);
    mb_controller_changed(partition->cluster);
    mb_partition_advance(partition, now);
}

void mb_controller_shrink(struct mb_replica *replica, int64_t now)
{
    if (leave_isr(replica))
        has_shrunk(replica->partition, now);
}

void mb_controller_shrink_all(struct mb_partition *partition, bool (*leaves)(const struct mb_replica *, int64_t now),
                              int64_t now)
{
    bool any = false;
    for (int32_t i = 0; i < partition->replica_count; i++)
        if (leaves(&partition->replicas[i], now))
            any |= leave_isr(&partition->replicas[i]);
    if (any)
        has_shrunk(partition, now);
}

void mb_controller_expand(struct mb_replica *replica, int64_t now)
{
    replica->in_isr = true;
    replica->eligible = false;
    mb_elr_settle(replica->partition);
    kci_log(&replica->partition->cluster->logger, KCI_LOG_INFO, "controller", "broker %d joins the ISR of %s-%d",
            replica->broker, replica->partition->topic->name, replica->partition->index);
    mb_controller_changed(replica->partition->cluster);
    mb_reassign_look(replica->partition, now);
}

/* ---- brokers come and go
 * --------------------------------------------------------------------------------------------- */

void mb_controller_choose(struct mb_cluster *cluster)
{
    if (mb_cluster_is_running(cluster, cluster->controller))
        return;
    cluster->controller = -1;
    for (int32_t i = 0; i < cluster->broker_count && cluster->controller < 0; i++)
        if (cluster->brokers[i]->running)
            cluster->controller = cluster->brokers[i]->id;
    cluster->controller_epoch++;
    kci_log(&cluster->logger, KCI_LOG_INFO, "controller", "broker %d is the controller, in epoch %d",
            cluster->controller, cluster->controller_epoch);
    mb_controller_changed(cluster);
}

/* The broker is fenced: it leaves every ISR that has another member, or that may be empty, and leads nothing any more. */
void mb_controller_leave(struct mb_cluster *cluster, int32_t broker, int64_t now)
{
    struct mb_topic *topic;
    for (size_t at = 0; (topic = mb_topic_next(cluster, &at)) != NULL;)
        for (int32_t i = 0; i < topic->partition_count; i++) {
            struct mb_partition *partition = topic->partitions[i];
            struct mb_replica *replica = mb_partition_replica(partition, broker);
            if (!replica)
                continue;
            mb_alarm_stop(cluster, &replica->fetch);
            bool alone = mb_partition_isr_count(partition) == 1;
            if (partition->leader == broker) {
                mb_controller_elect(partition, now); /* the ISR shrinks with it: this broker does not run any more */
            } else if (replica->in_isr && !alone) {
                mb_controller_shrink(replica, now);
            }
        }
    mb_controller_choose(cluster);
}

int16_t mb_cluster_broker_stop(struct mb_cluster *cluster, int32_t id, bool clean, int64_t now)
{
    struct mb_broker *broker = mb_cluster_broker(cluster, id);
    if (!broker)
        return KCI_BROKER_ID_NOT_REGISTERED;
    if (!broker->running && !broker->paused)
        return KCI_NONE;
    cluster->now = now;
    kci_log(&cluster->logger, KCI_LOG_INFO, "controller", "broker %d %s", id, clean ? "stops" : "is killed");
    mb_pause_forget(broker);
    broker->running = false;
    broker->killed = !clean;
    if (!clean) {
        mb_controller_changed(cluster);
        mb_connections_close_broker(cluster, id, now);
    }
    mb_controller_leave(cluster, id, now);
    if (!clean && cluster->faults)
        mb_fault_lose_tails(cluster, id);
    if (clean) {
        mb_fetch_wait_run(cluster, now);
        mb_connections_flush(cluster, now);
        mb_connections_close_broker(cluster, id, now);
    }
    if (cluster->options.listener)
        cluster->options.listener(cluster->options.listener_context, id, false);
    return KCI_NONE;
}

void mb_controller_join(struct mb_cluster *cluster, int32_t broker, int64_t now)
{
    struct mb_topic *topic;
    mb_controller_choose(cluster);
    mb_elr_distrust(mb_cluster_broker(cluster, broker));
    for (size_t at = 0; (topic = mb_topic_next(cluster, &at)) != NULL;)
        for (int32_t i = 0; i < topic->partition_count; i++) {
            struct mb_replica *replica = mb_partition_replica(topic->partitions[i], broker);
            if (!replica)
                continue;
            replica->synced_epoch = -1;
            if (topic->partitions[i]->leader < 0)
                mb_controller_elect(topic->partitions[i], now);
            else
                mb_replication_kick(topic->partitions[i], now);
        }
}

int16_t mb_cluster_broker_start(struct mb_cluster *cluster, int32_t id, int64_t now)
{
    struct mb_broker *broker = mb_cluster_broker(cluster, id);
    if (!broker)
        return KCI_BROKER_ID_NOT_REGISTERED;
    if (broker->running && !broker->paused)
        return KCI_NONE;
    cluster->now = now;
    if (broker->paused)
        return mb_cluster_broker_resume(cluster, id, now);
    kci_log(&cluster->logger, KCI_LOG_INFO, "controller", "broker %d starts", id);
    broker->running = true;
    broker->accepting_at = 0;
    broker->unregistered = false;
    mb_controller_join(cluster, id, now);
    if (cluster->options.listener)
        cluster->options.listener(cluster->options.listener_context, id, true);
    return KCI_NONE;
}

int16_t mb_cluster_move_leader(struct mb_cluster *cluster, struct kci_str name, int32_t index, int32_t broker,
                               int64_t now)
{
    struct mb_topic *topic = mb_topic_find(cluster, name);
    struct mb_partition *partition = topic ? mb_topic_partition(topic, index) : NULL;
    struct mb_replica *replica = partition ? mb_partition_replica(partition, broker) : NULL;
    if (!partition)
        return KCI_UNKNOWN_TOPIC_OR_PARTITION;
    if (!replica)
        return KCI_INVALID_REPLICA_ASSIGNMENT;
    if (partition->leader == broker)
        return KCI_ELECTION_NOT_NEEDED;
    if (!mb_cluster_is_running(cluster, broker) || !replica->in_isr)
        return KCI_ELIGIBLE_LEADERS_NOT_AVAILABLE;
    cluster->now = now;
    mb_controller_lead(partition, replica, now);
    return KCI_NONE;
}
