/* Client metrics resources (resource_config.c) are for the clients whose attributes their `match` names: all of its parts
 * must hold, of two for the same attribute the later one (KIP-714).  Those for a client are joined: every metric once, or
 * "*" alone; the shortest interval counts, and never more than the default. */
#include "mockbroker/core/telemetry_subscription.h"

#include "mockbroker/core/re2.h"

#include "base/checksum.h"

#define NAMES_MAX           1000 /* of metrics in one answer */
#define INTERVAL_DEFAULT_MS 300000

int mb_telemetry_attribute(struct kci_str key)
{
    static const char *const keys[MB_TELEMETRY_ATTRIBUTES] = {
        [MB_TELEMETRY_INSTANCE_ID] = "client_instance_id",
        [MB_TELEMETRY_CLIENT_ID] = "client_id",
        [MB_TELEMETRY_SOFTWARE_NAME] = "client_software_name",
        [MB_TELEMETRY_SOFTWARE_VERSION] = "client_software_version",
        [MB_TELEMETRY_ADDRESS] = "client_source_address",
        [MB_TELEMETRY_PORT] = "client_source_port",
    };
    for (int i = 0; i < MB_TELEMETRY_ATTRIBUTES; i++)
        if (kci_str_equal(key, kci_str_of(keys[i])))
            return i;
    return -1;
}

/* Is there another part behind this one for the same attribute? */
static bool is_replaced(struct kci_str rest, struct kci_str key)
{
    struct kci_str part, other, pattern;
    while (mb_resource_list_next(&rest, &part))
        if (mb_resource_split_match(part, &other, &pattern) && kci_str_equal(other, key))
            return true;
    return false;
}

static bool is_meant(const struct mb_cluster *cluster, const struct mb_telemetry_instance *instance,
                     const struct mb_resource *resource)
{
    const char *match = mb_resource_text(cluster, resource, MB_RESOURCE_CLIENT_METRICS, MB_METRICS_MATCH);
    struct kci_str list = mb_resource_list(kci_str_of(match)), part, key, pattern;
    while (mb_resource_list_next(&list, &part)) {
        int named = mb_resource_split_match(part, &key, &pattern) ? mb_telemetry_attribute(key) : -1;
        if (named < 0) /* checked when it was set */
            return false;
        struct kci_str value = instance->attributes[named]; /* null: the client has none */
        if (!is_replaced(list, key) && (!value.data || !mb_re2_matches(cluster->alloc, pattern, value)))
            return false;
    }
    return true;
}

static bool has(const struct mb_telemetry_subscription *all, struct kci_str name)
{
    for (int32_t i = 0; i < all->count; i++)
        if (kci_str_equal(all->names[i], name))
            return true;
    return false;
}

static void join(struct mb_telemetry_subscription *all, const struct mb_cluster *cluster,
                 const struct mb_resource *resource)
{
    const char *names = mb_resource_text(cluster, resource, resource->type, MB_METRICS_NAMES);
    struct kci_str list = mb_resource_list(kci_str_of(names)), part;
    int64_t interval = 0;
    mb_config_number(mb_resource_text(cluster, resource, resource->type, MB_METRICS_INTERVAL), MB_CONFIG_INT,
                     &interval);
    if (interval < all->interval_ms)
        all->interval_ms = (int32_t)interval;
    while (mb_resource_list_next(&list, &part))
        if (all->count < NAMES_MAX && !has(all, part))
            all->names[all->count++] = part;
}

bool mb_telemetry_subscribe(struct mb_request *request, const struct mb_telemetry_instance *instance,
                            struct mb_telemetry_subscription *out)
{
    *out = (struct mb_telemetry_subscription){ .interval_ms = INTERVAL_DEFAULT_MS };
    out->names = kci_arena_array(&request->arena, NAMES_MAX, sizeof *out->names);
    if (!out->names)
        return false;
    KCI_LIST_EACH(node, &request->cluster->resources.all)
    {
        const struct mb_resource *resource = KCI_CONTAINER(node, struct mb_resource, link);
        if (resource->type == MB_RESOURCE_CLIENT_METRICS && is_meant(request->cluster, instance, resource))
            join(out, request->cluster, resource);
    }
    if (has(out, kci_str_of("*"))) {
        out->names[0] = kci_str_of("*");
        out->count = 1;
    }
    return true;
}

int32_t mb_telemetry_subscription_id(const struct mb_telemetry_subscription *subscription,
                                     const struct kci_uuid *client)
{
    uint32_t crc = kci_crc32c(0, client->b, sizeof client->b);
    crc = kci_crc32c(crc, &subscription->interval_ms, sizeof subscription->interval_ms);
    for (int32_t i = 0; i < subscription->count; i++)
        crc = kci_crc32c(crc, subscription->names[i].data, subscription->names[i].size) + 1;
    return (int32_t)crc;
}
