/* CreatePartitions: a topic grows; its keys go elsewhere from then on, as with Kafka. */
#include "mockbroker/core/cluster.h"
#include "mockbroker/core/quota.h"

#include <stdio.h>

#define TEXT_BYTES         256
#define STRICT_QUOTA_SINCE 3
#define TOPICS_MAX         2000 /* of one request: each is compared with all others */

typedef struct kci_create_partitions_request__create_partitions_topic asked_topic;

/* The rows of a manual assignment, each with the topic's replication factor; NULL in *rows: none was given. */
static int16_t read_assignment(struct mb_request *request, const struct mb_topic *topic, const asked_topic *asked,
                               const int32_t ***rows, char *text)
{
    *rows = NULL;
    if (asked->assignments_count < 0)
        return KCI_NONE;
    bool ok = asked->assignments_count == asked->count - topic->partition_count;
    *rows = ok ? kci_arena_array(&request->arena, (size_t)asked->assignments_count, sizeof **rows) : NULL;
    for (int32_t i = 0; *rows && i < asked->assignments_count; i++) {
        ok = ok && asked->assignments[i].broker_ids_count == topic->replication_factor;
        (*rows)[i] = asked->assignments[i].broker_ids;
    }
    snprintf(text, TEXT_BYTES,
             "Increasing the number of partitions by %d needs as many assignments, each of %d replica(s).",
             asked->count - topic->partition_count, topic->replication_factor);
    return ok && *rows ? KCI_NONE : KCI_INVALID_REPLICA_ASSIGNMENT;
}

/* How often is topic i named? 0: it was before. */
static int32_t times_named(const struct kci_create_partitions_request *body, int32_t i)
{
    int32_t times = 0;
    for (int32_t k = 0; k < body->topics_count; k++) {
        bool same = kci_str_equal(body->topics[k].name, body->topics[i].name);
        if (same && k < i)
            return 0;
        times += same;
    }
    return times;
}

static int16_t grow_one(struct mb_request *request, const asked_topic *asked, char *text, int64_t now)
{
    const struct kci_create_partitions_request *body = request->body;
    struct mb_topic *topic = mb_topic_find(request->cluster, asked->name);
    const int32_t **rows;
    if (!topic) {
        snprintf(text, TEXT_BYTES, "This server does not host this topic-partition.");
        return KCI_UNKNOWN_TOPIC_OR_PARTITION;
    }
    if (asked->count <= topic->partition_count) /* says which of the two mistakes it is */
        return mb_topic_grow(topic, asked->count, NULL, true, text, TEXT_BYTES, now);
    int16_t error = read_assignment(request, topic, asked, &rows, text);
    if (!error) {
        error = mb_quota_at_mutation(request, asked->count - topic->partition_count, STRICT_QUOTA_SINCE, now);
        snprintf(text, TEXT_BYTES, "%s", kci_error_text(error));
    }
    return error ? error : mb_topic_grow(topic, asked->count, rows, body->validate_only, text, TEXT_BYTES, now);
}

void mb_handle_create_partitions(struct mb_request *request, int64_t now)
{
    const struct kci_create_partitions_request *body = request->body;
    struct kci_create_partitions_response response;
    char text[TEXT_BYTES];
    kci_codec_init(&kci_create_partitions_response_schema, &response);
    response.results = kci_arena_array(&request->arena, (size_t)body->topics_count, sizeof *response.results);
    for (int32_t i = 0; response.results && i < body->topics_count; i++) {
        int32_t times = body->topics_count <= TOPICS_MAX ? times_named(body, i) : 1;
        if (times == 0)
            continue;
        struct kci_create_partitions_response__create_partitions_topic_result *out =
            &response.results[response.results_count++];
        kci_codec_init(&kci_create_partitions_response__create_partitions_topic_result_schema, out);
        out->name = body->topics[i].name;
        snprintf(text, sizeof text, "Duplicate topic name.");
        out->error_code = times > 1 ? KCI_INVALID_REQUEST : grow_one(request, &body->topics[i], text, now);
        if (out->error_code)
            out->error_message = kci_str_of(kci_arena_text(&request->arena, kci_str_of(text)));
    }
    mb_request_answer(request, &response, now);
}
