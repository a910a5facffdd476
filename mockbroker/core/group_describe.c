/* ListGroups and DescribeGroups: looking, without changing anything. */
#include "mockbroker/core/authorize.h"
#include "mockbroker/core/group_member.h"
#include "mockbroker/core/group_registry.h"

#include <stdio.h>
#include <strings.h>

/* READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS as bits of Kafka's AclOperation codes: what everybody may do
 * with a group on a broker without an authorizer. */

static const struct kci_str empty = { "", 0 };

static struct kci_str state_name(const struct mb_group *group)
{
    return kci_str_of(mb_group_state_name(group));
}

static struct kci_str or_empty(struct kci_str text)
{
    return text.data ? text : empty;
}

/* Does the filter let it pass? An empty one does; upper and lower case are the same. */
static bool passes(const struct kci_str *filter, int32_t count, const char *value)
{
    for (int32_t i = 0; i < count; i++)
        if (filter[i].size == strlen(value) && strncasecmp(filter[i].data, value, filter[i].size) == 0)
            return true;
    return count <= 0;
}

void mb_handle_list_groups(struct mb_request *request, int64_t now)
{
    const struct kci_list_groups_request *body = request->body;
    const struct mb_groups *groups = mb_cluster_groups(request->cluster);
    struct kci_list_groups_response response = { 0 };
    response.groups = kci_alloc_zero(groups->alloc, groups->by_id.count, sizeof *response.groups);
    for (int32_t i = 0; i < groups->partition_count; i++)
        if (groups->partitions[i].broker == request->broker && !groups->partitions[i].loaded)
            response.error_code = KCI_COORDINATOR_LOAD_IN_PROGRESS;
    if (!response.groups)
        response.error_code = KCI_UNKNOWN_SERVER_ERROR;
    const struct kci_map_entry *entry;
    for (size_t at = 0; response.groups && (entry = kci_map_next(&groups->by_id, &at));) {
        const struct mb_group *group = entry->value;
        const char *type = group->modern ? "consumer" : "classic";
        if (groups->partitions[group->partition].broker != request->broker ||
            !(mb_authorize_cluster(request, MB_ACL_DESCRIBE) ||
              mb_authorize(request, MB_ACL_DESCRIBE, MB_ACL_GROUP, group->id)) ||
            !passes(body->states_filter, body->states_filter_count, state_name(group).data) ||
            !passes(body->types_filter, body->types_filter_count, type))
            continue;
        response.groups[response.groups_count].group_id = group->id;
        response.groups[response.groups_count].protocol_type =
            group->modern ? kci_str_of("consumer") : or_empty(group->protocol_type);
        response.groups[response.groups_count].group_state = state_name(group);
        response.groups[response.groups_count++].group_type = kci_str_of(type);
    }
    const struct kci_alloc *alloc = groups->alloc;
    void *list = response.groups;
    mb_request_answer(request, &response, now);
    kci_alloc_free(alloc, list);
}

/* Metadata is shown in Stable only, as in Kafka: before, it is not yet sure what was agreed. */
static bool describe_members(struct mb_request *request, const struct mb_group *group,
                             struct kci_describe_groups_response__described_group *out)
{
    out->members = kci_arena_array(&request->arena, group->member_count, sizeof *out->members);
    if (!out->members)
        return false;
    KCI_LIST_EACH(node, &group->members)
    {
        const struct mb_group_member *member = KCI_CONTAINER(node, struct mb_group_member, link);
        struct kci_describe_groups_response__described_group_member *to = &out->members[out->members_count++];
        to->member_id = member->id;
        to->group_instance_id = member->instance_id;
        to->client_id = member->client_id;
        to->client_host = member->client_host;
        if (group->state == MB_GROUP_STABLE)
            to->member_metadata = mb_group_member_metadata(member, group->protocol);
        to->member_assignment = member->assignment;
    }
    return true;
}

static void describe(struct mb_request *request, struct kci_str group_id, bool operations,
                     struct kci_describe_groups_response__described_group *out, int64_t now)
{
    const struct mb_group *group = NULL;
    out->group_id = group_id;
    out->group_state = out->protocol_type = out->protocol_data = empty;
    out->authorized_operations = operations ? mb_authorized_operations(request, MB_ACL_GROUP, group_id) : INT32_MIN;
    out->error_code = mb_groups_route(request, group_id, now);
    if (!out->error_code)
        group = mb_groups_find(mb_cluster_groups(request->cluster), group_id);
    bool modern = group && group->modern; /* ConsumerGroupDescribe shows those */
    if (!group || modern) {
        if (!out->error_code) /* KIP-1043: since v6 it is an error, before it was a dead group */
            out->group_state = kci_str_of("Dead");
        if (!out->error_code && request->header.version >= 6) {
            size_t size = group_id.size + 32;
            char *text = kci_arena_take(&request->arena, size);
            if (text)
                snprintf(text, size, "Group %.*s %s.", (int)group_id.size, group_id.data,
                         modern ? "is not a classic group" : "not found");
            out->error_code = KCI_GROUP_ID_NOT_FOUND;
            out->error_message = kci_str_of(text);
        }
        if (out->error_code)
            out->authorized_operations = INT32_MIN;
        return;
    }
    out->group_state = state_name(group);
    out->protocol_type = or_empty(group->protocol_type);
    if (group->state == MB_GROUP_STABLE)
        out->protocol_data = or_empty(group->protocol);
    if (!describe_members(request, group, out))
        out->error_code = KCI_UNKNOWN_SERVER_ERROR;
}

void mb_handle_describe_groups(struct mb_request *request, int64_t now)
{
    const struct kci_describe_groups_request *body = request->body;
    struct kci_describe_groups_response response = { .groups_count = body->groups_count };
    response.groups = kci_arena_array(&request->arena, (size_t)body->groups_count, sizeof *response.groups);
    if (!response.groups) {
        mb_request_hang_up(request, "no memory for the answer", now);
        return;
    }
    for (int32_t i = 0; i < body->groups_count; i++)
        describe(request, body->groups[i], body->include_authorized_operations, &response.groups[i], now);
    mb_request_answer(request, &response, now);
}
