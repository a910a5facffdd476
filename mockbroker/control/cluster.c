/* /v1/cluster and /v1/brokers. */
#include "mockbroker/control/routes.h"

#include "mockbroker/core/view.h"
#include "protocol/error.h"

#include <string.h>

static json_t *broker_json(const struct mb_control_request *request, const struct mb_cluster *cluster, int32_t id)
{
    const char *host;
    uint16_t port;
    enum mb_broker_state state;
    char text[MB_SHELL_TEXT_MAX];
    int32_t held;
    mb_view_broker(cluster, id, &state);
    mb_shell_address(request->shell, id, &host, &port);
    json_t *broker = json_pack("{s:i, s:s, s:i, s:s}", "id", (int)id, "host", host, "port", (int)port, "state",
                               mb_view_broker_state(state));
    if (broker && mb_view_leaving(cluster, id, &held, text, sizeof text))
        json_object_set_new(broker, "leaving",
                            json_pack("{s:i, s:s*}", "holds", (int)held, "waits", text[0] ? text : NULL));
    return broker;
}

void mb_control_get_cluster(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now)
{
    struct mb_cluster_view view;
    json_t *brokers = json_array();
    (void)now;
    mb_view_cluster(cluster, &view);
    for (int32_t id = 1; id <= view.brokers; id++) {
        enum mb_broker_state state;
        if (mb_view_broker(cluster, id, &state)) /* else it was decommissioned */
            json_array_append_new(brokers, broker_json(request, cluster, id));
    }
    mb_control_answer(request, 200,
                      json_pack("{s:s, s:s, s:i, s:i, s:o}", "cluster_id", view.id, "bootstrap",
                                mb_shell_bootstrap(request->shell), "controller", (int)view.controller,
                                "controller_epoch", (int)view.controller_epoch, "brokers", brokers));
}

void mb_control_post_brokers(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now)
{
    char text[MB_SHELL_TEXT_MAX];
    int32_t id;
    (void)now;
    int error = mb_shell_broker_add(request->shell, &id, text, sizeof text);
    if (error)
        mb_control_fail(request, error < 0 ? 500 : 409, NULL, "%s", text);
    else
        mb_control_answer(request, 201, broker_json(request, cluster, id));
}

void mb_control_decommission(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now)
{
    static const char form[] = "{\"move\": true}: reassign what it holds to the others first";
    char text[MB_SHELL_TEXT_MAX];
    int64_t id;
    int32_t moving = 0;
    int move = 0;
    if (!mb_control_number(request, "broker", request->segments[2], INT32_MAX, &id))
        return;
    if (request->body && json_unpack(request->body, "{s?b!}", "move", &move)) {
        mb_control_fail(request, 400, form, "move is true or false");
        return;
    }
    int16_t error = mb_cluster_broker_decommission(cluster, (int32_t)id, move != 0, &moving, text, sizeof text, now);
    if (error)
        mb_control_fail(request, error == KCI_BROKER_ID_NOT_REGISTERED ? 404 : 409, move ? NULL : form, "%s", text);
    else
        mb_control_answer(request, 200, json_pack("{s:b, s:i}", "ok", 1, "moving", (int)moving));
}

void mb_control_post_broker(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now)
{
    const char *verb = request->segments[3];
    char text[MB_SHELL_TEXT_MAX];
    int64_t id;
    enum mb_broker_state state;
    if (!mb_control_number(request, "broker", request->segments[2], INT32_MAX, &id))
        return;
    if (!mb_view_broker(cluster, (int32_t)id, &state)) {
        mb_control_fail(request, 404, "GET /v1/cluster lists the brokers", "there is no broker %d", (int)id);
        return;
    }
    if (strcmp(verb, "stop") == 0 || strcmp(verb, "kill") == 0) {
        if (state != MB_BROKER_STOPPED) /* stopping what is stopped is fine: the state is what was asked for */
            mb_control_answer_code(request, mb_cluster_broker_stop(cluster, (int32_t)id, verb[0] == 's', now));
        else
            mb_control_answer_code(request, 0);
    } else if (strcmp(verb, "start") == 0) {
        int error = 0, port = -1;
        if (request->body && (json_unpack(request->body, "{s?i!}", "port", &port) || port < -1 || port > UINT16_MAX)) {
            mb_control_fail(request, 400, "{\"port\": 0}: a free one", "port is a number from 0 to 65535");
            return;
        }
        if (state == MB_BROKER_STOPPED)
            error = mb_shell_broker_start(request->shell, (int32_t)id, port, text, sizeof text);
        else
            mb_cluster_broker_resume(cluster, (int32_t)id, now);
        if (error < 0)
            mb_control_fail(request, 409, NULL, "%s", text);
        else
            mb_control_answer_code(request, error);
    } else if (strcmp(verb, "pause") == 0) {
        mb_control_answer_code(request, mb_cluster_broker_pause(cluster, (int32_t)id, now));
    } else if (strcmp(verb, "resume") == 0) {
        mb_control_answer_code(request, mb_cluster_broker_resume(cluster, (int32_t)id, now));
    } else {
        mb_control_fail(request, 404, "stop, kill, start, pause, resume, decommission",
                        "a broker cannot be asked to \"%s\"", verb);
    }
}
