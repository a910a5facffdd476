/* GetTelemetrySubscriptions and PushTelemetry (KIP-714).  Unlike a Kafka without a receiver plugin, this broker always
 * takes metrics: it keeps the latest pushes, for GET /v1/telemetry.
 *
 * Who asks or pushes has an instance (telemetry.h), made anew when subscriptions have changed.  As Kafka has it:
 *
 *      asking     too early after the latest request that was in time, unless the latest error says to ask again;
 *                 such a request is answered, and leaves the time as it is
 *      pushing    at once after an answer, then not before the interval is over, except for the last push
 *      the last   no push follows it: that one is refused, and then all is as if it had been the latest again */
#include "mockbroker/core/connection.h"
#include "mockbroker/core/telemetry.h"
#include "mockbroker/core/telemetry_subscription.h"

#include "protocol/compress.h"

/* The instance of the client, made when it is not known or when subscriptions have changed. NULL: no memory. */
static struct mb_telemetry_instance *instance_of(struct mb_request *request, const struct kci_uuid *id, int64_t now)
{
    struct mb_cluster *cluster = request->cluster;
    struct mb_telemetry_subscription subscription;
    struct mb_telemetry_instance *instance = mb_telemetry_find(cluster, request->broker, id, now);
    bool is_new = !instance;
    if (!instance)
        instance = mb_telemetry_add(request, id);
    if (!instance)
        return NULL;
    if (is_new || instance->version != cluster->resources.metrics_version) {
        if (!mb_telemetry_subscribe(request, instance, &subscription)) {
            mb_telemetry_forget(cluster, request->broker, id);
            return NULL;
        }
        instance->version = cluster->resources.metrics_version;
        instance->subscription_id = mb_telemetry_subscription_id(&subscription, id);
        instance->interval_ms = subscription.interval_ms;
        instance->asked_at = instance->pushed_at = INT64_MIN;
        instance->latest_error = KCI_NONE;
        instance->terminating = false;
        request->connection->telemetry_instance = *id;
    }
    mb_telemetry_use(cluster, instance, now);
    return instance;
}

static bool is_too_early(int64_t last, const struct mb_telemetry_instance *instance, int64_t now)
{
    return last != INT64_MIN && now - last < (int64_t)instance->interval_ms * 1000;
}

static struct kci_uuid new_id(struct mb_request *request, int64_t now)
{
    struct kci_uuid id = { { 0 } };
    while (kci_uuid_is_zero(&id) || mb_telemetry_find(request->cluster, request->broker, &id, now))
        for (size_t i = 0; i < sizeof id.b; i++)
            id.b[i] = (uint8_t)kci_prng_below(&request->cluster->prng, 256);
    return id;
}

static int16_t get(struct mb_request *request, struct kci_get_telemetry_subscriptions_response *response, int64_t now)
{
    const struct kci_get_telemetry_subscriptions_request *body = request->body;
    static int8_t codecs[] = { KCI_CODEC_ZSTD, KCI_CODEC_LZ4, KCI_CODEC_GZIP, KCI_CODEC_SNAPPY };
    struct mb_cluster *cluster = request->cluster;
    struct kci_uuid id = body->client_instance_id;
    struct mb_telemetry_subscription subscription;
    if (kci_uuid_is_zero(&id))
        id = new_id(request, now);
    struct mb_telemetry_instance *instance = instance_of(request, &id, now);
    if (!instance || !mb_telemetry_subscribe(request, instance, &subscription))
        return KCI_UNKNOWN_SERVER_ERROR;
    int64_t last = instance->asked_at > instance->pushed_at ? instance->asked_at : instance->pushed_at;
    bool early = is_too_early(last, instance, now);
    if (early && instance->latest_error != KCI_UNKNOWN_SUBSCRIPTION_ID &&
        instance->latest_error != KCI_UNSUPPORTED_COMPRESSION_TYPE)
        return KCI_THROTTLING_QUOTA_EXCEEDED;
    if (!early)
        instance->asked_at = now;
    instance->latest_error = KCI_NONE;
    response->client_instance_id = id;
    response->subscription_id = instance->subscription_id;
    response->accepted_compression_types = codecs;
    response->accepted_compression_types_count = sizeof codecs / sizeof codecs[0];
    response->push_interval_ms = instance->interval_ms;
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
    bool early = !first && is_too_early(instance->pushed_at, instance, now);
    if (early && !body->terminating)
        return KCI_THROTTLING_QUOTA_EXCEEDED;
    if (!early)
        instance->pushed_at = now;
    if (body->subscription_id != instance->subscription_id)
        return KCI_UNKNOWN_SUBSCRIPTION_ID;
    if (codec < 0 || codec >= KCI_CODEC_COUNT || !kci_codec_built_in(codec))
        return KCI_UNSUPPORTED_COMPRESSION_TYPE;
    if (body->metrics.size > (size_t)mb_cluster_property(request->cluster, "telemetry.max.bytes"))
        return KCI_TELEMETRY_TOO_LARGE;
    return KCI_NONE;
}

/* Decompressed and kept. */
static int16_t take(struct mb_request *request, int64_t now)
{
    const struct kci_push_telemetry_request *body = request->body;
    struct mb_cluster *cluster = request->cluster;
    struct kci_bytes metrics = body->metrics;
    uint8_t *plain = NULL;
    size_t size = 0;
    if (body->compression_type == KCI_CODEC_NONE || metrics.size == 0)
        return mb_telemetry_keep(request, metrics.data, metrics.size, metrics.size, now) ? KCI_NONE
                                                                                         : KCI_UNKNOWN_SERVER_ERROR;
    if (kci_decompress(cluster->compressor, body->compression_type, metrics.data, metrics.size, cluster->alloc,
                       (size_t)mb_cluster_property(cluster, "telemetry.max.bytes"), &plain, &size) != KCI_COMPRESS_OK)
        return KCI_INVALID_RECORD;
    bool kept = mb_telemetry_keep(request, plain, size, metrics.size, now);
    kci_alloc_free(cluster->alloc, plain);
    return kept ? KCI_NONE : KCI_UNKNOWN_SERVER_ERROR;
}

/* Zero, and the id of the topic of the metadata. */
static bool is_reserved(const struct kci_uuid *id)
{
    struct kci_uuid one = { { [15] = 1 } };
    return kci_uuid_is_zero(id) || kci_uuid_equal(id, &one);
}

static int16_t push(struct mb_request *request, int64_t now)
{
    const struct kci_push_telemetry_request *body = request->body;
    if (is_reserved(&body->client_instance_id))
        return KCI_INVALID_REQUEST;
    struct mb_telemetry_instance *instance = instance_of(request, &body->client_instance_id, now);
    if (!instance)
        return KCI_UNKNOWN_SERVER_ERROR;
    int16_t error = check_push(request, instance, now);
    instance->terminating = body->terminating;
    if (!error)
        error = take(request, now);
    instance->latest_error = error;
    return error;
}

void mb_handle_push_telemetry(struct mb_request *request, int64_t now)
{
    struct kci_push_telemetry_response response;
    kci_codec_init(&kci_push_telemetry_response_schema, &response);
    response.error_code = push(request, now);
    mb_request_answer(request, &response, now);
}
