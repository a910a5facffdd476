/* A paused broker: its connections stay open and are not read, its answers stay where they are, as after SIGSTOP or
 * when its machine stalls.
 *
 *      running --pause--> paused --broker.session.timeout.ms--> paused and fenced --resume--> running again
 *                            `----------------resume---------------------^          (as a follower, at first)
 *
 * Until the controller fences it, it leads what it led, and nobody is served; it neither copies nor is copied from.
 * Then it leaves the ISRs and others lead.  What the kernel would have kept meanwhile (requests, half-sent answers)
 * goes on when it is resumed, by a broker that first has to notice what it missed.
 *
 * What is left out: the timers of groups that a paused broker coordinates go on, as they do for a process that finds
 * all of them due when it is resumed. */
#include "mockbroker/core/connection.h"

static void kick_all(struct mb_cluster *cluster, int32_t broker, int64_t now)
{
    struct mb_topic *topic;
    for (size_t at = 0; (topic = mb_topic_next(cluster, &at)) != NULL;)
        for (int32_t i = 0; i < topic->partition_count; i++)
            if (mb_partition_replica(topic->partitions[i], broker))
                mb_replication_kick(topic->partitions[i], now);
}

static void fence_fires(void *owner, int64_t now)
{
    struct mb_broker *broker = owner;
    kci_log(&broker->cluster->logger, KCI_LOG_INFO, "controller", "broker %d is fenced: it was silent for its session",
            broker->id);
    broker->running = false;
    mb_controller_leave(broker->cluster, broker->id, now);
}

bool mb_cluster_is_paused(const struct mb_cluster *cluster, int32_t id)
{
    const struct mb_broker *broker = mb_cluster_broker(cluster, id);
    return broker && broker->paused;
}

int16_t mb_cluster_broker_pause(struct mb_cluster *cluster, int32_t id, int64_t now)
{
    struct mb_broker *broker = mb_cluster_broker(cluster, id);
    if (!broker)
        return KCI_BROKER_ID_NOT_REGISTERED;
    if (broker->paused)
        return KCI_NONE;
    if (!broker->running)
        return KCI_BROKER_NOT_AVAILABLE;
    cluster->now = now;
    kci_log(&cluster->logger, KCI_LOG_INFO, "controller", "broker %d is paused", id);
    mb_connections_flush(cluster, now); /* what was answered before is on its way */
    broker->paused = true;
    broker->fence.fire = fence_fires;
    broker->fence.owner = broker;
    mb_alarm_set(cluster, &broker->fence, now + mb_cluster_property(cluster, "broker.session.timeout.ms") * 1000);
    return KCI_NONE;
}

int16_t mb_cluster_broker_resume(struct mb_cluster *cluster, int32_t id, int64_t now)
{
    struct mb_broker *broker = mb_cluster_broker(cluster, id);
    if (!broker)
        return KCI_BROKER_ID_NOT_REGISTERED;
    if (!broker->paused)
        return broker->running ? KCI_NONE : KCI_BROKER_NOT_AVAILABLE;
    cluster->now = now;
    kci_log(&cluster->logger, KCI_LOG_INFO, "controller", "broker %d is resumed", id);
    mb_pause_forget(broker);
    if (broker->running) {
        kick_all(cluster, id, now);
    } else {
        broker->running = true;
        broker->unregistered = false;
        mb_controller_join(cluster, id, now);
    }
    mb_connections_resume(cluster, id);
    return KCI_NONE;
}

void mb_pause_forget(struct mb_broker *broker)
{
    broker->paused = false;
    mb_alarm_stop(broker->cluster, &broker->fence);
}
