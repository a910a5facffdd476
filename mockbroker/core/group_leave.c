/* LeaveGroup: one member (v0-2) or several (v3+, where an administrator may name static members by instance id alone).
 */
#include "mockbroker/core/group_member.h"
#include "mockbroker/core/group_rebalance.h"
#include "mockbroker/core/group_registry.h"

/* Remove one without rebalancing yet. */
static int16_t leave(struct mb_group *group, struct kci_str id, struct kci_str instance_id, int64_t now)
{
    struct mb_group_member *member = NULL;
    int16_t error = KCI_NONE;
    if (id.size == 0) {
        member = mb_group_member_static(group, instance_id);
        error = member ? KCI_NONE : KCI_UNKNOWN_MEMBER_ID;
    } else if (mb_group_pending_remove(group, id)) {
        return KCI_NONE;
    } else {
        error = mb_group_member_check(group, id, instance_id, &member);
    }
    if (!error)
        mb_group_member_expel(member, KCI_UNKNOWN_MEMBER_ID, now);
    return error;
}

/* v0-2: the result of the one member is the result of the request. */
static void leave_single(struct mb_request *request, struct mb_group *group, int64_t now)
{
    const struct kci_leave_group_request *body = request->body;
    struct kci_leave_group_response response = { .error_code = KCI_UNKNOWN_MEMBER_ID };
    if (group)
        response.error_code = leave(group, body->member_id, (struct kci_str){ NULL, 0 }, now);
    mb_request_answer(request, &response, now);
    if (group && !response.error_code && group->state != MB_GROUP_EMPTY)
        mb_group_rebalance(group, "a member left", now);
}

static void leave_several(struct mb_request *request, struct mb_group *group, int64_t now)
{
    const struct kci_leave_group_request *body = request->body;
    struct kci_leave_group_response response = { .members_count = body->members_count };
    bool left = false;
    response.members = kci_arena_array(&request->arena, (size_t)body->members_count, sizeof *response.members);
    if (!response.members) {
        response = (struct kci_leave_group_response){ .error_code = KCI_UNKNOWN_SERVER_ERROR };
        mb_request_answer(request, &response, now);
        return;
    }
    for (int32_t i = 0; i < body->members_count; i++) {
        response.members[i].member_id = body->members[i].member_id;
        response.members[i].group_instance_id = body->members[i].group_instance_id;
        response.members[i].error_code = KCI_UNKNOWN_MEMBER_ID;
        if (group)
            response.members[i].error_code =
                leave(group, body->members[i].member_id, body->members[i].group_instance_id, now);
        left |= response.members[i].error_code == KCI_NONE;
    }
    mb_request_answer(request, &response, now);
    if (left && group->state != MB_GROUP_EMPTY)
        mb_group_rebalance(group, "members left", now);
}

void mb_handle_leave_group(struct mb_request *request, int64_t now)
{
    const struct kci_leave_group_request *body = request->body;
    int16_t error = body->group_id.size == 0 ? KCI_INVALID_GROUP_ID : mb_groups_route(request, body->group_id, now);
    if (error) {
        struct kci_leave_group_response response = { .error_code = error };
        mb_request_answer(request, &response, now);
        return;
    }
    struct mb_group *group = mb_groups_find(mb_cluster_groups(request->cluster), body->group_id);
    if (request->header.version <= 2)
        leave_single(request, group, now);
    else
        leave_several(request, group, now);
}
