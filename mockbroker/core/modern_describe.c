/* ConsumerGroupDescribe: groups of the consumer protocol as they are.  A classic group, or none, is GROUP_ID_NOT_FOUND
 * (KIP-1043). */
#include "mockbroker/core/authorize.h"
#include "mockbroker/core/cluster.h"
#include "mockbroker/core/group_registry.h"
#include "mockbroker/core/tpset.h"

#include <stdio.h>

typedef struct kci_consumer_group_describe_response__assignment shown_assignment;
typedef struct kci_consumer_group_describe_response__described_group shown_group;

enum { MEMBER_CLASSIC = 0, MEMBER_CONSUMER = 1 }; /* the first one in a mixed group */

static bool show_set(struct mb_request *request, const struct mb_tpset *set, shown_assignment *out)
{
    size_t topics = 0;
    for (size_t at = 0; at < set->count; at += mb_tpset_run(set, at))
        topics++;
    out->topic_partitions = kci_arena_array(&request->arena, topics, sizeof *out->topic_partitions);
    if (!out->topic_partitions)
        return false;
    for (size_t at = 0, run; at < set->count; at += run) {
        run = mb_tpset_run(set, at);
        struct kci_str name = mb_cluster_topic_name(request->cluster, &set->items[at].topic);
        if (!name.data) /* deleted: Kafka does not show it either */
            continue;
        struct kci_consumer_group_describe_response__topic_partitions *to =
            &out->topic_partitions[out->topic_partitions_count++];
        to->topic_id = set->items[at].topic;
        to->topic_name = name;
        to->partitions = kci_arena_array(&request->arena, run, sizeof *to->partitions);
        if (!to->partitions)
            return false;
        for (size_t i = 0; i < run; i++)
            to->partitions[to->partitions_count++] = set->items[at + i].partition;
    }
    return true;
}

/* What the member has, also what it is about to give up: that is still its own. */
static bool show_assigned(struct mb_request *request, const struct mb_modern_member *member, shown_assignment *out)
{
    const struct mb_tpset *parts[] = { &member->assigned, &member->revoking };
    struct mb_tpset all = { .count = 0 };
    all.items = kci_arena_array(&request->arena, member->assigned.count + member->revoking.count, sizeof *all.items);
    for (size_t i = 0; all.items && i < 2; i++)
        for (size_t k = 0; k < parts[i]->count; k++)
            all.items[all.count++] = parts[i]->items[k];
    mb_tpset_normalize(&all);
    return all.items && show_set(request, &all, out);
}

static bool show_members(struct mb_request *request, const struct mb_modern *modern, shown_group *out)
{
    out->members = kci_arena_array(&request->arena, modern->member_count, sizeof *out->members);
    bool done = out->members != NULL;
    KCI_LIST_EACH(node, &modern->members)
    {
        const struct mb_modern_member *member = KCI_CONTAINER(node, struct mb_modern_member, link);
        if (!done)
            break;
        struct kci_consumer_group_describe_response__member *to = &out->members[out->members_count++];
        to->member_id = member->id;
        to->instance_id = member->instance_id;
        to->rack_id = member->rack_id;
        to->member_epoch = member->epoch;
        to->client_id = member->client_id;
        to->client_host = member->client_host;
        to->subscribed_topic_names = member->topics;
        to->subscribed_topic_names_count = (int32_t)member->topic_count;
        to->subscribed_topic_regex = mb_modern_member_regex(member); /* not null, as Kafka's */
        to->member_type = member->classic ? MEMBER_CLASSIC : MEMBER_CONSUMER;
        done = show_assigned(request, member, &to->assignment) &&
               show_set(request, &member->target, &to->target_assignment);
    }
    return done;
}

static void describe(struct mb_request *request, struct kci_str id, bool operations, shown_group *out, int64_t now)
{
    const struct mb_group *group = NULL;
    out->group_id = id;
    out->group_state = out->assignor_name = (struct kci_str){ "", 0 };
    out->authorized_operations = INT32_MIN;
    if (mb_feature_level(request->cluster, MB_FEATURE_GROUP) == 0) {
        out->error_code = KCI_UNSUPPORTED_VERSION;
        return;
    }
    out->error_code = id.size ? mb_groups_route(request, id, now) : KCI_INVALID_GROUP_ID;
    if (out->error_code)
        return;
    group = mb_groups_find(mb_cluster_groups(request->cluster), id);
    if (!group || !group->modern) {
        size_t size = id.size + 40;
        char *text = kci_arena_take(&request->arena, size);
        if (text)
            snprintf(text, size, "Group %.*s %s.", (int)id.size, id.data,
                     group ? "is not a consumer group" : "not found");
        out->error_code = KCI_GROUP_ID_NOT_FOUND;
        out->error_message = kci_str_of(text);
        return;
    }
    out->group_state = kci_str_of(mb_modern_state_name(group));
    out->group_epoch = group->modern->epoch;
    out->assignment_epoch = group->modern->target_epoch;
    out->assignor_name = mb_modern_assignor(group);
    if (operations)
        out->authorized_operations = mb_authorized_operations(request, MB_ACL_GROUP, id);
    if (!show_members(request, group->modern, out))
        out->error_code = KCI_UNKNOWN_SERVER_ERROR;
}

void mb_handle_consumer_group_describe(struct mb_request *request, int64_t now)
{
    const struct kci_consumer_group_describe_request *body = request->body;
    struct kci_consumer_group_describe_response response = { .groups_count = body->group_ids_count };
    response.groups = kci_arena_array(&request->arena, (size_t)body->group_ids_count, sizeof *response.groups);
    if (!response.groups) {
        mb_request_hang_up(request, "no memory for the answer", now);
        return;
    }
    for (int32_t i = 0; i < body->group_ids_count; i++)
        describe(request, body->group_ids[i], body->include_authorized_operations, &response.groups[i], now);
    mb_request_answer(request, &response, now);
}
