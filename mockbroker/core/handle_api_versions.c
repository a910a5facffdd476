/* ApiVersions: the rows of api_table.c.  An unknown version is answered with version 0, error 35 and our range of
 * ApiVersions itself, so that the client can ask again (KIP-511).  Of the features, group.version is
 * finalized at 1 (KIP-848); transaction.version is not, there are no transactions here, and clients choose by it. */
#include "mockbroker/core/cluster.h"

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

/* Kafka's names and levels. A lowest level of 0 is shown from v4 on: older clients refuse it (KAFKA-17011). */
static void list_features(const struct mb_request *request, struct kci_api_versions_response *response)
{
    static const char name[] = "group.version";
    static struct kci_api_versions_response__supported_feature_key supported = { .name = { name, sizeof name - 1 },
                                                                                 .max_version = 1 };
    static struct kci_api_versions_response__finalized_feature_key finalized = { .name = { name, sizeof name - 1 },
                                                                                 .max_version_level = 1,
                                                                                 .min_version_level = 1 };
    if (request->header.version < 3)
        return;
    response->supported_features = &supported;
    response->supported_features_count = request->header.version >= 4;
    response->finalized_features = &finalized;
    response->finalized_features_count = 1;
    response->finalized_features_epoch = 1;
}

void mb_handle_api_versions(struct mb_request *request, int64_t now)
{
    struct kci_api_versions_response response;
    const struct kci_api_versions_request *body = request->body;
    const struct mb_api_row *own = mb_api_row(KCI_API_API_VERSIONS);
    size_t count;
    const struct mb_api_row *rows = mb_api_rows(&count);
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
    } else {
        list_features(request, &response);
    }
    response.api_keys = kci_arena_array(&request->arena, count, sizeof *response.api_keys);
    for (size_t i = 0; response.api_keys && i < count; i++) {
        response.api_keys[i].api_key = rows[i].key;
        response.api_keys[i].min_version = rows[i].version_min;
        response.api_keys[i].max_version = rows[i].version_max;
        response.api_keys_count = (int32_t)i + 1;
    }
    mb_request_answer(request, &response, now);
}
