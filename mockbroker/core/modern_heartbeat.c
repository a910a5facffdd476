/* ConsumerGroupHeartbeat: a member joins, stays, changes its subscription or leaves, in one request (KIP-848, PROTOCOL
 * 4.7).  Kafka's order:
 *
 *   request itself -> coordinator -> group (made by epoch 0) -> full? -> member (made by epoch 0) and its epoch, or the
 *   holder of the instance id -> pattern
 *     -> member updated           other names, a pattern whose topics are known: group epoch + 1
 *     -> patterns looked at       not now, but soon (modern_pattern.c)
 *     -> topics looked at again   if something changed in the cluster or the group: other topics: group epoch + 1
 *     -> target computed          if it is older than the group, once per group.consumer.assignment.interval.ms
 *     -> member reconciled        one step towards its target
 *     -> answer when all of that is in the log; with the assignment if it changed or the request was a full one
 *
 * Nothing is changed before the last check has passed.
 * Left to others: what the target is (modern_target.c), the step (modern_advance.c, modern_reconcile.c), members of the
 * classic protocol (modern_classic.c, modern_migrate.c), the log (modern_write.c). */
#include "mockbroker/core/cluster.h"
#include "mockbroker/core/group_member.h"
#include "mockbroker/core/group_registry.h"
#include "mockbroker/core/modern_migrate.h"
#include "mockbroker/core/modern_pattern.h"
#include "mockbroker/core/modern_records.h"
#include "mockbroker/core/modern_write.h"
#include "mockbroker/core/re2.h"
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
    bool upgrades;                   /* the group is a classic one with members, and is to become a mixed one */
    struct mb_group_records records; /* what the log must know */
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

/* ---- who is it? ---- */

int16_t mb_modern_check_epoch(const struct mb_group *group, struct kci_str member_id, int32_t epoch,
                              const struct mb_modern_member **out)
{
    *out = mb_modern_member_find(group, member_id);
    if (!*out)
        return KCI_UNKNOWN_MEMBER_ID;
    if (epoch == (*out)->epoch)
        return KCI_NONE;
    return (*out)->classic ? KCI_ILLEGAL_GENERATION : KCI_STALE_MEMBER_EPOCH;
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
        if (holder && epoch == MB_MODERN_JOIN && holder->epoch != MB_MODERN_LEAVE_STATIC && !holder->classic) {
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

/* *written: the log must know; *renamed: it names other topics; *pattern: what became of its pattern. False: no memory. */
static bool update(const struct beat *beat, bool *written, bool *renamed, enum mb_modern_pattern_change *pattern)
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
        done = mb_modern_member_set_pattern(member, body->subscribed_topic_regex, pattern);
    if (done && body->subscribed_topic_names_count >= 0 &&
        !mb_modern_same_names(member, body->subscribed_topic_names, body->subscribed_topic_names_count)) {
        done = mb_modern_member_set_topics(member, body->subscribed_topic_names,
                                           (size_t)body->subscribed_topic_names_count);
        *renamed = true;
    }
    if (body->rebalance_timeout_ms != -1 && body->rebalance_timeout_ms != member->rebalance_timeout_ms) {
        member->rebalance_timeout_ms = body->rebalance_timeout_ms;
        *written = true;
    }
    if (done && member->classic) { /* it has changed over to the new protocol */
        mb_modern_member_unset_classic(member);
        *written = true;
    }
    *written |= *renamed || *pattern != MB_PATTERN_SAME;
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
    return mb_modern_member_replace(member, beat->id, records);
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

/* NULL: no memory. */
static struct kci_consumer_group_heartbeat_response *respond(const struct beat *beat, bool with_assignment,
                                                             int32_t epoch)
{
    struct mb_request *request = beat->request;
    struct kci_consumer_group_heartbeat_response *out = kci_arena_take(&request->arena, sizeof *out);
    if (!out)
        return NULL;
    *out = (struct kci_consumer_group_heartbeat_response){ .member_epoch = epoch };
    out->member_id = (struct kci_str){ kci_arena_text(&request->arena, beat->id), beat->id.size };
    if (epoch >= 0)
        out->heartbeat_interval_ms =
            (int32_t)mb_group_setting(request->cluster, beat->body->group_id, "consumer.heartbeat.interval.ms");
    if (with_assignment)
        out->assignment = write_assignment(request, &beat->member->assigned);
    return out->member_id.data && (out->assignment || !with_assignment) ? out : NULL;
}

/* ---- staying ---- */

static void stay(struct beat *beat)
{
    const struct kci_consumer_group_heartbeat_request *body = beat->body;
    struct mb_group *group = beat->group;
    const struct kci_consumer_group_heartbeat_response *response = NULL;
    enum mb_modern_pattern_change pattern = MB_PATTERN_SAME;
    bool is_new = false, written = false, renamed = false, moved = false;
    bool full = body->rebalance_timeout_ms != -1 &&
                (body->subscribed_topic_names_count >= 0 || body->subscribed_topic_regex.data) && beat->has_owned;
    bool done = enter(beat, &beat->records, &is_new) && update(beat, &written, &renamed, &pattern);
    if (done && (is_new || written))
        mb_modern_records_member(&beat->records, beat->member);
    if (done) {
        mb_modern_patterns_refresh(group, beat->request, pattern, beat->now);
        mb_modern_patterns_prune(group, &beat->records);
    }
    /* a new pattern counts for the group once its topics are known; until then a new member has nothing to want */
    done = done &&
           mb_modern_advance_group(group, renamed || pattern == MB_PATTERN_OTHER_KNOWN, &beat->records, beat->now) &&
           mb_modern_advance_member(beat->member, renamed || pattern != MB_PATTERN_SAME,
                                    beat->has_owned ? &beat->owned : NULL, &beat->records, &moved, beat->now);
    if (done)
        response = respond(beat, body->member_epoch == MB_MODERN_JOIN || full || moved, beat->member->epoch);
    if (!response) {
        mb_modern_write_failed(group, &beat->records, beat->request, beat->now);
        return;
    }
    mb_modern_member_alive(beat->member, beat->now);
    mb_modern_write(group, &beat->records, beat->request, response, beat->now);
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
        if (!may_make) {
            refuse(beat, KCI_GROUP_ID_NOT_FOUND, "Group %.*s is not a consumer group.", (int)id.size, id.data);
            return false;
        }
        beat->upgrades = beat->group->state != MB_GROUP_EMPTY;
        char why[MESSAGE_BYTES];
        if (beat->upgrades && !mb_modern_may_upgrade(beat->group, &beat->request->arena, why, sizeof why)) {
            refuse(beat, KCI_GROUP_ID_NOT_FOUND, "%s", why);
            return false;
        }
        if (beat->upgrades)
            return true;
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
    static const char format[] = "SubscribedTopicRegex `%.*s` is not a valid regular expression: %s.";
    struct kci_str regex = beat->body->subscribed_topic_regex;
    const char *why = NULL;
    if (regex.size == 0)
        return true;
    mb_re2_free(mb_re2_compile(mb_cluster_alloc(beat->request->cluster), regex, &why));
    if (!why)
        return true;
    size_t size = sizeof format + regex.size + strlen(why);
    char *text = kci_arena_take(&beat->request->arena, size);
    if (text)
        snprintf(text, size, format, (int)regex.size, regex.data, why);
    struct kci_consumer_group_heartbeat_response response = { .error_code = KCI_INVALID_REGULAR_EXPRESSION,
                                                              .error_message = kci_str_of(text ? text : why) };
    mb_request_answer(beat->request, &response, beat->now);
    return false;
}

static bool has_room(const struct beat *beat)
{
    int64_t most = mb_cluster_property(beat->request->cluster, "group.consumer.max.size");
    if (most > MB_GROUP_MEMBERS_MAX)
        most = MB_GROUP_MEMBERS_MAX;
    const struct mb_group *group = beat->group;
    bool known =
        beat->upgrades ? mb_group_member_find(group, beat->id) != NULL : mb_modern_member_find(group, beat->id) != NULL;
    if ((int64_t)(beat->upgrades ? group->member_count : group->modern->member_count) < most || known)
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
    const struct kci_consumer_group_heartbeat_response *response = respond(beat, false, beat->body->member_epoch);
    bool done = response != NULL;
    if (done && beat->body->member_epoch == MB_MODERN_LEAVE_STATIC) {
        /* it will be back: its partitions wait for it until its session ends; what it was to give up is given up */
        const struct mb_tpset nothing = { NULL, 0 };
        struct mb_tpset assigned = member->assigned;
        member->assigned = nothing;
        member->epoch = MB_MODERN_LEAVE_STATIC;
        done = mb_modern_member_hold(member, assigned, nothing);
        mb_modern_records_current(&beat->records, member);
    } else if (done) {
        member->leaving = true;
        done = mb_modern_members_leave(group, &beat->records, beat->now);
    }
    if (done)
        mb_modern_write(group, &beat->records, beat->request, response, beat->now);
    else
        mb_modern_write_failed(group, &beat->records, beat->request, beat->now);
}

/* The classic group becomes a mixed one, in the same step as its first new member comes. False: no memory. */
static bool upgrade(struct beat *beat)
{
    if (mb_modern_upgrade(beat->group, &beat->request->arena, &beat->records, beat->now))
        return true;
    mb_group_records_discard(&beat->records);
    refuse(beat, KCI_UNKNOWN_SERVER_ERROR, "There is no memory for the group.");
    return false;
}

void mb_handle_consumer_group_heartbeat(struct mb_request *request, int64_t now)
{
    struct beat beat = { .request = request, .body = request->body, .now = now };
    const char *fault = find_fault(beat.body, request->header.version);
    struct kci_str assignor = beat.body->server_assignor;
    struct mb_modern_new_id made;
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
        made = mb_modern_new_id(request->cluster);
        beat.id = kci_str_of(made.text);
    }
    beat.records = mb_group_records_of(mb_cluster_alloc(request->cluster));
    bool founds =
        beat.body->member_epoch == 0 && !mb_groups_find(mb_cluster_groups(request->cluster), beat.body->group_id);
    if (founds && !regex_ok(&beat)) /* no group comes of it */
        return;
    if (!find_group(&beat))
        return;
    bool leaves = beat.body->member_epoch < 0;
    if (!leaves && !has_room(&beat))
        return;
    if (beat.upgrades && (!regex_ok(&beat) || !upgrade(&beat))) /* a new member of a classic group is never refused */
        return;
    if (!find_member(&beat) || (!leaves && !regex_ok(&beat)))
        return;
    if (leaves)
        leave(&beat);
    else
        stay(&beat);
}
