/* /v1/cluster, /v1/brokers and /v1/groups. */
#include "mockbroker/control/routes.h"

#include "mockbroker/core/view.h"

#include <string.h>

static json_t *broker_json(const struct mb_control_request *request, const struct mb_cluster *cluster, int32_t id)
{
    const char *host;
    uint16_t port;
    bool running;
    mb_view_broker(cluster, id, &running);
    mb_shell_address(request->shell, id, &host, &port);
    return json_pack("{s:i, s:s, s:i, s:s}", "id", (int)id, "host", host, "port", (int)port, "state",
                     running ? "running" : "stopped");
}

void mb_control_get_cluster(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now)
{
    struct mb_cluster_view view;
    json_t *brokers = json_array();
    (void)now;
    mb_view_cluster(cluster, &view);
    for (int32_t id = 1; id <= view.brokers; id++)
        json_array_append_new(brokers, broker_json(request, cluster, id));
    mb_control_answer(request, 200,
                      json_pack("{s:s, s:s, s:i, s:o}", "cluster_id", view.id, "bootstrap",
                                mb_shell_bootstrap(request->shell), "controller", (int)view.controller, "brokers",
                                brokers));
}

void mb_control_post_broker(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now)
{
    const char *verb = request->segments[3];
    char text[MB_SHELL_TEXT_MAX];
    int64_t id;
    bool running;
    if (!mb_control_number(request, "broker", request->segments[2], INT32_MAX, &id))
        return;
    if (!mb_view_broker(cluster, (int32_t)id, &running)) {
        mb_control_fail(request, 404, "GET /v1/cluster lists the brokers", "there is no broker %d", (int)id);
        return;
    }
    if (strcmp(verb, "stop") == 0 || strcmp(verb, "kill") == 0) {
        if (running) /* stopping what is stopped is fine: the state is what was asked for */
            mb_control_answer_code(request, mb_cluster_broker_stop(cluster, (int32_t)id, verb[0] == 's', now));
        else
            mb_control_answer_code(request, 0);
    } else if (strcmp(verb, "start") == 0) {
        int error = running ? 0 : mb_shell_broker_start(request->shell, (int32_t)id, text, sizeof text);
        if (error < 0)
            mb_control_fail(request, 409, NULL, "%s", text);
        else
            mb_control_answer_code(request, error);
    } else {
        mb_control_fail(request, 404, "stop, kill, start", "a broker cannot be asked to \"%s\"", verb);
    }
}

void mb_control_get_groups(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now)
{
    struct mb_group_view group;
    json_t *groups = json_array();
    (void)now;
    for (size_t at = 0; mb_view_group_next(cluster, &at, &group);) {
        json_t *protocol = group.protocol.data ? json_stringn(group.protocol.data, group.protocol.size) : json_null();
        json_array_append_new(groups,
                              json_pack("{s:s%, s:s, s:o, s:i, s:i, s:i}", "group", group.id.data, group.id.size,
                                        "state", group.state, "protocol", protocol, "generation", (int)group.generation,
                                        "coordinator", (int)group.coordinator, "members", (int)group.members));
    }
    mb_control_answer(request, 200, json_pack("{s:o}", "groups", groups));
}
