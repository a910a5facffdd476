/* Settings of what is neither a topic nor a broker: groups (KIP-1043 and later) and client metrics (KIP-714). */
#ifndef MB_CORE_RESOURCE_CONFIG_H
#define MB_CORE_RESOURCE_CONFIG_H

#include "base/list.h"
#include "mockbroker/core/alter_configs.h"
#include "mockbroker/core/properties.h"

#define MB_RESOURCES_MAX     1000 /* with settings of their own, of all types */
#define MB_RESOURCE_KEYS_MAX 4
#define MB_RESOURCE_NAME_MAX 249

enum mb_resource_type { /* the numbers of the protocol */
                        MB_RESOURCE_TOPIC = 2,
                        MB_RESOURCE_BROKER = 4,
                        MB_RESOURCE_BROKER_LOGGER = 8,
                        MB_RESOURCE_CLIENT_METRICS = 16,
                        MB_RESOURCE_GROUP = 32,
};
enum mb_client_metrics_key { MB_METRICS_INTERVAL, MB_METRICS_MATCH, MB_METRICS_NAMES };

struct mb_resource {
    struct kci_list link; /* of mb_resources.all */
    int8_t type;
    char name[MB_RESOURCE_NAME_MAX + 1];
    char *values[MB_RESOURCE_KEYS_MAX]; /* owned overrides; NULL: the default */
};
struct mb_resources {
    const struct kci_alloc *alloc;
    struct kci_list all; /* those that have a setting of their own */
    size_t count;
    uint32_t metrics_version; /* rises with every change of client metrics */
};

void mb_resources_init(struct mb_resources *resources, const struct kci_alloc *alloc);
void mb_resources_clear(struct mb_resources *resources);
/* How many settings a type has; 0: not a type of this file. */
size_t mb_resource_rows(int8_t type);
const struct mb_config_row *mb_resource_row(int8_t type, size_t i);
/* NULL: it has no setting of its own. */
struct mb_resource *mb_resource_find(const struct mb_resources *resources, int8_t type, struct kci_str name);
/* The value in force; resource may be NULL. */
const char *mb_resource_text(const struct mb_cluster *cluster, const struct mb_resource *resource, int8_t type,
                             size_t i);
/* The parts of a list, one after the other: begin with mb_resource_list(text). Without blanks around them, as Kafka reads
 * lists. */
struct kci_str mb_resource_list(struct kci_str text);
bool mb_resource_list_next(struct kci_str *list, struct kci_str *part);
/* Of a part of `match`: which attribute, and the pattern for it. false: it is not key=pattern. */
bool mb_resource_split_match(struct kci_str part, struct kci_str *key, struct kci_str *pattern);
/* As mb_alter_topic(). */
int16_t mb_alter_resource(struct mb_cluster *cluster, int8_t type, struct kci_str name,
                          const struct mb_config_change *changes, size_t count, bool replace, bool dry, char *text,
                          size_t text_size);
/* At start: one setting, as stored. */
bool mb_resource_load(struct mb_cluster *cluster, int8_t type, struct kci_str name, struct kci_str key,
                      struct kci_str value, char *text, size_t text_size);
/* A setting of a consumer group, its own or the broker's: "consumer.session.timeout.ms". */
int64_t mb_group_setting(const struct mb_cluster *cluster, struct kci_str group, const char *name);

#endif
