/* Metadata: brokers, topics, who leads.  A topic that does not exist is made when client and auto.create.topics.enable
 * allow. */
#include "mockbroker/core/authorize.h"
#include "mockbroker/core/cluster.h"
#include "mockbroker/core/rack.h"

#define COMPARED_MAX                                                                                                   \
    1000 /* so many topics of a request are looked at for repetitions: each is compared with those before */

typedef struct kci_metadata_response__metadata_response_topic topic_out;
typedef struct kci_metadata_response__metadata_response_partition partition_out;

static bool fill_partition(struct mb_request *request, const struct mb_partition *partition, partition_out *out)
{
    const struct mb_cluster *cluster = request->cluster;
    size_t count = (size_t)partition->replica_count;
    kci_codec_init(&kci_metadata_response__metadata_response_partition_schema, out);
    out->partition_index = partition->index;
    out->leader_id = partition->leader;
    out->leader_epoch = partition->leader_epoch;
    out->error_code = partition->leader < 0 ? KCI_LEADER_NOT_AVAILABLE : KCI_NONE;
    out->replica_nodes = kci_arena_array(&request->arena, count, sizeof *out->replica_nodes);
    out->isr_nodes = kci_arena_array(&request->arena, count, sizeof *out->isr_nodes);
    out->offline_replicas = kci_arena_array(&request->arena, count, sizeof *out->offline_replicas);
    if (!out->replica_nodes || !out->isr_nodes || !out->offline_replicas)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct mb_replica *replica = &partition->replicas[i];
        if (request->header.version == 0 && !mb_cluster_is_running(cluster, replica->broker)) {
            out->error_code = out->error_code ? out->error_code : KCI_REPLICA_NOT_AVAILABLE; /* v0 tells it so */
            continue;
        }
        out->replica_nodes[out->replica_nodes_count++] = replica->broker;
        if (replica->in_isr)
            out->isr_nodes[out->isr_nodes_count++] = replica->broker;
        if (!mb_cluster_is_running(cluster, replica->broker))
            out->offline_replicas[out->offline_replicas_count++] = replica->broker;
    }
    return true;
}

static bool fill_topic(struct mb_request *request, const struct mb_topic *topic, topic_out *out)
{
    const struct kci_metadata_request *body = request->body;
    kci_codec_init(&kci_metadata_response__metadata_response_topic_schema, out);
    out->name = kci_str_of(topic->name);
    out->topic_id = topic->id;
    out->is_internal = topic->internal;
    if (body->include_topic_authorized_operations)
        out->topic_authorized_operations = mb_authorized_operations(request, MB_ACL_TOPIC, kci_str_of(topic->name));
    out->partitions = kci_arena_array(&request->arena, (size_t)topic->partition_count, sizeof *out->partitions);
    for (int32_t i = 0; out->partitions && i < topic->partition_count; i++, out->partitions_count++)
        if (!fill_partition(request, topic->partitions[i], &out->partitions[i]))
            return false;
    return out->partitions != NULL;
}

static int16_t auto_create(struct mb_cluster *cluster, struct kci_str name, struct mb_topic **out, int64_t now)
{
    char text[160];
    struct mb_topic_plan plan = { .name = name, .partitions = -1, .replication_factor = -1 };
    mb_topic_config_init(&plan.config, cluster->alloc, &cluster->properties);
    int16_t error = mb_topic_create(cluster, &plan, false, out, text, sizeof text, now);
    mb_topic_config_destroy(&plan.config);
    return error;
}

static bool may_see(const struct mb_request *request, struct kci_str name)
{
    return mb_authorize_topic(request, MB_ACL_DESCRIBE, name);
}

static bool may_create(const struct mb_request *request, struct kci_str name)
{
    return may_see(request, name) &&
           (mb_authorize_cluster(request, MB_ACL_CREATE) || mb_authorize_topic(request, MB_ACL_CREATE, name));
}

static bool asked_topic(struct mb_request *request, const struct kci_metadata_request__metadata_request_topic *asked,
                        topic_out *out, int64_t now)
{
    const struct kci_metadata_request *body = request->body;
    struct mb_cluster *cluster = request->cluster;
    const char *why;
    int16_t error;
    bool by_id = !kci_uuid_is_zero(&asked->topic_id); /* where both are given the id counts */
    struct mb_topic *topic = mb_topic_resolve(cluster, asked->name, &asked->topic_id, &error);
    if (topic && !may_see(request, kci_str_of(topic->name))) {
        error = by_id ? KCI_UNKNOWN_TOPIC_ID : KCI_TOPIC_AUTHORIZATION_FAILED; /* as Kafka: no name leaks */
        topic = NULL;
    } else if (!topic && !by_id && asked->name.data) {
        bool allowed = body->allow_auto_topic_creation && mb_cluster_property(cluster, "auto.create.topics.enable") &&
                       may_create(request, asked->name);
        if (!mb_topic_name_ok(asked->name, &why))
            error = KCI_INVALID_TOPIC_EXCEPTION;
        else if (allowed)
            error = auto_create(cluster, asked->name, &topic, now);
        if (error == KCI_INVALID_REPLICATION_FACTOR) /* fewer brokers than default.replication.factor: they may come */
            error = KCI_LEADER_NOT_AVAILABLE;
    }
    if (topic)
        return fill_topic(request, topic, out);
    if (asked->name.data && (error == KCI_UNKNOWN_TOPIC_OR_PARTITION) && !may_see(request, asked->name))
        error = KCI_TOPIC_AUTHORIZATION_FAILED; /* whether it exists is not told */
    kci_codec_init(&kci_metadata_response__metadata_response_topic_schema, out);
    out->error_code = error;
    out->name = by_id ? kci_str_of(NULL) : asked->name;
    if (!out->name.data && request->header.version < 12)
        out->name = kci_str_of("");
    out->topic_id = asked->topic_id;
    return true;
}

/* Was the topic of row i asked for before? Kafka answers it once. */
static bool is_repeated(const struct kci_metadata_request *body, int32_t i)
{
    for (int32_t k = 0; k < i && i < COMPARED_MAX; k++)
        if (kci_str_equal(body->topics[k].name, body->topics[i].name) &&
            memcmp(&body->topics[k].topic_id, &body->topics[i].topic_id, sizeof body->topics[i].topic_id) == 0)
            return true;
    return false;
}

static bool fill_brokers(struct mb_request *request, struct kci_metadata_response *response)
{
    struct mb_cluster *cluster = request->cluster;
    response->brokers = kci_arena_array(&request->arena, (size_t)cluster->broker_count, sizeof *response->brokers);
    for (int32_t i = 0; response->brokers && i < cluster->broker_count; i++) {
        struct kci_metadata_response__metadata_response_broker *out = &response->brokers[response->brokers_count];
        kci_codec_init(&kci_metadata_response__metadata_response_broker_schema, out);
        out->node_id = cluster->brokers[i]->id;
        out->rack = mb_broker_rack(cluster, out->node_id);
        if (mb_request_endpoint(request, out->node_id, &out->host, &out->port))
            response->brokers_count++;
    }
    return response->brokers != NULL;
}

static bool fill_all(struct mb_request *request, struct kci_metadata_response *response)
{
    struct mb_topic *topic;
    size_t at = 0;
    response->topics = kci_arena_array(&request->arena, request->cluster->topics.count, sizeof *response->topics);
    while (response->topics && (topic = mb_topic_next(request->cluster, &at)) != NULL)
        if (may_see(request, kci_str_of(topic->name)) &&
            !fill_topic(request, topic, &response->topics[response->topics_count++]))
            return false;
    return response->topics != NULL;
}

void mb_handle_metadata(struct mb_request *request, int64_t now)
{
    const struct kci_metadata_request *body = request->body;
    struct kci_metadata_response response;
    kci_codec_init(&kci_metadata_response_schema, &response);
    response.cluster_id = kci_str_of(request->cluster->id);
    response.controller_id = request->cluster->controller;
    if (body->include_cluster_authorized_operations)
        response.cluster_authorized_operations =
            mb_authorized_operations(request, MB_ACL_CLUSTER, kci_str_of(MB_ACL_CLUSTER_NAME));
    bool ok = fill_brokers(request, &response);
    /* no list means all topics; before v1 an empty list does */
    if (ok && (body->topics_count < 0 || (request->header.version == 0 && body->topics_count == 0))) {
        ok = fill_all(request, &response);
    } else if (ok) {
        response.topics = kci_arena_array(&request->arena, (size_t)body->topics_count, sizeof *response.topics);
        ok = response.topics != NULL;
        for (int32_t i = 0; ok && i < body->topics_count; i++)
            ok = is_repeated(body, i) ||
                 asked_topic(request, &body->topics[i], &response.topics[response.topics_count++], now);
    }
    if (ok)
        mb_request_answer(request, &response, now);
    else
        mb_request_hang_up(request, "no memory for a metadata answer", now);
}
