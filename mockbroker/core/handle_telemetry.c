/* GetTelemetrySubscriptions and PushTelemetry (KIP-714).  Subscriptions are the settings of client metrics resources
 * (resource_config.c): all that match the client are joined, their shortest interval counts.  Unlike a Kafka without a
 * receiver plugin, this broker always takes metrics: it keeps the latest pushes, for GET /v1/telemetry. */
#include "mockbroker/core/connection.h"
#include "mockbroker/core/re2.h"
#include "mockbroker/core/telemetry.h"

#include "base/checksum.h"
#include "protocol/compress.h"
#include <stdio.h>

#define NAMES_MAX 1000 /* of metrics in one answer */

struct subscription {
    struct kci_str *names; /* in the arena */
    int32_t count;
    int32_t interval_ms;
    bool all;
};

/* The attribute that a key of `match` names; the port of the client is not known here. */
static struct kci_str attribute(const struct mb_request *request, struct kci_str key)
{
    const struct mb_connection *connection = request->connection;
    const char *host = request->client_host[0] == '/' ? request->client_host + 1 : request->client_host;
    const struct {
        const char *key;
        struct kci_str value;
    } all[] = { { "client_id", request->header.client_id },
                { "client_software_name", kci_str_of(connection->software_name) },
                { "client_software_version", kci_str_of(connection->software_version) },
                { "client_source_address", kci_str_of(host) } };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (kci_str_equal(key, kci_str_of(all[i].key)) && all[i].value.data)
            return all[i].value;
    return kci_str_of("");
}

/* The part of a list up to the next ','; `list` goes on behind it. */
static struct kci_str next_part(struct kci_str *list)
{
    const char *comma = list->size ? memchr(list->data, ',', list->size) : NULL;
    struct kci_str part = { list->data, comma ? (size_t)(comma - list->data) : list->size };
    size_t used = part.size + (comma != NULL);
    list->data += used;
    list->size -= used;
    return part;
}

static bool is_meant(const struct mb_request *request, const struct mb_resource *resource)
{
    struct kci_str list =
        kci_str_of(mb_resource_text(request->cluster, resource, MB_RESOURCE_CLIENT_METRICS, MB_METRICS_MATCH));
    while (list.size) {
        struct kci_str part = next_part(&list);
        const char *equals = memchr(part.data, '=', part.size); /* checked when it was set */
        struct kci_str key = { part.data, (size_t)(equals - part.data) };
        struct kci_str pattern = { equals + 1, part.size - key.size - 1 };
        if (!mb_re2_matches(request->cluster->alloc, pattern, attribute(request, key)))
            return false;
    }
    return true;
}

static void join(struct subscription *all, const struct mb_cluster *cluster, const struct mb_resource *resource)
{
    int64_t interval = 0;
    struct kci_str list = kci_str_of(mb_resource_text(cluster, resource, resource->type, MB_METRICS_NAMES));
    mb_config_number(mb_resource_text(cluster, resource, resource->type, MB_METRICS_INTERVAL), MB_CONFIG_INT,
                     &interval);
    if (interval < all->interval_ms)
        all->interval_ms = (int32_t)interval;
    while (list.size) {
        struct kci_str part = next_part(&list);
        if (kci_str_equal(part, kci_str_of("*")))
            all->all = true;
        else if (part.size && all->count < NAMES_MAX)
            all->names[all->count++] = part;
    }
}

/* false: no memory */
static bool subscribe(struct mb_request *request, struct subscription *out)
{
    const struct mb_resources *resources = &request->cluster->resources;
    *out = (struct subscription){ .interval_ms = INT32_MAX };
    out->names = kci_arena_array(&request->arena, NAMES_MAX, sizeof *out->names);
    if (!out->names)
        return false;
    KCI_LIST_EACH(node, &resources->all)
    {
        const struct mb_resource *resource = KCI_CONTAINER(node, struct mb_resource, link);
        if (resource->type == MB_RESOURCE_CLIENT_METRICS && is_meant(request, resource))
            join(out, request->cluster, resource);
    }
    if (out->interval_ms == INT32_MAX)
        out->interval_ms = 300000;
    if (out->all) {
        out->names[0] = kci_str_of("*");
        out->count = 1;
    }
    return true;
}

static int32_t id_of(const struct subscription *subscription, const struct kci_uuid *client)
{
    uint32_t crc = kci_crc32c(0, client->b, sizeof client->b);
    crc = kci_crc32c(crc, &subscription->interval_ms, sizeof subscription->interval_ms);
    for (int32_t i = 0; i < subscription->count; i++)
        crc = kci_crc32c(crc, subscription->names[i].data, subscription->names[i].size) + 1;
    return (int32_t)crc;
}

static bool is_too_early(int64_t last, const struct mb_telemetry_instance *instance, int64_t now)
{
    return last != INT64_MIN && now - last < (int64_t)instance->interval_ms * 1000;
}

static int16_t get(struct mb_request *request, struct kci_get_telemetry_subscriptions_response *response, int64_t now)
{
    const struct kci_get_telemetry_subscriptions_request *body = request->body;
    static int8_t codecs[] = { KCI_CODEC_ZSTD, KCI_CODEC_LZ4, KCI_CODEC_GZIP, KCI_CODEC_SNAPPY };
    struct mb_cluster *cluster = request->cluster;
    struct mb_telemetry_instance *instance = mb_telemetry_instance(cluster, &body->client_instance_id, true);
    struct subscription subscription;
    if (!instance || !subscribe(request, &subscription))
        return KCI_UNKNOWN_SERVER_ERROR;
    if (instance->version != cluster->resources.version) /* it is to ask again, and may at once */
        instance->asked_at = instance->pushed_at = INT64_MIN;
    int64_t last = instance->asked_at > instance->pushed_at ? instance->asked_at : instance->pushed_at;
    if (is_too_early(last, instance, now))
        return KCI_THROTTLING_QUOTA_EXCEEDED;
    instance->version = cluster->resources.version;
    instance->asked_at = now;
    instance->interval_ms = subscription.interval_ms;
    instance->subscription_id = id_of(&subscription, &instance->id);
    response->client_instance_id = instance->id;
    response->subscription_id = instance->subscription_id;
    response->accepted_compression_types = codecs;
    response->accepted_compression_types_count = sizeof codecs / sizeof codecs[0];
    response->push_interval_ms = subscription.interval_ms;
    response->telemetry_max_bytes = (int32_t)mb_cluster_property(cluster, "telemetry.max.bytes");
    response->delta_temporality = true;
    response->requested_metrics = subscription.names;
    response->requested_metrics_count = subscription.count;
    return KCI_NONE;
}

void mb_handle_get_telemetry_subscriptions(struct mb_request *request, int64_t now)
{
    struct kci_get_telemetry_subscriptions_response response;
    kci_codec_init(&kci_get_telemetry_subscriptions_response_schema, &response);
    response.error_code = get(request, &response, now);
    mb_request_answer(request, &response, now);
}

static int16_t check_push(const struct mb_request *request, struct mb_telemetry_instance *instance, int64_t now)
{
    const struct kci_push_telemetry_request *body = request->body;
    int8_t codec = body->compression_type;
    if (instance->terminating)
        return KCI_INVALID_REQUEST;
    bool first = instance->asked_at > instance->pushed_at; /* the first one after an answer may come at once */
    if (!first && !body->terminating && is_too_early(instance->pushed_at, instance, now))
        return KCI_THROTTLING_QUOTA_EXCEEDED;
    instance->pushed_at = now;
    if (body->subscription_id != instance->subscription_id || instance->version != request->cluster->resources.version)
        return KCI_UNKNOWN_SUBSCRIPTION_ID;
    if (codec < 0 || codec >= KCI_CODEC_COUNT || !kci_codec_built_in(codec))
        return KCI_UNSUPPORTED_COMPRESSION_TYPE;
    if (body->metrics.size > (size_t)mb_cluster_property(request->cluster, "telemetry.max.bytes"))
        return KCI_TELEMETRY_TOO_LARGE;
    return KCI_NONE;
}

static int16_t push(struct mb_request *request, int64_t now)
{
    const struct kci_push_telemetry_request *body = request->body;
    struct mb_cluster *cluster = request->cluster;
    struct mb_telemetry_instance *instance = kci_uuid_is_zero(&body->client_instance_id)
                                                 ? NULL
                                                 : mb_telemetry_instance(cluster, &body->client_instance_id, false);
    uint8_t *plain = NULL;
    size_t size = 0;
    if (kci_uuid_is_zero(&body->client_instance_id))
        return KCI_INVALID_REQUEST;
    if (!instance)
        return KCI_UNKNOWN_SUBSCRIPTION_ID; /* it never asked this cluster */
    int16_t error = check_push(request, instance, now);
    if (error)
        return error;
    instance->terminating = body->terminating;
    if (body->compression_type == KCI_CODEC_NONE || body->metrics.size == 0)
        return mb_telemetry_keep(request, body->metrics.data, body->metrics.size, body->metrics.size, now)
                   ? KCI_NONE
                   : KCI_UNKNOWN_SERVER_ERROR;
    if (kci_decompress(cluster->compressor, body->compression_type, body->metrics.data, body->metrics.size,
                       cluster->alloc, MB_TELEMETRY_PLAIN_MAX, &plain, &size) != KCI_COMPRESS_OK)
        return KCI_INVALID_RECORD;
    bool kept = mb_telemetry_keep(request, plain, size, body->metrics.size, now);
    kci_alloc_free(cluster->alloc, plain);
    return kept ? KCI_NONE : KCI_UNKNOWN_SERVER_ERROR;
}

void mb_handle_push_telemetry(struct mb_request *request, int64_t now)
{
    struct kci_push_telemetry_response response;
    kci_codec_init(&kci_push_telemetry_response_schema, &response);
    response.error_code = push(request, now);
    mb_request_answer(request, &response, now);
}
