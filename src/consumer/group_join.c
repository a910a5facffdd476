/* JoinGroup and SyncGroup, and the leader's work between them.
 *
 *   JoinGroup parks at the coordinator until all members have come: its time-out is the rebalance time-out (max.poll.interval.ms) and 5 s
 *   more.  A new member is first told its id (MEMBER_ID_REQUIRED) and asks again.  Errors: PROTOCOL 3.5.
 *   A state is kept while an error is retried; what only the user can repair goes to poll (kci_group_refused). */
#include "consumer/internal.h"
#include "consumer/lead.h"
#include "consumer/member_data.h"

#include <stdlib.h>

#define JOIN_SLACK_MS    5000        /* Java's, above the rebalance time-out */
#define METADATA_WAIT_MS 10000       /* a leader waits so long for topics that it does not know */
#define MEMBER_DATA_MAX  (16u << 20) /* bytes of our own subscription or of one assignment */

static const char protocol_type[] = "consumer";

/* ---- the members, as their leader is told of them ---- */

static int by_name(const void *a, const void *b)
{
    const struct kci_consumer_topic *x = *(struct kci_consumer_topic *const *)a,
                                    *y = *(struct kci_consumer_topic *const *)b;
    return strcmp(x->name.data, y->name.data);
}

/* All topics that any member reads, each once, counted: their metadata will be asked for. */
static bool take_topics(struct kci_consumer *c)
{
    struct kci_group *g = &c->group;
    size_t most = 0, kept = 0;
    for (size_t m = 0; m < g->member_count; m++)
        most += (size_t)g->members[m].topic_count;
    g->topics = kci_alloc_zero(c->alloc, most, sizeof *g->topics);
    if (!g->topics)
        return false;
    for (size_t m = 0; m < g->member_count; m++)
        for (int32_t t = 0; t < g->members[m].topic_count; t++) {
            const struct kci_str name = g->members[m].topics[t];
            if (name.size == 0 || memchr(name.data, 0, name.size))
                continue; /* no broker knows such a topic */
            g->topics[g->topic_count] = kci_subscription_topic(&c->subscription, name);
            if (!g->topics[g->topic_count])
                return false;
            g->topic_count++;
        }
    qsort(g->topics, g->topic_count, sizeof *g->topics, by_name);
    for (size_t i = 0; i < g->topic_count; i++) {
        if (kept && g->topics[kept - 1] == g->topics[i])
            kci_subscription_topic_done(&c->subscription, g->topics[i]);
        else
            g->topics[kept++] = g->topics[i];
    }
    g->topic_count = kept;
    g->topic_partitions = kci_alloc_zero(c->alloc, kept, sizeof *g->topic_partitions);
    g->topic_racks = kci_alloc_zero(c->alloc, kept, sizeof *g->topic_racks);
    return g->topic_partitions && g->topic_racks;
}

static struct kci_str keep_text(struct kci_arena *arena, struct kci_str text)
{
    return text.data ? (struct kci_str){ kci_arena_text(arena, text), text.size } : text;
}

/* false: malformed, or out of memory. */
static bool take_members(struct kci_consumer *c, const struct kci_join_group_response *r, int64_t now)
{
    struct kci_group *g = &c->group;
    kci_arena_reset(&g->arena);
    g->members = kci_arena_array(&g->arena, (size_t)(r->members_count > 0 ? r->members_count : 0), sizeof *g->members);
    if (!g->members)
        return false;
    for (int32_t m = 0; m < r->members_count; m++) {
        struct kci_member *member = &g->members[m];
        const struct kci_bytes data = r->members[m].metadata;
        uint8_t *copy = kci_arena_take(&g->arena, data.size);
        member->id = keep_text(&g->arena, r->members[m].member_id);
        member->instance_id = keep_text(&g->arena, r->members[m].group_instance_id);
        if (!copy || !member->id.data)
            return false;
        if (data.size)
            memcpy(copy, data.data, data.size);
        if (!kci_member_data_read((struct kci_bytes){ copy, data.size }, &g->arena, member)) {
            /* Its own fault: it gets nothing, and the group lives on. */
            kci_log(&c->logger, KCI_LOG_WARN, "group", "the subscription of member %.100s cannot be read",
                    member->id.data);
            member->topic_count = 0;
        }
    }
    g->member_count = (size_t)r->members_count;
    g->metadata_until = now + (int64_t)METADATA_WAIT_MS * KCI_MS;
    kci_group_drop_topics(c);
    if (!take_topics(c)) {
        kci_group_drop_topics(c);
        return false;
    }
    kci_cluster_refresh(c->cluster, "leading a group: are there new partitions?", now);
    return true;
}

/* ---- JoinGroup ---- */

static void coordinator_trouble(struct kci_consumer *c, const char *why, int64_t now)
{
    kci_group_coordinator_failed(c, why, now);
    kci_group_backoff(c, now);
}

/* We are the static leader that is back in time (KIP-814): the assignment stands, and the topics are ours to watch.
 * Whether all partitions had an owner by it we cannot know, so one rebalance follows. A mark in the user data of our own
 * assignment would tell, but brokers do not upgrade a group with such data to KIP-848: they suspect an assignor of its
 * own. */
static void take_over(struct kci_consumer *c)
{
    struct kci_group *g = &c->group;
    g->member_count = 0; /* nothing is to be assigned */
    for (size_t i = 0; i < g->topic_count; i++)
        g->topic_partitions[i] = -1;
    g->watched_generation = kci_cluster_generation(c->cluster) - 1;
    g->unsettled = g->cooperative; /* we may have died before what we gave up had a next owner */
}

/* An answer must be about a group of consumers with an assignor that was offered or, after that, agreed upon; versions
 * that do not say are believed. */
static bool consistent(struct kci_str type, struct kci_str name, const struct kci_assignor *assignor)
{
    return (!type.data || kci_str_equal(type, kci_str_of(protocol_type))) &&
           (!name.data || (assignor && kci_str_equal(name, kci_str_of(assignor->name))));
}

static void joined(struct kci_consumer *c, const struct kci_join_group_response *r, int64_t now)
{
    struct kci_group *g = &c->group;
    bool leader = r->leader.size > 0 && kci_str_equal(r->leader, r->member_id);
    const struct kci_assignor *assignor = kci_lead_assignor(c, r->protocol_name);
    if (!consistent(r->protocol_type, r->protocol_name, assignor)) {
        kci_group_refused(c, KCI_INCONSISTENT_GROUP_PROTOCOL, "the coordinator's answer to a join", now);
        return;
    }
    if (r->generation_id < 0 || r->member_id.size == 0 || (leader && !assignor && !r->skip_assignment) ||
        !kci_group_take_member_id(c, r->member_id)) {
        coordinator_trouble(c, "a join answer that makes no sense", now);
        return;
    }
    kci_group_drop_topics(c);
    g->generation = r->generation_id;
    g->owes_rejoin = g->unsettled = false;
    g->assignor = assignor;
    g->attempts = 0;
    g->heartbeat_at = now + (int64_t)c->settings->heartbeat_interval_ms * KCI_MS;
    g->session_until = now + (int64_t)c->settings->session_timeout_ms * KCI_MS;
    g->member_count = 0;
    if (leader) {
        if (!take_members(c, r, now)) {
            coordinator_trouble(c, "the members of the group cannot be read", now);
            return;
        }
        g->leader = true;
        if (!r->skip_assignment) {
            kci_group_enter(c, KCI_GROUP_LEADING, now);
            return;
        }
        take_over(c);
    }
    kci_group_enter(c, KCI_GROUP_SYNCING, now);
}

/* The coordinator does not know us, or not in this generation: begin anew. Who kept its partitions (cooperative) is
 * told of their loss first. */
static void membership_over(struct kci_consumer *c, bool keep_id, const char *reason, int64_t now)
{
    struct kci_group *g = &c->group;
    kci_group_reset(c, keep_id, reason);
    g->rejoin = false; /* we are at it */
    kci_group_enter(c, g->lost ? KCI_GROUP_UNJOINED : KCI_GROUP_JOINING, now);
    if (g->lost)
        kci_consumer_tell(c);
}

/* The coordinator is too old for what we are: for a static member, before Kafka 2.3. */
static void too_old(struct kci_consumer *c, const struct kci_reply *reply, int64_t now)
{
    const char *id = c->settings->group_instance_id;
    kci_consumer_raise(c, KC_ERR_UNSUPPORTED_VERSION, "joining group \"%s\": %.200s%s", c->settings->group_id,
                       reply->text, id ? "; group.instance.id needs Kafka 2.3 or newer: leave it out" : "");
    kci_group_backoff(c, now);
    c->group.rejoin = true;
    kci_group_enter(c, KCI_GROUP_UNJOINED, now);
}

static void join_answered(struct kci_consumer *c, const struct kci_reply *reply, int64_t now)
{
    const struct kci_join_group_response *r = reply->response;
    if (c->group.state != KCI_GROUP_JOINING)
        return;
    if (reply->error == KC_ERR_NO_VERSION) {
        too_old(c, reply, now);
        return;
    }
    if (reply->error != KC_OK) {
        coordinator_trouble(c, reply->text, now);
        return;
    }
    switch (r->error_code) {
    case KCI_NONE:
        joined(c, r, now);
        break;
    case KCI_MEMBER_ID_REQUIRED: /* at once, with the id */
        if (!kci_group_take_member_id(c, r->member_id))
            kci_group_backoff(c, now);
        break;
    case KCI_UNKNOWN_MEMBER_ID:
        membership_over(c, false, "the coordinator did not know us at join", now);
        if (c->group.attempts++ > 0) /* at once, but not for ever */
            kci_group_backoff(c, now);
        break;
    case KCI_COORDINATOR_LOAD_IN_PROGRESS:
    case KCI_REBALANCE_IN_PROGRESS:
        kci_group_backoff(c, now);
        break;
    case KCI_NOT_COORDINATOR:
    case KCI_COORDINATOR_NOT_AVAILABLE:
        coordinator_trouble(c, kci_error_name(r->error_code), now);
        break;
    case KCI_FENCED_INSTANCE_ID:
        kci_group_fence(c, now);
        break;
    default:
        kci_group_refused(c, r->error_code, "joining", now);
        break;
    }
}

/* Our subscription as an assignor wants it; data NULL: out of memory. */
static struct kci_bytes subscription_for(struct kci_consumer *c, const struct kci_assignor *assignor)
{
    struct kci_group *g = &c->group;
    struct kci_writer own = kci_writer_of(c->alloc, MEMBER_DATA_MAX), w = own;
    if (assignor->custom && assignor->custom->user_data.data)
        kci_writer_bytes(&own, assignor->custom->user_data.data, assignor->custom->user_data.size);
    if (assignor->write_user_data)
        assignor->write_user_data(&own, &g->previous, g->previous_generation);
    struct kci_bytes user_data = { own.size ? own.data : NULL, own.size };
    bool ok = !own.failed && kci_member_data_subscription(&w, &c->subscription, &g->call.arena, g->generation,
                                                          c->settings->client_rack, user_data);
    uint8_t *copy = ok ? kci_arena_take(&g->call.arena, w.size) : NULL;
    struct kci_bytes data = { copy, w.size };
    if (copy)
        memcpy(copy, w.data, w.size);
    kci_writer_destroy(&own);
    kci_writer_destroy(&w);
    return data;
}

/* Our subscription, once for each assignor that we can run. */
static bool fill_protocols(struct kci_consumer *c, struct kci_join_group_request *r)
{
    struct kci_group *g = &c->group;
    r->protocols = kci_arena_array(&g->call.arena, g->assignor_count, sizeof *r->protocols);
    for (size_t i = 0; r->protocols && i < g->assignor_count; i++) {
        r->protocols[i].name = kci_str_of(g->assignors[i]->name);
        r->protocols[i].metadata = subscription_for(c, g->assignors[i]);
        if (!r->protocols[i].metadata.data)
            return false;
        r->protocols_count++;
    }
    return r->protocols;
}

void kci_group_join_step(struct kci_consumer *c, int64_t now)
{
    struct kci_group *g = &c->group;
    const struct kci_settings *s = c->settings;
    if (g->call.in_flight)
        return;
    if (g->not_before > now) {
        kci_consumer_at(c, g->not_before);
        return;
    }
    int32_t node = kci_group_coordinator_node(c, now);
    if (node == KCI_NODE_NONE)
        return;
    kci_arena_reset(&g->call.arena);
    struct kci_join_group_request *r = kci_arena_take(&g->call.arena, sizeof *r);
    if (r)
        kci_codec_init(&kci_join_group_request_schema, r);
    if (!r || !fill_protocols(c, r)) {
        kci_group_backoff(c, now);
        return;
    }
    r->group_id = kci_str_of(s->group_id);
    r->session_timeout_ms = s->session_timeout_ms;
    r->rebalance_timeout_ms = s->max_poll_interval_ms;
    r->member_id = kci_str_of(kci_arena_text(&g->call.arena, kci_group_member_id(g)));
    r->group_instance_id = kci_str_of(s->group_instance_id);
    r->protocol_type = kci_str_of(protocol_type);
    r->reason = kci_str_of(g->reason);
    g->rejoin = false; /* what comes up from here on is for the next round */
    int32_t rebalance_ms =
        s->max_poll_interval_ms > INT32_MAX - JOIN_SLACK_MS ? INT32_MAX : s->max_poll_interval_ms + JOIN_SLACK_MS;
    g->call.answered = join_answered;
    kci_group_send(c, &g->call, node, KCI_API_JOIN_GROUP, s->group_instance_id ? 5 : 2, 9, r, NULL,
                   rebalance_ms > s->request_timeout_ms ? rebalance_ms : s->request_timeout_ms, now);
}

/* ---- leading ---- */

void kci_group_lead_step(struct kci_consumer *c, int64_t now)
{
    struct kci_group *g = &c->group;
    bool known = true;
    for (size_t i = 0; i < g->topic_count; i++)
        known &= g->topics[i]->info && g->topics[i]->info->known;
    if (!known && now < g->metadata_until) {
        kci_consumer_at(c, g->metadata_until);
        return;
    }
    bool assigned = kci_lead_assign(c);
    if (g->state != KCI_GROUP_LEADING)
        return; /* the application left while its assignor ran */
    if (!assigned) {
        kci_group_drop_topics(c);
        g->member_count = 0;
        kci_group_backoff(c, now);
        kci_group_enter(c, KCI_GROUP_JOINING, now);
        return;
    }
    kci_group_enter(c, KCI_GROUP_SYNCING, now);
}

/* ---- SyncGroup ---- */

/* The assignment must lie within the subscription; else it was made for an older one. */
static bool within_subscription(struct kci_consumer *c, const struct kci_partition_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct kci_consumer_topic *topic =
            kci_map_get_str(&c->subscription.topics_by_name, kci_str_of(list->items[i].topic));
        if (!topic || !topic->subscribed)
            return false;
    }
    return true;
}

/* Cooperative: what we own and were not assigned again. true: there is something. */
static bool mark_what_goes(struct kci_consumer *c, const struct kci_partition_list *assigned)
{
    KCI_LIST_EACH(link, &c->subscription.assigned)
    KCI_CONTAINER(link, struct kci_assigned, link)->revoking = true;
    for (size_t i = 0; i < assigned->count; i++) {
        struct kci_assigned *a =
            kci_subscription_find_name(&c->subscription, assigned->items[i].topic, assigned->items[i].partition);
        if (a)
            a->revoking = false;
    }
    return kci_subscription_count(&c->subscription, kci_assigned_is_revoking) > 0;
}

static void synced(struct kci_consumer *c, const struct kci_sync_group_response *r, int64_t now)
{
    struct kci_group *g = &c->group;
    kci_partition_list_free(c->alloc, &g->assignment);
    kci_arena_reset(&g->arena);
    g->member_count = 0;
    if (!consistent(r->protocol_type, r->protocol_name, g->assignor)) {
        kci_group_refused(c, KCI_INCONSISTENT_GROUP_PROTOCOL, "the coordinator's answer to a sync", now);
        return;
    }
    if (!kci_member_data_read_assignment(r->assignment, c->alloc, &g->arena, &g->assignment)) {
        kci_log(&c->logger, KCI_LOG_ERROR, "group", "the leader of the group sent an assignment that cannot be read");
        kci_group_backoff(c, now);
        kci_group_enter(c, KCI_GROUP_JOINING, now);
        return;
    }
    if (!within_subscription(c, &g->assignment)) {
        kci_log(&c->logger, KCI_LOG_INFO, "group", "assigned a topic that is not subscribed (any more): joining again");
        kci_partition_list_free(c->alloc, &g->assignment);
        g->reason = "the assignment does not match the subscription";
        kci_group_backoff(c, now);
        kci_group_enter(c, KCI_GROUP_JOINING, now);
        return;
    }
    g->attempts = g->refused_syncs = 0;
    g->taken = false;
    bool yields = g->owes_rejoin = mark_what_goes(c, &g->assignment);
    if (yields)
        kci_group_want_rejoin(c, "partitions were given up for their next owner");
    kci_group_enter(c, yields ? KCI_GROUP_YIELDING : KCI_GROUP_ASSIGNING, now);
    kci_consumer_tell(c);
}

static void sync_answered(struct kci_consumer *c, const struct kci_reply *reply, int64_t now)
{
    const struct kci_sync_group_response *r = reply->response;
    struct kci_group *g = &c->group;
    if (g->state != KCI_GROUP_SYNCING)
        return;
    int16_t error = reply->error == KC_OK ? r->error_code : KCI_NONE;
    if (reply->error == KC_OK && error == KCI_NONE) {
        synced(c, r, now);
        return;
    }
    if (error == KCI_FENCED_INSTANCE_ID) {
        kci_group_fence(c, now);
        return;
    }
    if (error == KCI_GROUP_AUTHORIZATION_FAILED || error == KCI_INCONSISTENT_GROUP_PROTOCOL) {
        kci_group_refused(c, error, "synchronising", now);
        return;
    }
    if (error == KCI_UNKNOWN_MEMBER_ID || error == KCI_ILLEGAL_GENERATION) {
        kci_group_backoff(c, now);
        membership_over(c, error == KCI_ILLEGAL_GENERATION, "the coordinator did not know us at sync", now);
        return;
    } else if (error != KCI_REBALANCE_IN_PROGRESS) {
        coordinator_trouble(c, reply->error != KC_OK ? reply->text : kci_error_name(error), now);
    } else if (g->refused_syncs++ > 0) { /* at once, but not for ever */
        g->attempts = g->refused_syncs - 2;
        kci_group_backoff(c, now);
    }
    kci_group_drop_topics(c);
    kci_group_enter(c, KCI_GROUP_JOINING, now);
}

/* One assignment for each member. */
static bool fill_assignments(struct kci_consumer *c, struct kci_sync_group_request *r)
{
    struct kci_group *g = &c->group;
    struct kci_arena *arena = &g->call.arena;
    struct kci_group_topic *topics = kci_arena_array(arena, g->topic_count, sizeof *topics);
    r->assignments = kci_arena_array(arena, g->member_count, sizeof *r->assignments);
    if (!topics || !r->assignments)
        return false;
    for (size_t i = 0; i < g->topic_count; i++)
        topics[i].name = g->topics[i]->name;
    for (size_t m = 0; m < g->member_count; m++) {
        struct kci_writer w = kci_writer_of(c->alloc, MEMBER_DATA_MAX);
        bool ok = kci_member_data_assignment(&w, &g->members[m], topics, arena);
        uint8_t *copy = ok ? kci_arena_take(arena, w.size) : NULL;
        if (copy) {
            memcpy(copy, w.data, w.size);
            r->assignments[r->assignments_count].member_id = g->members[m].id;
            r->assignments[r->assignments_count++].assignment = (struct kci_bytes){ copy, w.size };
        }
        kci_writer_destroy(&w);
        if (!copy)
            return false;
    }
    return true;
}

void kci_group_sync_step(struct kci_consumer *c, int64_t now)
{
    struct kci_group *g = &c->group;
    const struct kci_settings *s = c->settings;
    if (g->call.in_flight)
        return;
    int32_t node = kci_group_coordinator_node(c, now);
    if (node == KCI_NODE_NONE)
        return;
    kci_arena_reset(&g->call.arena);
    struct kci_sync_group_request *r = kci_arena_take(&g->call.arena, sizeof *r);
    if (!r || !fill_assignments(c, r)) {
        kci_group_drop_topics(c);
        kci_group_backoff(c, now);
        kci_group_enter(c, KCI_GROUP_JOINING, now);
        return;
    }
    r->group_id = kci_str_of(s->group_id);
    r->generation_id = g->generation;
    r->member_id = kci_str_of(kci_arena_text(&g->call.arena, kci_group_member_id(g)));
    r->group_instance_id = kci_str_of(s->group_instance_id);
    r->protocol_type = kci_str_of(protocol_type);
    r->protocol_name = kci_str_of(g->assignor ? g->assignor->name : NULL);
    int32_t rebalance_ms =
        s->max_poll_interval_ms > INT32_MAX - JOIN_SLACK_MS ? INT32_MAX : s->max_poll_interval_ms + JOIN_SLACK_MS;
    g->call.answered = sync_answered;
    kci_group_send(c, &g->call, node, KCI_API_SYNC_GROUP, s->group_instance_id ? 3 : 1, 5, r, NULL,
                   rebalance_ms > s->request_timeout_ms ? rebalance_ms : s->request_timeout_ms, now);
}
