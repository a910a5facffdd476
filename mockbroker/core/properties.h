/* Broker properties ("group.initial.rebalance.delay.ms") and topic configuration ("retention.ms"): names, types,
 * defaults, ranges as Kafka has them.  A topic's value is its own override, else the broker property behind it, else
 * the default. */
#ifndef MB_CORE_PROPERTIES_H
#define MB_CORE_PROPERTIES_H

#include "base/alloc.h"
#include "base/bytes.h"

enum mb_config_type { /* the numbers of DescribeConfigs */
                      MB_CONFIG_BOOLEAN = 1,
                      MB_CONFIG_STRING = 2,
                      MB_CONFIG_INT = 3,
                      MB_CONFIG_SHORT = 4,
                      MB_CONFIG_LONG = 5,
                      MB_CONFIG_DOUBLE = 6,
                      MB_CONFIG_LIST = 7,
                      MB_CONFIG_PASSWORD = 9, /* its value is never told */
};

struct mb_config_row {
    const char *name;
    enum mb_config_type type;
    const char *initial;    /* Kafka's default, as text */
    int64_t min, max;       /* numbers */
    const char *choices;    /* strings and lists: allowed words, separated by ','; NULL: any */
    const char *broker_key; /* topic rows: the broker property that gives the default; NULL: none */
};

#define MB_PROPERTIES_MAX   160  /* rows of the broker table */
#define MB_TOPIC_KEYS_MAX   40   /* rows of the topic table */
#define MB_CONFIG_VALUE_MAX 2048 /* bytes of one value */

struct mb_properties {
    const struct kci_alloc *alloc;
    char *values[MB_PROPERTIES_MAX];  /* owned texts, given at start; NULL: the default */
    char *dynamic[MB_PROPERTIES_MAX]; /* owned texts, altered while it runs, for all brokers; NULL: as given at start */
};

/* Parse "key=value key=value ...", blanks or newlines between; '#' lines are comments. false: text says why. */
bool mb_properties_parse(struct mb_properties *properties, const char *config, char *text, size_t text_size);
void mb_properties_destroy(struct mb_properties *properties);
size_t mb_properties_count(void);
const struct mb_config_row *mb_properties_row(size_t i);
/* -1: no such property. */
int mb_properties_find(struct kci_str name);
const char *mb_properties_text(const struct mb_properties *properties, size_t i);
/* The number (booleans 0, 1) of a property; an unknown name is our own bug and aborts. */
int64_t mb_properties_number(const struct mb_properties *properties, const char *name);

/* May the property be altered while the broker runs (KIP-226)? */
bool mb_properties_is_dynamic(size_t i);
/* Do values that are fine by themselves go together? NULL: they do. `values` as in mb_properties_text() for the rows
 * that it looks at. */
const char *mb_properties_conflict(const char *per_ip, const char *overrides);
/* A value of an own array (struct mb_properties.dynamic, struct mb_broker.dynamic): checked and copied; no data: back
 * to what lies below. false: text says why. */
bool mb_properties_alter(const struct kci_alloc *alloc, char **values, size_t i, struct kci_str value, char *text,
                         size_t text_size);

/* Is `value` fine for the row? false: text says why, in words like Kafka's. */
bool mb_config_check(const struct mb_config_row *row, struct kci_str value, char *text, size_t text_size);
bool mb_config_number(const char *value, enum mb_config_type type, int64_t *out);
/* The number for a host in "host:number,host:number"; false: the list has none. */
bool mb_config_number_of_host(const char *list, struct kci_str host, int64_t *out);

/* ---- topics ---- */
struct mb_topic_config {
    const struct kci_alloc *alloc;
    char *values[MB_TOPIC_KEYS_MAX]; /* owned overrides; NULL: none */
    /* what the hot paths read, from overrides or defaults: */
    int64_t retention_ms, retention_bytes; /* -1: no limit */
    int64_t timestamp_before_ms, timestamp_after_ms;
    int32_t batch_bytes_max;                              /* max.message.bytes */
    int32_t segment_bytes;                                /* segment.bytes */
    int64_t segment_ms;                                   /* segment.ms */
    int32_t index_interval_bytes, index_bytes;            /* index.interval.bytes, segment.index.bytes */
    int64_t delete_retention_ms;                          /* delete.retention.ms: of tombstones */
    int64_t compaction_lag_min_ms, compaction_lag_max_ms; /* min.compaction.lag.ms, max.compaction.lag.ms */
    double dirty_ratio_min;                               /* min.cleanable.dirty.ratio */
    int64_t flush_records;                                /* flush.messages; 0: never */
    int64_t flush_ms;                                     /* flush.ms; -1: never */
    int32_t min_insync;                                   /* min.insync.replicas */
    int codec;                                            /* compression.type: KCI_CODEC_*, or -1 for "producer" */
    int32_t codec_level;                                  /* of codec */
    bool log_append_time;                                 /* message.timestamp.type */
    bool delete, compact;                                 /* cleanup.policy */
    bool unclean;                                         /* unclean.leader.election.enable */
};
size_t mb_topic_config_count(void);
const struct mb_config_row *mb_topic_config_row(size_t i);
int mb_topic_config_find(struct kci_str name);
/* Start with no overrides. */
void mb_topic_config_init(struct mb_topic_config *config, const struct kci_alloc *alloc,
                          const struct mb_properties *properties);
/* Set an override. false: text says why (unknown name, bad value, no memory). Call _resolve after the last one. */
bool mb_topic_config_set(struct mb_topic_config *config, struct kci_str name, struct kci_str value, char *text,
                         size_t text_size);
/* Forget an override; a name that is not known changes nothing. */
void mb_topic_config_unset(struct mb_topic_config *config, struct kci_str name);
/* Do the settings go together, and are they what this broker has? If not, text says why. */
bool mb_topic_config_agrees(const struct mb_topic_config *config, const struct mb_properties *properties, char *text,
                            size_t text_size);
/* The same overrides in a config of its own. false: out of memory, nothing to destroy. */
bool mb_topic_config_copy(struct mb_topic_config *out, const struct mb_topic_config *config);
void mb_topic_config_resolve(struct mb_topic_config *config, const struct mb_properties *properties);
enum mb_config_source { /* the numbers of DescribeConfigs */
                        MB_SOURCE_TOPIC = 1,
                        MB_SOURCE_BROKER = 2,         /* altered, of one broker */
                        MB_SOURCE_DEFAULT_BROKER = 3, /* altered, of all brokers */
                        MB_SOURCE_STATIC_BROKER = 4,  /* given at start */
                        MB_SOURCE_DEFAULT = 5,
                        MB_SOURCE_CLIENT_METRICS = 7,
                        MB_SOURCE_GROUP = 8,
};
/* The value in force and where it comes from. */
const char *mb_topic_config_text(const struct mb_topic_config *config, const struct mb_properties *properties, size_t i,
                                 enum mb_config_source *source);
void mb_topic_config_destroy(struct mb_topic_config *config);

#endif
