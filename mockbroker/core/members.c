/* Brokers that come for the first time while clients work, and brokers that go for good.
 *
 *      add --> running --decommission--> leaving --holds no replica any more--> gone
 *                                           |  it serves what it still holds, and takes nothing new
 *
 * A broker that is asked to go and holds replicas is refused, or (`move`) each of them is reassigned to the broker that holds
 * fewest, all or none.  It goes when the last reassignment is complete, by an alarm: replicas are dropped in the middle of other
 * work.  What nobody leads cannot be copied, and what would move to a broker that is down would wait for it: such a request is
 * refused with the reason.  If it comes to that afterwards, the broker stays leaving until others are started, and who asks
 * again is told what it waits for (mb_member_waits).
 *
 * Ids are given in order and never again: whoever remembers a broker that is gone does not meet another. */
#include "mockbroker/core/cluster.h"
#include "mockbroker/core/fetch_session.h"

#include <stdio.h>

static void leave_fires(void *owner, int64_t now);

struct mb_broker *mb_member_new(struct mb_cluster *cluster)
{
    struct mb_broker *broker =
        cluster->broker_count < MB_BROKERS_MAX ? kci_alloc_zero(cluster->alloc, 1, sizeof *broker) : NULL;
    if (!broker)
        return NULL;
    broker->cluster = cluster;
    broker->id = cluster->broker_count + 1;
    broker->running = true;
    snprintf(broker->host, sizeof broker->host, "broker-%d", broker->id); /* until the shell knows better */
    broker->port = (uint16_t)(9091 + broker->id);
    broker->leave.fire = leave_fires;
    broker->leave.owner = broker;
    broker->sessions = mb_fetch_sessions_new(cluster->alloc, kci_prng_next(&cluster->prng));
    if (!broker->sessions) {
        kci_alloc_free(cluster->alloc, broker);
        return NULL;
    }
    cluster->brokers[cluster->broker_count++] = broker;
    return broker;
}

static void forget_settings(struct mb_broker *broker)
{
    for (size_t i = 0; i < mb_properties_count(); i++) {
        kci_alloc_free(broker->cluster->alloc, broker->dynamic[i]);
        broker->dynamic[i] = NULL;
    }
}

void mb_member_free(struct mb_broker *broker)
{
    mb_alarm_stop(broker->cluster, &broker->fence);
    mb_alarm_stop(broker->cluster, &broker->leave);
    mb_fetch_sessions_free(broker->sessions);
    forget_settings(broker);
    kci_alloc_free(broker->cluster->alloc, broker);
}

int32_t mb_member_homes(const struct mb_cluster *cluster, int32_t homes[MB_BROKERS_MAX])
{
    int32_t count = 0;
    for (int32_t i = 0; i < cluster->broker_count; i++)
        if (!cluster->brokers[i]->gone && !cluster->brokers[i]->leaving)
            homes[count++] = cluster->brokers[i]->id;
    return count;
}

int16_t mb_cluster_broker_add(struct mb_cluster *cluster, int32_t *id, int64_t now)
{
    cluster->now = now;
    if (cluster->broker_count == MB_BROKERS_MAX)
        return KCI_POLICY_VIOLATION;
    struct mb_broker *broker = mb_member_new(cluster);
    if (!broker)
        return KCI_UNKNOWN_SERVER_ERROR;
    *id = broker->id;
    kci_log(&cluster->logger, KCI_LOG_INFO, "controller", "broker %d is added", broker->id);
    mb_controller_join(cluster, broker->id, now);
    mb_controller_changed(cluster);
    if (cluster->options.listener)
        cluster->options.listener(cluster->options.listener_context, broker->id, true);
    return KCI_NONE;
}

/* ---- going ---- */

static int32_t count_held(const struct mb_cluster *cluster, int32_t broker)
{
    struct mb_topic *topic;
    int32_t held = 0;
    for (size_t at = 0; (topic = mb_topic_next(cluster, &at)) != NULL;)
        for (int32_t i = 0; i < topic->partition_count; i++)
            held += mb_partition_replica(topic->partitions[i], broker) != NULL;
    return held;
}

static void leave_fires(void *owner, int64_t now)
{
    struct mb_broker *broker = owner;
    struct mb_cluster *cluster = broker->cluster;
    int32_t id = broker->id;
    if (count_held(cluster, id))
        return;
    mb_cluster_broker_stop(cluster, id, true, now);
    kci_log(&cluster->logger, KCI_LOG_INFO, "controller", "broker %d is decommissioned", id);
    forget_settings(broker);
    broker->leaving = false;
    broker->gone = broker->unregistered = true;
    mb_controller_changed(cluster);
}

void mb_member_look(struct mb_cluster *cluster, int32_t id)
{
    struct mb_broker *broker = mb_cluster_broker(cluster, id);
    if (broker && broker->leaving)
        mb_alarm_set(cluster, &broker->leave, cluster->now);
}

/* What each broker holds, or is to hold; by id. */
static void count_loads(const struct mb_cluster *cluster, int32_t loads[MB_BROKERS_MAX + 1])
{
    struct mb_topic *topic;
    for (size_t at = 0; (topic = mb_topic_next(cluster, &at)) != NULL;)
        for (int32_t i = 0; i < topic->partition_count; i++)
            for (int32_t k = 0; k < topic->partitions[i]->replica_count; k++)
                loads[topic->partitions[i]->replicas[k].broker]++;
}

/* The broker to hold the partition instead of `leaver`: one that runs, if there is, and holds least. 0: there is none. */
static int32_t replacement(const struct mb_partition *partition, int32_t leaver, const int32_t *loads)
{
    const struct mb_cluster *cluster = partition->cluster;
    int32_t homes[MB_BROKERS_MAX], count = mb_member_homes(cluster, homes), best = 0;
    for (int32_t i = 0; i < count; i++) {
        bool runs = mb_cluster_is_running(cluster, homes[i]), best_runs = mb_cluster_is_running(cluster, best);
        if (homes[i] == leaver || mb_partition_replica(partition, homes[i]))
            continue;
        if (!best || (runs && !best_runs) || (runs == best_runs && loads[homes[i]] < loads[best]))
            best = homes[i];
    }
    return best;
}

static int16_t refuse(char *text, size_t text_size, int16_t error, const struct mb_partition *partition,
                      const char *why)
{
    snprintf(text, text_size, "%s-%d %s", partition->topic->name, partition->index, why);
    return error;
}

/* Who has to be started so that somebody leads the partition: who is in sync, or else eligible, or else led last. */
static int32_t keeper(const struct mb_partition *partition)
{
    int32_t eligible = partition->last_known_leader ? partition->last_known_leader : partition->replicas[0].broker;
    for (int32_t i = 0; i < partition->replica_count; i++) {
        if (partition->replicas[i].in_isr)
            return partition->replicas[i].broker;
        if (partition->replicas[i].eligible)
            eligible = partition->replicas[i].broker;
    }
    return eligible;
}

/* A reason why the partition cannot move to the broker now: nobody leads it, or the broker is down. */
static int16_t check_move(const struct mb_partition *partition, int32_t to, char *text, size_t text_size)
{
    if (!mb_partition_leader(partition)) {
        snprintf(text, text_size, "%s-%d cannot be copied, nobody leads it: start broker %d, which has its records",
                 partition->topic->name, partition->index, keeper(partition));
        return KCI_LEADER_NOT_AVAILABLE;
    }
    if (!mb_cluster_is_running(partition->cluster, to)) {
        snprintf(text, text_size, "%s-%d waits for broker %d, which is to hold it and does not run: start it",
                 partition->topic->name, partition->index, to);
        return KCI_BROKER_NOT_AVAILABLE;
    }
    return KCI_NONE;
}

static bool is_target(const struct mb_partition *partition, int32_t broker)
{
    for (int32_t i = 0; i < partition->target_count; i++)
        if (partition->target[i] == broker)
            return true;
    return false;
}

/* Let others hold what the broker holds of a partition; `dry`: say only whether that is possible. */
static int16_t move_away(struct mb_partition *partition, int32_t leaver, int32_t *loads, bool dry, char *text,
                         size_t text_size, int64_t now)
{
    int32_t brokers[MB_BROKERS_MAX], to;
    if (!mb_partition_replica(partition, leaver) || (partition->target && !is_target(partition, leaver)))
        return KCI_NONE; /* is on its way already: mb_member_waits() tells of that */
    if (partition->target)
        return refuse(text, text_size, KCI_REASSIGNMENT_IN_PROGRESS, partition,
                      "is being reassigned to this broker: let that end, or cancel it");
    to = replacement(partition, leaver, loads);
    if (!to)
        return refuse(text, text_size, KCI_INVALID_REPLICATION_FACTOR, partition,
                      "has a replica on each broker that stays: add a broker, or reassign it to fewer");
    if (dry)
        return check_move(partition, to, text, text_size);
    for (int32_t i = 0; i < partition->replica_count; i++)
        brokers[i] = partition->replicas[i].broker == leaver ? to : partition->replicas[i].broker;
    loads[to]++;
    return mb_reassign_begin(partition, brokers, partition->replica_count, text, text_size, now);
}

static int16_t move_all(struct mb_cluster *cluster, int32_t leaver, bool dry, char *text, size_t text_size, int64_t now)
{
    int32_t loads[MB_BROKERS_MAX + 1] = { 0 };
    int16_t error = KCI_NONE;
    struct mb_topic *topic;
    count_loads(cluster, loads);
    for (size_t at = 0; !error && (topic = mb_topic_next(cluster, &at)) != NULL;)
        for (int32_t i = 0; !error && i < topic->partition_count; i++)
            error = move_away(topic->partitions[i], leaver, loads, dry, text, text_size, now);
    return error;
}

/* What is on its way from the leaver, and does not get on. */
static int16_t check_under_way(const struct mb_partition *partition, int32_t leaver, char *text, size_t text_size)
{
    int16_t error = KCI_NONE;
    if (!partition->target || !mb_partition_replica(partition, leaver) || is_target(partition, leaver))
        return KCI_NONE;
    for (int32_t i = 0; !error && i < partition->target_count; i++)
        if (partition->replicas[i].adding) /* the replicas begin with the target */
            error = check_move(partition, partition->target[i], text, text_size);
    return error;
}

int16_t mb_member_waits(const struct mb_cluster *cluster, int32_t id, int32_t *held, char *text, size_t text_size)
{
    int16_t error = KCI_NONE;
    struct mb_topic *topic;
    for (size_t at = 0; !error && (topic = mb_topic_next(cluster, &at)) != NULL;)
        for (int32_t i = 0; !error && i < topic->partition_count; i++)
            error = check_under_way(topic->partitions[i], id, text, text_size);
    *held = count_held(cluster, id);
    return error;
}

int16_t mb_cluster_broker_decommission(struct mb_cluster *cluster, int32_t id, bool move, int32_t *moving, char *text,
                                       size_t text_size, int64_t now)
{
    struct mb_broker *broker = mb_cluster_broker(cluster, id);
    int32_t homes[MB_BROKERS_MAX], left = 0, held = broker ? count_held(cluster, id) : 0;
    int32_t count = mb_member_homes(cluster, homes);
    int16_t error = KCI_NONE;
    *moving = held;
    cluster->now = now;
    for (int32_t i = 0; i < count; i++)
        left += homes[i] != id;
    if (!broker) {
        snprintf(text, text_size, "there is no broker %d", id);
        return KCI_BROKER_ID_NOT_REGISTERED;
    }
    if (!left) {
        snprintf(text, text_size, "broker %d is the last one", id);
        return KCI_POLICY_VIOLATION;
    }
    if (held && !move && !broker->leaving) {
        snprintf(text, text_size, "broker %d holds %d replicas: reassign them first, or ask for them to be moved", id,
                 held);
        return KCI_POLICY_VIOLATION;
    }
    if (broker->leaving)
        error = mb_member_waits(cluster, id, &held, text, text_size);
    if (!error && move)
        error = move_all(cluster, id, true, text, text_size, now);
    if (error)
        return error;
    broker->leaving = true;
    mb_controller_changed(cluster);
    if (move) /* what memory runs out for stays, and is moved when this is asked for again */
        error = move_all(cluster, id, false, text, text_size, now);
    mb_member_look(cluster, id);
    return error;
}
