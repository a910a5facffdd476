/* SyncGroup: members ask for their assignment, the leader brings it for all.
 *
 *   checks (PROTOCOL.md 4.5) -> Completing: park; from the leader: keep each member's part as `proposed`, write the group
 *                               with it -> in the log: hand out, Stable
 *                            -> Stable: one's own assignment again
 *
 * What came from the leader is only proposed until it is in the log: if the write fails, or the group has moved on when
 * it ends, nothing was promised to anybody. */
#include "mockbroker/core/group_answer.h"
#include "mockbroker/core/group_member.h"
#include "mockbroker/core/group_rebalance.h"
#include "mockbroker/core/group_records.h"
#include "mockbroker/core/group_registry.h"
#include "mockbroker/core/modern_classic.h"

struct sync_write {
    struct mb_group_write write; /* first */
    uint64_t serial;             /* of the group */
    int32_t generation;
    struct kci_str group_id; /* owned */
};

static void free_sync_write(struct sync_write *op)
{
    const struct kci_alloc *alloc = op->write.alloc;
    kci_alloc_free(alloc, op->group_id.data);
    kci_alloc_free(alloc, op);
}

static void assignment_written(struct mb_group_write *write, int16_t error, int64_t now)
{
    struct sync_write *op = (struct sync_write *)write;
    struct mb_group *group = write->groups ? mb_groups_find(write->groups, op->group_id) : NULL;
    bool current = group && group->serial == op->serial && group->generation == op->generation &&
                   group->state == MB_GROUP_COMPLETING;
    free_sync_write(op);
    if (current && error)
        mb_group_rebalance_fail(group, mb_group_answer_append_error(error), now);
    else if (current)
        mb_group_rebalance_finish(group, now);
}

static bool propose_for(struct mb_group_member *member, struct kci_bytes part)
{
    const struct kci_alloc *alloc = mb_group_alloc(member->group);
    struct kci_bytes copy;
    if (!mb_group_copy_bytes(alloc, part, &copy))
        return false;
    kci_alloc_free(alloc, member->proposed.data);
    member->proposed = copy;
    return true;
}

/* Each member's part of the leader's list; who is not in it gets nothing. False: no memory. */
static bool propose(struct mb_group *group, const struct kci_sync_group_request *body)
{
    bool done = true;
    KCI_LIST_EACH(node, &group->members)
    {
        done &= propose_for(KCI_CONTAINER(node, struct mb_group_member, link), (struct kci_bytes){ NULL, 0 });
    }
    for (int32_t i = 0; i < body->assignments_count; i++) {
        struct mb_group_member *member = mb_group_member_find(group, body->assignments[i].member_id);
        done &= !member || propose_for(member, body->assignments[i].assignment);
    }
    return done;
}

static void write_assignment(struct mb_group *group, const struct kci_sync_group_request *body, int64_t now)
{
    const struct kci_alloc *alloc = mb_group_alloc(group);
    struct sync_write *op = kci_alloc_zero(alloc, 1, sizeof *op);
    if (op) {
        op->write.alloc = alloc;
        op->serial = group->serial;
        op->generation = group->generation;
        op->group_id = mb_group_copy_str(alloc, group->id);
    }
    if (!op || !op->group_id.data || !propose(group, body)) {
        if (op)
            free_sync_write(op);
        mb_group_rebalance_fail(group, KCI_UNKNOWN_SERVER_ERROR, now);
        return;
    }
    struct mb_group_records records = mb_group_records_of(alloc);
    mb_group_records_group(&records, group, true);
    mb_group_write_begin(&op->write, group->owner, group->partition, assignment_written);
    mb_group_records_append(&records, mb_group_cluster(group), group->partition, mb_group_write_finish, &op->write,
                            now);
}

/* KIP-559: a member that says what it believes to have joined must be right. */
static bool contradicts(struct kci_str said, struct kci_str is)
{
    return said.data && is.data && !kci_str_equal(said, is);
}

static int16_t check(struct mb_request *request, const struct kci_sync_group_request *body, struct mb_group **found,
                     struct mb_group_member **member, int64_t now)
{
    if (request->header.version >= 5 && (!body->protocol_type.data || !body->protocol_name.data))
        return KCI_INCONSISTENT_GROUP_PROTOCOL;
    if (body->group_id.size == 0)
        return KCI_INVALID_GROUP_ID;
    int16_t error = mb_groups_route(request, body->group_id, now);
    if (error)
        return error;
    struct mb_group *group = mb_groups_find(mb_cluster_groups(request->cluster), body->group_id);
    *found = group;
    if (!group)
        return KCI_UNKNOWN_MEMBER_ID;
    if (group->modern) /* its rules are others */
        return KCI_NONE;
    error = mb_group_member_check(group, body->member_id, body->group_instance_id, member);
    if (error)
        return error;
    if (body->generation_id != group->generation)
        return KCI_ILLEGAL_GENERATION;
    if (contradicts(body->protocol_type, group->protocol_type) || contradicts(body->protocol_name, group->protocol))
        return KCI_INCONSISTENT_GROUP_PROTOCOL;
    return group->state == MB_GROUP_PREPARING ? KCI_REBALANCE_IN_PROGRESS : KCI_NONE;
}

void mb_handle_sync_group(struct mb_request *request, int64_t now)
{
    const struct kci_sync_group_request *body = request->body;
    struct mb_group_member *member = NULL;
    struct mb_group *group = NULL;
    int16_t error = check(request, body, &group, &member, now);
    if (error) {
        mb_group_answer_sync_error(request, error, now);
        return;
    }
    if (group->modern) {
        mb_modern_classic_sync(request, group, now);
        return;
    }
    mb_group_rebalance_synced(member);
    if (group->state == MB_GROUP_STABLE) {
        mb_group_answer_sync(request, member, now);
        return;
    }
    mb_group_member_park_sync(member, request, now);
    if (group->leader == member)
        write_assignment(group, body,
                         now); /* the request is parked: body stays until it is answered, here at the end */
}
