/* What a member keeps an eye on between rebalances.
 *
 *   the leader of a classic group   partitions that come, replicas that move to other racks, transfers that do not end:
 *                                   each wants a rebalance, and nobody else would begin it
 *   every member                    its own application, which has to poll
 *
 * Left to others: the coordinator, which heartbeats watch (group_heartbeat.c, group_modern_beat.c). */
#include "consumer/internal.h"
#include "consumer/lead.h"
#include "consumer/notice.h"

#define LATE_PERCENT 80 /* of max.poll.interval.ms without a poll: time to say something */

/* The leader answers for all: more partitions of any topic of the group mean a new assignment. */
static void watch_partitions(struct kci_consumer *c)
{
    struct kci_group *g = &c->group;
    uint64_t generation = kci_cluster_generation(c->cluster);
    if (generation == g->watched_generation)
        return;
    g->watched_generation = generation;
    for (size_t i = 0; i < g->topic_count; i++) {
        const struct kci_topic_info *info = g->topics[i]->info;
        if (g->topic_partitions[i] < 0 && info && info->known && info->error == KCI_NONE)
            g->topic_partitions[i] = info->partition_count;
        if (info && info->known && info->error == KCI_NONE && info->partition_count != g->topic_partitions[i]) {
            kci_log(&c->logger, KCI_LOG_INFO, "group", "topic \"%s\" has %d partitions now", info->name,
                    (int)info->partition_count);
            kci_group_want_rejoin(c, "the number of partitions changed");
        } else if (g->topic_racks[i] && info && info->known && g->topic_racks[i] != kci_lead_racks_digest(c, info)) {
            kci_log(&c->logger, KCI_LOG_INFO, "group", "replicas of topic \"%s\" run in other racks now", info->name);
            kci_group_want_rejoin(c, "replicas run in other racks");
        }
    }
}

/* Cooperative: what a member gives up gets its next owner when that member joins again.  A static one that dies in
 * between and is back within its session begins no rebalance, and the partition would be nobody's: so the leader waits
 * for as long as that takes, and begins one itself. */
static void watch_transfer(struct kci_consumer *c, int64_t now)
{
    struct kci_group *g = &c->group;
    int64_t until = g->since + (int64_t)c->settings->session_timeout_ms * KCI_MS;
    if (!g->unsettled)
        return;
    if (now < until) {
        kci_consumer_at(c, until);
        return;
    }
    g->unsettled = false;
    kci_group_want_rejoin(c, "partitions that changed hands have no owner yet");
}

void kci_group_watch_members(struct kci_consumer *c, int64_t now)
{
    watch_partitions(c);
    watch_transfer(c, now);
}

/* The application has not polled for too long: leave, so that others can go on. PROTOCOL 3.5. */
void kci_group_watch_poll(struct kci_consumer *c, int64_t now)
{
    struct kci_group *g = &c->group;
    int64_t interval = (int64_t)c->settings->max_poll_interval_ms * KCI_MS, until = c->last_poll + interval;
    int64_t warn_at = c->last_poll + interval / 100 * LATE_PERCENT;
    bool joined = g->generation >= 0 || g->state == KCI_GROUP_JOINING;
    if (!joined || (c->in_poll && !c->event_runs) || g->state >= KCI_GROUP_LEAVING_COMMIT)
        return;
    if (now < until) {
        if (now >= warn_at && c->late_poll != c->last_poll) {
            c->late_poll = c->last_poll;
            kci_notice_poll_late(c, now - c->last_poll);
        }
        kci_consumer_at(c, now < warn_at ? warn_at : until);
        return;
    }
    kci_log(&c->logger, KCI_LOG_WARN, "group",
            "no poll for max.poll.interval.ms=%d: leaving the group. Poll more often, or raise it, or lower "
            "max.poll.records",
            (int)c->settings->max_poll_interval_ms);
    if (g->modern) {
        if (g->heartbeat.in_flight)
            g->heartbeat.abandoned = true;
        if (!g->call.in_flight)
            kci_group_modern_send_leave(c, c->settings->request_timeout_ms, now);
    } else if (!c->settings->group_instance_id && !g->call.in_flight) {
        kci_group_send_leave(c, "no poll for max.poll.interval.ms", c->settings->request_timeout_ms, now);
    } else if (g->call.in_flight) {
        g->call.abandoned = true;
    }
    kci_group_reset(c, c->settings->group_instance_id != NULL, "max.poll.interval.ms is over");
    if (g->state == KCI_GROUP_JOINING)
        kci_group_enter(c, KCI_GROUP_UNJOINED, now);
}
