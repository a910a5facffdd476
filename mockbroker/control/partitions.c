/* /v1/topics/TOPIC/PARTITION/...: make something true of a partition. */
#include "mockbroker/control/routes.h"

static bool partition_of(struct mb_control_request *request, int32_t *partition)
{
    int64_t index;
    if (!mb_control_number(request, "partition", request->segments[3], INT32_MAX, &index))
        return false;
    *partition = (int32_t)index;
    return true;
}

/* {"brokers": [1, 2]}. -1: answered. */
static int32_t brokers_of(struct mb_control_request *request, int32_t *out)
{
    static const char form[] = "{\"brokers\": [1, 2]}";
    json_t *list = json_object_get(request->body, "brokers");
    size_t count = json_array_size(list);
    bool ok = count >= 1 && count <= MB_SHELL_BROKERS_MAX && json_object_size(request->body) == 1;
    for (size_t i = 0; ok && i < count; i++) {
        ok = json_is_integer(json_array_get(list, i)) && json_integer_value(json_array_get(list, i)) >= 0 &&
             json_integer_value(json_array_get(list, i)) <= INT32_MAX;
        out[i] = ok ? (int32_t)json_integer_value(json_array_get(list, i)) : 0;
    }
    if (!ok)
        mb_control_fail(request, 400, form, "the brokers are named in the body");
    return ok ? (int32_t)count : -1;
}

void mb_control_post_elect(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now)
{
    int32_t partition;
    int unclean = 0;
    if (!partition_of(request, &partition))
        return;
    if (request->body && json_unpack(request->body, "{s?b!}", "unclean", &unclean)) {
        mb_control_fail(request, 400, "{\"unclean\": false}", "unclean is true or false");
        return;
    }
    mb_control_answer_code(request,
                           mb_cluster_elect(cluster, kci_str_of(request->segments[2]), partition, unclean != 0, now));
}

void mb_control_post_reassign(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now)
{
    int32_t partition, brokers[MB_SHELL_BROKERS_MAX];
    if (!partition_of(request, &partition))
        return;
    int32_t count = brokers_of(request, brokers);
    if (count > 0)
        mb_control_answer_code(
            request, mb_cluster_reassign(cluster, kci_str_of(request->segments[2]), partition, brokers, count, now));
}

void mb_control_post_isr(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now)
{
    int32_t partition, brokers[MB_SHELL_BROKERS_MAX];
    if (!partition_of(request, &partition))
        return;
    int32_t count = brokers_of(request, brokers);
    if (count > 0)
        mb_control_answer_code(
            request, mb_cluster_set_isr(cluster, kci_str_of(request->segments[2]), partition, brokers, count, now));
}

void mb_control_post_truncate(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now)
{
    int32_t partition;
    json_int_t broker, offset;
    if (!partition_of(request, &partition))
        return;
    if (!request->body || json_unpack(request->body, "{s:I, s:I!}", "broker", &broker, "offset", &offset) ||
        broker < 0 || broker > INT32_MAX) {
        mb_control_fail(request, 400, "{\"broker\": 2, \"offset\": 100}", "broker and offset are in the body");
        return;
    }
    mb_control_answer_code(request, mb_cluster_truncate(cluster, kci_str_of(request->segments[2]), partition,
                                                        (int32_t)broker, offset, now));
}
