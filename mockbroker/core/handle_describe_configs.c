/* DescribeConfigs of topics, brokers, groups and client metrics: value, where it comes from, its synonyms in the order
 * of precedence, its type. */
#include "mockbroker/core/authorize.h"
#include "mockbroker/core/cluster.h"

#include <stdio.h>
#include <stdlib.h>

#define SYNONYMS_MAX 4

typedef struct kci_describe_configs_request__describe_configs_resource asked_resource;
typedef struct kci_describe_configs_response__describe_configs_result result_out;
typedef struct kci_describe_configs_response__describe_configs_resource_result config_out;

static bool is_asked(const asked_resource *asked, const char *name)
{
    if (asked->configuration_keys_count < 0)
        return true;
    for (int32_t i = 0; i < asked->configuration_keys_count; i++)
        if (kci_str_equal(asked->configuration_keys[i], kci_str_of(name)))
            return true;
    return asked->configuration_keys_count == 0;
}

static void add_synonym(config_out *out, const char *name, const char *value, int8_t source)
{
    struct kci_describe_configs_response__describe_configs_synonym *synonym = &out->synonyms[out->synonyms_count++];
    synonym->name = kci_str_of(name);
    synonym->value = kci_str_of(value);
    synonym->source = source;
}

/* In the order of precedence; broker: NULL where a topic's default is told. */
static void add_broker_synonyms(config_out *out, const struct mb_properties *properties, size_t i,
                                const struct mb_broker *broker)
{
    const struct mb_config_row *row = mb_properties_row(i);
    if (broker && broker->dynamic[i])
        add_synonym(out, row->name, broker->dynamic[i], MB_SOURCE_BROKER);
    if (properties->dynamic[i])
        add_synonym(out, row->name, properties->dynamic[i], MB_SOURCE_DEFAULT_BROKER);
    if (properties->values[i])
        add_synonym(out, row->name, properties->values[i], MB_SOURCE_STATIC_BROKER);
    add_synonym(out, row->name, row->initial, MB_SOURCE_DEFAULT);
}

static config_out *add_config(struct mb_request *request, result_out *result, const struct mb_config_row *row)
{
    config_out *out = &result->configs[result->configs_count++];
    kci_codec_init(&kci_describe_configs_response__describe_configs_resource_result_schema, out);
    out->name = kci_str_of(row->name);
    out->config_type = (int8_t)row->type;
    out->documentation = kci_str_of(NULL);
    out->synonyms = kci_arena_array(&request->arena, SYNONYMS_MAX, sizeof *out->synonyms);
    return out;
}

static void describe_topic(struct mb_request *request, const asked_resource *asked, const struct mb_topic *topic,
                           result_out *result)
{
    const struct kci_describe_configs_request *body = request->body;
    const struct mb_properties *properties = &request->cluster->properties;
    result->configs = kci_arena_array(&request->arena, mb_topic_config_count(), sizeof *result->configs);
    for (size_t i = 0; result->configs && i < mb_topic_config_count(); i++) {
        const struct mb_config_row *row = mb_topic_config_row(i);
        enum mb_config_source source;
        if (!is_asked(asked, row->name))
            continue;
        config_out *out = add_config(request, result, row);
        out->value = kci_str_of(mb_topic_config_text(&topic->config, properties, i, &source));
        out->config_source = (int8_t)source;
        if (!body->include_synonyms || !out->synonyms)
            continue;
        int key = row->broker_key ? mb_properties_find(kci_str_of(row->broker_key)) : -1;
        if (topic->config.values[i])
            add_synonym(out, row->name, topic->config.values[i], MB_SOURCE_TOPIC);
        if (key >= 0)
            add_broker_synonyms(out, properties, (size_t)key, NULL);
    }
}

static void describe_broker(struct mb_request *request, const asked_resource *asked, const struct mb_broker *broker,
                            result_out *result)
{
    const struct kci_describe_configs_request *body = request->body;
    const struct mb_properties *properties = &request->cluster->properties;
    result->configs = kci_arena_array(&request->arena, mb_properties_count(), sizeof *result->configs);
    for (size_t i = 0; result->configs && i < mb_properties_count(); i++) {
        const struct mb_config_row *row = mb_properties_row(i);
        if (!is_asked(asked, row->name))
            continue;
        config_out *out = add_config(request, result, row);
        bool is_id = strcmp(row->name, "node.id") == 0;
        char *id = is_id ? kci_arena_take(&request->arena, 16) : NULL;
        if (id)
            snprintf(id, 16, "%d", broker->id);
        out->value = kci_str_of(broker->dynamic[i] ? broker->dynamic[i] : id ? id : mb_properties_text(properties, i));
        out->read_only = !mb_properties_is_dynamic(i);
        out->config_source = broker->dynamic[i]            ? MB_SOURCE_BROKER
                             : properties->dynamic[i]      ? MB_SOURCE_DEFAULT_BROKER
                             : id || properties->values[i] ? MB_SOURCE_STATIC_BROKER
                                                           : MB_SOURCE_DEFAULT;
        if (body->include_synonyms && out->synonyms && id)
            add_synonym(out, row->name, id, MB_SOURCE_STATIC_BROKER);
        else if (body->include_synonyms && out->synonyms)
            add_broker_synonyms(out, properties, i, broker);
    }
}

/* The cluster-wide defaults: what was altered, and nothing else. */
static void describe_default_broker(struct mb_request *request, const asked_resource *asked, result_out *result)
{
    const struct kci_describe_configs_request *body = request->body;
    const struct mb_properties *properties = &request->cluster->properties;
    result->configs = kci_arena_array(&request->arena, mb_properties_count(), sizeof *result->configs);
    for (size_t i = 0; result->configs && i < mb_properties_count(); i++) {
        const struct mb_config_row *row = mb_properties_row(i);
        if (!properties->dynamic[i] || !is_asked(asked, row->name))
            continue;
        config_out *out = add_config(request, result, row);
        out->value = kci_str_of(properties->dynamic[i]);
        out->config_source = MB_SOURCE_DEFAULT_BROKER;
        if (body->include_synonyms && out->synonyms)
            add_synonym(out, row->name, properties->dynamic[i], MB_SOURCE_DEFAULT_BROKER);
    }
}

/* A group or a subscription for client metrics; one that has no setting of its own shows the defaults. */
static void describe_resource(struct mb_request *request, const asked_resource *asked, result_out *result)
{
    const struct kci_describe_configs_request *body = request->body;
    const struct mb_cluster *cluster = request->cluster;
    int8_t type = asked->resource_type;
    const struct mb_resource *resource = mb_resource_find(&cluster->resources, type, asked->resource_name);
    int8_t source = type == MB_RESOURCE_GROUP ? MB_SOURCE_GROUP : MB_SOURCE_CLIENT_METRICS;
    result->configs = kci_arena_array(&request->arena, mb_resource_rows(type), sizeof *result->configs);
    for (size_t i = 0; result->configs && i < mb_resource_rows(type); i++) {
        const struct mb_config_row *row = mb_resource_row(type, i);
        bool own = resource && resource->values[i];
        if (!is_asked(asked, row->name))
            continue;
        config_out *out = add_config(request, result, row);
        out->value = kci_str_of(mb_resource_text(cluster, resource, type, i));
        out->config_source = own ? source : MB_SOURCE_DEFAULT;
        if (!body->include_synonyms || !out->synonyms)
            continue;
        if (own)
            add_synonym(out, row->name, resource->values[i], source);
        add_synonym(out, row->name, mb_resource_text(cluster, NULL, type, i), MB_SOURCE_DEFAULT);
    }
}

/* Passwords are told of, not told. */
static void hide_passwords(result_out *result)
{
    for (int32_t i = 0; i < result->configs_count; i++) {
        config_out *out = &result->configs[i];
        if (out->config_type != MB_CONFIG_PASSWORD)
            continue;
        out->is_sensitive = true;
        out->value = kci_str_of(NULL);
        for (int32_t k = 0; k < out->synonyms_count; k++)
            out->synonyms[k].value = kci_str_of(NULL);
    }
}

static void refuse(result_out *result, int16_t error, const char *message)
{
    result->error_code = error;
    result->error_message = kci_str_of(message);
}

static void describe_one(struct mb_request *request, const asked_resource *asked, result_out *result)
{
    const char *why;
    kci_codec_init(&kci_describe_configs_response__describe_configs_result_schema, result);
    result->resource_type = asked->resource_type;
    result->resource_name = asked->resource_name;
    result->error_message = kci_str_of(""); /* not null, as Kafka's */
    int16_t error = mb_authorize_config(request, MB_ACL_DESCRIBE_CONFIGS, asked->resource_type, asked->resource_name);
    if (error) {
        refuse(result, error, kci_error_text(error));
    } else if (asked->resource_type == MB_RESOURCE_TOPIC) {
        const struct mb_topic *topic = mb_topic_find(request->cluster, asked->resource_name);
        if (topic)
            describe_topic(request, asked, topic, result);
        else if (!mb_topic_name_ok(asked->resource_name, &why))
            refuse(result, KCI_INVALID_TOPIC_EXCEPTION, why);
        else
            refuse(result, KCI_UNKNOWN_TOPIC_OR_PARTITION, kci_error_text(KCI_UNKNOWN_TOPIC_OR_PARTITION));
    } else if (asked->resource_type == MB_RESOURCE_BROKER) {
        char text[16];
        snprintf(text, sizeof text, "%.*s", (int)(asked->resource_name.size < 12 ? asked->resource_name.size : 12),
                 asked->resource_name.data ? asked->resource_name.data : "");
        int32_t id = (int32_t)strtol(text, NULL, 10);
        if (text[0] == '\0')
            describe_default_broker(request, asked, result);
        else if (id == request->broker)
            describe_broker(request, asked, mb_cluster_broker(request->cluster, id), result);
        else
            refuse(result, KCI_INVALID_REQUEST, "Unexpected broker id: ask the broker itself.");
    } else if (mb_resource_rows(asked->resource_type)) {
        if (asked->resource_name.size)
            describe_resource(request, asked, result);
        else
            refuse(result, KCI_INVALID_REQUEST,
                   asked->resource_type == MB_RESOURCE_GROUP ? "Group name must not be empty"
                                                             : "Client metrics subscription name must not be empty");
    } else {
        refuse(result, KCI_INVALID_REQUEST, "This resource type cannot be described here.");
    }
    hide_passwords(result);
}

void mb_handle_describe_configs(struct mb_request *request, int64_t now)
{
    const struct kci_describe_configs_request *body = request->body;
    struct kci_describe_configs_response response;
    kci_codec_init(&kci_describe_configs_response_schema, &response);
    response.results = kci_arena_array(&request->arena, (size_t)body->resources_count, sizeof *response.results);
    for (int32_t i = 0; response.results && i < body->resources_count; i++)
        describe_one(request, &body->resources[i], &response.results[response.results_count++]);
    mb_request_answer(request, &response, now);
}
