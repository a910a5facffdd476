/* Settings of groups and client metrics: two small tables, and a list of those that have a setting of their own; a
 * resource exists as long as it has one.  What is refused, and with which of INVALID_REQUEST and INVALID_CONFIG, is as
 * Kafka 4.3 does it; so is that the lists of client metrics cannot be appended to. */
#include "mockbroker/core/resource_config.h"

#include "mockbroker/core/cluster.h"
#include "mockbroker/core/re2.h"
#include "mockbroker/core/telemetry_subscription.h"

#include <stdio.h>
#include <stdlib.h>

/* clang-format off */
static const struct mb_config_row metrics_rows[] = {
    [MB_METRICS_INTERVAL] = { "interval.ms", MB_CONFIG_INT, "300000", 100, 3600000, NULL, NULL },
    [MB_METRICS_MATCH] = { "match", MB_CONFIG_LIST, "", 0, 0, NULL, NULL },
    [MB_METRICS_NAMES] = { "metrics", MB_CONFIG_LIST, "", 0, 0, NULL, NULL },
};
static const struct mb_config_row group_rows[] = {
    { "consumer.assignment.interval.ms", MB_CONFIG_INT, "1000", 0, INT32_MAX, NULL, "group.consumer.assignment.interval.ms" },
    { "consumer.heartbeat.interval.ms", MB_CONFIG_INT, "5000", 1, INT32_MAX, NULL, "group.consumer.heartbeat.interval.ms" },
    { "consumer.session.timeout.ms", MB_CONFIG_INT, "45000", 1, INT32_MAX, NULL, "group.consumer.session.timeout.ms" },
};
/* clang-format on */

/* The bounds that the broker sets for groups. */
static const struct {
    const char *name, *min, *max;
} bounds[] = {
    { "consumer.heartbeat.interval.ms", "group.consumer.min.heartbeat.interval.ms",
      "group.consumer.max.heartbeat.interval.ms" },
    { "consumer.session.timeout.ms", "group.consumer.min.session.timeout.ms", "group.consumer.max.session.timeout.ms" },
};

size_t mb_resource_rows(int8_t type)
{
    if (type == MB_RESOURCE_CLIENT_METRICS)
        return sizeof metrics_rows / sizeof metrics_rows[0];
    return type == MB_RESOURCE_GROUP ? sizeof group_rows / sizeof group_rows[0] : 0;
}

const struct mb_config_row *mb_resource_row(int8_t type, size_t i)
{
    return type == MB_RESOURCE_CLIENT_METRICS ? &metrics_rows[i] : &group_rows[i];
}

static int find_row(int8_t type, struct kci_str name)
{
    for (size_t i = 0; i < mb_resource_rows(type); i++)
        if (kci_str_equal(kci_str_of(mb_resource_row(type, i)->name), name))
            return (int)i;
    return -1;
}

void mb_resources_init(struct mb_resources *resources, const struct kci_alloc *alloc)
{
    *resources = (struct mb_resources){ .alloc = alloc };
    kci_list_init(&resources->all);
}

static void free_values(const struct kci_alloc *alloc, char **values)
{
    for (size_t i = 0; i < MB_RESOURCE_KEYS_MAX; i++)
        kci_alloc_free(alloc, values[i]);
}

static void forget(struct mb_resources *resources, struct mb_resource *resource)
{
    kci_list_remove(&resource->link);
    free_values(resources->alloc, resource->values);
    kci_alloc_free(resources->alloc, resource);
    resources->count--;
}

void mb_resources_clear(struct mb_resources *resources)
{
    struct kci_list *node;
    while ((node = kci_list_first(&resources->all)) != NULL)
        forget(resources, KCI_CONTAINER(node, struct mb_resource, link));
    resources->metrics_version++;
}

struct mb_resource *mb_resource_find(const struct mb_resources *resources, int8_t type, struct kci_str name)
{
    KCI_LIST_EACH(node, &resources->all)
    {
        struct mb_resource *resource = KCI_CONTAINER(node, struct mb_resource, link);
        if (resource->type == type && kci_str_equal(kci_str_of(resource->name), name))
            return resource;
    }
    return NULL;
}

const char *mb_resource_text(const struct mb_cluster *cluster, const struct mb_resource *resource, int8_t type,
                             size_t i)
{
    const struct mb_config_row *row = mb_resource_row(type, i);
    if (resource && resource->values[i])
        return resource->values[i];
    if (row->broker_key)
        return mb_properties_text(&cluster->properties, (size_t)mb_properties_find(kci_str_of(row->broker_key)));
    return row->initial;
}

int64_t mb_group_setting(const struct mb_cluster *cluster, struct kci_str group, const char *name)
{
    int row = find_row(MB_RESOURCE_GROUP, kci_str_of(name));
    int64_t value = 0;
    const struct mb_resource *resource =
        cluster->resources.count ? mb_resource_find(&cluster->resources, MB_RESOURCE_GROUP, group) : NULL;
    if (row < 0 ||
        !mb_config_number(mb_resource_text(cluster, resource, MB_RESOURCE_GROUP, (size_t)row), MB_CONFIG_INT, &value))
        abort(); /* our own name, and values are checked when they are set */
    return value;
}

/* ---- checks ---- */

static int16_t refuse(char *text, size_t text_size, int16_t error, const char *why, struct kci_str what)
{
    snprintf(text, text_size, "%s%.*s", why, (int)(what.size < 200 ? what.size : 200), what.data ? what.data : "");
    return error;
}

static struct kci_str without_blanks(struct kci_str text)
{
    while (text.size && text.data[0] == ' ') {
        text.data++;
        text.size--;
    }
    while (text.size && text.data[text.size - 1] == ' ')
        text.size--;
    return text;
}

struct kci_str mb_resource_list(struct kci_str text)
{
    text = without_blanks(text);
    return text.size ? text : (struct kci_str){ NULL, 0 };
}

bool mb_resource_list_next(struct kci_str *list, struct kci_str *part)
{
    const char *comma = list->size ? memchr(list->data, ',', list->size) : NULL;
    if (!list->data)
        return false;
    *part = without_blanks((struct kci_str){ list->data, comma ? (size_t)(comma - list->data) : list->size });
    size_t used = comma ? (size_t)(comma - list->data) + 1 : 0;
    *list = comma ? (struct kci_str){ comma + 1, list->size - used } : (struct kci_str){ NULL, 0 };
    return true;
}

bool mb_resource_split_match(struct kci_str part, struct kci_str *key, struct kci_str *pattern)
{
    const char *equals = part.size ? memchr(part.data, '=', part.size) : NULL;
    if (!equals)
        return false;
    size_t size = (size_t)(equals - part.data);
    *key = without_blanks((struct kci_str){ part.data, size });
    *pattern = (struct kci_str){ equals + 1, part.size - size - 1 };
    while (pattern->size &&
           pattern->data[pattern->size - 1] == '=') /* Kafka splits at each, and forgets what is empty at the end */
        pattern->size--;
    if (pattern->size == 0 || memchr(pattern->data, '=', pattern->size))
        return false;
    *pattern = without_blanks(*pattern);
    return true;
}

static bool match_ok(const struct kci_alloc *alloc, struct kci_str pattern)
{
    struct kci_str key, value;
    const char *why;
    if (!mb_resource_split_match(pattern, &key, &value) || mb_telemetry_attribute(key) < 0)
        return false;
    struct mb_re2 *regex = mb_re2_compile(alloc, value, &why);
    mb_re2_free(regex);
    return regex != NULL;
}

static int16_t check_metrics(struct mb_cluster *cluster, size_t row, struct kci_str value, char *text, size_t text_size)
{
    int64_t interval;
    char number[24];
    if (row == MB_METRICS_INTERVAL) {
        snprintf(number, sizeof number, "%.*s", (int)(value.size < 23 ? value.size : 23), value.data);
        if (value.size > 22 || !mb_config_number(number, MB_CONFIG_INT, &interval) || interval != (int32_t)interval) {
            snprintf(text, text_size, "Invalid value %s for configuration interval.ms: Not a number of type INT",
                     number);
            return KCI_INVALID_CONFIG;
        }
        if (interval < metrics_rows[row].min || interval > metrics_rows[row].max) {
            snprintf(text, text_size,
                     "Invalid value %s for interval.ms, interval must be between 100 and 3600000 (1 hour)", number);
            return KCI_INVALID_REQUEST;
        }
    }
    struct kci_str list = mb_resource_list(value), one;
    while (row == MB_METRICS_MATCH && mb_resource_list_next(&list, &one))
        if (!match_ok(cluster->alloc, one))
            return refuse(text, text_size, KCI_INVALID_CONFIG, "Illegal client matching pattern: ", one);
    return KCI_NONE;
}

static int16_t check_group(const struct mb_cluster *cluster, size_t row, struct kci_str value, char *text,
                           size_t text_size)
{
    int64_t number = 0;
    char digits[24];
    snprintf(digits, sizeof digits, "%.*s", (int)(value.size < 23 ? value.size : 23), value.data);
    if (value.size > 22 || !mb_config_number(digits, MB_CONFIG_INT, &number) || number != (int32_t)number) {
        snprintf(text, text_size, "Invalid value %s for configuration %s: Not a number of type INT", digits,
                 group_rows[row].name);
        return KCI_INVALID_CONFIG;
    }
    if (number < group_rows[row].min) {
        snprintf(text, text_size, "Invalid value %s for configuration %s: Value must be at least %lld", digits,
                 group_rows[row].name, (long long)group_rows[row].min);
        return KCI_INVALID_CONFIG;
    }
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        if (strcmp(bounds[i].name, group_rows[row].name) != 0)
            continue;
        bool low = number < mb_cluster_property(cluster, bounds[i].min);
        if (!low && number <= mb_cluster_property(cluster, bounds[i].max))
            continue;
        snprintf(text, text_size, "%s must be %s than or equal to %s", bounds[i].name, low ? "greater" : "less",
                 low ? bounds[i].min : bounds[i].max);
        return KCI_INVALID_CONFIG;
    }
    return KCI_NONE;
}

static int16_t change_one(struct mb_cluster *cluster, int8_t type, char **values, const struct mb_config_change *change,
                          char *text, size_t text_size)
{
    bool metrics = type == MB_RESOURCE_CLIENT_METRICS;
    int found = find_row(type, change->name);
    size_t row = (size_t)found;
    if (found < 0)
        return refuse(text, text_size, metrics ? KCI_INVALID_REQUEST : KCI_INVALID_CONFIG,
                      metrics ? "Unknown client metrics configuration: " : "Unknown group config name: ", change->name);
    if (change->operation < MB_ALTER_SET || change->operation > MB_ALTER_SUBTRACT)
        return refuse(text, text_size, KCI_INVALID_REQUEST, "Unknown operation type for ", change->name);
    if (change->operation == MB_ALTER_DELETE) {
        kci_alloc_free(cluster->alloc, values[row]);
        values[row] = NULL;
        return KCI_NONE;
    }
    if (change->operation != MB_ALTER_SET && !change->value.data)
        return refuse(text, text_size, KCI_INVALID_REQUEST, "Null value not supported for : ", change->name);
    if (change->operation != MB_ALTER_SET) {
        snprintf(text, text_size, "Can't %s to key %s because its type is not LIST.",
                 change->operation == MB_ALTER_APPEND ? "APPEND" : "SUBTRACT", mb_resource_row(type, row)->name);
        return KCI_INVALID_CONFIG;
    }
    if (!change->value.data)
        return refuse(text, text_size, KCI_INVALID_REQUEST, "Null value not supported for : ", change->name);
    if (change->value.size > MB_CONFIG_VALUE_MAX)
        return refuse(text, text_size, KCI_INVALID_CONFIG, "Too long a value for ", change->name);
    if (kci_str_has_nul(change->value))
        return refuse(text, text_size, KCI_INVALID_CONFIG, "A NUL in the value for ", change->name);
    int16_t error = metrics ? check_metrics(cluster, row, change->value, text, text_size)
                            : check_group(cluster, row, change->value, text, text_size);
    char *copy = error ? NULL : kci_alloc_zero(cluster->alloc, change->value.size + 1, 1);
    if (!error && !copy)
        return refuse(text, text_size, KCI_UNKNOWN_SERVER_ERROR, "out of memory", kci_str_of(""));
    if (error)
        return error;
    memcpy(copy, change->value.data, change->value.size);
    kci_alloc_free(cluster->alloc, values[row]);
    values[row] = copy;
    return KCI_NONE;
}

/* ---- altering ---- */

static bool copy_values(const struct kci_alloc *alloc, char **to, char *const *from)
{
    for (size_t i = 0; i < MB_RESOURCE_KEYS_MAX; i++) {
        size_t size = from[i] ? strlen(from[i]) + 1 : 0;
        to[i] = size ? kci_alloc_new(alloc, size) : NULL;
        if (size && !to[i])
            return false;
        if (size)
            memcpy(to[i], from[i], size);
    }
    return true;
}

static struct mb_resource *make(struct mb_resources *resources, int8_t type, struct kci_str name)
{
    struct mb_resource *resource =
        resources->count < MB_RESOURCES_MAX ? kci_alloc_zero(resources->alloc, 1, sizeof *resource) : NULL;
    if (!resource)
        return NULL;
    resource->type = type;
    memcpy(resource->name, name.data, name.size);
    kci_list_push(&resources->all, &resource->link);
    resources->count++;
    return resource;
}

/* Take the values over. false: no memory. */
static bool commit(struct mb_resources *resources, int8_t type, struct kci_str name, char **values)
{
    struct mb_resource *resource = mb_resource_find(resources, type, name);
    bool any = false;
    for (size_t i = 0; i < MB_RESOURCE_KEYS_MAX; i++)
        any |= values[i] != NULL;
    if (any && !resource)
        resource = make(resources, type, name);
    if (any && !resource)
        return false;
    if (type == MB_RESOURCE_CLIENT_METRICS && (any || resource))
        resources->metrics_version++;
    if (!any) {
        if (resource)
            forget(resources, resource);
        return true;
    }
    free_values(resources->alloc, resource->values);
    memcpy(resource->values, values, sizeof resource->values);
    memset(values, 0, sizeof resource->values);
    return true;
}

static int16_t check_name(int8_t type, struct kci_str name, char *text, size_t text_size)
{
    if (name.size == 0 && type == MB_RESOURCE_CLIENT_METRICS)
        return refuse(text, text_size, KCI_INVALID_REQUEST, "Subscription name can't be empty", name);
    if (name.size == 0)
        return refuse(text, text_size, KCI_INVALID_REQUEST, "Default group resources are not allowed.", name);
    if (name.size > MB_RESOURCE_NAME_MAX)
        return refuse(text, text_size, KCI_INVALID_REQUEST, "A name of more than 249 bytes", kci_str_of(""));
    if (kci_str_has_nul(name))
        return refuse(text, text_size, KCI_INVALID_REQUEST, "A name with a NUL", kci_str_of(""));
    return KCI_NONE;
}

int16_t mb_alter_resource(struct mb_cluster *cluster, int8_t type, struct kci_str name,
                          const struct mb_config_change *changes, size_t count, bool replace, bool dry, char *text,
                          size_t text_size)
{
    struct mb_resources *resources = &cluster->resources;
    char *values[MB_RESOURCE_KEYS_MAX] = { NULL };
    int16_t error = check_name(type, name, text, text_size);
    const struct mb_resource *resource = error ? NULL : mb_resource_find(resources, type, name);
    if (resource && !replace && !copy_values(cluster->alloc, values, resource->values))
        error = refuse(text, text_size, KCI_UNKNOWN_SERVER_ERROR, "out of memory", kci_str_of(""));
    for (size_t i = 0; !error && i < count; i++)
        error = change_one(cluster, type, values, &changes[i], text, text_size);
    if (!error && !dry) {
        if (commit(resources, type, name, values))
            mb_controller_changed(cluster);
        else
            error = refuse(text, text_size, KCI_UNKNOWN_SERVER_ERROR,
                           "Too many resources with settings, or no memory for one more.", kci_str_of(""));
    }
    free_values(cluster->alloc, values);
    return error;
}

bool mb_resource_load(struct mb_cluster *cluster, int8_t type, struct kci_str name, struct kci_str key,
                      struct kci_str value, char *text, size_t text_size)
{
    struct mb_config_change change = { .name = key, .value = value, .operation = MB_ALTER_SET };
    return mb_alter_resource(cluster, type, name, &change, 1, false, false, text, text_size) == KCI_NONE;
}
