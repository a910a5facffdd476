/* Answers of a group's coordinator.  Views only: the group's memory outlives the encoding, which happens at once. */
#include "mockbroker/core/group_answer.h"

#include "mockbroker/core/group_member.h"

void mb_group_answer(struct mb_request *request, const void *response, int16_t error, int64_t now)
{
    if (!request)
        return;
    if (!error) {
        mb_request_answer(request, response, now);
    } else if (request->header.api_key == KCI_API_JOIN_GROUP) {
        const struct kci_join_group_request *body = request->body;
        mb_group_answer_join_error(request, body->member_id, error, now);
    } else if (request->header.api_key == KCI_API_SYNC_GROUP) {
        mb_group_answer_sync_error(request, error, now);
    } else if (request->header.api_key == KCI_API_HEARTBEAT) {
        struct kci_heartbeat_response failure = { .error_code = error };
        mb_request_answer(request, &failure, now);
    } else if (request->header.api_key == KCI_API_LEAVE_GROUP) {
        struct kci_leave_group_response failure = { .error_code = error };
        mb_request_answer(request, &failure, now);
    } else {
        struct kci_consumer_group_heartbeat_response failure = { .error_code = error,
                                                                 .error_message = kci_str_of(kci_error_text(error)) };
        mb_request_answer(request, &failure, now);
    }
}

void mb_group_answer_join_error(struct mb_request *request, struct kci_str member_id, int16_t error, int64_t now)
{
    struct kci_join_group_response response = { .error_code = error, .generation_id = -1, .member_id = member_id };
    mb_request_answer(request, &response, now);
}

/* Members with what they offer for the chosen protocol; NULL: no memory. */
static struct kci_join_group_response__join_group_response_member *list_members(const struct mb_group *group)
{
    struct kci_join_group_response__join_group_response_member *list =
        kci_alloc_zero(mb_group_alloc(group), group->member_count, sizeof *list);
    size_t count = 0;
    if (!list)
        return NULL;
    KCI_LIST_EACH(node, &group->members)
    {
        const struct mb_group_member *member = KCI_CONTAINER(node, struct mb_group_member, link);
        list[count].member_id = member->id;
        list[count].group_instance_id = member->instance_id;
        list[count++].metadata = mb_group_member_metadata(member, group->protocol);
    }
    return list;
}

void mb_group_answer_join(struct mb_request *request, const struct mb_group_member *member,
                          const struct mb_group_join_answer *how, int64_t now)
{
    const struct mb_group *group = member->group;
    const struct kci_alloc *alloc = mb_group_alloc(group);
    struct kci_join_group_response response = {
        .generation_id = group->generation,
        .protocol_type = group->protocol_type,
        .protocol_name = group->protocol,
        .leader = how->leader,
        .skip_assignment = how->skip_assignment && request->header.version >= 9,
        .member_id = member->id,
    };
    if (how->with_members) {
        response.members = list_members(group);
        response.members_count = (int32_t)group->member_count;
        if (!response.members) {
            mb_group_answer_join_error(request, member->id, KCI_UNKNOWN_SERVER_ERROR, now);
            return;
        }
    }
    void *list = response.members;
    mb_request_answer(request, &response, now);
    kci_alloc_free(alloc, list);
}

void mb_group_answer_sync_error(struct mb_request *request, int16_t error, int64_t now)
{
    struct kci_sync_group_response response = { .error_code = error };
    mb_request_answer(request, &response, now);
}

void mb_group_answer_sync(struct mb_request *request, const struct mb_group_member *member, int64_t now)
{
    struct kci_sync_group_response response = {
        .protocol_type = member->group->protocol_type,
        .protocol_name = member->group->protocol,
        .assignment = member->assignment,
    };
    mb_request_answer(request, &response, now);
}

int16_t mb_group_answer_append_error(int16_t error)
{
    switch (error) {
    case KCI_UNKNOWN_TOPIC_OR_PARTITION:
    case KCI_NOT_ENOUGH_REPLICAS:
    case KCI_NOT_ENOUGH_REPLICAS_AFTER_APPEND:
    case KCI_REQUEST_TIMED_OUT:
        return KCI_COORDINATOR_NOT_AVAILABLE;
    case KCI_NOT_LEADER_OR_FOLLOWER:
    case KCI_KAFKA_STORAGE_ERROR:
        return KCI_NOT_COORDINATOR;
    case KCI_MESSAGE_TOO_LARGE:
    case KCI_RECORD_LIST_TOO_LARGE:
    case KCI_INVALID_FETCH_SIZE:
        return KCI_UNKNOWN_SERVER_ERROR;
    default:
        return error;
    }
}

int16_t mb_group_answer_commit_error(int16_t error)
{
    if (error == KCI_MESSAGE_TOO_LARGE || error == KCI_RECORD_LIST_TOO_LARGE || error == KCI_INVALID_FETCH_SIZE)
        return KCI_INVALID_COMMIT_OFFSET_SIZE;
    return mb_group_answer_append_error(error);
}
