/* Heartbeat: "I live", answered with "all is well" or "a rebalance runs, join again". */
#include "mockbroker/core/group_answer.h"
#include "mockbroker/core/group_member.h"
#include "mockbroker/core/group_registry.h"
#include "mockbroker/core/group_settled.h"
#include "mockbroker/core/modern_classic.h"

/* *of: the group, if the answer shows how it stands. */
static int16_t beat(struct mb_request *request, const struct kci_heartbeat_request *body, struct mb_group **of,
                    int64_t now)
{
    struct mb_group_member *member = NULL;
    if (body->group_id.size == 0)
        return KCI_INVALID_GROUP_ID;
    int16_t error = mb_groups_route(request, body->group_id, now);
    if (error == KCI_COORDINATOR_LOAD_IN_PROGRESS)
        return KCI_NONE; /* as Kafka: nothing is known against it, and sessions start anew after loading */
    if (error)
        return error;
    struct mb_group *group = mb_groups_find(mb_cluster_groups(request->cluster), body->group_id);
    if (!group)
        return KCI_UNKNOWN_MEMBER_ID;
    *of = group;
    if (group->modern)
        return mb_modern_classic_beat(body, group, now);
    error = mb_group_member_check(group, body->member_id, body->group_instance_id, &member);
    if (error)
        return error;
    if (body->generation_id != group->generation)
        return KCI_ILLEGAL_GENERATION;
    mb_group_member_alive(member, now);
    return group->state == MB_GROUP_PREPARING ? KCI_REBALANCE_IN_PROGRESS : KCI_NONE;
}

void mb_handle_heartbeat(struct mb_request *request, int64_t now)
{
    struct mb_group *group = NULL;
    int16_t error = beat(request, request->body, &group, now);
    bool is_member = error == KCI_NONE || error == KCI_REBALANCE_IN_PROGRESS;
    struct kci_heartbeat_response *response = kci_arena_take(&request->arena, sizeof *response);
    if (!response || !group || !is_member) {
        mb_group_answer(request, &(struct kci_heartbeat_response){ .error_code = error }, KCI_NONE, now);
        return;
    }
    *response = (struct kci_heartbeat_response){ .error_code = error };
    mb_group_answer_settled(group, request, response, now);
}
