/* Membership in a group: the classic protocol, and what it shares with that of KIP-848 (group_modern.c).
 *
 *   IDLE --subscribe--> UNJOINED --poll--> [PREPARING] --> [REVOKING] --> JOINING --> [LEADING] --> SYNCING --.
 *                        ^  ^             auto commit     on_revoked,      ^  ^         the leader           |
 *                        |  |                             on_lost          |  |                              |
 *                        |  |                                              |  '-- retriable errors, ---------|
 *                        |  |                                              |      a new rebalance            |
 *                        |  '------- refused, membership lost -------------'---------------------------------|
 *                        |                                                                                   v
 *                        '---- rejoin wanted, membership lost ---- STABLE <-- ASSIGNING <-- [YIELDING] <-----'
 *                                                                            on_assigned    on_revoked
 *
 *   any --unsubscribe, close--> LEAVING_COMMIT --> LEAVING_REVOKE --> LEAVING_SEND --> IDLE          any --fenced--> FAILED
 *
 * Two threads share the work.  What only waits for brokers goes on by itself on the I/O thread: heartbeats, join, sync.
 * What the application must see happens inside its poll, in Java's order: nothing is revoked while it works on records,
 * the automatic commit claims only what earlier polls returned, on_revoked runs before we join, on_assigned after the
 * assignment is visible and always, even if it is empty.  Meanwhile heartbeats keep the membership alive;
 * max.poll.interval.ms bounds how long.
 *
 * Eager: all partitions are marked when a join begins, on_revoked gives them back, and the assignment begins anew.
 * Cooperative (all our assignors are, KIP-429): before the join go only those whose topic is not subscribed any more;
 * the rest is fetched and returned all along.  When the assignment is there, YIELDING gives back what it does not hold,
 * ASSIGNING adds what is new, and if something was given back all join once more, so that its next owner gets it.
 *
 * `generation` is -1 without membership.  `lost`: the membership ended while we owned partitions; then on_lost is
 * called instead of on_revoked, and nothing is committed. */
#include "consumer/internal.h"

#include <stdio.h>

#define TO(state) (1u << KCI_GROUP_##state)
#define LEAVE     (TO(LEAVING_COMMIT) | TO(FAILED))

static bool no_member(const void *x)
{
    return ((const struct kci_group *)x)->generation < 0;
}

static bool is_member(const void *x)
{
    const struct kci_group *g = x;
    return g->generation >= 0 && g->member_id;
}

static bool is_leader(const void *x)
{
    return is_member(x) && ((const struct kci_group *)x)->leader;
}

const struct kci_state_table kci_group_states = {
    "group",
    KCI_GROUP_COUNT,
    {
        [KCI_GROUP_IDLE] = { "IDLE", TO(IDLE) | TO(UNJOINED) | LEAVE, no_member },
        [KCI_GROUP_UNJOINED] = { "UNJOINED", TO(UNJOINED) | TO(PREPARING) | TO(REVOKING) | TO(JOINING) | LEAVE, NULL },
        [KCI_GROUP_PREPARING] = { "PREPARING", TO(REVOKING) | TO(JOINING) | TO(UNJOINED) | LEAVE, NULL },
        [KCI_GROUP_REVOKING] = { "REVOKING", TO(JOINING) | TO(UNJOINED) | LEAVE, NULL },
        [KCI_GROUP_JOINING] = { "JOINING", TO(JOINING) | TO(LEADING) | TO(SYNCING) | TO(UNJOINED) | LEAVE, NULL },
        [KCI_GROUP_LEADING] = { "LEADING", TO(SYNCING) | TO(JOINING) | TO(UNJOINED) | LEAVE, is_leader },
        [KCI_GROUP_SYNCING] = { "SYNCING", TO(YIELDING) | TO(ASSIGNING) | TO(JOINING) | TO(UNJOINED) | LEAVE,
                                is_member },
        [KCI_GROUP_YIELDING] = { "YIELDING", TO(ASSIGNING) | TO(UNJOINED) | LEAVE, is_member },
        [KCI_GROUP_ASSIGNING] = { "ASSIGNING", TO(STABLE) | TO(UNJOINED) | LEAVE, is_member },
        [KCI_GROUP_STABLE] = { "STABLE", TO(UNJOINED) | LEAVE, NULL },
        [KCI_GROUP_LEAVING_COMMIT] = { "LEAVING_COMMIT", TO(LEAVING_REVOKE), NULL },
        [KCI_GROUP_LEAVING_REVOKE] = { "LEAVING_REVOKE", TO(LEAVING_SEND), NULL },
        [KCI_GROUP_LEAVING_SEND] = { "LEAVING_SEND", TO(IDLE), NULL },
        [KCI_GROUP_FAILED] = { "FAILED", LEAVE, NULL },
    },
};

void kci_group_init(struct kci_consumer *c)
{
    struct kci_group *g = &c->group;
    *g = (struct kci_group){ .generation = -1, .previous_generation = -1, .arena = kci_arena_of(c->alloc, 256u << 20) };
    g->modern = c->settings->group_protocol_consumer;
    g->states = g->modern ? &kci_group_modern_states : &kci_group_states;
    g->call.consumer = g->heartbeat.consumer = c;
    g->call.arena = kci_arena_of(c->alloc, 256u << 20);
    g->heartbeat.arena = kci_arena_of(c->alloc, 1u << 20);
    if (c->settings->group_id) {
        kci_coordinator_init(&g->coordinator, c->cluster, 0, c->settings->group_id);
        g->coordinator_used = true;
    }
}

void kci_group_drop_topics(struct kci_consumer *c)
{
    struct kci_group *g = &c->group;
    for (size_t i = 0; i < g->topic_count; i++)
        kci_subscription_topic_done(&c->subscription, g->topics[i]);
    kci_alloc_free(c->alloc, g->topics);
    kci_alloc_free(c->alloc, g->topic_partitions);
    kci_alloc_free(c->alloc, g->topic_racks);
    g->topics = NULL;
    g->topic_partitions = NULL;
    g->topic_racks = NULL;
    g->topic_count = 0;
    g->leader = false;
}

void kci_group_destroy(struct kci_consumer *c)
{
    struct kci_group *g = &c->group;
    kci_group_drop_topics(c);
    kci_group_target_drop(c);
    kci_alloc_free(c->alloc, g->m.assignment_ids);
    kci_partition_list_free(c->alloc, &g->assignment);
    kci_partition_list_free(c->alloc, &g->previous);
    kci_alloc_free(c->alloc, g->member_id);
    kci_arena_destroy(&g->arena);
    kci_arena_destroy(&g->call.arena);
    kci_arena_destroy(&g->heartbeat.arena);
}

void kci_group_enter(struct kci_consumer *c, int state, int64_t now)
{
    struct kci_group *g = &c->group;
    if (g->state != state) {
        kci_log(&c->logger, KCI_LOG_DEBUG, "group", "%s -> %s (generation %d, %s)",
                kci_states_name(g->states, g->state), kci_states_name(g->states, state), (int)g->generation,
                g->reason ? g->reason : "");
        g->since = now;
    }
    kci_states_move(g->states, &g->state, state, g);
    c->next_at = now; /* the next state may have something to do at once */
}

/* ---- requests ---- */

static void answered(struct kci_call *call, const struct kci_reply *reply, int64_t now)
{
    struct kci_group_call *group_call = call->owner;
    struct kci_consumer *c = group_call->consumer;
    kci_consumer_lock(c);
    group_call->in_flight = false;
    if (reply->error != KC_OK && reply->error != KC_ERR_CLOSED)
        kci_tally_unanswered(c, call->api);
    if (!group_call->abandoned)
        group_call->answered(c, reply, now);
    group_call->abandoned = false;
    kci_consumer_unlock(c);
}

void kci_group_send(struct kci_consumer *c, struct kci_group_call *call, int32_t node, int16_t api, int16_t version_min,
                    int16_t version_max, const void *request, bool (*prepare)(struct kci_call *, int16_t),
                    int32_t timeout_ms, int64_t now)
{
    memset(&call->call, 0, sizeof call->call);
    call->call.api = api;
    call->call.version_min = version_min;
    call->call.version_max = version_max;
    call->call.request = request;
    call->call.prepare = prepare;
    call->call.timeout_ms = timeout_ms;
    call->call.done = answered;
    call->call.owner = call;
    call->in_flight = true;
    call->generation = c->group.generation;
    call->sent_at = now;
    kci_tally_sent(c, api);
    kci_cluster_call(c->cluster, node, &call->call, now);
}

void kci_group_cancel_abandoned(struct kci_consumer *c, int64_t now)
{
    kci_consumer_lock(c); /* the application's thread gives calls up */
    bool call = c->group.call.in_flight && c->group.call.abandoned;
    bool heartbeat = c->group.heartbeat.in_flight && c->group.heartbeat.abandoned;
    kci_consumer_unlock(c);
    if (call)
        kci_cluster_cancel(c->cluster, &c->group.call.call, now);
    if (heartbeat)
        kci_cluster_cancel(c->cluster, &c->group.heartbeat.call, now);
}

bool kci_group_take_member_id(struct kci_consumer *c, struct kci_str id)
{
    if (c->group.member_id && kci_str_equal(id, kci_str_of(c->group.member_id)))
        return true;
    char *copy = kci_alloc_new(c->alloc, id.size + 1);
    if (!copy)
        return false;
    memcpy(copy, id.data ? id.data : "", id.size);
    copy[id.size] = 0;
    kci_alloc_free(c->alloc, c->group.member_id);
    c->group.member_id = copy;
    return true;
}

/* ---- the coordinator ---- */

void kci_group_tell_refusal(struct kci_consumer *c)
{
    if (c->group.lookup_untold)
        kci_blame_raise(c, KCI_NODE_NONE, c->group.lookup_refused, "finding the coordinator of group \"%s\"",
                        c->settings->group_id);
    c->group.lookup_untold = false;
}

int32_t kci_group_coordinator_node(struct kci_consumer *c, int64_t now)
{
    struct kci_group *g = &c->group;
    if (!g->coordinator_used)
        return KCI_NODE_NONE;
    if (c->plant == KCI_PLANT_FORSAKEN && g->generation >= 0 && g->coordinator.attempts > 15) /* planted defect */
        return KCI_NODE_NONE;
    int32_t node = kci_coordinator_node(&g->coordinator, now);
    if (node == KCI_NODE_NONE) {
        int16_t error = g->coordinator.error;
        if (error != KCI_NONE && kci_error_flags(error) == 0) { /* told, and asked again: it may be granted yet */
            g->lookup_refused = error;
            g->lookup_refused_at = now;
            g->lookup_untold = true;
            if (c->subscription.by_group) /* else whoever needs it tells */
                kci_group_tell_refusal(c);
            kci_coordinator_lost(&g->coordinator, kci_error_name(error), now);
        }
        kci_consumer_at(c, kci_coordinator_deadline(&g->coordinator));
    } else {
        g->lookup_refused = KCI_NONE;
        g->lookup_untold = false;
    }
    return node;
}

void kci_group_coordinator_failed(struct kci_consumer *c, const char *why, int64_t now)
{
    if (c->group.coordinator_used)
        kci_coordinator_lost(&c->group.coordinator, why ? why : "no answer", now);
}

static bool coordinator_moved(int16_t error)
{
    return error == KCI_NOT_COORDINATOR || error == KCI_COORDINATOR_NOT_AVAILABLE || error == KCI_REQUEST_TIMED_OUT;
}

void kci_group_offset_error(struct kci_consumer *c, int16_t error, int64_t now)
{
    if (coordinator_moved(error))
        kci_group_coordinator_failed(c, kci_error_name(error), now);
    else if (error == KCI_GROUP_AUTHORIZATION_FAILED)
        kci_blame_raise(c, c->group.coordinator.broker, error, "reading the offsets of group \"%s\"",
                        c->settings->group_id);
    else if (kci_group_asked_as_another(c, error))
        c->group.heartbeat_at = c->next_at = now; /* where we stand, the heartbeat finds out */
}

bool kci_group_asked_as_another(const struct kci_consumer *c, int16_t error)
{
    return c->group.modern && (error == KCI_UNKNOWN_MEMBER_ID || error == KCI_STALE_MEMBER_EPOCH);
}

/* ---- ends of a membership ---- */

void kci_group_reset(struct kci_consumer *c, bool keep_id, const char *reason)
{
    struct kci_group *g = &c->group;
    kci_log(&c->logger, KCI_LOG_INFO, "group", "membership of %s ended: %s", kci_group_member_id(g).data, reason);
    g->generation = -1;
    g->lost = c->subscription.assigned_count > 0 || (g->state == KCI_GROUP_ASSIGNING && g->taken);
    if (!keep_id && !g->modern) {
        kci_alloc_free(c->alloc, g->member_id);
        g->member_id = NULL;
    }
    kci_group_drop_topics(c);
    kci_group_want_rejoin(c, reason);
}

void kci_group_want_rejoin(struct kci_consumer *c, const char *reason)
{
    c->group.rejoin = true;
    c->group.reason = reason;
    if (c->group.modern) /* there is no rejoining: the coordinator is asked for the target once more */
        kci_group_modern_beat_now(c);
    c->next_at = 0;
    kci_consumer_tell(c);
}

void kci_group_backoff(struct kci_consumer *c, int64_t now)
{
    c->group.not_before = kci_consumer_retry_at(c, c->group.attempts++, now);
    kci_consumer_at(c, c->group.not_before);
}

void kci_group_refused(struct kci_consumer *c, int16_t error, const char *what, int64_t now)
{
    struct kci_group *g = &c->group;
    kci_blame_raise(c, g->coordinator.broker, error, "%s group \"%s\"", what, c->settings->group_id);
    kci_group_backoff(c, now);
    g->generation = -1;
    g->rejoin = true;
    kci_group_drop_topics(c);
    kci_group_enter(c, KCI_GROUP_UNJOINED, now);
}

void kci_group_fence(struct kci_consumer *c, int64_t now)
{
    char text[KCI_WHY_BYTES];
    const char *id = c->settings->group_instance_id;
    kci_blame(c, text, sizeof text, c->group.coordinator.broker, KCI_FENCED_INSTANCE_ID,
              "group \"%s\", group.instance.id \"%s\"", c->settings->group_id, id ? id : "");
    kci_group_fail(c, KC_ERR_FENCED_INSTANCE_ID, text, now);
}

void kci_group_fail(struct kci_consumer *c, kc_err code, const char *text, int64_t now)
{
    struct kci_group *g = &c->group;
    kci_log(&c->logger, KCI_LOG_ERROR, "group", "%s", text);
    snprintf(g->text, sizeof g->text, "%s", text);
    g->error = code;
    g->generation = -1;
    g->lost = c->subscription.assigned_count > 0;
    kci_group_drop_topics(c);
    if (g->state < KCI_GROUP_LEAVING_COMMIT)
        kci_group_enter(c, KCI_GROUP_FAILED, now);
    kci_consumer_tell(c);
}

void kci_group_commit_error(struct kci_consumer *c, int16_t error, int32_t generation, int64_t now)
{
    struct kci_group *g = &c->group;
    if (coordinator_moved(error)) {
        kci_group_coordinator_failed(c, kci_error_name(error), now);
    } else if (g->modern && error == KCI_FENCED_INSTANCE_ID && g->generation >= 0) {
        kci_group_fence(c, now);
    } else if (g->modern && (error == KCI_UNKNOWN_MEMBER_ID || error == KCI_STALE_MEMBER_EPOCH)) {
        g->heartbeat_at = c->next_at = now; /* where we stand, the heartbeat finds out */
    } else if (g->modern) {
        return;
    } else if (error == KCI_REBALANCE_IN_PROGRESS) {
        bool deaf = c->plant == KCI_PLANT_DEAF;                                   /* planted defect */
        if (!deaf && g->state == KCI_GROUP_STABLE && generation == g->generation) /* else we are at it already */
            kci_group_want_rejoin(c, "a commit met a rebalance");
    } else if (error == KCI_UNKNOWN_MEMBER_ID || error == KCI_ILLEGAL_GENERATION) {
        if (generation >= 0 && generation == g->generation)
            kci_group_reset(c, error == KCI_ILLEGAL_GENERATION, "a commit was refused");
    } else if (error == KCI_FENCED_INSTANCE_ID && generation == g->generation && generation >= 0) {
        kci_group_fence(c, now);
    }
}

bool kci_group_commit_again(const struct kci_consumer *c, int16_t error)
{
    return error == KCI_STALE_MEMBER_EPOCH && c->group.modern && c->group.generation >= 0;
}

kc_err kci_group_commit_generation(struct kci_consumer *c, int32_t *generation)
{
    struct kci_group *g = &c->group;
    *generation = g->generation;
    if (!c->subscription.by_group || (c->plant == KCI_PLANT_COMMIT_AFTER_LOST && g->generation >= 0))
        return KC_OK;
    /* Nothing is committed while we join: what we own was given back already, and behind a JoinGroup that waits for
     * other members a commit could arrive after those of the next owner. */
    if (g->state == KCI_GROUP_JOINING || g->state == KCI_GROUP_LEADING || g->state == KCI_GROUP_SYNCING)
        return KC_ERR_REBALANCE_IN_PROGRESS;
    return g->generation >= 0 ? KC_OK : KC_ERR_UNKNOWN_MEMBER_ID;
}

/* ---- what the application takes part in ---- */

void kci_group_subscribed(struct kci_consumer *c, int64_t now)
{
    if (c->group.state == KCI_GROUP_IDLE)
        kci_group_enter(c, KCI_GROUP_UNJOINED, now);
    if (c->group.modern)
        kci_group_modern_subscribed(c);
    else
        kci_group_want_rejoin(c, "the subscription changed");
}

bool kci_group_wants_poll(const struct kci_consumer *c)
{
    return c->group.state == KCI_GROUP_UNJOINED || (c->group.state == KCI_GROUP_STABLE && c->group.m.target_due);
}

/* A poll has come and we want to join: first say farewell to what we own; cooperative: to what we do not want. */
static void begin_join(struct kci_consumer *c, int64_t now)
{
    struct kci_group *g = &c->group;
    g->rejoin = false;
    g->lost = g->generation < 0 && c->subscription.assigned_count > 0;
    KCI_LIST_EACH(link, &c->subscription.assigned)
    {
        struct kci_assigned *a = KCI_CONTAINER(link, struct kci_assigned, link);
        bool all = !g->cooperative && c->plant != KCI_PLANT_KEEP_REVOKED; /* or a planted defect */
        a->revoking = all || g->generation < 0 || !a->topic->subscribed;
    }
    if (g->generation < 0) {
        bool loiters = c->plant == KCI_PLANT_LOITER && g->coordinator.attempts > 2; /* planted defect */
        bool tell = c->subscription.assigned_count > 0 && !loiters;
        g->lost = g->lost && !loiters;
        kci_group_enter(c, tell ? KCI_GROUP_REVOKING : KCI_GROUP_JOINING, now);
        kci_consumer_tell(c);
        return;
    }
    if (c->settings->enable_auto_commit)
        kci_operations_auto_commit(c, false, now, now + (int64_t)c->settings->max_poll_interval_ms * KCI_MS);
    kci_group_enter(c, KCI_GROUP_PREPARING, now);
}

/* Queue on_assigned, on_revoked or on_lost with the partitions that it is about. false: out of memory. */
static bool queue_partitions(struct kci_consumer *c, int kind)
{
    bool all = kind == KCI_EVENT_ASSIGNED && c->plant == KCI_PLANT_ALL_ASSIGNED; /* planted defect */
    kci_assigned_is which = all                          ? kci_assigned_is_any
                            : kind == KCI_EVENT_ASSIGNED ? kci_assigned_is_fresh
                            : kind == KCI_EVENT_REVOKED  ? kci_assigned_is_revoking
                                                         : kci_assigned_is_any;
    struct kci_partition_list list;
    return kci_subscription_list(&c->subscription, which, &list) &&
           kci_consumer_queue_event(
               c, (struct kci_consumer_event){ .kind = (enum kci_consumer_event_kind)kind, .partitions = list });
}

/* Make the assignment visible and tell of what is new in it. */
static bool queue_assignment(struct kci_consumer *c, int64_t now)
{
    struct kci_group *g = &c->group;
    if (!kci_subscription_add(&c->subscription, g->assignment.items, g->assignment.count, now))
        return false;
    for (size_t i = 0; g->modern && i < g->assignment.count; i++)
        kci_subscription_find_name(&c->subscription, g->assignment.items[i].topic, g->assignment.items[i].partition)
            ->topic_id = g->m.assignment_ids[i];
    if (!queue_partitions(c, KCI_EVENT_ASSIGNED)) {
        kci_subscription_remove(&c->subscription, kci_assigned_is_fresh);
        return false;
    }
    KCI_LIST_EACH(link, &c->subscription.assigned)
    KCI_CONTAINER(link, struct kci_assigned, link)->fresh = false;
    return true;
}

bool kci_group_poll_event(struct kci_consumer *c, int64_t now, bool leaving_only)
{
    struct kci_group *g = &c->group;
    bool revoke = g->state == KCI_GROUP_LEAVING_REVOKE || (g->state == KCI_GROUP_REVOKING && !leaving_only);
    if (c->event_runs)
        return false;
    if (revoke)
        return queue_partitions(c, (g->generation < 0 || g->lost) && c->plant != KCI_PLANT_LOST_IS_REVOKED
                                       ? KCI_EVENT_LOST
                                       : KCI_EVENT_REVOKED);
    if (g->state == KCI_GROUP_YIELDING && g->generation >= 0 && !leaving_only)
        return queue_partitions(c, KCI_EVENT_REVOKED);
    if (g->state == KCI_GROUP_FAILED && g->lost && !leaving_only)
        return queue_partitions(c, KCI_EVENT_LOST);
    if (g->state != KCI_GROUP_ASSIGNING || g->taken || g->generation < 0 || leaving_only)
        return false;
    if (!queue_assignment(c, now))
        return false;
    g->taken = true;
    c->stats.rebalances++;
    c->operations.auto_commit_at = now + (int64_t)c->settings->auto_commit_interval_ms * KCI_MS;
    kci_consumer_want_step(c);
    return true;
}

void kci_group_event_done(struct kci_consumer *c, int kind, int64_t now)
{
    struct kci_group *g = &c->group;
    kci_consumer_want_step(c);
    if (kind == KCI_EVENT_REVOKED || kind == KCI_EVENT_LOST) {
        kci_assigned_is which = kind == KCI_EVENT_LOST ? kci_assigned_is_any : kci_assigned_is_revoking;
        if (g->modern)
            kci_operations_fence(c, which);
        kci_subscription_remove(&c->subscription, which);
        g->lost = g->generation < 0 && c->subscription.assigned_count > 0; /* the membership ended meanwhile */
    }
    if (g->modern) {
        kci_group_modern_event_done(c, kind, now);
    } else if (kind == KCI_EVENT_ASSIGNED && g->state == KCI_GROUP_ASSIGNING) {
        kci_partition_list_free(c->alloc, &g->previous);
        g->previous = g->assignment;
        if (g->generation >= 0) /* else it ended while the application was told */
            g->previous_generation = g->generation;
        g->assignment = (struct kci_partition_list){ NULL, 0 };
        kci_group_enter(c, KCI_GROUP_STABLE, now);
    } else if (kind == KCI_EVENT_REVOKED || kind == KCI_EVENT_LOST) {
        if (g->state == KCI_GROUP_REVOKING || (g->state == KCI_GROUP_YIELDING && g->generation < 0))
            kci_group_enter(c, g->lost || g->state == KCI_GROUP_YIELDING ? KCI_GROUP_UNJOINED : KCI_GROUP_JOINING, now);
        else if (g->state == KCI_GROUP_YIELDING)
            kci_group_enter(c, KCI_GROUP_ASSIGNING, now);
        else if (g->state == KCI_GROUP_LEAVING_REVOKE)
            kci_group_enter(c, KCI_GROUP_LEAVING_SEND, now);
    }
}

/* ---- the step ---- */

/* What a lost membership or the wish to rejoin means in each state. */
static void follow_up(struct kci_consumer *c, int64_t now)
{
    struct kci_group *g = &c->group;
    bool over = g->generation < 0;
    if (g->state == KCI_GROUP_STABLE && (g->rejoin || over))
        kci_group_enter(c, KCI_GROUP_UNJOINED, now);
    if (over && !c->event_runs && (g->state == KCI_GROUP_YIELDING || (g->state == KCI_GROUP_ASSIGNING && !g->taken))) {
        kci_partition_list_free(c->alloc, &g->assignment);
        kci_group_enter(c, KCI_GROUP_UNJOINED, now);
    }
    if (g->state == KCI_GROUP_JOINING && g->lost) { /* a late heartbeat said so; what was kept is somebody else's */
        kci_group_enter(c, KCI_GROUP_UNJOINED, now);
        kci_consumer_tell(c);
    }
    if ((g->state == KCI_GROUP_LEADING || g->state == KCI_GROUP_SYNCING) && over)
        kci_group_enter(c, KCI_GROUP_UNJOINED, now);
    if (g->state == KCI_GROUP_PREPARING && (over || !c->operations.automatic)) {
        bool tell = over || !g->cooperative || kci_subscription_count(&c->subscription, kci_assigned_is_revoking);
        kci_group_enter(c, over ? KCI_GROUP_UNJOINED : tell ? KCI_GROUP_REVOKING : KCI_GROUP_JOINING, now);
        kci_consumer_tell(c);
    }
}

void kci_group_step(struct kci_consumer *c, int64_t now)
{
    struct kci_group *g = &c->group;
    if (!g->coordinator_used && g->state < KCI_GROUP_LEAVING_COMMIT)
        return;
    if (g->modern) {
        kci_group_modern_step(c, now);
        return;
    }
    kci_group_watch_poll(c, now);
    if (g->state == KCI_GROUP_STABLE && g->leader)
        kci_group_watch_members(c, now);
    kci_group_heartbeat_step(c, now);
    for (int before = -1; before != g->state;) {
        before = g->state;
        follow_up(c, now);
        if (g->state == KCI_GROUP_UNJOINED && (c->in_poll || c->held_back) && !c->event_runs &&
            c->subscription.by_group) {
            if (c->subscription.pattern && !c->catalog.all_known)
                break; /* what matches is not known yet */
            if (g->not_before > now)
                kci_consumer_at(c, g->not_before);
            else
                begin_join(c, now);
        } else if (g->state == KCI_GROUP_JOINING) {
            kci_group_join_step(c, now);
        } else if (g->state == KCI_GROUP_LEADING) {
            kci_group_lead_step(c, now);
        } else if (g->state == KCI_GROUP_SYNCING) {
            kci_group_sync_step(c, now);
        } else if (g->state >= KCI_GROUP_LEAVING_COMMIT && g->state <= KCI_GROUP_LEAVING_SEND) {
            kci_group_leave_step(c, now);
        }
    }
}
