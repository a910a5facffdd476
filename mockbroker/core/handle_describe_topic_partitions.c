/* DescribeTopicPartitions (KIP-966): topics in the order of their names, a page at a time. */
#include "mockbroker/core/authorize.h"
#include "mockbroker/core/cluster.h"
#include "mockbroker/core/elr.h"

#define PARTITIONS_MAX 2000 /* Kafka's max.request.partition.size.limit */

typedef struct kci_describe_topic_partitions_response__describe_topic_partitions_response_topic topic_out;
typedef struct kci_describe_topic_partitions_response__describe_topic_partitions_response_partition partition_out;
typedef struct kci_describe_topic_partitions_response response_out;

/* Eligible replicas by rising broker id, as Kafka tells them, and who led last. */
static bool fill_elr(struct mb_request *request, const struct mb_partition *partition, partition_out *out)
{
    int32_t count = mb_elr_count(partition);
    out->eligible_leader_replicas_count = out->last_known_elr_count = 0;
    out->eligible_leader_replicas =
        kci_arena_array(&request->arena, (size_t)count, sizeof *out->eligible_leader_replicas);
    out->last_known_elr = kci_arena_array(&request->arena, 1, sizeof *out->last_known_elr);
    if (!out->eligible_leader_replicas || !out->last_known_elr)
        return false;
    for (int32_t id = 1; id <= request->cluster->broker_count; id++) {
        const struct mb_replica *replica = mb_partition_replica(partition, id);
        if (replica && replica->eligible)
            out->eligible_leader_replicas[out->eligible_leader_replicas_count++] = id;
    }
    if (partition->last_known_leader)
        out->last_known_elr[out->last_known_elr_count++] = partition->last_known_leader;
    return true;
}

static bool fill_partition(struct mb_request *request, const struct mb_partition *partition, partition_out *out)
{
    size_t count = (size_t)partition->replica_count;
    kci_codec_init(&kci_describe_topic_partitions_response__describe_topic_partitions_response_partition_schema, out);
    out->partition_index = partition->index;
    out->leader_id = partition->leader;
    out->leader_epoch = partition->leader_epoch;
    out->replica_nodes = kci_arena_array(&request->arena, count, sizeof *out->replica_nodes);
    out->isr_nodes = kci_arena_array(&request->arena, count, sizeof *out->isr_nodes);
    out->offline_replicas = kci_arena_array(&request->arena, count, sizeof *out->offline_replicas);
    if (!out->replica_nodes || !out->isr_nodes || !out->offline_replicas || !fill_elr(request, partition, out))
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct mb_replica *replica = &partition->replicas[i];
        out->replica_nodes[out->replica_nodes_count++] = replica->broker;
        if (replica->in_isr)
            out->isr_nodes[out->isr_nodes_count++] = replica->broker;
        if (!mb_cluster_is_running(request->cluster, replica->broker))
            out->offline_replicas[out->offline_replicas_count++] = replica->broker;
    }
    return true;
}

/* Partitions of one topic from `first` on, as far as *room goes; sets the cursor when it does not go far enough. */
static bool fill_topic(struct mb_request *request, struct kci_str name, int32_t first, int32_t *room,
                       response_out *response)
{
    const struct mb_topic *topic = mb_topic_find(request->cluster, name);
    topic_out *out = &response->topics[response->topics_count++];
    kci_codec_init(&kci_describe_topic_partitions_response__describe_topic_partitions_response_topic_schema, out);
    out->name = name;
    if (!mb_authorize_topic(request, MB_ACL_DESCRIBE, name)) {
        out->error_code = KCI_TOPIC_AUTHORIZATION_FAILED;
        return true;
    }
    if (!topic) {
        const char *why;
        out->topic_authorized_operations = mb_authorized_operations(request, MB_ACL_TOPIC, name);
        out->error_code = mb_topic_name_ok(name, &why) ? KCI_UNKNOWN_TOPIC_OR_PARTITION : KCI_INVALID_TOPIC_EXCEPTION;
        return true;
    }
    out->topic_id = topic->id;
    out->is_internal = topic->internal;
    out->topic_authorized_operations = mb_authorized_operations(request, MB_ACL_TOPIC, name);
    int32_t count = topic->partition_count - first;
    count = count < 0 ? 0 : count > *room ? *room : count;
    *room -= count;
    out->partitions = kci_arena_array(&request->arena, (size_t)count, sizeof *out->partitions);
    for (int32_t i = 0; out->partitions && i < count; i++)
        if (!fill_partition(request, topic->partitions[first + i], &out->partitions[out->partitions_count++]))
            return false;
    if (first + count < topic->partition_count) {
        response->next_cursor = kci_arena_take(&request->arena, sizeof *response->next_cursor);
        if (!response->next_cursor)
            return false;
        kci_codec_init(&kci_describe_topic_partitions_response__cursor_schema, response->next_cursor);
        response->next_cursor->topic_name = name;
        response->next_cursor->partition_index = first + count;
    }
    return out->partitions != NULL;
}

/* Heap sort: a client may name a million topics in the worst order. */
static void sift(struct kci_str *names, size_t from, size_t count)
{
    for (size_t child; (child = 2 * from + 1) < count; from = child) {
        if (child + 1 < count && kci_str_compare(names[child], names[child + 1]) < 0)
            child++;
        if (kci_str_compare(names[from], names[child]) >= 0)
            return;
        struct kci_str swap = names[from];
        names[from] = names[child];
        names[child] = swap;
    }
}

static void sort(struct kci_str *names, size_t count)
{
    for (size_t i = count / 2; i > 0; i--)
        sift(names, i - 1, count);
    for (size_t end = count; end > 1; end--) {
        struct kci_str swap = names[0];
        names[0] = names[end - 1];
        names[end - 1] = swap;
        sift(names, 0, end - 1);
    }
}

/* Names in order, without those before the cursor. -1: no memory. */
static int32_t sorted_names(struct mb_request *request, struct kci_str **names)
{
    const struct kci_describe_topic_partitions_request *body = request->body;
    size_t all = body->topics_count > 0 ? (size_t)body->topics_count : request->cluster->topics.count, at = 0;
    int32_t count = 0;
    *names = kci_arena_array(&request->arena, all, sizeof **names);
    for (size_t i = 0; *names && i < all; i++) {
        const struct mb_topic *topic = body->topics_count > 0 ? NULL : mb_topic_next(request->cluster, &at);
        struct kci_str name = topic ? kci_str_of(topic->name) : body->topics[i].name;
        if (!body->cursor || kci_str_compare(name, body->cursor->topic_name) >= 0)
            (*names)[count++] = name;
    }
    if (!*names)
        return -1;
    sort(*names, (size_t)count);
    return count;
}

/* A cursor is one that an answer to the same topics gave. */
static bool cursor_ok(const struct kci_describe_topic_partitions_request *body)
{
    bool known = !body->cursor || body->topics_count <= 0;
    for (int32_t i = 0; !known && i < body->topics_count; i++)
        known = kci_str_equal(body->topics[i].name, body->cursor->topic_name);
    return known && (!body->cursor || body->cursor->partition_index >= 0);
}

/* Each topic that was asked for with this error. */
static bool refuse(struct mb_request *request, response_out *response, int16_t error)
{
    const struct kci_describe_topic_partitions_request *body = request->body;
    response->topics = kci_arena_array(&request->arena, (size_t)body->topics_count, sizeof *response->topics);
    for (int32_t i = 0; response->topics && i < body->topics_count; i++) {
        topic_out *out = &response->topics[response->topics_count++];
        kci_codec_init(&kci_describe_topic_partitions_response__describe_topic_partitions_response_topic_schema, out);
        out->name = body->topics[i].name;
        out->error_code = error;
    }
    return response->topics != NULL;
}

/* False: no memory. */
static bool describe(struct mb_request *request, response_out *response)
{
    const struct kci_describe_topic_partitions_request *body = request->body;
    struct kci_str *names;
    int32_t limit = body->response_partition_limit;
    int32_t room = limit < 1 ? 1 : limit < PARTITIONS_MAX ? limit : PARTITIONS_MAX;
    int32_t count = sorted_names(request, &names);
    bool ok = count >= 0;
    response->topics = ok ? kci_arena_array(&request->arena, (size_t)count, sizeof *response->topics) : NULL;
    ok = response->topics != NULL;
    for (int32_t i = 0; ok && i < count && !response->next_cursor; i++) {
        bool resumed = body->cursor && kci_str_equal(names[i], body->cursor->topic_name);
        if (i > 0 && kci_str_equal(names[i], names[i - 1]))
            continue;
        if (room == 0) { /* the page ended with the topic before */
            response->next_cursor = kci_arena_take(&request->arena, sizeof *response->next_cursor);
            ok = response->next_cursor != NULL;
            if (ok) {
                kci_codec_init(&kci_describe_topic_partitions_response__cursor_schema, response->next_cursor);
                response->next_cursor->topic_name = names[i];
            }
            break;
        }
        ok = fill_topic(request, names[i], resumed ? body->cursor->partition_index : 0, &room, response);
    }
    return ok;
}

void mb_handle_describe_topic_partitions(struct mb_request *request, int64_t now)
{
    response_out response;
    kci_codec_init(&kci_describe_topic_partitions_response_schema, &response);
    bool ok = cursor_ok(request->body) ? describe(request, &response) : refuse(request, &response, KCI_INVALID_REQUEST);
    if (ok)
        mb_request_answer(request, &response, now);
    else
        mb_request_hang_up(request, "no memory for an answer", now);
}
