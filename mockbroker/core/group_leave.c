/* LeaveGroup: one member (v0-2) or several (v3+, where an administrator may name static members by instance id alone).
 */
#include "mockbroker/core/group_member.h"
#include "mockbroker/core/group_rebalance.h"
#include "mockbroker/core/group_registry.h"
#include "mockbroker/core/modern_classic.h"
#include "mockbroker/core/modern_write.h"

/* Remove one without rebalancing yet. */
static int16_t leave(struct mb_group *group, struct kci_str id, struct kci_str instance_id, int64_t now)
{
    struct mb_group_member *member = NULL;
    int16_t error = KCI_NONE;
    if (group->modern)
        return mb_modern_classic_leave(group, id, instance_id);
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

/* Who has left is out; what is left rebalances, and a group of the consumer protocol answers when that is in the log.
 */
static void finish(struct mb_request *request, struct mb_group *group, const struct kci_leave_group_response *response,
                   bool left, int64_t now)
{
    if (left && group->modern) {
        struct mb_group_records records = mb_group_records_of(mb_group_alloc(group));
        if (mb_modern_members_leave(group, &records, now))
            mb_modern_write(group, &records, request, response, now);
        else
            mb_modern_write_failed(group, &records, request, now);
        return;
    }
    mb_request_answer(request, response, now);
    if (left && group->state != MB_GROUP_EMPTY)
        mb_group_rebalance(group, "a member left", now);
}

/* v0-2: the result of the one member is the result of the request. */
static void leave_single(const struct mb_request *request, struct mb_group *group,
                         struct kci_leave_group_response *response, int64_t now)
{
    const struct kci_leave_group_request *body = request->body;
    response->error_code =
        group ? leave(group, body->member_id, (struct kci_str){ NULL, 0 }, now) : KCI_UNKNOWN_MEMBER_ID;
}

/* True: somebody left. */
static bool leave_several(struct mb_request *request, struct mb_group *group, struct kci_leave_group_response *response,
                          int64_t now)
{
    const struct kci_leave_group_request *body = request->body;
    bool left = false;
    response->members = kci_arena_array(&request->arena, (size_t)body->members_count, sizeof *response->members);
    if (!response->members) {
        response->error_code = KCI_UNKNOWN_SERVER_ERROR;
        return false;
    }
    response->members_count = body->members_count;
    for (int32_t i = 0; i < body->members_count; i++) {
        response->members[i].member_id = body->members[i].member_id;
        response->members[i].group_instance_id = body->members[i].group_instance_id;
        response->members[i].error_code = KCI_UNKNOWN_MEMBER_ID;
        if (group)
            response->members[i].error_code =
                leave(group, body->members[i].member_id, body->members[i].group_instance_id, now);
        left |= response->members[i].error_code == KCI_NONE;
    }
    return left;
}

void mb_handle_leave_group(struct mb_request *request, int64_t now)
{
    const struct kci_leave_group_request *body = request->body;
    int16_t error = body->group_id.size == 0 ? KCI_INVALID_GROUP_ID : mb_groups_route(request, body->group_id, now);
    struct kci_leave_group_response failure = { .error_code = error ? error : KCI_UNKNOWN_SERVER_ERROR };
    struct kci_leave_group_response *response = kci_arena_take(&request->arena, sizeof *response);
    if (error || !response) {
        mb_request_answer(request, &failure, now);
        return;
    }
    struct mb_group *group = mb_groups_find(mb_cluster_groups(request->cluster), body->group_id);
    *response = (struct kci_leave_group_response){ .error_code = KCI_NONE };
    bool left = false;
    if (request->header.version <= 2)
        leave_single(request, group, response, now);
    else
        left = leave_several(request, group, response, now);
    if (request->header.version <= 2)
        left = response->error_code == KCI_NONE;
    finish(request, group, response, left, now);
}
