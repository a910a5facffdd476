/* Changing configuration while it runs: topics, one broker, all brokers. */
#ifndef MB_CORE_ALTER_CONFIGS_H
#define MB_CORE_ALTER_CONFIGS_H

#include "base/bytes.h"

struct mb_cluster;
struct mb_topic;

enum mb_alter { /* the numbers of IncrementalAlterConfigs (KIP-339) */
                MB_ALTER_SET = 0,
                MB_ALTER_DELETE = 1, /* back to the default */
                MB_ALTER_APPEND = 2, /* lists only */
                MB_ALTER_SUBTRACT = 3,
};

struct mb_config_change {
    struct kci_str name, value;
    int8_t operation; /* enum mb_alter, not checked yet */
};

/* Make all of the changes or none, and let them take effect; with `replace` what is not named goes back to its default
 * (AlterConfigs). `dry`: only say whether it could be done. Kafka's error code; text says why. */
int16_t mb_alter_topic(struct mb_topic *topic, const struct mb_config_change *changes, size_t count, bool replace,
                       bool dry, char *text, size_t text_size, int64_t now);
/* broker 0: the defaults of all brokers. */
int16_t mb_alter_broker(struct mb_cluster *cluster, int32_t broker, const struct mb_config_change *changes,
                        size_t count, bool replace, bool dry, char *text, size_t text_size, int64_t now);

#endif
