/* JoinGroup, SyncGroup, Heartbeat and LeaveGroup of a classic member in a mixed group (KIP-848).  There is no leader
 * and no waiting for others; what the member knows as a generation is its epoch:
 *
 *      Heartbeat   REBALANCE_IN_PROGRESS if there is a newer target, something to give up, or something that came free
 *      JoinGroup   what it subscribes to and owns (in its metadata) is what a heartbeat of KIP-848 says: the group moves
 *                  on, the member takes one step towards its target; the answer has its new epoch, and nobody leads
 *      SyncGroup   what it may have now, in the encoding that it reads
 *
 * An eager member owns nothing when it joins, so its step is a large one; a cooperative one gives up first, and joins
 * again, as it would in a classic group.  A member that is told to join, or has joined, and does not come within its
 * rebalance timeout is fenced. */
#include "mockbroker/core/modern_classic.h"

#include "mockbroker/core/cluster.h"
#include "mockbroker/core/embedded.h"
#include "mockbroker/core/group_answer.h"
#include "mockbroker/core/group_registry.h"
#include "mockbroker/core/group_settled.h"
#include "mockbroker/core/modern_migrate.h"
#include "mockbroker/core/modern_pattern.h"
#include "mockbroker/core/modern_records.h"
#include "mockbroker/core/modern_write.h"
#include "mockbroker/core/tpset.h"

/* ---- time-outs ---- */

static void join_over(void *owner, int64_t now)
{
    mb_modern_member_fence(owner, "it was told to join again and did not", now);
}

static void sync_over(void *owner, int64_t now)
{
    mb_modern_member_fence(owner, "it joined and did not ask for its assignment", now);
}

static void expect(struct mb_modern_member *member, struct mb_alarm *alarm, void (*fire)(void *, int64_t), int64_t now)
{
    alarm->fire = fire;
    alarm->owner = member;
    mb_alarm_set(mb_group_cluster(member->group), alarm, now + (int64_t)member->rebalance_timeout_ms * 1000);
}

/* It is told to join: the first time starts the clock. */
static void expect_join(struct mb_modern_member *member, int64_t now)
{
    if (!member->classic->join.timer.position)
        expect(member, &member->classic->join, join_over, now);
}

/* ---- who is it? ---- */

/* 0, UNKNOWN_MEMBER_ID or FENCED_INSTANCE_ID. */
static int16_t find(const struct mb_group *group, struct kci_str id, struct kci_str instance_id,
                    struct mb_modern_member **out)
{
    *out = instance_id.data ? mb_modern_member_static(group, instance_id) : mb_modern_member_find(group, id);
    if (!*out)
        return KCI_UNKNOWN_MEMBER_ID;
    return kci_str_equal((*out)->id, id) ? KCI_NONE : KCI_FENCED_INSTANCE_ID;
}

/* And it speaks the classic protocol, in this generation. */
static int16_t find_classic(const struct mb_group *group, struct kci_str id, struct kci_str instance_id,
                            int32_t generation, struct mb_modern_member **out)
{
    int16_t error = find(group, id, instance_id, out);
    if (!error && !(*out)->classic)
        error = KCI_UNKNOWN_MEMBER_ID;
    return !error && generation != (*out)->epoch ? KCI_ILLEGAL_GENERATION : error;
}

/* ---- JoinGroup ---- */

struct join {
    struct mb_request *request;
    const struct kci_join_group_request *body;
    struct mb_group *group;
    struct mb_modern_member *member; /* NULL: to be made */
    struct kci_str id;               /* of the member: from the request, or made here */
    struct kci_consumer_protocol_subscription subscription;
    struct mb_tpset owned;
    bool replaces; /* a static member is back under another id */
    int64_t now;
};

static int16_t check(const struct join *join)
{
    const struct mb_cluster *cluster = join->request->cluster;
    const struct mb_modern *modern = join->group->modern;
    int64_t most = mb_cluster_property(cluster, "group.consumer.max.size");
    if (mb_modern_migration(cluster) == MB_MIGRATE_NOT)
        return KCI_INCONSISTENT_GROUP_PROTOCOL;
    if ((int64_t)modern->member_count >= (most < MB_GROUP_MEMBERS_MAX ? most : MB_GROUP_MEMBERS_MAX) &&
        !mb_modern_member_find(join->group, join->id))
        return KCI_GROUP_MAX_SIZE_REACHED;
    if (!kci_str_equal(join->body->protocol_type, kci_str_of("consumer")) ||
        join->body->protocols_count > MB_GROUP_PROTOCOLS_MAX)
        return KCI_INCONSISTENT_GROUP_PROTOCOL;
    for (int32_t i = 0; i < join->body->protocols_count; i++)
        if (mb_modern_classic_share(join->group, join->body->protocols[i].name))
            return KCI_NONE;
    return KCI_INCONSISTENT_GROUP_PROTOCOL;
}

/* 0, or an error; nothing is changed yet. */
static int16_t prepare(struct join *join)
{
    const struct kci_join_group_request *body = join->body;
    struct mb_modern_member *holder = mb_modern_member_static(join->group, body->group_instance_id);
    join->member = mb_modern_member_find(join->group, join->id);
    if (body->group_instance_id.data && body->member_id.size) {
        int16_t error = find(join->group, join->id, body->group_instance_id, &join->member);
        if (error)
            return error;
    } else if (holder) {
        join->member = holder;
        join->replaces = true;
    }
    if (!mb_embedded_subscription(&join->request->arena, body->protocols[0].metadata, &join->subscription) ||
        join->subscription.topics_count > MB_MODERN_TOPICS_MAX ||
        !mb_embedded_owned(join->request->cluster, &join->request->arena, &join->subscription, &join->owned))
        return KCI_UNKNOWN_SERVER_ERROR;
    return KCI_NONE;
}

/* False: no memory. */
static bool set_classic(const struct join *join)
{
    const struct kci_join_group_request *body = join->body;
    size_t count = (size_t)body->protocols_count;
    struct mb_group_protocol *protocols = kci_arena_array(&join->request->arena, count, sizeof *protocols);
    for (size_t i = 0; protocols && i < count; i++)
        protocols[i] = (struct mb_group_protocol){ body->protocols[i].name, body->protocols[i].metadata };
    struct mb_group_identity who = { .session_timeout_ms = body->session_timeout_ms,
                                     .protocols = protocols,
                                     .protocol_count = count };
    return protocols && mb_modern_member_set_classic(join->member, &who);
}

/* The member says what it wants: *bump, it is something else than before. False: no memory. */
static bool update(struct join *join, bool *bump)
{
    const struct kci_join_group_request *body = join->body;
    const struct kci_consumer_protocol_subscription *wants = &join->subscription;
    struct mb_modern_member *member = join->member;
    const struct kci_str none = { NULL, 0 };
    enum mb_modern_pattern_change pattern = MB_PATTERN_SAME;
    bool changed;
    bool done =
        mb_modern_member_set_text(member, &member->client_id, join->request->header.client_id, &changed) &&
        mb_modern_member_set_text(member, &member->client_host, kci_str_of(join->request->client_host), &changed) &&
        mb_modern_member_set_pattern(member, none, &pattern) && set_classic(join);
    if (done && wants->rack_id.size)
        done = mb_modern_member_set_text(member, &member->rack_id, wants->rack_id, &changed);
    if (done && body->group_instance_id.data && !kci_str_equal(body->group_instance_id, member->instance_id))
        done = mb_modern_member_set_instance(member, body->group_instance_id);
    if (done && !mb_modern_same_names(member, wants->topics, wants->topics_count)) {
        done = mb_modern_member_set_topics(member, wants->topics, (size_t)wants->topics_count);
        *bump = true;
    }
    int32_t timeout_ms = join->request->header.version >= 1 ? body->rebalance_timeout_ms : body->session_timeout_ms;
    if (timeout_ms >= 0)
        member->rebalance_timeout_ms = timeout_ms;
    *bump |= pattern != MB_PATTERN_SAME;
    if (done)
        mb_modern_patterns_refresh(join->group, join->request, pattern, join->now);
    return done;
}

static const struct kci_join_group_response *respond(const struct join *join)
{
    struct kci_arena *arena = &join->request->arena;
    struct kci_join_group_response *out = kci_arena_take(arena, sizeof *out);
    if (!out)
        return NULL;
    *out = (struct kci_join_group_response){
        .generation_id = join->member->epoch,
        .protocol_type = kci_str_of("consumer"),
        .protocol_name = join->body->protocols[0].name,
        .leader = { "", 0 },
        .member_id = { kci_arena_text(arena, join->id), join->id.size },
    };
    return out->member_id.data ? out : NULL;
}

/* The group, then the member, move on. False: no memory. */
static bool advance(struct join *join, bool bump, struct mb_group_records *records)
{
    bool moved;
    return mb_modern_advance_group(join->group, bump, records, join->now) &&
           mb_modern_advance_member(join->member, bump, &join->owned, records, &moved, join->now);
}

/* Does each member have its target?  In a classic group nobody would hear that it is to get more, or to give something
 * back: what is on its way from one to another would stay with nobody.  (Kafka rebalances for a new subscription only.) */
static bool all_settled(const struct mb_modern *modern)
{
    KCI_LIST_EACH(node, &modern->members)
    {
        const struct mb_modern_member *member = KCI_CONTAINER(node, struct mb_modern_member, link);
        if (member->revoking.count || !mb_tpset_equal(&member->assigned, &member->target))
            return false;
    }
    return true;
}

/* The same before it becomes a classic group: only what its targets are worth; *stale: nothing. False: no memory. */
static bool advance_last(struct join *join, bool bump, struct mb_group_records *records, bool *stale)
{
    const struct mb_modern *modern = join->group->modern;
    bool moved, other_topics;
    if (!mb_modern_look_at_topics(join->group, bump, &other_topics))
        return false;
    *stale = bump || other_topics || modern->epoch > modern->target_epoch;
    if (*stale)
        return true;
    if (!mb_modern_advance_member(join->member, bump, &join->owned, records, &moved, join->now))
        return false;
    *stale = !all_settled(modern);
    return true;
}

/* The last member of the consumer protocol is back as one of the classic protocol, and the group with it. */
static bool downgrade(struct join *join, bool stale, struct mb_group_records *records)
{
    return mb_modern_downgrade(join->group, records, stale ? "the targets were out of date, or not reached" : NULL,
                               join->now);
}

static void enter(struct join *join)
{
    struct mb_group *group = join->group;
    struct mb_group_records records = mb_group_records_of(mb_group_alloc(group));
    const struct kci_join_group_response *response = NULL;
    bool bump = false, was_modern = join->member && !join->member->classic, done = true;
    if (join->replaces)
        done = mb_modern_member_replace(join->member, join->id, &records);
    else if (!join->member)
        join->member = mb_modern_member_add(group, join->id);
    if (join->member)
        join->member->known = true;
    done = done && join->member && update(join, &bump);
    if (done) {
        mb_modern_records_member(&records, join->member);
        mb_modern_patterns_prune(group, &records);
    }
    bool downgrades = done && join->replaces && was_modern && mb_modern_may_downgrade(group), stale = false;
    if (done && (downgrades ? advance_last(join, bump, &records, &stale) : advance(join, bump, &records)))
        response = respond(join);
    if (response && !downgrades) {
        mb_alarm_stop(mb_group_cluster(group), &join->member->classic->join);
        expect(join->member, &join->member->classic->sync, sync_over, join->now);
        mb_modern_member_alive(join->member, join->now);
    }
    if (!response || (downgrades && !downgrade(join, stale, &records)))
        mb_modern_write_failed(group, &records, join->request, join->now);
    else
        mb_modern_write(group, &records, join->request, response, join->now);
}

void mb_modern_classic_join(struct mb_request *request, struct mb_group *group, int64_t now)
{
    struct join join = { .request = request, .body = request->body, .group = group, .now = now };
    struct mb_modern_new_id made;
    bool is_new = join.body->member_id.size == 0;
    join.id = join.body->member_id;
    if (is_new) {
        made = mb_modern_new_id(request->cluster);
        join.id = kci_str_of(made.text);
    }
    const struct kci_str nobody = { "", 0 }; /* unlike a classic group, Kafka does not repeat the id here */
    int16_t error = check(&join);
    if (error)
        mb_group_answer_join_error(request, nobody, error, now);
    else if (is_new && !join.body->group_instance_id.data && request->header.version >= 4)
        mb_group_answer_join_error(request, join.id, KCI_MEMBER_ID_REQUIRED, now); /* it is not kept (KIP-394) */
    else if ((error = prepare(&join)) != KCI_NONE)
        mb_group_answer_join_error(request, nobody, error, now);
    else
        enter(&join);
}

/* ---- SyncGroup ---- */

static int16_t check_sync(const struct kci_sync_group_request *body, const struct mb_group *group, int64_t now,
                          struct mb_modern_member **out)
{
    int16_t error = find_classic(group, body->member_id, body->group_instance_id, body->generation_id, out);
    if (error)
        return error;
    if ((body->protocol_type.data && !kci_str_equal(body->protocol_type, kci_str_of("consumer"))) ||
        (body->protocol_name.data && !kci_str_equal(body->protocol_name, (*out)->classic->protocols[0].name)))
        return KCI_INCONSISTENT_GROUP_PROTOCOL;
    if ((*out)->epoch < group->modern->target_epoch && (*out)->state != MB_MODERN_UNREVOKED) {
        expect_join(*out, now);
        return KCI_REBALANCE_IN_PROGRESS;
    }
    return KCI_NONE;
}

/* What it has, in the arena of the request. NULL: no memory. */
static const struct kci_sync_group_response *respond_sync(struct mb_request *request,
                                                          const struct mb_modern_member *member)
{
    const struct kci_sync_group_request *body = request->body;
    const struct kci_alloc *alloc = mb_group_alloc(member->group);
    struct kci_sync_group_response *out = kci_arena_take(&request->arena, sizeof *out);
    struct kci_bytes bytes;
    if (!out || !mb_embedded_write(request->cluster, alloc, &member->assigned,
                                   mb_embedded_version(member->classic->protocols[0].metadata), &bytes))
        return NULL;
    uint8_t *copy = kci_arena_array(&request->arena, bytes.size, 1);
    if (copy)
        memcpy(copy, bytes.data, bytes.size);
    kci_alloc_free(alloc, bytes.data);
    *out = (struct kci_sync_group_response){ .protocol_type = body->protocol_type,
                                             .protocol_name = body->protocol_name,
                                             .assignment = { copy, bytes.size } };
    return copy ? out : NULL;
}

void mb_modern_classic_sync(struct mb_request *request, const struct mb_group *group, int64_t now)
{
    const struct kci_sync_group_request *body = request->body;
    struct mb_modern_member *member;
    const struct kci_sync_group_response *response = NULL;
    int16_t error = check_sync(body, group, now, &member);
    if (!error && !(response = respond_sync(request, member)))
        error = KCI_UNKNOWN_SERVER_ERROR;
    if (error) {
        mb_group_answer_sync_error(request, error, now);
        return;
    }
    mb_alarm_stop(request->cluster, &member->classic->sync);
    mb_modern_member_alive(member, now);
    mb_group_answer_settled(group, request, response, now);
}

/* ---- Heartbeat, LeaveGroup ---- */

/* Has somebody given up what the member is to get? */
static bool something_came_free(const struct mb_modern_member *member)
{
    if (member->state != MB_MODERN_UNRELEASED)
        return false;
    for (size_t i = 0; i < member->target.count; i++) {
        const struct mb_tp *tp = &member->target.items[i];
        if (!mb_tpset_find(&member->assigned, tp) && mb_modern_owner(member->group->modern, tp))
            return false;
    }
    return true;
}

int16_t mb_modern_classic_beat(const struct kci_heartbeat_request *body, const struct mb_group *group, int64_t now)
{
    struct mb_modern_member *member;
    int16_t error = find_classic(group, body->member_id, body->group_instance_id, body->generation_id, &member);
    if (error)
        return error;
    mb_modern_member_alive(member, now);
    if (member->epoch >= group->modern->target_epoch && member->state != MB_MODERN_UNREVOKED &&
        !something_came_free(member))
        return KCI_NONE;
    expect_join(member, now);
    return KCI_REBALANCE_IN_PROGRESS;
}

/* As in Kafka, whoever is named goes, also a member of the consumer protocol: administrators remove both kinds. */
int16_t mb_modern_classic_leave(struct mb_group *group, struct kci_str id, struct kci_str instance_id)
{
    struct mb_modern_member *member;
    int16_t error;
    if (instance_id.data && id.size == 0) {
        member = mb_modern_member_static(group, instance_id);
        error = member ? KCI_NONE : KCI_UNKNOWN_MEMBER_ID;
    } else {
        error = find(group, id, instance_id, &member);
    }
    if (!error)
        member->leaving = true;
    return error;
}
