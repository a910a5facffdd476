/* The watchdog.  Every lookup, fetch and join has its own retries and time-outs, so in principle nothing can stand
 * still. This is for what principles overlook: it asks of each partition and of the membership when it was last well,
 * and if that is too long ago, it tears down what might be wrong, then says so.
 *
 *      not well for request.timeout.ms and fetch.max.wait.ms
 *                           heal: new metadata, a new fetch session, the leader instead of a replica, the coordinator
 *                           looked for again; once more each time that so much time is over
 *      for twice as long    report: a notice STALLED, and its end as RECOVERED
 *
 * Well is: fetching with answers; paused, or with a full queue (it is the application's turn); failed (poll says it).
 * A topic that is subscribed to and is not there (any more) is nobody's partition, and no less a reason for silence: it
 * is reported after that time, too; errors that poll tells are not told twice.
 *
 * The membership is well where it may stay: it is the application's turn, or stable with a known coordinator; joining
 * may take as long as max.poll.interval.ms more, since it waits for the slowest member. */
#include "consumer/watchdog.h"
#include "consumer/internal.h"
#include "consumer/notice.h"

#define LOOKS_PER_LIMIT 6 /* of the time after which something is not well: about every five seconds */

static const struct kci_fetch_node *node_of(const struct kci_consumer *c, const struct kci_assigned *a)
{
    int32_t epoch, id = a->preferred >= 0 ? a->preferred : kci_consumer_leader(a->topic, a->partition, &epoch);
    KCI_LIST_EACH(link, &c->fetcher.nodes)
    {
        const struct kci_fetch_node *node = KCI_CONTAINER(link, struct kci_fetch_node, link);
        if (node->node == id)
            return node;
    }
    return NULL;
}

static bool is_well(const struct kci_consumer *c, const struct kci_assigned *a, int64_t limit, int64_t now)
{
    if (a->paused || a->revoking || a->state == KCI_POSITION_FAILED)
        return true;
    if (a->queued_bytes + a->judging_bytes > 0) /* the application's turn, or ours in a moment */
        return true;
    if (a->state != KCI_POSITION_READY || a->attempts)
        return false;
    const struct kci_fetch_node *node = node_of(c, a);
    return node && now - node->answered_at < limit;
}

/* Begin anew with everything that this partition depends on. */
static void heal(struct kci_consumer *c, struct kci_assigned *a, int64_t now)
{
    struct kci_fetch_node *node = (struct kci_fetch_node *)node_of(c, a);
    kci_log(&c->logger, KCI_LOG_INFO, "watchdog", "%s [%d] is %s without progress: looking for everything anew",
            a->topic->name.data, (int)a->partition, kci_states_name(&kci_position_states, a->state));
    kci_cluster_refresh(c->cluster, "a partition makes no progress", now);
    a->preferred = -1;
    if (a->state == KCI_POSITION_COMMITTED)
        kci_group_coordinator_failed(c, "committed offsets do not come", now);
    if (c->requests == 0) /* nothing is under way, whatever the partition thinks */
        a->asked = false;
    if (node && !node->in_flight)
        kci_fetch_session_reset(&node->session);
}

/* Why nothing comes, as far as it is known here; `text` is room for it. */
static const char *cause(const struct kci_consumer *c, const struct kci_assigned *a, char *text, size_t size)
{
    int32_t epoch;
    if (a->state == KCI_POSITION_COMMITTED && c->group.coordinator_used && c->group.coordinator.node == KCI_NODE_NONE)
        return "the group's coordinator is not found";
    if (kci_consumer_leader(a->topic, a->partition, &epoch) == KCI_NODE_NONE || a->topic->error != KCI_NONE) {
        kci_consumer_no_leader(a->topic, a->partition, text, size);
        return text;
    }
    if (a->state == KCI_POSITION_READY && c->fetcher.alone.state == KCI_ALONE_WAITS)
        return "a large batch waits for all other records to be released";
    if (a->state == KCI_POSITION_READY && atomic_load(&c->shared->used) >= c->shared->limit / 2)
        return "fetch.memory.max is held by records that were not released";
    return "the broker does not answer";
}

static const char *state_of(const struct kci_assigned *a)
{
    return kci_states_name(&kci_position_states, a->state);
}

static void look_at(struct kci_consumer *c, struct kci_assigned *a, int64_t limit, int64_t now)
{
    if (a->well_at < a->since) /* a change of the state is progress */
        a->well_at = a->since;
    if (is_well(c, a, limit, now)) {
        if (a->stalled)
            kci_notice_stall(c, a->topic, a->partition, state_of(a), true, now - a->well_at,
                             "%s [%d] makes progress again", a->topic->name.data, (int)a->partition);
        a->stalled = false;
        a->healed_at = 0;
        a->well_at = now;
        return;
    }
    int64_t for_us = now - a->well_at;
    if (for_us >= limit && now - a->healed_at >= limit) {
        a->healed_at = now;
        heal(c, a, now);
    }
    if (for_us >= 2 * limit && !a->stalled) {
        char why[160];
        a->stalled = true;
        kci_cluster_explain(c->cluster, c->why, sizeof c->why, now);
        kci_notice_stall(c, a->topic, a->partition, state_of(a), false, for_us,
                         "%s [%d] has made no progress for %d s, it is %s: %s. %.150s", a->topic->name.data,
                         (int)a->partition, (int)(for_us / 1000000), state_of(a), cause(c, a, why, sizeof why), c->why);
    }
}

static void look_at_topic(struct kci_consumer *c, struct kci_consumer_topic *topic, int64_t limit, int64_t now)
{
    bool by_name = topic->subscribed && !c->subscription.pattern; /* what a pattern matched may go */
    bool told = topic->error == KCI_TOPIC_AUTHORIZATION_FAILED || topic->error == KCI_INVALID_TOPIC_EXCEPTION;
    bool wrong = by_name && topic->known && topic->error != KCI_NONE && !told;
    if (wrong && topic->wrong_since == 0)
        topic->wrong_since = now;
    int64_t for_us = topic->wrong_since ? now - topic->wrong_since : 0;
    if (wrong && for_us >= 2 * limit && topic->stalled == KCI_NONE) {
        topic->stalled = topic->error;
        kci_notice_stall(c, topic, -1, kci_error_name(topic->stalled), false, for_us,
                         "nothing can be read of topic \"%s\", which is subscribed to: %s", topic->name.data,
                         kci_error_text(topic->error));
    } else if (!wrong) {
        if (topic->stalled != KCI_NONE && by_name)
            kci_notice_stall(c, topic, -1, kci_error_name(topic->stalled), true, for_us, "topic \"%s\" is there",
                             topic->name.data);
        topic->stalled = KCI_NONE;
        topic->wrong_since = 0;
    }
}

/* Where the membership waits for brokers or for other members. */
static bool is_under_way(int state)
{
    return state == KCI_GROUP_PREPARING || state == KCI_GROUP_JOINING || state == KCI_GROUP_LEADING ||
           state == KCI_GROUP_SYNCING || state == KCI_GROUP_ACKNOWLEDGING;
}

static void look_at_group(struct kci_consumer *c, int64_t limit, int64_t now)
{
    struct kci_watchdog *w = &c->watchdog;
    struct kci_group *g = &c->group;
    const char *state = kci_states_name(g->states, g->state);
    int64_t patience = (int64_t)c->settings->max_poll_interval_ms * KCI_MS;
    bool needs = g->coordinator_used && g->state != KCI_GROUP_IDLE && g->state < KCI_GROUP_LEAVING_COMMIT;
    if (!needs || g->coordinator.node != KCI_NODE_NONE || w->coordinator_good_at == 0)
        w->coordinator_good_at = now;
    if (!needs || !is_under_way(g->state) || w->group_good_at < g->since)
        w->group_good_at = is_under_way(g->state) ? g->since : now;
    bool lost = now - w->coordinator_good_at >= 2 * limit, stuck = now - w->group_good_at >= patience + 2 * limit;
    if (lost)
        kci_cluster_refresh(c->cluster, "the coordinator is not found", now);
    if (stuck)
        kci_group_coordinator_failed(c, "the group does not come to an end of joining", now);
    if ((lost || stuck) && !w->told_group) {
        w->told_group = true;
        kci_cluster_explain(c->cluster, c->why, sizeof c->why, now);
        int64_t since = lost ? w->coordinator_good_at : w->group_good_at;
        kci_notice_stall(c, NULL, -1, state, false, now - since, "group \"%.100s\": %s for %d s. %.150s",
                         c->settings->group_id,
                         lost ? "the coordinator is not found" : "joining does not come to an end",
                         (int)((now - since) / 1000000), c->why);
    } else if (!lost && !stuck && w->told_group) {
        w->told_group = false;
        kci_notice_stall(c, NULL, -1, state, true, 0, "group \"%.100s\" goes on", c->settings->group_id);
    }
}

void kci_watchdog_step(struct kci_consumer *c, int64_t now)
{
    /* A fetch that finds nothing is answered after fetch.max.wait.ms, however long that is. */
    int64_t limit = ((int64_t)c->settings->request_timeout_ms + c->settings->fetch_max_wait_ms) * KCI_MS;
    if (c->plant == KCI_PLANT_LEADER_FORGOTTEN) /* planted defect: this would heal it */
        return;
    if (c->closing || (c->subscription.assigned_count == 0 && c->group.state == KCI_GROUP_IDLE))
        return;
    if (now >= c->watchdog.due) {
        c->watchdog.due = now + limit / LOOKS_PER_LIMIT + 1;
        KCI_LIST_EACH(link, &c->subscription.assigned)
        look_at(c, KCI_CONTAINER(link, struct kci_assigned, link), limit, now);
        KCI_LIST_EACH(link, &c->subscription.topics)
        look_at_topic(c, KCI_CONTAINER(link, struct kci_consumer_topic, link), limit, now);
        look_at_group(c, limit, now);
    }
    kci_consumer_at(c, c->watchdog.due);
}
