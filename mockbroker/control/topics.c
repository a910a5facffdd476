/* /v1/topics: make, list, delete, and look at partitions. */
#include "mockbroker/control/routes.h"

#include "mockbroker/core/view.h"
#include "mockbroker/topic_spec.h"

#include <stdio.h>

#define REPLICAS_MAX MB_SHELL_BROKERS_MAX

void mb_control_get_topics(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now)
{
    struct mb_topic_view topic;
    json_t *topics = json_array();
    char id[KCI_UUID_TEXT_SIZE];
    (void)now;
    for (size_t at = 0; mb_view_topic_next(cluster, &at, &topic);) {
        kci_uuid_print(id, &topic.id);
        json_array_append_new(topics, json_pack("{s:s, s:s, s:i, s:i, s:b}", "name", topic.name, "id", id, "partitions",
                                                (int)topic.partitions, "replication_factor",
                                                (int)topic.replication_factor, "internal", (int)topic.internal));
    }
    mb_control_answer(request, 200, json_pack("{s:o}", "topics", topics));
}

/* {"key": "value"} as "key=value" texts in `spec`; values may be numbers and booleans, too. false: answered. */
static bool read_configs(struct mb_control_request *request, json_t *configs, struct mb_topic_spec *spec)
{
    const char *key;
    json_t *value;
    size_t used = 0;
    json_object_foreach(configs, key, value)
    {
        char *printed = json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY);
        int size = snprintf(spec->buffer + used, sizeof spec->buffer - used, "%s=%s", key,
                            json_is_string(value) ? json_string_value(value)
                            : printed             ? printed
                                                  : "");
        free(printed);
        if (size < 0 || (size_t)size >= sizeof spec->buffer - used || spec->config_count == MB_TOPIC_SPEC_CONFIGS_MAX) {
            mb_control_fail(request, 400, NULL, "too many configs");
            return false;
        }
        spec->configs[spec->config_count++] = spec->buffer + used;
        used += (size_t)size + 1;
    }
    return true;
}

void mb_control_post_topic(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now)
{
    static const char form[] = "{\"name\": \"orders\", \"partitions\": 3, \"replication_factor\": 1, \"configs\": {}}";
    struct mb_topic_spec spec = { .config_count = 0 };
    const char *name = NULL;
    int partitions = -1, factor = -1;
    json_t *configs = NULL;
    json_error_t error;
    if (!request->body ||
        json_unpack_ex(request->body, &error, JSON_STRICT, "{s:s, s?i, s?i, s?o}", "name", &name, "partitions",
                       &partitions, "replication_factor", &factor, "configs", &configs)) {
        mb_control_fail(request, 400, form, "%s", request->body ? error.text : "a topic is described in the body");
        return;
    }
    if ((partitions < 1 && partitions != -1) || (factor < 1 && factor != -1) || factor > INT16_MAX) {
        mb_control_fail(request, 400, form, "partitions and replication_factor are numbers from 1, or -1");
        return;
    }
    if (configs && !json_is_object(configs)) {
        mb_control_fail(request, 400, form, "configs is an object");
        return;
    }
    if (!read_configs(request, configs, &spec))
        return;
    int16_t code = mb_cluster_create_topic(cluster, kci_str_of(name), partitions, (int16_t)factor, spec.configs,
                                           spec.config_count, now);
    mb_control_answer_code(request, code);
    if (code == 0)
        request->status = 201;
}

void mb_control_delete_topic(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now)
{
    mb_control_answer_code(request, mb_cluster_delete_topic(cluster, kci_str_of(request->segments[2]), now));
}

static json_t *replicas_json(const struct mb_cluster *cluster, struct kci_str topic, int32_t partition)
{
    struct mb_replica_view replicas[REPLICAS_MAX];
    size_t count = mb_view_replicas(cluster, topic, partition, replicas, REPLICAS_MAX);
    json_t *all = json_array();
    for (size_t i = 0; i < count && i < REPLICAS_MAX; i++)
        json_array_append_new(all, json_pack("{s:i, s:b, s:b, s:I}", "broker", (int)replicas[i].broker, "in_sync",
                                             (int)replicas[i].in_isr, "eligible", (int)replicas[i].eligible, "log_end",
                                             (json_int_t)replicas[i].log_end));
    return all;
}

/* NULL: no such partition, *code says so. */
static json_t *partition_json(const struct mb_cluster *cluster, const char *topic, int32_t index, int16_t *code)
{
    struct mb_partition_view view;
    *code = mb_cluster_partition(cluster, kci_str_of(topic), index, &view);
    return *code ? NULL
                 : json_pack("{s:s, s:i, s:i, s:i, s:i, s:I, s:I, s:I, s:I, s:o}", "topic", topic, "partition",
                             (int)index, "leader", (int)view.leader, "leader_epoch", (int)view.leader_epoch,
                             "isr_count", (int)view.isr_count, "log_start", (json_int_t)view.log_start, "last_stable",
                             (json_int_t)view.last_stable, "high_watermark", (json_int_t)view.high_watermark, "log_end",
                             (json_int_t)view.log_end, "replicas", replicas_json(cluster, kci_str_of(topic), index));
}

void mb_control_get_topic(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now)
{
    int16_t code;
    json_t *partitions = json_array(), *partition;
    (void)now;
    for (int32_t i = 0; (partition = partition_json(cluster, request->segments[2], i, &code)) != NULL; i++)
        json_array_append_new(partitions, partition);
    if (json_array_size(partitions) == 0) {
        json_decref(partitions);
        mb_control_answer_code(request, code);
        return;
    }
    mb_control_answer(request, 200, json_pack("{s:s, s:o}", "name", request->segments[2], "partitions", partitions));
}

void mb_control_get_partition(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now)
{
    int64_t index;
    int16_t code;
    (void)now;
    if (!mb_control_number(request, "partition", request->segments[3], INT32_MAX, &index))
        return;
    json_t *partition = partition_json(cluster, request->segments[2], (int32_t)index, &code);
    if (code)
        mb_control_answer_code(request, code);
    else
        mb_control_answer(request, 200, partition);
}

void mb_control_post_leader(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now)
{
    int64_t index;
    json_int_t broker;
    if (!mb_control_number(request, "partition", request->segments[3], INT32_MAX, &index))
        return;
    if (!request->body || json_unpack(request->body, "{s:I!}", "broker", &broker) || broker < 0 || broker > INT32_MAX) {
        mb_control_fail(request, 400, "{\"broker\": 2}", "the new leader is named in the body");
        return;
    }
    mb_control_answer_code(request, mb_cluster_move_leader(cluster, kci_str_of(request->segments[2]), (int32_t)index,
                                                           (int32_t)broker, now));
}
