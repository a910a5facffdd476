/* ConsumerGroupHeartbeat: a member joins, stays, changes its subscription or leaves, in one request (KIP-848, PROTOCOL
 * 4.7).  Kafka's order:
 *
 *   request itself -> coordinator -> group (made by epoch 0) -> full? -> member (made by epoch 0) and its epoch, or the
 *   holder of the instance id -> pattern
 *     -> member updated           a new subscription, a new member: group epoch + 1
 *     -> topics looked at again   if something changed in the cluster or the group: other topics: group epoch + 1
 *     -> target computed          if it is older than the group, once per group.consumer.assignment.interval.ms
 *     -> member reconciled        one step towards its target
 *     -> answer when all of that is in the log; with the assignment if it changed or the request was a full one
 *
 * Nothing is changed before the last check has passed.
 * Left to others: what the target is (modern_target.c), the step (modern_reconcile.c), the log (modern_write.c). */
#include "mockbroker/core/cluster.h"
#include "mockbroker/core/group_member.h"
#include "mockbroker/core/group_registry.h"
#include "mockbroker/core/modern_records.h"
#include "mockbroker/core/modern_regex.h"
#include "mockbroker/core/modern_write.h"
#include "mockbroker/core/tpset.h"

#include <stdarg.h>
#include <stdio.h>

#define MESSAGE_BYTES 300 /* of an error message; longer ones are cut */

struct beat {
    struct mb_request *request;
    const struct kci_consumer_group_heartbeat_request *body;
    struct mb_group *group;
    struct mb_modern_member *member; /* NULL: to be made */
    struct kci_str id;               /* of the member; from the request, or made here for v0 */
    struct mb_tpset owned;           /* of the client; has_owned: it said */
    bool has_owned;
    int64_t now;
};

static void refuse(const struct beat *beat, int16_t error, const char *format, ...)
{
    struct kci_consumer_group_heartbeat_response response = { .error_code = error };
    char text[MESSAGE_BYTES];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    response.error_message = kci_str_of(text);
    mb_request_answer(beat->request, &response, beat->now);
}

static bool is_empty(struct kci_str text)
{
    return text.data && text.size == 0;
}

/* What is wrong with the request itself; NULL: nothing. */
static const char *find_fault(const struct kci_consumer_group_heartbeat_request *body, int16_t version)
{
    if ((version >= 1 || body->member_epoch > 0 || body->member_epoch == MB_MODERN_LEAVE) && body->member_id.size == 0)
        return "MemberId can't be empty.";
    if (body->group_id.size == 0)
        return "GroupId can't be empty.";
    if (is_empty(body->instance_id))
        return "InstanceId can't be empty.";
    if (is_empty(body->rack_id))
        return "RackId can't be empty.";
    if (body->member_epoch == MB_MODERN_JOIN) {
        if (body->rebalance_timeout_ms == -1)
            return "RebalanceTimeoutMs must be provided in first request.";
        if (body->topic_partitions_count != 0)
            return "TopicPartitions must be empty when (re-)joining.";
        if (body->subscribed_topic_names_count < 0 && !body->subscribed_topic_regex.data)
            return "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.";
    } else if (body->member_epoch == MB_MODERN_LEAVE_STATIC && !body->instance_id.data) {
        return "InstanceId can't be null.";
    } else if (body->member_epoch < MB_MODERN_LEAVE_STATIC) {
        return "MemberEpoch is invalid.";
    }
    return body->subscribed_topic_names_count > MB_MODERN_TOPICS_MAX ? "There are too many SubscribedTopicNames."
                                                                     : NULL;
}

/* ---- sessions ---- */

/* The member is no more: its partitions are free, the others get new targets with their next heartbeats. False: no
 * memory. */
static bool fence(struct mb_modern_member *member, struct mb_group_records *records)
{
    struct mb_group *group = member->group;
    bool changed;
    mb_modern_records_no_member(records, group, member->id);
    mb_modern_member_remove(member);
    group->modern->epoch++;
    bool looked = mb_modern_refresh(group, &changed);
    mb_modern_records_epoch(records, group);
    return looked;
}

void mb_modern_member_fence(struct mb_modern_member *member, const char *why, int64_t now)
{
    struct mb_group *group = member->group;
    struct mb_group_records records = mb_group_records_of(mb_group_alloc(group));
    kci_log(mb_cluster_logger(mb_group_cluster(group)), KCI_LOG_INFO, "group", "%s: member %s is fenced: %s",
            group->id.data, member->id.data, why);
    if (fence(member, &records))
        mb_modern_write(group, &records, NULL, NULL, now);
    else
        mb_modern_write_failed(group, &records, NULL, now);
}

static void session_over(void *owner, int64_t now)
{
    mb_modern_member_fence(owner, "it was silent for its session", now);
}

static void revocation_over(void *owner, int64_t now)
{
    struct mb_modern_member *member = owner;
    if (member->epoch == member->revoke_epoch)
        mb_modern_member_fence(member, "it did not give up its partitions in time", now);
}

void mb_modern_member_alive(struct mb_modern_member *member, int64_t now)
{
    struct mb_cluster *cluster = mb_group_cluster(member->group);
    member->session.fire = session_over;
    member->session.owner = member;
    mb_alarm_set(cluster, &member->session,
                 now + mb_group_setting(cluster, member->group->id, "consumer.session.timeout.ms") * 1000);
}

void mb_modern_member_watch_revocation(struct mb_modern_member *member, int64_t now)
{
    member->revoke.fire = revocation_over;
    member->revoke.owner = member;
    member->revoke_epoch = member->epoch;
    mb_alarm_set(mb_group_cluster(member->group), &member->revoke, now + (int64_t)member->rebalance_timeout_ms * 1000);
}

/* ---- who is it? ---- */

int16_t mb_modern_check_epoch(const struct mb_group *group, struct kci_str member_id, int32_t epoch,
                              const struct mb_modern_member **out)
{
    *out = mb_modern_member_find(group, member_id);
    if (!*out)
        return KCI_UNKNOWN_MEMBER_ID;
    return epoch == (*out)->epoch ? KCI_NONE : KCI_STALE_MEMBER_EPOCH;
}

static bool read_owned(struct beat *beat)
{
    const struct kci_consumer_group_heartbeat_request *body = beat->body;
    size_t count = 0;
    beat->has_owned = body->topic_partitions_count >= 0;
    for (int32_t t = 0; t < body->topic_partitions_count; t++)
        count += (size_t)body->topic_partitions[t].partitions_count;
    beat->owned.items = kci_arena_array(&beat->request->arena, count, sizeof *beat->owned.items);
    if (!beat->owned.items)
        return false;
    for (int32_t t = 0; t < body->topic_partitions_count; t++)
        for (int32_t p = 0; p < body->topic_partitions[t].partitions_count; p++)
            beat->owned.items[beat->owned.count++] =
                (struct mb_tp){ .topic = body->topic_partitions[t].topic_id,
                                .partition = body->topic_partitions[t].partitions[p] };
    mb_tpset_normalize(&beat->owned);
    return true;
}

/* A member may be one epoch behind: its last answer was lost. Then it owns nothing that it was not given before. */
static bool epoch_ok(const struct beat *beat)
{
    const struct mb_modern_member *member = beat->member;
    int32_t epoch = beat->body->member_epoch;
    if (epoch == MB_MODERN_JOIN || epoch == member->epoch)
        return true;
    return epoch < member->epoch && epoch == member->previous_epoch && beat->has_owned &&
           mb_tpset_within(&beat->owned, &member->assigned);
}

/* False: refused. A new member has beat->member NULL. */
static bool find_member(struct beat *beat)
{
    const struct kci_consumer_group_heartbeat_request *body = beat->body;
    int32_t epoch = body->member_epoch;
    struct kci_str instance = body->instance_id;
    beat->member = mb_modern_member_find(beat->group, beat->id);
    if (instance.data) {
        struct mb_modern_member *holder = mb_modern_member_static(beat->group, instance);
        beat->member = holder ? holder : beat->member;
        if (!holder && epoch != MB_MODERN_JOIN) {
            refuse(beat, KCI_UNKNOWN_MEMBER_ID, "Instance id %.*s is unknown.", (int)instance.size, instance.data);
            return false;
        }
        if (holder && epoch == MB_MODERN_JOIN && holder->epoch != MB_MODERN_LEAVE_STATIC) {
            refuse(beat, KCI_UNRELEASED_INSTANCE_ID,
                   "Static member %.*s with instance id %.*s cannot join the group because the instance id is owned by "
                   "member %s.",
                   (int)beat->id.size, beat->id.data, (int)instance.size, instance.data, holder->id.data);
            return false;
        }
        if (holder && epoch != MB_MODERN_JOIN && !kci_str_equal(holder->id, beat->id)) {
            refuse(beat, KCI_FENCED_INSTANCE_ID, "Static member %.*s with instance id %.*s was fenced by member %s.",
                   (int)beat->id.size, beat->id.data, (int)instance.size, instance.data, holder->id.data);
            return false;
        }
    }
    if (!beat->member && epoch != MB_MODERN_JOIN) {
        refuse(beat, KCI_UNKNOWN_MEMBER_ID, "Member %.*s is not a member of group %s.", (int)beat->id.size,
               beat->id.data, beat->group->id.data);
        return false;
    }
    if (epoch >= 0 && beat->member && !epoch_ok(beat)) {
        refuse(beat, KCI_FENCED_MEMBER_EPOCH,
               "The consumer group member has %s member epoch (%d) than the one known by the group coordinator (%d). "
               "The member must abandon all its partitions and rejoin.",
               epoch > beat->member->epoch ? "a greater" : "a smaller", (int)epoch, (int)beat->member->epoch);
        return false;
    }
    return true;
}

/* ---- changes ---- */

static bool same_names(const struct mb_modern_member *member, const struct kci_str *names, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        if (!mb_modern_member_names(member, names[i]))
            return false;
    return (size_t)count == member->topic_count; /* a list with doubles counts as new, which is harmless */
}

/* *written: the log must know; *subscribed: it wants other topics. False: no memory. */
static bool update(const struct beat *beat, bool *written, bool *subscribed)
{
    const struct kci_consumer_group_heartbeat_request *body = beat->body;
    struct mb_modern_member *member = beat->member;
    bool done =
        mb_modern_member_set_text(member, &member->client_id, beat->request->header.client_id, written) &&
        mb_modern_member_set_text(member, &member->client_host, kci_str_of(beat->request->client_host), written);
    if (done && body->instance_id.data && !kci_str_equal(body->instance_id, member->instance_id)) {
        done = mb_modern_member_set_instance(member, body->instance_id);
        *written = true;
    }
    if (done && body->rack_id.data)
        done = mb_modern_member_set_text(member, &member->rack_id, body->rack_id, written);
    if (done && body->server_assignor.data)
        done = mb_modern_member_set_text(member, &member->assignor, body->server_assignor, written);
    if (done && body->subscribed_topic_regex.data)
        done = mb_modern_member_set_text(member, &member->regex, body->subscribed_topic_regex, subscribed);
    if (done && body->subscribed_topic_names_count >= 0 &&
        !same_names(member, body->subscribed_topic_names, body->subscribed_topic_names_count)) {
        done = mb_modern_member_set_topics(member, body->subscribed_topic_names,
                                           (size_t)body->subscribed_topic_names_count);
        *subscribed = true;
    }
    if (body->rebalance_timeout_ms != -1 && body->rebalance_timeout_ms != member->rebalance_timeout_ms) {
        member->rebalance_timeout_ms = body->rebalance_timeout_ms;
        *written = true;
    }
    *written |= *subscribed;
    return done;
}

/* The member is found or made; *is_new: the group is another one now. False: no memory. */
static bool enter(struct beat *beat, struct mb_group_records *records, bool *is_new)
{
    struct mb_modern_member *member = beat->member;
    if (!member) {
        beat->member = mb_modern_member_add(beat->group, beat->id);
        *is_new = true;
        if (beat->member)
            beat->member->known = true;
        return beat->member != NULL;
    }
    if (kci_str_equal(member->id, beat->id))
        return true;
    /* a static member is back under another id: it takes the place with all that it has */
    mb_modern_records_no_member(records, beat->group, member->id);
    if (!mb_modern_member_rename(member, beat->id))
        return false;
    member->epoch = 0;
    member->previous_epoch = -1;
    mb_modern_records_member(records, member);
    mb_modern_records_target(records, member);
    mb_modern_records_current(records, member);
    return true;
}

/* Epoch and target of the group. False: no memory. */
static bool advance_group(struct mb_group *group, bool bump, struct mb_group_records *records, int64_t now)
{
    struct mb_modern *modern = group->modern;
    struct mb_cluster *cluster = mb_group_cluster(group);
    bool other_topics = false;
    if ((bump || modern->topics_seen != cluster->metadata_version) && !mb_modern_refresh(group, &other_topics))
        return false;
    if (bump || other_topics) {
        modern->epoch++;
        mb_modern_records_epoch(records, group);
    }
    int64_t since_ms = mb_cluster_wall_ms(cluster, now) - modern->assigned_ms;
    if (modern->target_epoch == modern->epoch ||
        (since_ms >= 0 && since_ms < mb_group_setting(cluster, group->id, "consumer.assignment.interval.ms")))
        return true;
    return mb_modern_compute_target(group, records, now);
}

/* The member's way to its target; *moved: its assignment is another one. False: no memory. */
static bool advance_member(const struct beat *beat, struct mb_group_records *records, bool *moved)
{
    struct mb_modern_member *member = beat->member;
    const struct kci_alloc *alloc = mb_group_alloc(beat->group);
    struct mb_tpset before;
    if (!mb_tpset_reserve(alloc, &before, member->assigned.count))
        return false;
    if (member->assigned.count)
        memcpy(before.items, member->assigned.items, member->assigned.count * sizeof *before.items);
    before.count = member->assigned.count;
    int changed = mb_modern_reconcile(member, beat->has_owned ? &beat->owned : NULL);
    *moved = changed > 0 && !mb_tpset_equal(&before, &member->assigned);
    mb_tpset_free(alloc, &before);
    if (changed > 0) {
        mb_modern_records_current(records, member);
        mb_alarm_stop(mb_group_cluster(beat->group), &member->revoke);
        if (member->state == MB_MODERN_UNREVOKED)
            mb_modern_member_watch_revocation(member, beat->now);
    }
    return changed >= 0;
}

/* In the request's arena, since the member may change before the answer goes out. NULL: no memory. */
static struct kci_consumer_group_heartbeat_response__assignment *write_assignment(struct mb_request *request,
                                                                                  const struct mb_tpset *set)
{
    struct kci_consumer_group_heartbeat_response__assignment *out = kci_arena_take(&request->arena, sizeof *out);
    size_t topics = 0;
    for (size_t at = 0; at < set->count; at += mb_tpset_run(set, at))
        topics++;
    if (out)
        out->topic_partitions = kci_arena_array(&request->arena, topics, sizeof *out->topic_partitions);
    if (!out || !out->topic_partitions)
        return NULL;
    for (size_t at = 0, run; at < set->count; at += run) {
        struct kci_consumer_group_heartbeat_response__topic_partitions *to =
            &out->topic_partitions[out->topic_partitions_count++];
        run = mb_tpset_run(set, at);
        to->topic_id = set->items[at].topic;
        to->partitions = kci_arena_array(&request->arena, run, sizeof *to->partitions);
        if (!to->partitions)
            return NULL;
        for (size_t i = 0; i < run; i++)
            to->partitions[to->partitions_count++] = set->items[at + i].partition;
    }
    return out;
}

static bool respond(const struct beat *beat, bool with_assignment, int32_t epoch,
                    struct kci_consumer_group_heartbeat_response *out)
{
    struct mb_request *request = beat->request;
    *out = (struct kci_consumer_group_heartbeat_response){ .member_epoch = epoch };
    out->member_id = (struct kci_str){ kci_arena_text(&request->arena, beat->id), beat->id.size };
    if (epoch >= 0)
        out->heartbeat_interval_ms =
            (int32_t)mb_group_setting(request->cluster, beat->body->group_id, "consumer.heartbeat.interval.ms");
    if (with_assignment)
        out->assignment = write_assignment(request, &beat->member->assigned);
    return out->member_id.data && (out->assignment || !with_assignment);
}

/* ---- staying ---- */

static void stay(struct beat *beat)
{
    const struct kci_consumer_group_heartbeat_request *body = beat->body;
    struct mb_group *group = beat->group;
    struct mb_group_records records = mb_group_records_of(mb_group_alloc(group));
    struct kci_consumer_group_heartbeat_response response;
    bool is_new = false, written = false, subscribed = false, moved = false;
    bool full = body->rebalance_timeout_ms != -1 &&
                (body->subscribed_topic_names_count >= 0 || body->subscribed_topic_regex.data) && beat->has_owned;
    bool done = enter(beat, &records, &is_new) && update(beat, &written, &subscribed);
    if (done && (is_new || written))
        mb_modern_records_member(&records, beat->member);
    done = done && advance_group(group, is_new || subscribed, &records, beat->now) &&
           advance_member(beat, &records, &moved);
    if (done)
        done = respond(beat, body->member_epoch == MB_MODERN_JOIN || full || moved, beat->member->epoch, &response);
    if (!done) {
        mb_modern_write_failed(group, &records, beat->request, beat->now);
        return;
    }
    mb_modern_member_alive(beat->member, beat->now);
    mb_modern_write(group, &records, beat->request, &response, beat->now);
}

static void convert(struct mb_group *group, int64_t now);

/* The group of the request: found, made, or an empty classic one taken over. False: refused. */
static bool find_group(struct beat *beat)
{
    struct mb_groups *groups = mb_cluster_groups(beat->request->cluster);
    const struct kci_consumer_group_heartbeat_request *body = beat->body;
    struct kci_str id = body->group_id;
    bool may_make = body->member_epoch == MB_MODERN_JOIN;
    beat->group = mb_groups_find(groups, id);
    if (!beat->group && !may_make) {
        refuse(beat, KCI_GROUP_ID_NOT_FOUND, "Consumer group %.*s not found.", (int)id.size, id.data);
        return false;
    }
    if (!beat->group)
        beat->group = mb_groups_obtain(groups, id, beat->now);
    if (beat->group && !beat->group->modern) {
        if (!may_make || beat->group->state != MB_GROUP_EMPTY) {
            refuse(beat, KCI_GROUP_ID_NOT_FOUND, "Group %.*s is not a consumer group.", (int)id.size, id.data);
            return false;
        }
        convert(beat->group, beat->now);
    }
    if (!beat->group || !beat->group->modern) {
        refuse(beat, KCI_UNKNOWN_SERVER_ERROR, "There is no room for the group.");
        return false;
    }
    return true;
}

static void written_anyway(void *owner, int16_t error, int64_t now)
{
    (void)owner, (void)error, (void)now; /* the records of the new kind come behind it, and they are waited for */
}

/* An empty classic group, perhaps with offsets, becomes one of the consumer protocol. */
static void convert(struct mb_group *group, int64_t now)
{
    struct kci_str none = { NULL, 0 };
    KCI_LIST_EACH(node, &group->pending)
    {
        mb_group_pending_remove(group, KCI_CONTAINER(node, struct mb_group_pending, link)->id);
    }
    struct mb_group_records records = mb_group_records_of(mb_group_alloc(group));
    if (group->protocol_type.data)
        mb_group_records_no_group(&records, group->id);
    mb_group_set_protocol_type(group, none);
    mb_group_set_protocol(group, none);
    group->generation = 0;
    mb_modern_attach(group);
    if (!mb_group_records_empty(&records))
        mb_group_records_append(&records, mb_group_cluster(group), group->partition, written_anyway, NULL, now);
}

static bool regex_ok(const struct beat *beat)
{
    struct kci_str regex = beat->body->subscribed_topic_regex;
    bool bad = false;
    if (regex.size == 0)
        return true;
    mb_modern_regex_free(mb_modern_regex_compile(mb_group_alloc(beat->group), regex, &bad));
    if (bad)
        refuse(beat, KCI_INVALID_REGULAR_EXPRESSION, "SubscribedTopicRegex `%.*s` is not a valid regular expression.",
               (int)regex.size, regex.data);
    return !bad;
}

static bool has_room(const struct beat *beat)
{
    int64_t most = mb_cluster_property(beat->request->cluster, "group.consumer.max.size");
    if (most > MB_GROUP_MEMBERS_MAX)
        most = MB_GROUP_MEMBERS_MAX;
    if ((int64_t)beat->group->modern->member_count < most || mb_modern_member_find(beat->group, beat->id))
        return true;
    refuse(beat, KCI_GROUP_MAX_SIZE_REACHED, "The consumer group has reached its maximum capacity of %lld members.",
           (long long)most);
    return false;
}

/* ---- leaving ---- */

static void leave(struct beat *beat)
{
    struct mb_group *group = beat->group;
    struct mb_modern_member *member = beat->member;
    struct mb_group_records records = mb_group_records_of(mb_group_alloc(group));
    struct kci_consumer_group_heartbeat_response response;
    bool done = respond(beat, false, beat->body->member_epoch, &response);
    if (done && beat->body->member_epoch == MB_MODERN_LEAVE_STATIC) {
        /* it will be back: its partitions wait for it until its session ends; what it was to give up is given up */
        const struct mb_tpset nothing = { NULL, 0 };
        struct mb_tpset assigned = member->assigned;
        member->assigned = nothing;
        member->epoch = MB_MODERN_LEAVE_STATIC;
        done = mb_modern_member_hold(member, assigned, nothing);
        mb_modern_records_current(&records, member);
    } else if (done) {
        done = fence(member, &records);
    }
    if (done)
        mb_modern_write(group, &records, beat->request, &response, beat->now);
    else
        mb_modern_write_failed(group, &records, beat->request, beat->now);
}

void mb_handle_consumer_group_heartbeat(struct mb_request *request, int64_t now)
{
    struct beat beat = { .request = request, .body = request->body, .now = now };
    const char *fault = find_fault(beat.body, request->header.version);
    struct kci_str assignor = beat.body->server_assignor;
    char uuid[40];
    if (mb_feature_level(request->cluster, MB_FEATURE_GROUP) == 0) { /* the protocol is not enabled (KIP-848) */
        refuse(&beat, KCI_UNSUPPORTED_VERSION, "%s", kci_error_text(KCI_UNSUPPORTED_VERSION));
        return;
    }
    if (fault) {
        refuse(&beat, KCI_INVALID_REQUEST, "%s", fault);
        return;
    }
    if (assignor.data && !mb_modern_assignor_known(request->cluster, assignor)) {
        refuse(&beat, KCI_UNSUPPORTED_ASSIGNOR, "ServerAssignor %.*s is not supported.", (int)assignor.size,
               assignor.data);
        return;
    }
    int16_t error = mb_groups_route(request, beat.body->group_id, now);
    if (error || !read_owned(&beat)) {
        error = error ? error : KCI_UNKNOWN_SERVER_ERROR;
        refuse(&beat, error, "%s", kci_error_text(error));
        return;
    }
    beat.id = beat.body->member_id;
    if (beat.id.size == 0) { /* v0 leaves that to us */
        struct kci_prng *prng = mb_cluster_prng(request->cluster);
        snprintf(uuid, sizeof uuid, "%016llx%016llx", (unsigned long long)kci_prng_next(prng),
                 (unsigned long long)kci_prng_next(prng));
        beat.id = kci_str_of(uuid);
    }
    if (!find_group(&beat))
        return;
    bool leaves = beat.body->member_epoch < 0;
    if ((!leaves && !has_room(&beat)) || !find_member(&beat) || (!leaves && !regex_ok(&beat)))
        return;
    if (leaves)
        leave(&beat);
    else
        stay(&beat);
}
