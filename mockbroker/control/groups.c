/* /v1/groups: look at them, and make them rebalance. */
#include "mockbroker/control/routes.h"

#include "mockbroker/core/view.h"

static json_t *group_json(const struct mb_group_view *group)
{
    return json_pack("{s:o, s:s, s:s, s:o, s:i, s:i, s:i}", "group", mb_control_text(group->id), "type",
                     group->modern ? "consumer" : "classic", "state", group->state, "protocol",
                     mb_control_text(group->protocol), "generation", (int)group->generation, "coordinator",
                     (int)group->coordinator, "members", (int)group->members);
}

void mb_control_get_groups(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now)
{
    struct mb_group_view group;
    json_t *groups = json_array();
    (void)now;
    for (size_t at = 0; mb_view_group_next(cluster, &at, &group);)
        json_array_append_new(groups, group_json(&group));
    mb_control_answer(request, 200, json_pack("{s:o}", "groups", groups));
}

static void add_offset(void *context, const struct mb_group_offset_view *offset)
{
    json_int_t lag = offset->log_end < 0 ? -1 : offset->log_end - offset->offset;
    json_array_append_new(context, json_pack("{s:s, s:i, s:I, s:I, s:I}", "topic", offset->topic, "partition",
                                             (int)offset->partition, "offset", (json_int_t)offset->offset, "log_end",
                                             (json_int_t)offset->log_end, "lag", lag < 0 ? (json_int_t)-1 : lag));
}

void mb_control_get_group(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now)
{
    struct kci_str id = kci_str_of(request->segments[2]);
    struct mb_group_view group;
    struct mb_group_member_view member;
    (void)now;
    if (!mb_view_group(cluster, id, &group)) {
        mb_control_fail(request, 404, "GET /v1/groups lists them", "there is no group %s", request->segments[2]);
        return;
    }
    json_t *answer = group_json(&group), *members = json_array(), *offsets = json_array();
    for (const void *at = NULL; (at = mb_view_member_next(cluster, id, at, &member)) != NULL;)
        json_array_append_new(members, json_pack("{s:o, s:o, s:o, s:o, s:i}", "id", mb_control_text(member.id),
                                                 "instance_id", mb_control_text(member.instance_id), "client_id",
                                                 mb_control_text(member.client_id), "host",
                                                 mb_control_text(member.client_host), "epoch", (int)member.epoch));
    mb_view_group_offsets(cluster, id, add_offset, offsets);
    json_object_set_new(answer, "members", members);
    json_object_set_new(answer, "offsets", offsets);
    mb_control_answer(request, 200, answer);
}

void mb_control_post_rebalance(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now)
{
    mb_control_answer_code(request, mb_cluster_group_rebalance(cluster, kci_str_of(request->segments[2]), now));
}

void mb_control_post_kick(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now)
{
    const char *member;
    if (!request->body || json_unpack(request->body, "{s:s!}", "member", &member)) {
        mb_control_fail(request, 400, "{\"member\": \"consumer-1-...\"}", "the member's id is in the body");
        return;
    }
    mb_control_answer_code(request,
                           mb_cluster_group_kick(cluster, kci_str_of(request->segments[2]), kci_str_of(member), now));
}
