/* JoinGroup: every check in Kafka's order (PROTOCOL.md 4.5), then the member is added, updated or replaced, and the
 * request is parked until the rebalance ends, or answered at once when nothing changes.
 *
 *   request -> group id, session timeout, coordinator -> group known or made -> room -> protocols shared
 *     no member id:   static, instance known   replace: same place, new id, the former id is fenced (KIP-345)
 *                     static, instance new     add
 *                     dynamic, v4+             MEMBER_ID_REQUIRED, the id is kept for a while (KIP-394)
 *                     dynamic, v0-3            add
 *     member id:      given out before         add
 *                     known                    by state: wait, rebalance, or the present generation again
 *
 * Left to others: when waiting ends (group_rebalance.c). */
#include "mockbroker/core/group_answer.h"
#include "mockbroker/core/group_member.h"
#include "mockbroker/core/group_rebalance.h"
#include "mockbroker/core/group_records.h"
#include "mockbroker/core/group_registry.h"
#include "mockbroker/core/modern_classic.h"
#include "mockbroker/core/modern_records.h"

struct joining {
    struct mb_request *request;
    const struct kci_join_group_request *body;
    struct mb_group *group;
    struct mb_group_identity who;
    struct mb_group_protocol protocols[MB_GROUP_PROTOCOLS_MAX]; /* of who */
    int64_t now;
};

static const struct kci_str no_id = { "", 0 };

/* A static member that came back is told its generation once its new id is in the log. */
struct static_join {
    struct mb_group_write write;        /* first */
    uint64_t serial;                    /* of the group */
    struct kci_str group_id, member_id; /* owned */
    struct kci_str former_leader;       /* owned: id of the leader before the change */
};

static void fail(const struct joining *join, struct kci_str member_id, int16_t error)
{
    mb_group_answer_join_error(join->request, member_id, error, join->now);
}

/* Room for one more? Kafka counts those that wait during a rebalance and the members otherwise. */
static bool accepts(const struct mb_group *group, struct kci_str member_id)
{
    int64_t most = mb_cluster_property(mb_group_cluster(group), "group.max.size");
    const struct mb_group_member *member = mb_group_member_find(group, member_id);
    size_t taken = group->state == MB_GROUP_PREPARING ? group->joined_count : group->member_count;
    if (most > MB_GROUP_MEMBERS_MAX)
        most = MB_GROUP_MEMBERS_MAX;
    if (!member && group->member_count + group->pending_by_id.count >= MB_GROUP_MEMBERS_MAX)
        return mb_group_pending_has(group, member_id) && group->member_count < (size_t)most;
    if (group->state == MB_GROUP_EMPTY || group->state == MB_GROUP_DEAD)
        return true;
    if (member && (group->state != MB_GROUP_PREPARING || member->join))
        return true;
    return taken < (size_t)most;
}

static void identify(struct joining *join, struct kci_str id)
{
    const struct kci_join_group_request *body = join->body;
    join->who.id = id;
    join->who.instance_id = body->group_instance_id;
    join->who.client_id = join->request->header.client_id;
    join->who.client_host = kci_str_of(join->request->client_host);
    join->who.session_timeout_ms = body->session_timeout_ms;
    join->who.rebalance_timeout_ms =
        join->request->header.version >= 1 ? body->rebalance_timeout_ms : body->session_timeout_ms;
    if (join->who.rebalance_timeout_ms < 0)
        join->who.rebalance_timeout_ms = body->session_timeout_ms;
    join->who.protocol_count = (size_t)body->protocols_count; /* mb_group_supports bounds it */
    for (size_t i = 0; i < join->who.protocol_count; i++)
        join->protocols[i] = (struct mb_group_protocol){ body->protocols[i].name, body->protocols[i].metadata };
    join->who.protocols = join->protocols;
}

static void add_and_rebalance(struct joining *join, struct kci_str id)
{
    struct mb_group *group = join->group;
    identify(join, id);
    if (group->member_count == 0 && !mb_group_set_protocol_type(group, join->body->protocol_type)) {
        fail(join, no_id, KCI_UNKNOWN_SERVER_ERROR);
        return;
    }
    struct mb_group_member *member = mb_group_member_add(group, &join->who, join->now);
    if (!member) {
        fail(join, no_id, KCI_UNKNOWN_SERVER_ERROR);
        return;
    }
    member->is_new = true;
    if (group->state == MB_GROUP_PREPARING && group->previous_state == MB_GROUP_EMPTY)
        group->member_added = true;
    mb_group_member_park_join(member, join->request, join->now);
    mb_group_member_alive_for(member, MB_GROUP_NEW_MEMBER_MS, join->now);
    mb_group_rebalance(group, "a member joined", join->now);
}

static void update_and_rebalance(struct joining *join, struct mb_group_member *member, const char *why)
{
    if (!mb_group_member_update(member, &join->who)) {
        fail(join, member->id, KCI_UNKNOWN_SERVER_ERROR);
        return;
    }
    mb_group_member_park_join(member, join->request, join->now);
    mb_group_rebalance(join->group, why, join->now);
}

static void answer_generation(const struct joining *join, const struct mb_group_member *member, bool with_members)
{
    struct mb_group_join_answer how = { .with_members = with_members, .leader = join->group->leader->id };
    mb_group_answer_join(join->request, member, &how, join->now);
}

/* ---- static members ---- */

static void free_static_join(struct static_join *op)
{
    const struct kci_alloc *alloc = op->write.alloc;
    kci_alloc_free(alloc, op->group_id.data);
    kci_alloc_free(alloc, op->member_id.data);
    kci_alloc_free(alloc, op->former_leader.data);
    kci_alloc_free(alloc, op);
}

static void static_join_written(struct mb_group_write *write, int16_t error, int64_t now)
{
    struct static_join *op = (struct static_join *)write;
    struct mb_group *group = write->groups ? mb_groups_find(write->groups, op->group_id) : NULL;
    struct mb_group_member *member =
        group && group->serial == op->serial ? mb_group_member_find(group, op->member_id) : NULL;
    /* in a rebalance meanwhile: then its end answers */
    struct mb_request *request = member && group->state == MB_GROUP_STABLE ? mb_group_member_take_join(member) : NULL;
    if (request && error) {
        mb_group_answer_join_error(request, no_id, mb_group_answer_append_error(error), now);
    } else if (request) {
        /* A returning leader of v9 hears that it leads and that the assignment stands. Before that there was no way to
         * say so: it is told the former id, and takes itself for a follower (KIP-814). */
        bool knows_skip = request->header.version >= 9, leads = group->leader == member;
        struct mb_group_join_answer how = {
            .with_members = knows_skip && leads,
            .skip_assignment = knows_skip && leads,
            .leader = knows_skip ? group->leader->id : op->former_leader,
        };
        mb_group_member_alive(member, now);
        mb_group_answer_join(request, member, &how, now);
    }
    free_static_join(op);
}

/* Write the group with the new id; the request is parked. False: no memory. */
static bool write_static_join(struct joining *join, const struct mb_group_member *member, struct kci_str former_leader)
{
    struct mb_group *group = join->group;
    const struct kci_alloc *alloc = mb_group_alloc(group);
    struct static_join *op = kci_alloc_zero(alloc, 1, sizeof *op);
    if (!op)
        return false;
    op->write.alloc = alloc;
    op->serial = group->serial;
    op->group_id = mb_group_copy_str(alloc, group->id);
    op->member_id = mb_group_copy_str(alloc, member->id);
    op->former_leader = mb_group_copy_str(alloc, former_leader);
    if (!op->group_id.data || !op->member_id.data || !op->former_leader.data) {
        free_static_join(op);
        return false;
    }
    struct mb_group_records records = mb_group_records_of(alloc);
    mb_group_records_group(&records, group, false);
    mb_group_write_begin(&op->write, group->owner, group->partition, static_join_written);
    mb_group_records_append(&records, mb_group_cluster(group), group->partition, mb_group_write_finish, &op->write,
                            join->now);
    return true;
}

/* The instance is known: the member gets a new id; whoever still uses the former one is fenced. */
static void replace_static(struct joining *join, struct mb_group_member *member, struct kci_str id)
{
    struct mb_group *group = join->group;
    const struct kci_alloc *alloc = mb_group_alloc(group);
    struct kci_str former_id = mb_group_copy_str(alloc, member->id);
    struct kci_str former_leader =
        former_id.data ? mb_group_copy_str(alloc, group->leader->id) : (struct kci_str){ NULL, 0 };
    identify(join, id);
    if (!former_leader.data || !mb_group_member_update(member, &join->who) || !mb_group_member_rename(member, id)) {
        fail(join, no_id, KCI_UNKNOWN_SERVER_ERROR);
        goto out;
    }
    struct mb_request *parked_join = mb_group_member_take_join(member);
    struct mb_request *parked_sync = mb_group_member_take_sync(member);
    if (parked_join)
        mb_group_answer_join_error(parked_join, former_id, KCI_FENCED_INSTANCE_ID, join->now);
    if (parked_sync)
        mb_group_answer_sync_error(parked_sync, KCI_FENCED_INSTANCE_ID, join->now);
    mb_group_member_alive(member, join->now);
    mb_group_member_park_join(member, join->request, join->now);
    if (group->state != MB_GROUP_STABLE)
        mb_group_rebalance(group, "a static member came back", join->now);
    else if (!kci_str_equal(mb_group_vote(group), group->protocol))
        mb_group_rebalance(group, "a static member came back and changes the protocol", join->now);
    else if (!write_static_join(join, member, former_leader))
        mb_group_rebalance(group, "a static member came back and there is no memory to tell", join->now);
out:
    kci_alloc_free(alloc, former_id.data);
    kci_alloc_free(alloc, former_leader.data);
}

/* ---- the two kinds of JoinGroup ---- */

static void join_new(struct joining *join)
{
    struct mb_group *group = join->group;
    const struct kci_alloc *alloc = mb_group_alloc(group);
    struct kci_str instance = join->body->group_instance_id, client = join->request->header.client_id;
    struct kci_str id = mb_group_member_new_id(group, instance.data ? instance : client);
    struct mb_group_member *former = mb_group_member_static(group, instance);
    if (!id.data)
        fail(join, no_id, KCI_UNKNOWN_SERVER_ERROR);
    else if (former)
        replace_static(join, former, id);
    else if (instance.data || join->request->header.version < 4)
        add_and_rebalance(join, id);
    else if (mb_group_pending_add(group, id, join->body->session_timeout_ms, join->now))
        fail(join, id, KCI_MEMBER_ID_REQUIRED);
    else
        fail(join, no_id, KCI_UNKNOWN_SERVER_ERROR);
    kci_alloc_free(alloc, id.data);
}

static void join_known(struct joining *join)
{
    struct mb_group *group = join->group;
    struct kci_str id = join->body->member_id;
    struct mb_group_member *member;
    if (mb_group_pending_has(group, id) && !join->body->group_instance_id.data) {
        add_and_rebalance(join, id);
        return;
    }
    int16_t error = mb_group_member_check(group, id, join->body->group_instance_id, &member);
    if (error) {
        fail(join, id, error);
        return;
    }
    identify(join, id);
    bool same = mb_group_member_matches(member, &join->who), leads = group->leader == member;
    if (group->state == MB_GROUP_PREPARING)
        update_and_rebalance(join, member, "a member joined again");
    else if (group->state == MB_GROUP_COMPLETING && same)
        answer_generation(join, member, leads); /* it may have lost the first answer */
    else if (group->state == MB_GROUP_COMPLETING)
        update_and_rebalance(join, member, "a member changed what it offers");
    else if (group->state == MB_GROUP_STABLE && same && !leads)
        answer_generation(join, member, false);
    else if (group->state == MB_GROUP_STABLE)
        update_and_rebalance(join, member, leads ? "the leader joined again" : "a member changed what it offers");
    else
        fail(join, id, KCI_UNKNOWN_MEMBER_ID);
}

/* The group is full; a member that comes back too late for the last place is a member no more. */
static void turn_away(struct joining *join)
{
    struct mb_group_member *surplus = mb_group_member_find(join->group, join->body->member_id);
    mb_group_pending_remove(join->group, join->body->member_id);
    fail(join, no_id, KCI_GROUP_MAX_SIZE_REACHED);
    if (surplus)
        mb_group_rebalance_expel(surplus, "the group is full", join->now);
}

static int16_t check(struct mb_request *request, const struct kci_join_group_request *body, int64_t now)
{
    if (body->group_id.size == 0)
        return KCI_INVALID_GROUP_ID;
    if (body->session_timeout_ms < mb_cluster_property(request->cluster, "group.min.session.timeout.ms") ||
        body->session_timeout_ms > mb_cluster_property(request->cluster, "group.max.session.timeout.ms"))
        return KCI_INVALID_SESSION_TIMEOUT;
    int16_t error = mb_groups_route(request, body->group_id, now);
    size_t metadata_bytes = 0;
    for (int32_t i = 0; i < body->protocols_count; i++)
        metadata_bytes += body->protocols[i].metadata.size;
    if (!error && metadata_bytes > MB_GROUP_METADATA_BYTES)
        error = KCI_UNKNOWN_SERVER_ERROR; /* what Kafka says later, when it cannot write the group */
    return error;
}

/* The last members of the consumer protocol are gone: the group may become a classic one. Nobody waits for that: who
 * joins is told nothing before its generation is in the log, and that is behind. */
static void written(void *owner, int16_t error, int64_t now)
{
    (void)owner, (void)error, (void)now;
}

static void make_classic(struct mb_group *group, int64_t now)
{
    struct mb_group_records records = mb_group_records_of(mb_group_alloc(group));
    mb_modern_records_forget(&records, group);
    mb_modern_detach(group);
    mb_group_records_append(&records, mb_group_cluster(group), group->partition, written, NULL, now);
}

void mb_handle_join_group(struct mb_request *request, int64_t now)
{
    const struct kci_join_group_request *body = request->body;
    struct mb_groups *groups = mb_cluster_groups(request->cluster);
    struct joining join = { .request = request, .body = body, .now = now };
    bool is_new = body->member_id.size == 0;
    int16_t error = check(request, body, now);
    if (!error) {
        join.group = mb_groups_find(groups, body->group_id);
        if (!join.group && !is_new)
            error = KCI_UNKNOWN_MEMBER_ID;
        else if (!join.group)
            join.group = mb_groups_obtain(groups, body->group_id, now);
        if (!error && !join.group)
            error = KCI_UNKNOWN_SERVER_ERROR; /* no memory, or MB_GROUPS_MAX */
        if (!error && join.group->modern && !mb_group_is_empty(join.group)) {
            mb_modern_classic_join(request, join.group, now);
            return;
        }
        if (!error && join.group->modern)
            make_classic(join.group, now);
    }
    if (error) {
        fail(&join, body->member_id, error);
    } else if (!accepts(join.group, body->member_id)) {
        turn_away(&join);
    } else if (!mb_group_supports(join.group, body)) {
        fail(&join, body->member_id, KCI_INCONSISTENT_GROUP_PROTOCOL);
    } else if (is_new) {
        join_new(&join);
    } else {
        join_known(&join);
    }
}
