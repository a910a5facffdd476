/* OffsetForLeaderEpoch (KIP-101, KIP-320): where an epoch ended, for clients that want to know whether their position
 * is still on the log that they read. */
#include "mockbroker/core/cluster.h"

typedef struct kci_offset_for_leader_epoch_response__epoch_end_offset end_out;

static void answer_partition(struct mb_request *request, const struct mb_topic *topic,
                             const struct kci_offset_for_leader_epoch_request__offset_for_leader_partition *asked,
                             end_out *out)
{
    struct mb_partition *partition = topic ? mb_topic_partition(topic, asked->partition) : NULL;
    kci_codec_init(&kci_offset_for_leader_epoch_response__epoch_end_offset_schema, out);
    out->partition = asked->partition;
    out->error_code = partition ? mb_partition_check(partition, request->broker, asked->current_leader_epoch)
                                : KCI_UNKNOWN_TOPIC_OR_PARTITION;
    if (!out->error_code)
        mb_log_epoch_end(&mb_partition_leader(partition)->log, asked->leader_epoch, &out->leader_epoch,
                         &out->end_offset);
}

void mb_handle_offset_for_leader_epoch(struct mb_request *request, int64_t now)
{
    const struct kci_offset_for_leader_epoch_request *body = request->body;
    struct kci_offset_for_leader_epoch_response response;
    kci_codec_init(&kci_offset_for_leader_epoch_response_schema, &response);
    response.topics = kci_arena_array(&request->arena, (size_t)body->topics_count, sizeof *response.topics);
    for (int32_t t = 0; response.topics && t < body->topics_count; t++) {
        struct kci_offset_for_leader_epoch_response__offset_for_leader_topic_result *topic =
            &response.topics[response.topics_count++];
        size_t count = (size_t)body->topics[t].partitions_count;
        topic->topic = body->topics[t].topic;
        topic->partitions = kci_arena_array(&request->arena, count, sizeof *topic->partitions);
        for (size_t p = 0; topic->partitions && p < count; p++)
            answer_partition(request, mb_topic_find(request->cluster, topic->topic), &body->topics[t].partitions[p],
                             &topic->partitions[topic->partitions_count++]);
    }
    mb_request_answer(request, &response, now);
}
