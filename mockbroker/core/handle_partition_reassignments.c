/* AlterPartitionReassignments and ListPartitionReassignments (KIP-455, KIP-860). */
#include "mockbroker/core/cluster.h"

#include <stdio.h>

#define TEXT_BYTES 200

static int16_t alter_one(struct mb_request *request, struct mb_topic *topic,
                         const struct kci_alter_partition_reassignments_request__reassignable_partition *asked,
                         char *text, int64_t now)
{
    const struct kci_alter_partition_reassignments_request *body = request->body;
    struct mb_partition *partition = topic ? mb_topic_partition(topic, asked->partition_index) : NULL;
    if (!partition) {
        snprintf(text, TEXT_BYTES, "%s", kci_error_text(KCI_UNKNOWN_TOPIC_OR_PARTITION));
        return KCI_UNKNOWN_TOPIC_OR_PARTITION;
    }
    if (asked->replicas_count < 0)
        return mb_reassign_cancel(partition, text, TEXT_BYTES, now);
    int16_t error = mb_reassign_check(partition, asked->replicas, asked->replicas_count, text, TEXT_BYTES);
    if (error)
        return error;
    int32_t now_count = 0;
    for (int32_t i = 0; i < partition->replica_count; i++)
        now_count += !partition->replicas[i].adding;
    if (request->header.version >= 1 && !body->allow_replication_factor_change && now_count != asked->replicas_count) {
        snprintf(text, TEXT_BYTES, "The replication factor is changed from %d to %d", now_count, asked->replicas_count);
        return KCI_INVALID_REPLICATION_FACTOR;
    }
    return mb_reassign_begin(partition, asked->replicas, asked->replicas_count, text, TEXT_BYTES, now);
}

void mb_handle_alter_partition_reassignments(struct mb_request *request, int64_t now)
{
    const struct kci_alter_partition_reassignments_request *body = request->body;
    struct kci_alter_partition_reassignments_response response;
    char text[TEXT_BYTES];
    kci_codec_init(&kci_alter_partition_reassignments_response_schema, &response);
    if (body->topics_count > 0) { /* Kafka's answer to nothing is all defaults */
        response.error_message = kci_str_of(NULL);
        response.allow_replication_factor_change = body->allow_replication_factor_change;
    }
    response.responses = kci_arena_array(&request->arena, (size_t)body->topics_count, sizeof *response.responses);
    for (int32_t t = 0; response.responses && t < body->topics_count; t++) {
        const struct kci_alter_partition_reassignments_request__reassignable_topic *asked = &body->topics[t];
        struct kci_alter_partition_reassignments_response__reassignable_topic_response *out =
            &response.responses[response.responses_count++];
        struct mb_topic *topic = mb_topic_find(request->cluster, asked->name);
        kci_codec_init(&kci_alter_partition_reassignments_response__reassignable_topic_response_schema, out);
        out->name = asked->name;
        out->partitions = kci_arena_array(&request->arena, (size_t)asked->partitions_count, sizeof *out->partitions);
        for (int32_t i = 0; out->partitions && i < asked->partitions_count; i++) {
            struct kci_alter_partition_reassignments_response__reassignable_partition_response *row =
                &out->partitions[out->partitions_count++];
            kci_codec_init(&kci_alter_partition_reassignments_response__reassignable_partition_response_schema, row);
            row->partition_index = asked->partitions[i].partition_index;
            row->error_code = alter_one(request, topic, &asked->partitions[i], text, now);
            row->error_message = kci_str_of(row->error_code ? kci_arena_text(&request->arena, kci_str_of(text)) : NULL);
        }
    }
    mb_request_answer(request, &response, now);
}

/* ---- list
 * ------------------------------------------------------------------------------------------------------------ */

typedef struct kci_list_partition_reassignments_response__ongoing_topic_reassignment ongoing_topic;
typedef struct kci_list_partition_reassignments_response__ongoing_partition_reassignment ongoing;

static void describe(struct mb_request *request, const struct mb_partition *partition, ongoing_topic *topic)
{
    ongoing *out = &topic->partitions[topic->partitions_count];
    size_t count = (size_t)partition->replica_count;
    kci_codec_init(&kci_list_partition_reassignments_response__ongoing_partition_reassignment_schema, out);
    out->partition_index = partition->index;
    out->replicas = kci_arena_array(&request->arena, count, sizeof *out->replicas);
    out->adding_replicas = kci_arena_array(&request->arena, count, sizeof *out->adding_replicas);
    out->removing_replicas = kci_arena_array(&request->arena, count, sizeof *out->removing_replicas);
    if (!out->replicas || !out->adding_replicas || !out->removing_replicas)
        return;
    for (int32_t i = 0; i < partition->replica_count; i++) {
        int32_t broker = partition->replicas[i].broker;
        out->replicas[out->replicas_count++] = broker;
        if (partition->replicas[i].adding)
            out->adding_replicas[out->adding_replicas_count++] = broker;
        if (i >= partition->target_count)
            out->removing_replicas[out->removing_replicas_count++] = broker;
    }
    topic->partitions_count++;
}

/* The partitions of a topic that are on the move; count -1: any. */
static void list_topic(struct mb_request *request, struct kci_list_partition_reassignments_response *response,
                       const struct mb_topic *topic, const int32_t *indexes, int32_t count)
{
    ongoing_topic *out = &response->topics[response->topics_count];
    size_t moving = 0;
    for (int32_t i = 0; i < topic->partition_count; i++)
        moving += topic->partitions[i]->target != NULL;
    if (!moving)
        return;
    if (count >= 0)
        moving = (size_t)count;
    kci_codec_init(&kci_list_partition_reassignments_response__ongoing_topic_reassignment_schema, out);
    out->name = kci_str_of(kci_arena_text(&request->arena, kci_str_of(topic->name)));
    out->partitions = kci_arena_array(&request->arena, moving, sizeof *out->partitions);
    for (int32_t i = 0; out->partitions && i < (count >= 0 ? count : topic->partition_count); i++) {
        const struct mb_partition *partition = mb_topic_partition(topic, count >= 0 ? indexes[i] : i);
        if (partition && partition->target)
            describe(request, partition, out);
    }
    response->topics_count += out->partitions_count > 0;
}

void mb_handle_list_partition_reassignments(struct mb_request *request, int64_t now)
{
    const struct kci_list_partition_reassignments_request *body = request->body;
    struct kci_list_partition_reassignments_response response;
    struct mb_topic *topic;
    size_t topics = 0;
    kci_codec_init(&kci_list_partition_reassignments_response_schema, &response);
    response.error_message = kci_str_of(NULL);
    for (size_t at = 0; body->topics_count < 0 && mb_topic_next(request->cluster, &at) != NULL;)
        topics++;
    if (body->topics_count >= 0)
        topics = (size_t)body->topics_count;
    response.topics = kci_arena_array(&request->arena, topics, sizeof *response.topics);
    for (size_t at = 0; response.topics && body->topics_count < 0 && (topic = mb_topic_next(request->cluster, &at));)
        list_topic(request, &response, topic, NULL, -1);
    for (int32_t i = 0; response.topics && i < body->topics_count; i++) {
        topic = mb_topic_find(request->cluster, body->topics[i].name);
        if (topic)
            list_topic(request, &response, topic, body->topics[i].partition_indexes,
                       body->topics[i].partition_indexes_count);
    }
    mb_request_answer(request, &response, now);
}
