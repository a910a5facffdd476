/* DescribeLogDirs (KIP-113): what the replicas of this broker weigh, and how far they are behind.  A broker has one
 * directory, which is never cordoned (v5, KIP-1066); its capacity is not known here. */
#include "mockbroker/core/cluster.h"

typedef struct kci_describe_log_dirs_response__describe_log_dirs_topic topic_out;
typedef struct kci_describe_log_dirs_response__describe_log_dirs_partition partition_out;

static void describe_partition(const struct mb_partition *partition, int32_t broker, topic_out *topic)
{
    const struct mb_replica *replica = mb_partition_replica(partition, broker);
    const struct mb_replica *leader = mb_partition_leader(partition);
    if (!replica)
        return;
    partition_out *out = &topic->partitions[topic->partitions_count++];
    int64_t lag = leader ? leader->high_watermark - replica->log.end_offset : 0;
    kci_codec_init(&kci_describe_log_dirs_response__describe_log_dirs_partition_schema, out);
    out->partition_index = partition->index;
    out->partition_size = (int64_t)replica->log.bytes;
    out->offset_lag = lag > 0 ? lag : 0;
}

/* count -1: all partitions */
static void describe_topic(struct mb_request *request,
                           struct kci_describe_log_dirs_response__describe_log_dirs_result *result,
                           const struct mb_topic *topic, const int32_t *indexes, int32_t count)
{
    topic_out *out = &result->topics[result->topics_count];
    int32_t upto = count < 0 ? topic->partition_count : count;
    kci_codec_init(&kci_describe_log_dirs_response__describe_log_dirs_topic_schema, out);
    out->name = kci_str_of(kci_arena_text(&request->arena, kci_str_of(topic->name)));
    out->partitions = kci_arena_array(&request->arena, (size_t)upto, sizeof *out->partitions);
    for (int32_t i = 0; out->partitions && i < upto; i++) {
        const struct mb_partition *partition = mb_topic_partition(topic, count < 0 ? i : indexes[i]);
        if (partition)
            describe_partition(partition, request->broker, out);
    }
    result->topics_count += out->partitions_count > 0;
}

void mb_handle_describe_log_dirs(struct mb_request *request, int64_t now)
{
    const struct kci_describe_log_dirs_request *body = request->body;
    struct kci_describe_log_dirs_response response;
    struct kci_describe_log_dirs_response__describe_log_dirs_result result;
    struct mb_topic *topic;
    char directory[MB_LOG_DIR_NAME_MAX];
    size_t topics = 0;
    kci_codec_init(&kci_describe_log_dirs_response_schema, &response);
    kci_codec_init(&kci_describe_log_dirs_response__describe_log_dirs_result_schema, &result);
    mb_cluster_log_dir(request->cluster, request->broker, directory);
    result.log_dir = kci_str_of(directory);
    response.results = &result;
    response.results_count = 1;
    for (size_t at = 0; body->topics_count < 0 && mb_topic_next(request->cluster, &at) != NULL;)
        topics++;
    if (body->topics_count >= 0)
        topics = (size_t)body->topics_count;
    result.topics = kci_arena_array(&request->arena, topics, sizeof *result.topics);
    for (size_t at = 0; result.topics && body->topics_count < 0 && (topic = mb_topic_next(request->cluster, &at));)
        describe_topic(request, &result, topic, NULL, -1);
    for (int32_t i = 0; result.topics && i < body->topics_count; i++) {
        topic = mb_topic_find(request->cluster, body->topics[i].topic);
        if (topic)
            describe_topic(request, &result, topic, body->topics[i].partitions, body->topics[i].partitions_count);
    }
    mb_request_answer(request, &response, now);
}
