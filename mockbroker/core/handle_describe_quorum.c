/* DescribeQuorum (KIP-595): the controllers, which here are the brokers, all of them voters and none behind; the log
 * that they share is not one that can be fetched. */
#include "mockbroker/core/cluster.h"

#define QUORUM_TOPIC "__cluster_metadata"

typedef struct kci_describe_quorum_response__partition_data partition_out;

static bool fill_quorum(struct mb_request *request, partition_out *out, int64_t now)
{
    const struct mb_cluster *cluster = request->cluster;
    int64_t end = (int64_t)cluster->metadata_version;
    out->leader_id = cluster->controller;
    out->leader_epoch = cluster->controller_epoch;
    out->high_watermark = end;
    out->current_voters = kci_arena_array(&request->arena, (size_t)cluster->broker_count, sizeof *out->current_voters);
    for (int32_t i = 0; out->current_voters && i < cluster->broker_count; i++) {
        if (cluster->brokers[i]->gone)
            continue;
        struct kci_describe_quorum_response__replica_state *voter = &out->current_voters[out->current_voters_count++];
        kci_codec_init(&kci_describe_quorum_response__replica_state_schema, voter);
        voter->replica_id = cluster->brokers[i]->id;
        voter->log_end_offset = cluster->brokers[i]->running ? end : -1;
        if (cluster->brokers[i]->running)
            voter->last_fetch_timestamp = voter->last_caught_up_timestamp = mb_cluster_wall_ms(cluster, now);
    }
    return out->current_voters != NULL;
}

static bool fill_nodes(struct mb_request *request, struct kci_describe_quorum_response *response)
{
    static const char listener[] = "CONTROLLER";
    const struct mb_cluster *cluster = request->cluster;
    response->nodes = kci_arena_array(&request->arena, (size_t)cluster->broker_count, sizeof *response->nodes);
    for (int32_t i = 0; response->nodes && i < cluster->broker_count; i++) {
        struct kci_describe_quorum_response__node *node = &response->nodes[response->nodes_count];
        int32_t port;
        if (cluster->brokers[i]->gone)
            continue;
        kci_codec_init(&kci_describe_quorum_response__node_schema, node);
        node->node_id = cluster->brokers[i]->id;
        node->listeners = kci_arena_take(&request->arena, sizeof *node->listeners);
        if (!node->listeners)
            return false;
        kci_codec_init(&kci_describe_quorum_response__listener_schema, node->listeners);
        response->nodes_count++;
        if (!mb_request_endpoint(request, node->node_id, &node->listeners->host, &port))
            continue;
        node->listeners->name = (struct kci_str){ listener, sizeof listener - 1 };
        node->listeners->port = (uint16_t)port;
        node->listeners_count = 1;
    }
    return response->nodes != NULL;
}

/* Kafka answers for the one partition that there is, when nothing else is asked for besides it. */
static bool is_of_quorum(const struct kci_describe_quorum_request *body)
{
    return body->topics_count == 1 && kci_str_equal(body->topics[0].topic_name, kci_str_of(QUORUM_TOPIC)) &&
           body->topics[0].partitions_count == 1 && body->topics[0].partitions[0].partition_index == 0;
}

static bool describe(struct mb_request *request, const struct kci_describe_quorum_request__topic_data *asked,
                     struct kci_describe_quorum_response__topic_data *out, int64_t now)
{
    bool quorum = is_of_quorum(request->body);
    kci_codec_init(&kci_describe_quorum_response__topic_data_schema, out);
    out->topic_name = asked->topic_name;
    out->partitions = kci_arena_array(&request->arena, (size_t)asked->partitions_count, sizeof *out->partitions);
    for (int32_t i = 0; out->partitions && i < asked->partitions_count; i++) {
        partition_out *partition = &out->partitions[out->partitions_count++];
        kci_codec_init(&kci_describe_quorum_response__partition_data_schema, partition);
        partition->partition_index = asked->partitions[i].partition_index;
        if (!quorum) {
            partition->error_code = KCI_UNKNOWN_TOPIC_OR_PARTITION;
            partition->error_message = kci_str_of(kci_error_text(KCI_UNKNOWN_TOPIC_OR_PARTITION));
        } else if (!fill_quorum(request, partition, now)) {
            return false;
        }
    }
    return out->partitions || asked->partitions_count == 0;
}

void mb_handle_describe_quorum(struct mb_request *request, int64_t now)
{
    const struct kci_describe_quorum_request *body = request->body;
    struct kci_describe_quorum_response response;
    kci_codec_init(&kci_describe_quorum_response_schema, &response);
    response.topics = kci_arena_array(&request->arena, (size_t)body->topics_count, sizeof *response.topics);
    bool ok = (response.topics || body->topics_count == 0) &&
              (request->header.version < 2 || !is_of_quorum(body) || fill_nodes(request, &response));
    for (int32_t i = 0; ok && i < body->topics_count; i++)
        ok = describe(request, &body->topics[i], &response.topics[response.topics_count++], now);
    if (ok)
        mb_request_answer(request, &response, now);
    else
        mb_request_hang_up(request, "no memory for an answer about the quorum", now);
}
