/* ApiVersions: what this broker serves of what the played release advertised, and the features.  An unknown version is
 * answered with version 0, error 35 and our range of ApiVersions itself, so that the client can ask again (KIP-511).
 * A client that says whom it expects (v5, KIP-1242) and has come to somebody else is told to begin anew. */
#include "mockbroker/core/sasl.h"

static bool name_part_ok(char c, bool edge)
{
    bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    return word || (!edge && (c == '-' || c == '.'));
}

/* [a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])? */
static bool software_ok(struct kci_str text)
{
    for (size_t i = 0; i < text.size; i++)
        if (!name_part_ok(text.data[i], i == 0 || i + 1 == text.size))
            return false;
    return text.size > 0;
}

static bool is_misrouted(const struct mb_request *request)
{
    const struct kci_api_versions_request *body = request->body;
    if (request->header.version < 5)
        return false;
    return (body->cluster_id.data && !kci_str_equal(body->cluster_id, kci_str_of(request->cluster->id))) ||
           (body->node_id >= 0 && body->node_id != request->broker);
}

/* A lowest level of 0 is shown from v4 on: older clients refuse it (KAFKA-17011). */
static void list_features(struct mb_request *request, struct kci_api_versions_response *response)
{
    const struct mb_cluster *cluster = request->cluster;
    if (request->header.version < 3)
        return;
    response->supported_features = kci_arena_array(&request->arena, MB_FEATURES, sizeof *response->supported_features);
    response->finalized_features = kci_arena_array(&request->arena, MB_FEATURES, sizeof *response->finalized_features);
    response->finalized_features_epoch = cluster->feature_epoch;
    for (int i = 0; response->supported_features && response->finalized_features && i < MB_FEATURES; i++) {
        struct mb_feature feature = mb_feature_of(cluster, (enum mb_feature_id)i);
        int16_t level = mb_feature_level(cluster, (enum mb_feature_id)i);
        if (feature.max < feature.min)
            continue;
        if (feature.min > 0 || request->header.version >= 4)
            response->supported_features[response->supported_features_count++] =
                (struct kci_api_versions_response__supported_feature_key){ .name = kci_str_of(feature.name),
                                                                           .min_version = feature.min,
                                                                           .max_version = feature.max };
        if (level)
            response->finalized_features[response->finalized_features_count++] =
                (struct kci_api_versions_response__finalized_feature_key){ .name = kci_str_of(feature.name),
                                                                           .max_version_level = level,
                                                                           .min_version_level = level };
    }
}

void mb_handle_api_versions(struct mb_request *request, int64_t now)
{
    struct kci_api_versions_response response;
    const struct kci_api_versions_request *body = request->body;
    const struct mb_cluster *cluster = request->cluster;
    const struct mb_api_row *own = mb_cluster_api(cluster, KCI_API_API_VERSIONS);
    const struct mb_api_row *rows = cluster->apis;
    size_t count = cluster->api_count;
    kci_codec_init(&kci_api_versions_response_schema, &response);
    bool known = request->header.version >= own->version_min && request->header.version <= own->version_max;
    if (!known) {
        response.error_code = KCI_UNSUPPORTED_VERSION;
        rows = own;
        count = 1;
    } else if (request->header.version >= 3 &&
               !(software_ok(body->client_software_name) && software_ok(body->client_software_version))) {
        response.error_code = KCI_INVALID_REQUEST;
        count = 0;
    } else if (is_misrouted(request)) {
        response.error_code = KCI_REBOOTSTRAP_REQUIRED;
        count = 0;
    } else {
        list_features(request, &response);
        mb_connection_software(request->connection, body->client_software_name, body->client_software_version);
        mb_sasl_versions_told(request->connection);
    }
    response.api_keys = kci_arena_array(&request->arena, count, sizeof *response.api_keys);
    if (!response.api_keys && count) { /* an empty list would say that nothing is spoken here */
        mb_request_hang_up(request, "out of memory", now);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        response.api_keys[i].api_key = rows[i].key;
        response.api_keys[i].min_version = rows[i].version_min;
        response.api_keys[i].max_version = rows[i].version_max;
        response.api_keys_count = (int32_t)i + 1;
    }
    mb_request_answer(request, &response, now);
}
