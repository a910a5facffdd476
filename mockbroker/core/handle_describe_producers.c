/* DescribeProducers (KIP-664): the producers that a replica of a partition remembers. */
#include "mockbroker/core/authorize.h"
#include "mockbroker/core/cluster.h"

#define PRODUCERS_MAX 10000 /* of one partition in one answer */

typedef struct kci_describe_producers_response__partition_response partition_out;

static void refuse(partition_out *out, int16_t error, const char *why)
{
    out->error_code = error;
    out->error_message = kci_str_of(why);
}

static bool list(struct mb_request *request, const struct mb_replica *replica, partition_out *out)
{
    size_t count = replica->producers.map.count < PRODUCERS_MAX ? replica->producers.map.count : PRODUCERS_MAX;
    struct mb_producer_view *views = kci_arena_array(&request->arena, count, sizeof *views);
    out->active_producers = kci_arena_array(&request->arena, count, sizeof *out->active_producers);
    if (!views || !out->active_producers)
        return false;
    count = mb_producers_list(&replica->producers, views, count);
    for (size_t i = 0; i < count; i++)
        out->active_producers[out->active_producers_count++] =
            (struct kci_describe_producers_response__producer_state){ .producer_id = views[i].id,
                                                                      .producer_epoch = views[i].epoch,
                                                                      .last_sequence = views[i].last_sequence,
                                                                      .last_timestamp = views[i].timestamp_ms,
                                                                      .coordinator_epoch = views[i].coordinator_epoch,
                                                                      .current_txn_start_offset =
                                                                          views[i].first_offset };
    return true;
}

static bool describe(struct mb_request *request, struct kci_str name, int32_t index, partition_out *out)
{
    const struct mb_topic *topic = mb_topic_find(request->cluster, name);
    const char *why;
    const struct mb_partition *partition = topic ? mb_topic_partition(topic, index) : NULL;
    kci_codec_init(&kci_describe_producers_response__partition_response_schema, out);
    out->partition_index = index;
    out->error_message = kci_str_of(NULL);
    if (!mb_authorize_topic(request, MB_ACL_READ, name))
        refuse(out, KCI_TOPIC_AUTHORIZATION_FAILED, kci_error_text(KCI_TOPIC_AUTHORIZATION_FAILED));
    else if (!topic && !mb_topic_name_ok(name, &why))
        refuse(out, KCI_INVALID_TOPIC_EXCEPTION, why);
    else if (!partition)
        refuse(out, KCI_UNKNOWN_TOPIC_OR_PARTITION, kci_error_text(KCI_UNKNOWN_TOPIC_OR_PARTITION));
    else if (!mb_partition_replica(partition, request->broker))
        refuse(out, KCI_NOT_LEADER_OR_FOLLOWER, kci_error_text(KCI_NOT_LEADER_OR_FOLLOWER));
    else
        return list(request, mb_partition_replica(partition, request->broker), out);
    return true;
}

void mb_handle_describe_producers(struct mb_request *request, int64_t now)
{
    const struct kci_describe_producers_request *body = request->body;
    struct kci_describe_producers_response response;
    kci_codec_init(&kci_describe_producers_response_schema, &response);
    response.topics = kci_arena_array(&request->arena, (size_t)body->topics_count, sizeof *response.topics);
    bool ok = response.topics || body->topics_count == 0;
    for (int32_t i = 0; ok && i < body->topics_count; i++) {
        const struct kci_describe_producers_request__topic_request *asked = &body->topics[i];
        struct kci_describe_producers_response__topic_response *out = &response.topics[response.topics_count++];
        kci_codec_init(&kci_describe_producers_response__topic_response_schema, out);
        out->name = asked->name;
        out->partitions =
            kci_arena_array(&request->arena, (size_t)asked->partition_indexes_count, sizeof *out->partitions);
        ok = out->partitions || asked->partition_indexes_count == 0;
        for (int32_t k = 0; ok && k < asked->partition_indexes_count; k++)
            ok = describe(request, asked->name, asked->partition_indexes[k], &out->partitions[out->partitions_count++]);
    }
    if (ok)
        mb_request_answer(request, &response, now);
    else
        mb_request_hang_up(request, "no memory for a list of producers", now);
}
