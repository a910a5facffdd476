/* ListConfigResources (KIP-1142): the names of what has a configuration.  Version 0 asks for client metrics only. */
#include "mockbroker/core/cluster.h"

#include <stdio.h>

static bool is_asked(const struct mb_request *request, int8_t type)
{
    const struct kci_list_config_resources_request *body = request->body;
    if (request->header.version == 0)
        return type == MB_RESOURCE_CLIENT_METRICS;
    for (int32_t i = 0; i < body->resource_types_count; i++)
        if (body->resource_types[i] == type)
            return true;
    return body->resource_types_count == 0;
}

static bool are_known(const struct mb_request *request)
{
    const struct kci_list_config_resources_request *body = request->body;
    for (int32_t i = 0; request->header.version > 0 && i < body->resource_types_count; i++) {
        int8_t type = body->resource_types[i];
        if (type != MB_RESOURCE_TOPIC && type != MB_RESOURCE_BROKER && type != MB_RESOURCE_BROKER_LOGGER &&
            type != MB_RESOURCE_CLIENT_METRICS && type != MB_RESOURCE_GROUP)
            return false;
    }
    return true;
}

static void add(struct mb_request *request, struct kci_list_config_resources_response *response, int8_t type,
                const char *name)
{
    struct kci_list_config_resources_response__config_resource *out =
        &response->config_resources[response->config_resources_count++];
    kci_codec_init(&kci_list_config_resources_response__config_resource_schema, out);
    out->resource_type = type;
    out->resource_name = kci_str_of(kci_arena_text(&request->arena, kci_str_of(name)));
}

void mb_handle_list_config_resources(struct mb_request *request, int64_t now)
{
    struct mb_cluster *cluster = request->cluster;
    struct kci_list_config_resources_response response;
    struct mb_topic *topic;
    char id[16];
    size_t count = 2 * (size_t)cluster->broker_count + cluster->resources.count;
    kci_codec_init(&kci_list_config_resources_response_schema, &response);
    if (!are_known(request)) {
        response.error_code = KCI_UNSUPPORTED_VERSION;
        mb_request_answer(request, &response, now);
        return;
    }
    for (size_t at = 0; mb_topic_next(cluster, &at) != NULL;)
        count++;
    response.config_resources = kci_arena_array(&request->arena, count, sizeof *response.config_resources);
    for (size_t at = 0;
         response.config_resources && is_asked(request, MB_RESOURCE_TOPIC) && (topic = mb_topic_next(cluster, &at));)
        add(request, &response, MB_RESOURCE_TOPIC, topic->name);
    for (int32_t i = 0; response.config_resources && i < cluster->broker_count; i++) {
        if (cluster->brokers[i]->gone)
            continue;
        snprintf(id, sizeof id, "%d", cluster->brokers[i]->id);
        if (is_asked(request, MB_RESOURCE_BROKER))
            add(request, &response, MB_RESOURCE_BROKER, id);
        if (is_asked(request, MB_RESOURCE_BROKER_LOGGER) && cluster->brokers[i]->running)
            add(request, &response, MB_RESOURCE_BROKER_LOGGER, id);
    }
    KCI_LIST_EACH(node, &cluster->resources.all)
    {
        const struct mb_resource *resource = KCI_CONTAINER(node, struct mb_resource, link);
        if (response.config_resources && is_asked(request, resource->type))
            add(request, &response, resource->type, resource->name);
    }
    mb_request_answer(request, &response, now);
}
