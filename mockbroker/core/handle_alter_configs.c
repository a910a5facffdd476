/* AlterConfigs (all settings of a resource at once, deprecated) and IncrementalAlterConfigs (KIP-339), of topics,
 * brokers, groups and client metrics.  A resource whose change is refused does not hinder the others. */
#include "mockbroker/core/alter_configs.h"
#include "mockbroker/core/authorize.h"
#include "mockbroker/core/cluster.h"
#include <stdio.h>
#include <stdlib.h>

#define TEXT_BYTES    300
#define RESOURCES_MAX 2000 /* of one request: each is compared with all others */

struct alteration {
    struct mb_request *request;
    int8_t type;
    struct kci_str name;
    const struct mb_config_change *changes;
    size_t count;
    bool replace, dry, twice, too_many;
    char text[TEXT_BYTES]; /* out: why not */
};

static int16_t alter_topic(struct alteration *alteration, int64_t now)
{
    struct mb_topic *topic = mb_topic_find(alteration->request->cluster, alteration->name);
    const char *unfit;
    if (!topic && !mb_topic_name_ok(alteration->name, &unfit)) {
        snprintf(alteration->text, TEXT_BYTES, "%s", unfit);
        return alteration->name.size ? KCI_INVALID_TOPIC_EXCEPTION : KCI_INVALID_REQUEST;
    }
    if (topic)
        return mb_alter_topic(topic, alteration->changes, alteration->count, alteration->replace, alteration->dry,
                              alteration->text, TEXT_BYTES, now);
    snprintf(alteration->text, TEXT_BYTES, "The topic '%.*s' does not exist.", (int)alteration->name.size,
             alteration->name.data);
    return KCI_UNKNOWN_TOPIC_OR_PARTITION;
}

static int16_t alter_broker(struct alteration *alteration, int64_t now)
{
    struct mb_cluster *cluster = alteration->request->cluster;
    struct kci_str name = alteration->name;
    char text[12], *end = NULL;
    snprintf(text, sizeof text, "%.*s", (int)(name.size < sizeof text ? name.size : sizeof text - 1), name.data);
    long id = strtol(text, &end, 10);
    if (name.size && (name.size >= sizeof text || end == text || *end)) {
        snprintf(alteration->text, TEXT_BYTES, "Unable to parse broker name as a base 10 number.");
        return KCI_INVALID_REQUEST;
    }
    if (name.size && id != alteration->request->broker) {
        snprintf(alteration->text, TEXT_BYTES, "Unexpected broker id, expected %d, but received %ld",
                 alteration->request->broker, id);
        return KCI_INVALID_REQUEST;
    }
    return mb_alter_broker(cluster, (int32_t)id, alteration->changes, alteration->count, alteration->replace,
                           alteration->dry, alteration->text, TEXT_BYTES, now);
}

static int16_t alter(struct alteration *alteration, int64_t now)
{
    if (alteration->twice) {
        snprintf(alteration->text, TEXT_BYTES, "Each resource must appear at most once.");
        return KCI_INVALID_REQUEST;
    }
    if (alteration->too_many) {
        snprintf(alteration->text, TEXT_BYTES, "More than %d resources in one request.", RESOURCES_MAX);
        return KCI_INVALID_REQUEST;
    }
    int16_t error = mb_authorize_config(alteration->request, MB_ACL_ALTER_CONFIGS, alteration->type, alteration->name);
    if (error) {
        snprintf(alteration->text, TEXT_BYTES, "%s", kci_error_text(error));
        return error;
    }
    if (alteration->count && !alteration->changes)
        return KCI_UNKNOWN_SERVER_ERROR;
    if (alteration->type == MB_RESOURCE_TOPIC)
        return alter_topic(alteration, now);
    if (alteration->type == MB_RESOURCE_BROKER)
        return alter_broker(alteration, now);
    if (mb_resource_rows(alteration->type))
        return mb_alter_resource(alteration->request->cluster, alteration->type, alteration->name, alteration->changes,
                                 alteration->count, alteration->replace, alteration->dry, alteration->text, TEXT_BYTES);
    snprintf(alteration->text, TEXT_BYTES, "Resources of type %d cannot be altered here.", alteration->type);
    return KCI_INVALID_REQUEST;
}

static struct kci_str why(struct alteration *alteration)
{
    const char *text = alteration->text[0] ? alteration->text : "The server ran out of memory.";
    return kci_str_of(kci_arena_text(&alteration->request->arena, kci_str_of(text)));
}

void mb_handle_alter_configs(struct mb_request *request, int64_t now)
{
    const struct kci_alter_configs_request *body = request->body;
    struct kci_alter_configs_response response;
    kci_codec_init(&kci_alter_configs_response_schema, &response);
    response.responses = kci_arena_array(&request->arena, (size_t)body->resources_count, sizeof *response.responses);
    for (int32_t i = 0; response.responses && i < body->resources_count; i++) {
        const struct kci_alter_configs_request__alter_configs_resource *asked = &body->resources[i];
        struct kci_alter_configs_response__alter_configs_resource_response *out =
            &response.responses[response.responses_count++];
        struct mb_config_change *changes =
            kci_arena_array(&request->arena, (size_t)asked->configs_count, sizeof *changes);
        struct alteration alteration = { .request = request,
                                         .type = asked->resource_type,
                                         .name = asked->resource_name,
                                         .changes = changes,
                                         .count = (size_t)asked->configs_count,
                                         .replace = true,
                                         .dry = body->validate_only,
                                         .too_many = body->resources_count > RESOURCES_MAX };
        for (int32_t k = 0; changes && k < asked->configs_count; k++)
            changes[k] = (struct mb_config_change){ asked->configs[k].name, asked->configs[k].value, MB_ALTER_SET };
        for (int32_t k = 0; k < body->resources_count && body->resources_count <= RESOURCES_MAX; k++)
            alteration.twice |= k != i && body->resources[k].resource_type == asked->resource_type &&
                                kci_str_equal(body->resources[k].resource_name, asked->resource_name);
        kci_codec_init(&kci_alter_configs_response__alter_configs_resource_response_schema, out);
        out->resource_type = asked->resource_type;
        out->resource_name = asked->resource_name;
        out->error_code = alter(&alteration, now);
        out->error_message = out->error_code ? why(&alteration) : kci_str_of(NULL);
    }
    mb_request_answer(request, &response, now);
}

void mb_handle_incremental_alter_configs(struct mb_request *request, int64_t now)
{
    const struct kci_incremental_alter_configs_request *body = request->body;
    struct kci_incremental_alter_configs_response response;
    kci_codec_init(&kci_incremental_alter_configs_response_schema, &response);
    response.responses = kci_arena_array(&request->arena, (size_t)body->resources_count, sizeof *response.responses);
    for (int32_t i = 0; response.responses && i < body->resources_count; i++) {
        const struct kci_incremental_alter_configs_request__alter_configs_resource *asked = &body->resources[i];
        struct kci_incremental_alter_configs_response__alter_configs_resource_response *out =
            &response.responses[response.responses_count++];
        struct mb_config_change *changes =
            kci_arena_array(&request->arena, (size_t)asked->configs_count, sizeof *changes);
        struct alteration alteration = { .request = request,
                                         .type = asked->resource_type,
                                         .name = asked->resource_name,
                                         .changes = changes,
                                         .count = (size_t)asked->configs_count,
                                         .dry = body->validate_only,
                                         .too_many = body->resources_count > RESOURCES_MAX };
        for (int32_t k = 0; changes && k < asked->configs_count; k++)
            changes[k] = (struct mb_config_change){ asked->configs[k].name, asked->configs[k].value,
                                                    asked->configs[k].config_operation };
        for (int32_t k = 0; k < body->resources_count && body->resources_count <= RESOURCES_MAX; k++)
            alteration.twice |= k != i && body->resources[k].resource_type == asked->resource_type &&
                                kci_str_equal(body->resources[k].resource_name, asked->resource_name);
        kci_codec_init(&kci_incremental_alter_configs_response__alter_configs_resource_response_schema, out);
        out->resource_type = asked->resource_type;
        out->resource_name = asked->resource_name;
        out->error_code = alter(&alteration, now);
        out->error_message = out->error_code ? why(&alteration) : kci_str_of(NULL);
    }
    mb_request_answer(request, &response, now);
}
