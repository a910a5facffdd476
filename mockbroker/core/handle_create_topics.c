/* CreateTopics: each topic by itself, with the controller's checks (topic.c) and the configuration in the answer
 * (KIP-525). */
#include "mockbroker/core/cluster.h"
#include "mockbroker/core/quota.h"

#include <stdio.h>

#define TEXT_BYTES         256
#define STRICT_QUOTA_SINCE 6

typedef struct kci_create_topics_request__creatable_topic asked_topic;
typedef struct kci_create_topics_response__creatable_topic_result result_out;

static void add_configs(struct mb_request *request, const struct mb_topic_config *config, result_out *out)
{
    size_t count = mb_topic_config_count();
    out->configs = kci_arena_array(&request->arena, count, sizeof *out->configs);
    out->configs_count = 0;
    for (size_t i = 0; out->configs && i < count; i++) {
        struct kci_create_topics_response__creatable_topic_configs *row = &out->configs[out->configs_count++];
        enum mb_config_source source;
        const char *value = mb_topic_config_text(config, &request->cluster->properties, i, &source);
        kci_codec_init(&kci_create_topics_response__creatable_topic_configs_schema, row);
        row->name = kci_str_of(mb_topic_config_row(i)->name);
        row->value = kci_str_of(kci_arena_text(&request->arena, kci_str_of(value)));
        row->config_source = (int8_t)source;
    }
}

/* A manual assignment as rows by partition; plan->partitions and replication_factor are set from it. */
static int16_t read_assignment(struct mb_request *request, const asked_topic *asked, struct mb_topic_plan *plan,
                               char *text)
{
    if (asked->assignments_count <= 0)
        return KCI_NONE;
    if (asked->num_partitions != -1 || asked->replication_factor != -1) {
        snprintf(
            text, TEXT_BYTES,
            "A manual partition assignment was specified, but numPartitions or replicationFactor was not set to -1.");
        return KCI_INVALID_REQUEST;
    }
    const int32_t **rows = kci_arena_array(&request->arena, (size_t)asked->assignments_count, sizeof *rows);
    int32_t replicas = asked->assignments[0].broker_ids_count;
    bool ok = rows && replicas > 0 && replicas <= MB_BROKERS_MAX;
    for (int32_t i = 0; ok && i < asked->assignments_count; i++) {
        int32_t index = asked->assignments[i].partition_index;
        ok = index >= 0 && index < asked->assignments_count && !rows[index] &&
             asked->assignments[i].broker_ids_count == replicas;
        if (ok)
            rows[index] = asked->assignments[i].broker_ids;
    }
    snprintf(
        text, TEXT_BYTES,
        "The manual partition assignment must name partitions 0 .. n-1 once, each with the same number of replicas.");
    plan->assignment = rows;
    plan->partitions = asked->assignments_count;
    plan->replication_factor = (int16_t)replicas;
    return ok ? KCI_NONE : KCI_INVALID_REPLICA_ASSIGNMENT;
}

static int16_t create_one(struct mb_request *request, const asked_topic *asked, result_out *out, char *text,
                          int64_t now)
{
    const struct kci_create_topics_request *body = request->body;
    struct mb_cluster *cluster = request->cluster;
    struct mb_topic *topic = NULL;
    struct mb_topic_plan plan = { .name = asked->name,
                                  .partitions = asked->num_partitions,
                                  .replication_factor = asked->replication_factor };
    mb_topic_config_init(&plan.config, cluster->alloc, &cluster->properties);
    int16_t error = KCI_NONE;
    if (kci_str_equal(asked->name, kci_str_of("__cluster_metadata"))) { /* the controllers' own log */
        snprintf(text, TEXT_BYTES, "The topic __cluster_metadata is internal and cannot be made.");
        error = KCI_INVALID_REQUEST;
    }
    if (!error)
        error = read_assignment(request, asked, &plan, text);
    if (!error)
        error = mb_topic_create(cluster, &plan, true, NULL, text, TEXT_BYTES, now); /* Kafka complains of these first */
    for (int32_t i = 0; !error && i < asked->configs_count; i++)
        if (!mb_topic_config_set(&plan.config, asked->configs[i].name, asked->configs[i].value, text, TEXT_BYTES))
            error = KCI_INVALID_CONFIG;
    if (!error && !mb_topic_config_agrees(&plan.config, &cluster->properties, text, TEXT_BYTES))
        error = KCI_INVALID_CONFIG;
    if (!error) {
        mb_topic_config_resolve(&plan.config, &cluster->properties);
        add_configs(request, &plan.config, out);
        out->num_partitions = plan.partitions;
        out->replication_factor = plan.replication_factor;
        error = mb_quota_at_mutation(request, plan.partitions, STRICT_QUOTA_SINCE, now);
        snprintf(text, TEXT_BYTES, "%s", kci_error_text(error));
        if (!error && !body->validate_only)
            error = mb_topic_create(cluster, &plan, false, &topic, text, TEXT_BYTES, now);
    }
    if (topic)
        out->topic_id = topic->id;
    mb_topic_config_destroy(&plan.config);
    return error;
}

/* How often each name is in the request; 0: it was there before. As many numbers as topics; NULL: no memory. */
static int32_t *times_named(struct mb_request *request)
{
    const struct kci_create_topics_request *body = request->body;
    struct kci_map seen = kci_map_of(request->cluster->alloc, kci_prng_next(&request->cluster->prng));
    int32_t *times = kci_arena_array(&request->arena, (size_t)body->topics_count, sizeof *times);
    for (int32_t i = 0; times && i < body->topics_count; i++) {
        int32_t *first = kci_map_get_str(&seen, body->topics[i].name);
        times[i] = !first;
        if (first)
            (*first)++;
        else if (!kci_map_set(&seen, body->topics[i].name.data, body->topics[i].name.size, &times[i]))
            times = NULL;
    }
    kci_map_destroy(&seen);
    return times;
}

void mb_handle_create_topics(struct mb_request *request, int64_t now)
{
    const struct kci_create_topics_request *body = request->body;
    struct kci_create_topics_response response;
    char text[TEXT_BYTES];
    kci_codec_init(&kci_create_topics_response_schema, &response);
    const int32_t *times = times_named(request);
    response.topics = kci_arena_array(&request->arena, (size_t)body->topics_count, sizeof *response.topics);
    for (int32_t i = 0; times && response.topics && i < body->topics_count; i++) {
        if (times[i] == 0)
            continue;
        result_out *out = &response.topics[response.topics_count++];
        kci_codec_init(&kci_create_topics_response__creatable_topic_result_schema, out);
        out->name = body->topics[i].name;
        out->error_message = kci_str_of(NULL);
        if (times[i] > 1) {
            snprintf(text, sizeof text, "Duplicate topic name.");
            out->error_code = KCI_INVALID_REQUEST;
        } else {
            out->error_code = create_one(request, &body->topics[i], out, text, now);
        }
        if (!out->error_code)
            continue;
        out->error_message = kci_str_of(kci_arena_text(&request->arena, kci_str_of(text)));
        out->configs = NULL;
        out->configs_count = request->header.version >= 5 ? 0 : -1;
        out->num_partitions = -1;
        out->replication_factor = -1;
    }
    mb_request_answer(request, &response, now);
}
