/* DeleteRecords: the log start rises; -1 means up to the high watermark. */
#include "mockbroker/core/cluster.h"

typedef struct kci_delete_records_response__delete_records_partition_result result_out;

static void delete_one(struct mb_request *request, const struct mb_topic *topic,
                       const struct kci_delete_records_request__delete_records_partition *asked, result_out *out,
                       int64_t now)
{
    struct mb_partition *partition = topic ? mb_topic_partition(topic, asked->partition_index) : NULL;
    kci_codec_init(&kci_delete_records_response__delete_records_partition_result_schema, out);
    out->partition_index = asked->partition_index;
    out->low_watermark = -1;
    if (!partition)
        out->error_code = KCI_UNKNOWN_TOPIC_OR_PARTITION;
    else if (topic->internal)
        out->error_code = KCI_INVALID_TOPIC_EXCEPTION;
    else
        out->error_code = mb_partition_check(partition, request->broker, -1);
    if (!out->error_code && topic->config.compact && !topic->config.delete)
        out->error_code = KCI_POLICY_VIOLATION;
    if (!out->error_code)
        out->error_code = mb_partition_delete_records(partition, asked->offset, &out->low_watermark, now);
}

void mb_handle_delete_records(struct mb_request *request, int64_t now)
{
    const struct kci_delete_records_request *body = request->body;
    struct kci_delete_records_response response;
    kci_codec_init(&kci_delete_records_response_schema, &response);
    response.topics = kci_arena_array(&request->arena, (size_t)body->topics_count, sizeof *response.topics);
    for (int32_t t = 0; response.topics && t < body->topics_count; t++) {
        size_t count = (size_t)body->topics[t].partitions_count;
        if (!count)
            continue; /* nothing was asked of it, so nothing is said */
        struct kci_delete_records_response__delete_records_topic_result *topic =
            &response.topics[response.topics_count++];
        topic->name = body->topics[t].name;
        topic->partitions = kci_arena_array(&request->arena, count, sizeof *topic->partitions);
        for (size_t p = 0; topic->partitions && p < count; p++)
            delete_one(request, mb_topic_find(request->cluster, topic->name), &body->topics[t].partitions[p],
                       &topic->partitions[topic->partitions_count++], now);
    }
    mb_request_answer(request, &response, now);
}
