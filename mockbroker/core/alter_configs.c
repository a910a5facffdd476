/* Configuration that changes while it runs (KIP-226, KIP-339).
 *
 *      topic override  >  altered for all brokers  >  given at start  >  Kafka's default
 *
 * Changes are made on a copy, which takes the place of the original when every one of them is good.  Then the topics
 * that are concerned are resolved anew and looked at: retention may delete, a smaller min.insync.replicas may let the
 * high watermark go on, an unclean election may become possible.
 *
 * The brokers of one mock cluster share their properties.  What is altered for one broker alone is kept and shown for
 * it; properties behind topic settings, which would have to differ between replicas then, are refused there. */
#include "mockbroker/core/cluster.h"
#include "mockbroker/core/elr.h"
#include <stdio.h>

#define LIST_BYTES_MAX (2 * MB_CONFIG_VALUE_MAX)

static int16_t refuse(char *text, size_t text_size, int16_t error, const char *why)
{
    snprintf(text, text_size, "%s", why);
    return error;
}

/* ---- lists
 * ----------------------------------------------------------------------------------------------------------- */

static bool list_has(const char *list, struct kci_str word)
{
    for (const char *at = list; *at;) {
        size_t size = strcspn(at, ",");
        if (kci_str_equal((struct kci_str){ at, size }, word))
            return true;
        at += size + (at[size] == ',');
    }
    return false;
}

static void list_remove(char *list, struct kci_str word)
{
    char *to = list;
    for (const char *at = list; *at;) {
        size_t size = strcspn(at, ",");
        const char *next = at + size + (at[size] == ',');
        if (!kci_str_equal((struct kci_str){ at, size }, word)) {
            if (to != list)
                *to++ = ',';
            memmove(to, at, size);
            to += size;
        }
        at = next;
    }
    *to = '\0';
}

/* `now` with the words of `value` added or taken away, in out. */
static bool edit_list(char *out, const char *now, const struct mb_config_change *change)
{
    snprintf(out, LIST_BYTES_MAX, "%s", now);
    for (size_t at = 0; at < change->value.size;) {
        const char *word = change->value.data + at;
        const char *comma = memchr(word, ',', change->value.size - at);
        struct kci_str one = { word, comma ? (size_t)(comma - word) : change->value.size - at };
        size_t used = strlen(out);
        at += one.size + 1;
        if (change->operation == MB_ALTER_SUBTRACT) {
            list_remove(out, one);
        } else if (!list_has(out, one)) {
            if (used + one.size + 2 > LIST_BYTES_MAX)
                return false;
            snprintf(out + used, LIST_BYTES_MAX - used, "%s%.*s", used ? "," : "", (int)one.size, one.data);
        }
    }
    return true;
}

/* What the change comes to: *value has no data when the setting goes back to its default. `list` is scratch. */
static int16_t outcome(const struct mb_config_row *row, const char *in_force, const struct mb_config_change *change,
                       char *list, struct kci_str *value, char *text, size_t text_size)
{
    *value = change->value;
    switch (change->operation) {
    case MB_ALTER_DELETE:
        *value = kci_str_of(NULL);
        return KCI_NONE;
    case MB_ALTER_SET:
        if (change->value.data)
            return KCI_NONE;
        snprintf(text, text_size, "Null value not supported for : %.*s", (int)change->name.size, change->name.data);
        return KCI_INVALID_REQUEST;
    case MB_ALTER_APPEND:
    case MB_ALTER_SUBTRACT:
        break;
    }
    if (!change->value.data) {
        snprintf(text, text_size, "Null value not supported for : %.*s", (int)change->name.size, change->name.data);
        return KCI_INVALID_REQUEST;
    }
    if (row->type != MB_CONFIG_LIST) {
        snprintf(text, text_size, "Can't %s to key %s because its type is not LIST.",
                 change->operation == MB_ALTER_APPEND ? "APPEND" : "SUBTRACT", row->name);
        return KCI_INVALID_CONFIG;
    }
    if (!edit_list(list, in_force, change))
        return refuse(text, text_size, KCI_INVALID_CONFIG, "The list would be too long.");
    *value = kci_str_of(list);
    return KCI_NONE;
}

static int16_t check_names(const struct mb_config_change *changes, size_t count, char *text, size_t text_size)
{
    if (count > MB_PROPERTIES_MAX)
        return refuse(text, text_size, KCI_INVALID_REQUEST, "More changes than there are settings.");
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i; k++)
            if (kci_str_equal(changes[i].name, changes[k].name))
                return refuse(text, text_size, KCI_INVALID_REQUEST, "Error due to duplicate config keys");
    for (size_t i = 0; i < count; i++)
        if (changes[i].operation < MB_ALTER_SET || changes[i].operation > MB_ALTER_SUBTRACT) {
            snprintf(text, text_size, "Unknown operation type %d for %.*s.", changes[i].operation,
                     (int)changes[i].name.size, changes[i].name.data);
            return KCI_UNKNOWN_SERVER_ERROR; /* which is what Kafka makes of it */
        }
    return KCI_NONE;
}

/* ---- topics
 * ---------------------------------------------------------------------------------------------------------- */

/* Settings are not what they were: what follows from them, now. */
static void take_effect(struct mb_topic *topic, int64_t now)
{
    mb_topic_config_resolve(&topic->config, &topic->cluster->properties);
    for (int32_t i = 0; i < topic->partition_count; i++) {
        struct mb_partition *partition = topic->partitions[i];
        if (partition->leader < 0 && topic->config.unclean)
            mb_controller_elect(partition, now);
        mb_partition_retain(partition, now);
        mb_replication_kick(partition, now);
    }
}

static int16_t change_topic(const struct mb_topic *topic, struct mb_topic_config *config,
                            const struct mb_config_change *change, char *text, size_t text_size)
{
    char list[LIST_BYTES_MAX];
    struct kci_str value;
    enum mb_config_source source;
    int row = mb_topic_config_find(change->name);
    if (row < 0) {
        snprintf(text, text_size, "Unknown topic config name: %.*s", (int)change->name.size, change->name.data);
        return KCI_INVALID_CONFIG;
    }
    const char *in_force = mb_topic_config_text(config, &topic->cluster->properties, (size_t)row, &source);
    int16_t error = outcome(mb_topic_config_row((size_t)row), in_force, change, list, &value, text, text_size);
    if (error)
        return error;
    if (!value.data)
        mb_topic_config_unset(config, change->name);
    else if (!mb_topic_config_set(config, change->name, value, text, text_size))
        return KCI_INVALID_CONFIG;
    return KCI_NONE;
}

static bool differ(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) != 0 : a != b;
}

int16_t mb_alter_topic(struct mb_topic *topic, const struct mb_config_change *changes, size_t count, bool replace,
                       bool dry, char *text, size_t text_size, int64_t now)
{
    struct mb_cluster *cluster = topic->cluster;
    struct mb_topic_config config;
    int row = mb_topic_config_find(kci_str_of("min.insync.replicas"));
    int16_t error = check_names(changes, count, text, text_size);
    if (error)
        return error;
    if (replace)
        mb_topic_config_init(&config, cluster->alloc, &cluster->properties);
    else if (!mb_topic_config_copy(&config, &topic->config))
        return refuse(text, text_size, KCI_UNKNOWN_SERVER_ERROR, "out of memory");
    for (size_t i = 0; !error && i < count; i++)
        error = change_topic(topic, &config, &changes[i], text, text_size);
    if (!error && !mb_topic_config_agrees(&config, &cluster->properties, text, text_size))
        error = KCI_INVALID_CONFIG;
    if (error || dry) {
        mb_topic_config_destroy(&config);
        return error;
    }
    if (differ(config.values[row], topic->config.values[row]))
        mb_elr_clear(topic);
    mb_topic_config_destroy(&topic->config);
    topic->config = config;
    mb_controller_changed(cluster);
    take_effect(topic, now);
    return KCI_NONE;
}

/* ---- brokers
 * --------------------------------------------------------------------------------------------------------- */

static bool is_behind_topics(const char *name)
{
    for (size_t i = 0; i < mb_topic_config_count(); i++)
        if (mb_topic_config_row(i)->broker_key && strcmp(mb_topic_config_row(i)->broker_key, name) == 0)
            return true;
    return false;
}

static int16_t change_broker(struct mb_cluster *cluster, int32_t broker, char **values,
                             const struct mb_config_change *change, char *text, size_t text_size)
{
    char list[LIST_BYTES_MAX];
    struct kci_str value;
    int found = mb_properties_find(change->name);
    size_t i = (size_t)found;
    if (found < 0 || !mb_properties_is_dynamic(i)) {
        snprintf(text, text_size, "Cannot update these configs dynamically: Set(%.*s)", (int)change->name.size,
                 change->name.data);
        return KCI_INVALID_REQUEST;
    }
    const struct mb_config_row *row = mb_properties_row(i);
    if (broker && is_behind_topics(row->name)) {
        snprintf(text, text_size, "%s is the same on all brokers of a mock cluster: alter the cluster-wide default",
                 row->name);
        return KCI_INVALID_REQUEST;
    }
    const char *in_force = values[i] ? values[i] : mb_properties_text(&cluster->properties, i);
    int16_t error = outcome(row, in_force, change, list, &value, text, text_size);
    if (!error && !mb_properties_alter(cluster->alloc, values, i, value, text, text_size))
        error = KCI_INVALID_REQUEST; /* so does Kafka answer a bad value of a broker (KAFKA-13609) */
    return error;
}

/* What a property will be. */
static const char *altered(const struct mb_cluster *cluster, int32_t broker, char *const *values, const char *name)
{
    size_t i = (size_t)mb_properties_find(kci_str_of(name));
    const struct mb_properties *properties = &cluster->properties;
    if (values[i])
        return values[i];
    return broker                  ? mb_properties_text(properties, i)
           : properties->values[i] ? properties->values[i]
                                   : mb_properties_row(i)->initial;
}

static void free_values(struct mb_cluster *cluster, char **values)
{
    for (size_t i = 0; i < mb_properties_count(); i++)
        kci_alloc_free(cluster->alloc, values[i]);
}

int16_t mb_alter_broker(struct mb_cluster *cluster, int32_t id, const struct mb_config_change *changes, size_t count,
                        bool replace, bool dry, char *text, size_t text_size, int64_t now)
{
    char *copy[MB_PROPERTIES_MAX] = { NULL };
    struct mb_broker *broker = id ? mb_cluster_broker(cluster, id) : NULL;
    char **values = broker ? broker->dynamic : cluster->properties.dynamic;
    struct mb_topic *topic;
    int16_t error = check_names(changes, count, text, text_size);
    if (error)
        return error;
    for (size_t i = 0; !error && !replace && i < mb_properties_count(); i++)
        if (values[i] && !mb_properties_alter(cluster->alloc, copy, i, kci_str_of(values[i]), text, text_size))
            error = KCI_UNKNOWN_SERVER_ERROR;
    bool copied = !error, named = mb_elr_names(changes, count);
    for (size_t i = 0; !error && i < count; i++)
        error = change_broker(cluster, id, copy, &changes[i], text, text_size);
    const char *conflict = copied
                               ? mb_properties_conflict(altered(cluster, id, copy, "max.connections.per.ip"),
                                                        altered(cluster, id, copy, "max.connections.per.ip.overrides"))
                               : NULL;
    if (conflict)
        error = refuse(text, text_size, KCI_INVALID_REQUEST, conflict);
    const char *why = copied ? mb_elr_refuses(cluster, id, values, copy, named) : NULL;
    if (why)
        error = refuse(text, text_size, KCI_INVALID_CONFIG, why);
    if (error || dry) {
        free_values(cluster, copy);
        return error;
    }
    free_values(cluster, values);
    memcpy(values, copy, sizeof copy);
    mb_controller_changed(cluster);
    mb_alarm_set(cluster, &cluster->connections_altered, now); /* the answer to this leaves before anybody has to go */
    for (size_t at = 0; !broker && (topic = mb_topic_next(cluster, &at)) != NULL;) {
        if (named)
            mb_elr_clear(topic);
        take_effect(topic, now);
    }
    return KCI_NONE;
}
