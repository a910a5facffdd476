/* The table of what can be asked, and how answers look.
 *
 * Success is JSON with status 200 or 201; a failure is {"error": what happened, "hint": what to do}, with "code" if
 * Kafka has a number for it.  What is not there is 404, what is there but not possible now 409, nonsense 400. */
#include "mockbroker/control/routes.h"

#include "mockbroker/core/json.h"
#include "protocol/error.h"
#include "runtime/runtime.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_BYTES_MAX ((size_t)INT16_MAX) /* of a name on the wire */

const struct mb_control_route mb_control_routes[] = {
    { "GET", "/v1/cluster", "brokers and controller", mb_control_get_cluster },
    { "POST", "/v1/brokers", "one more broker", mb_control_post_brokers },
    { "POST", "/v1/brokers/*/decommission", "{\"move\": false}: out for good, once it holds nothing",
      mb_control_decommission },
    { "POST", "/v1/brokers/*/*", "stop (in an orderly way), kill, start {\"port\"}, pause, resume",
      mb_control_post_broker },
    { "GET", "/v1/topics", "all topics", mb_control_get_topics },
    { "POST", "/v1/topics", "{\"name\", \"partitions\", \"replication_factor\", \"configs\": {}}",
      mb_control_post_topic },
    { "DELETE", "/v1/topics/*", "delete a topic", mb_control_delete_topic },
    { "GET", "/v1/topics/*", "its partitions: leaders, offsets, replicas", mb_control_get_topic },
    { "GET", "/v1/topics/*/*", "leader, epoch, offsets of a partition", mb_control_get_partition },
    { "GET", "/v1/topics/*/*/records", "?from=OFFSET&max=COUNT: decoded records", mb_control_get_records },
    { "POST", "/v1/topics/*/*/leader", "{\"broker\": ID}: make it the leader", mb_control_post_leader },
    { "POST", "/v1/topics/*/*/elect", "{\"unclean\": false}: elect the preferred leader, or any live replica",
      mb_control_post_elect },
    { "POST", "/v1/topics/*/*/reassign", "{\"brokers\": [ID, ...]}: move it to these brokers",
      mb_control_post_reassign },
    { "POST", "/v1/topics/*/*/isr", "{\"brokers\": [ID, ...]}: only these are in sync", mb_control_post_isr },
    { "POST", "/v1/topics/*/*/truncate", "{\"broker\": ID, \"offset\": N}: its replica loses the rest",
      mb_control_post_truncate },
    { "GET", "/v1/groups", "all groups", mb_control_get_groups },
    { "GET", "/v1/groups/*", "its members, and what is committed, with lag", mb_control_get_group },
    { "POST", "/v1/groups/*/rebalance", "as if there were a reason", mb_control_post_rebalance },
    { "POST", "/v1/groups/*/kick", "{\"member\": ID}: out it goes", mb_control_post_kick },
    { "GET", "/v1/transactions", "what the transaction coordinators know", mb_control_get_transactions },
    { "GET", "/v1/faults", "all faults with their counts, and those that never fired", mb_control_get_faults },
    { "POST", "/v1/faults", "{\"match\": {}, \"count\": 1, \"action\": \"silence\"}, or an array",
      mb_control_post_faults },
    { "DELETE", "/v1/faults", "remove all", mb_control_delete_faults },
    { "GET", "/v1/faults/*", "one fault with its counts", mb_control_get_fault },
    { "DELETE", "/v1/faults/*", "remove it; what it holds goes on", mb_control_delete_fault },
    { "POST", "/v1/faults/*/on", "arm it anew", mb_control_fault_on },
    { "POST", "/v1/faults/*/off", "it stays with its counts and happens no more", mb_control_fault_off },
    { "POST", "/v1/faults/*/release", "{\"count\": 1}, or all: let go what a barrier holds", mb_control_release_fault },
    { "GET", "/v1/clock", "the cluster's time", mb_control_get_clock },
    { "POST", "/v1/clock/*", "freeze, advance {\"ms\"}, rate {\"rate\"}, resume", mb_control_post_clock },
    { "POST", "/v1/journal", "{\"bytes\": 16777216}: keep so much of requests and answers; 0: off",
      mb_control_post_journal },
    { "GET", "/v1/requests", "?api=&client_id=&topic=&group=&since=&format=jsonl: the journal",
      mb_control_get_requests },
    { "GET", "/v1/telemetry", "client metrics: the latest pushes, with the names of their metrics",
      mb_control_get_telemetry },
    { "POST", "/v1/verify", "{\"match\": {}, \"count\": 1}: a question to the journal", mb_control_post_verify },
    { "POST", "/v1/reset", "no topics, no groups, no faults, an empty journal", mb_control_post_reset },
    { "GET", "/metrics", "Prometheus text", mb_control_get_metrics },
    { "GET", "/", "the console, for people with a browser", mb_control_get_console },
};
const size_t mb_control_route_count = sizeof mb_control_routes / sizeof mb_control_routes[0];

/* ---- answers ---- */

void mb_control_answer(struct mb_control_request *request, unsigned status, json_t *answer)
{
    if (!answer) {
        mb_control_fail(request, 500, NULL, "out of memory");
        return;
    }
    json_decref(request->answer);
    request->answer = answer;
    request->status = status;
}

json_t *mb_control_text(struct kci_str text)
{
    json_t *whole = text.data ? json_stringn(text.data, text.size) : json_null();
    if (whole || text.size > TEXT_BYTES_MAX)
        return whole;
    struct kci_writer w = kci_writer_of(kci_heap_alloc(), 6 * TEXT_BYTES_MAX + 2); /* each byte as an escape at most */
    json_error_t error;
    mb_json_put_string(&w, text);
    whole = w.failed ? NULL : json_loadb((const char *)w.data, w.size, JSON_DECODE_ANY, &error);
    kci_writer_destroy(&w);
    return whole;
}

void mb_control_fail(struct mb_control_request *request, unsigned status, const char *hint, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    json_decref(request->answer);
    request->status = status;
    request->answer = json_pack("{s:s#, s:s*}", "error", text, (int)strlen(text), "hint", hint);
    if (!request->answer) /* not UTF-8: it quotes what was asked */
        request->answer = json_pack("{s:s}", "error", "the request is not UTF-8");
}

static unsigned status_of(int code)
{
    switch (code) {
    case KCI_UNKNOWN_TOPIC_OR_PARTITION:
    case KCI_UNKNOWN_TOPIC_ID:
    case KCI_OFFSET_OUT_OF_RANGE:
    case KCI_GROUP_ID_NOT_FOUND:
    case KCI_BROKER_ID_NOT_REGISTERED:
    case KCI_UNKNOWN_MEMBER_ID:
        return 404;
    case KCI_INVALID_TOPIC_EXCEPTION:
    case KCI_INVALID_PARTITIONS:
    case KCI_INVALID_REPLICATION_FACTOR:
    case KCI_INVALID_CONFIG:
    case KCI_INVALID_REQUEST:
    case KCI_INVALID_REPLICA_ASSIGNMENT:
        return 400;
    default:
        return 409;
    }
}

void mb_control_answer_code(struct mb_control_request *request, int code)
{
    if (code == 0)
        mb_control_answer(request, 200, json_pack("{s:b}", "ok", 1));
    else if (code < 0)
        mb_control_fail(request, 500, NULL, "out of memory");
    else
        mb_control_answer(request, status_of(code),
                          json_pack("{s:s, s:i, s:s}", "error", kci_error_name((int16_t)code), "code", code, "hint",
                                    kci_error_text((int16_t)code)));
}

bool mb_control_number(struct mb_control_request *request, const char *what, const char *text, int64_t max,
                       int64_t *out)
{
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (end == text || *end || errno || number < 0 || number > max) {
        mb_control_fail(request, 400, NULL, "%s \"%s\" is not a number from 0 to %lld", what, text, (long long)max);
        return false;
    }
    *out = number;
    return true;
}

/* ---- dispatch ---- */

/* Cut the path into segments. false: too long, or too many. */
static bool split(struct mb_control_request *request, const char *path)
{
    size_t size = strlen(path);
    if (size >= sizeof request->path)
        return false;
    memcpy(request->path, path, size + 1);
    for (char *at = request->path; *at;) {
        while (*at == '/')
            *at++ = '\0';
        if (!*at)
            break;
        if (request->segment_count == MB_CONTROL_SEGMENTS_MAX)
            return false;
        request->segments[request->segment_count++] = at;
        at += strcspn(at, "/");
    }
    return true;
}

static bool matches(const struct mb_control_request *request, const char *path)
{
    size_t at = 0;
    for (const char *part = path; part[0] && part[1];) {
        size_t size = strcspn(++part, "/");
        if (at == request->segment_count)
            return false;
        const char *segment = request->segments[at++];
        if (!(size == 1 && *part == '*') && (strlen(segment) != size || memcmp(segment, part, size) != 0))
            return false;
        part += size;
    }
    return at == request->segment_count;
}

struct handling {
    struct mb_control_request *request;
    const struct mb_control_route *route;
};

static void handle(struct mb_cluster *cluster, void *context, int64_t now)
{
    struct handling *handling = context;
    handling->route->handle(handling->request, cluster, now);
}

void mb_control_dispatch(struct mb_control_request *request, const char *method, const char *path)
{
    char methods[64] = "";
    bool ok = split(request, path);
    for (size_t i = 0; ok && i < mb_control_route_count; i++) {
        const struct mb_control_route *route = &mb_control_routes[i];
        if (!matches(request, route->path))
            continue;
        if (strcmp(route->method, method) == 0) {
            struct handling handling = { request, route };
            if (mb_shell_call(request->shell, handle, &handling))
                mb_control_fail(request, 500, NULL, "out of memory");
            return;
        }
        snprintf(methods + strlen(methods), sizeof methods - strlen(methods), "%s%s", methods[0] ? ", " : "",
                 route->method);
    }
    if (methods[0])
        mb_control_fail(request, 405, methods, "%s is not possible here", method);
    else
        mb_control_fail(request, 404,
                        "GET /v1/cluster, GET|POST /v1/topics, GET /v1/topics/TOPIC/PARTITION, GET /metrics",
                        "there is nothing at %s", path);
}
