/* Topic configuration: Kafka's names, defaults and ranges, and the broker property behind each.  The values that hot
 * paths read are resolved into plain fields once per change. */
#include "mockbroker/core/properties.h"

#include "protocol/compress.h"
#include <stdio.h>
#include <stdlib.h>

#define LONG_MAX_TEXT "9223372036854775807"

enum key {
    CLEANUP_POLICY,
    COMPRESSION_TYPE,
    MAX_MESSAGE_BYTES,
    TIMESTAMP_AFTER,
    TIMESTAMP_BEFORE,
    TIMESTAMP_TYPE,
    MIN_INSYNC,
    RETENTION_BYTES,
    RETENTION_MS,
    SEGMENT_BYTES,
    SEGMENT_MS,
    UNCLEAN,
    DELETE_RETENTION,
    MAX_COMPACTION_LAG,
    MIN_DIRTY,
    MIN_COMPACTION_LAG,
    FLUSH_MESSAGES,
    FLUSH_MS,
    INDEX_INTERVAL_BYTES,
    INDEX_BYTES,
    GZIP_LEVEL,
    LZ4_LEVEL,
    ZSTD_LEVEL,
    REMOTE_STORAGE,
    FOLLOWERS_THROTTLED,
    LEADERS_THROTTLED,
};

/* clang-format off */
static const struct mb_config_row rows[] = {
    [CLEANUP_POLICY] = { "cleanup.policy", MB_CONFIG_LIST, "delete", 0, 0, "delete,compact", "log.cleanup.policy" },
    [COMPRESSION_TYPE] = { "compression.type", MB_CONFIG_STRING, "producer", 0, 0, "producer,uncompressed,gzip,snappy,lz4,zstd", "compression.type" },
    [MAX_MESSAGE_BYTES] = { "max.message.bytes", MB_CONFIG_INT, "1048588", 0, INT32_MAX, NULL, "message.max.bytes" },
    [TIMESTAMP_AFTER] = { "message.timestamp.after.max.ms", MB_CONFIG_LONG, "3600000", 0, INT64_MAX, NULL, "log.message.timestamp.after.max.ms" },
    [TIMESTAMP_BEFORE] = { "message.timestamp.before.max.ms", MB_CONFIG_LONG, LONG_MAX_TEXT, 0, INT64_MAX, NULL, "log.message.timestamp.before.max.ms" },
    [TIMESTAMP_TYPE] = { "message.timestamp.type", MB_CONFIG_STRING, "CreateTime", 0, 0, "CreateTime,LogAppendTime", "log.message.timestamp.type" },
    [MIN_INSYNC] = { "min.insync.replicas", MB_CONFIG_INT, "1", 1, INT32_MAX, NULL, "min.insync.replicas" },
    [RETENTION_BYTES] = { "retention.bytes", MB_CONFIG_LONG, "-1", INT64_MIN, INT64_MAX, NULL, "log.retention.bytes" },
    [RETENTION_MS] = { "retention.ms", MB_CONFIG_LONG, "604800000", -1, INT64_MAX, NULL, "log.retention.ms" },
    [SEGMENT_BYTES] = { "segment.bytes", MB_CONFIG_INT, "1073741824", 14, INT32_MAX, NULL, "log.segment.bytes" },
    [SEGMENT_MS] = { "segment.ms", MB_CONFIG_LONG, "604800000", 1, INT64_MAX, NULL, "log.roll.ms" },
    [UNCLEAN] = { "unclean.leader.election.enable", MB_CONFIG_BOOLEAN, "false", 0, 1, NULL, "unclean.leader.election.enable" },
    [DELETE_RETENTION] = { "delete.retention.ms", MB_CONFIG_LONG, "86400000", 0, INT64_MAX, NULL, "log.cleaner.delete.retention.ms" },
    [MAX_COMPACTION_LAG] = { "max.compaction.lag.ms", MB_CONFIG_LONG, LONG_MAX_TEXT, 1, INT64_MAX, NULL, "log.cleaner.max.compaction.lag.ms" },
    [MIN_DIRTY] = { "min.cleanable.dirty.ratio", MB_CONFIG_DOUBLE, "0.5", 0, 1, NULL, "log.cleaner.min.cleanable.ratio" },
    [MIN_COMPACTION_LAG] = { "min.compaction.lag.ms", MB_CONFIG_LONG, "0", 0, INT64_MAX, NULL, "log.cleaner.min.compaction.lag.ms" },
    [FLUSH_MESSAGES] = { "flush.messages", MB_CONFIG_LONG, LONG_MAX_TEXT, 1, INT64_MAX, NULL, "log.flush.interval.messages" },
    [FLUSH_MS] = { "flush.ms", MB_CONFIG_LONG, LONG_MAX_TEXT, 0, INT64_MAX, NULL, "log.flush.interval.ms" },
    [INDEX_INTERVAL_BYTES] = { "index.interval.bytes", MB_CONFIG_INT, "4096", 0, INT32_MAX, NULL, "log.index.interval.bytes" },
    [INDEX_BYTES] = { "segment.index.bytes", MB_CONFIG_INT, "10485760", 4, INT32_MAX, NULL, "log.index.size.max.bytes" },
    [GZIP_LEVEL] = { "compression.gzip.level", MB_CONFIG_INT, "-1", -1, 9, NULL, "compression.gzip.level" },
    [LZ4_LEVEL] = { "compression.lz4.level", MB_CONFIG_INT, "9", 1, 17, NULL, "compression.lz4.level" },
    [ZSTD_LEVEL] = { "compression.zstd.level", MB_CONFIG_INT, "3", -131072, 22, NULL, "compression.zstd.level" },
    [REMOTE_STORAGE] = { "remote.storage.enable", MB_CONFIG_BOOLEAN, "false", 0, 1, NULL, NULL },
    [FOLLOWERS_THROTTLED] = { "follower.replication.throttled.replicas", MB_CONFIG_LIST, "", 0, 0, NULL, NULL },
    [LEADERS_THROTTLED] = { "leader.replication.throttled.replicas", MB_CONFIG_LIST, "", 0, 0, NULL, NULL },
    { "file.delete.delay.ms", MB_CONFIG_LONG, "60000", 0, INT64_MAX, NULL, "log.segment.delete.delay.ms" },
    { "local.retention.bytes", MB_CONFIG_LONG, "-2", -2, INT64_MAX, NULL, NULL },
    { "local.retention.ms", MB_CONFIG_LONG, "-2", -2, INT64_MAX, NULL, NULL },
    { "preallocate", MB_CONFIG_BOOLEAN, "false", 0, 1, NULL, "log.preallocate" },
    { "remote.log.copy.disable", MB_CONFIG_BOOLEAN, "false", 0, 1, NULL, NULL },
    { "remote.log.delete.on.disable", MB_CONFIG_BOOLEAN, "false", 0, 1, NULL, NULL },
    { "segment.jitter.ms", MB_CONFIG_LONG, "0", 0, INT64_MAX, NULL, "log.roll.jitter.ms" },
};
/* clang-format on */
#define ROWS (sizeof rows / sizeof rows[0])
_Static_assert(ROWS <= MB_TOPIC_KEYS_MAX, "room for every topic key");

size_t mb_topic_config_count(void)
{
    return ROWS;
}

const struct mb_config_row *mb_topic_config_row(size_t i)
{
    return &rows[i];
}

int mb_topic_config_find(struct kci_str name)
{
    for (size_t i = 0; i < ROWS; i++)
        if (kci_str_equal(kci_str_of(rows[i].name), name))
            return (int)i;
    return -1;
}

const char *mb_topic_config_text(const struct mb_topic_config *config, const struct mb_properties *properties, size_t i,
                                 enum mb_config_source *source)
{
    int key = rows[i].broker_key ? mb_properties_find(kci_str_of(rows[i].broker_key)) : -1;
    *source = MB_SOURCE_TOPIC;
    if (config->values[i])
        return config->values[i];
    *source = MB_SOURCE_DEFAULT_BROKER;
    if (key >= 0 && properties->dynamic[key])
        return properties->dynamic[key];
    *source = MB_SOURCE_STATIC_BROKER;
    if (key >= 0 && properties->values[key])
        return properties->values[key];
    *source = MB_SOURCE_DEFAULT;
    return rows[i].initial;
}

static const char *text_of(const struct mb_topic_config *config, const struct mb_properties *properties, enum key key)
{
    enum mb_config_source source;
    return mb_topic_config_text(config, properties, (size_t)key, &source);
}

static int64_t number_of(const struct mb_topic_config *config, const struct mb_properties *properties, enum key key)
{
    int64_t number = 0;
    if (!mb_config_number(text_of(config, properties, key), rows[key].type, &number))
        abort(); /* values are checked when they are set */
    return number;
}

void mb_topic_config_init(struct mb_topic_config *config, const struct kci_alloc *alloc,
                          const struct mb_properties *properties)
{
    memset(config, 0, sizeof *config);
    config->alloc = alloc;
    mb_topic_config_resolve(config, properties);
}

bool mb_topic_config_set(struct mb_topic_config *config, struct kci_str name, struct kci_str value, char *text,
                         size_t text_size)
{
    int row = mb_topic_config_find(name);
    if (row < 0) {
        snprintf(text, text_size, "Unknown topic config name: %.*s", (int)name.size, name.data);
        return false;
    }
    if (!value.data) {
        snprintf(text, text_size, "Null value not supported for topic configs: %s", rows[row].name);
        return false;
    }
    if (!mb_config_check(&rows[row], value, text, text_size))
        return false;
    char *copy = kci_alloc_zero(config->alloc, value.size + 1, 1);
    if (!copy) {
        snprintf(text, text_size, "out of memory");
        return false;
    }
    memcpy(copy, value.data, value.size);
    kci_alloc_free(config->alloc, config->values[row]);
    config->values[row] = copy;
    return true;
}

static const char *skip_digits(const char *at)
{
    while (*at >= '0' && *at <= '9')
        at++;
    return at;
}

/* '*', or partition:broker,...; blanks around each, and nothing between commas, are fine. */
static bool is_replica_list(const char *text)
{
    if (strcmp(text, "*") == 0)
        return true;
    for (;;) {
        text += strspn(text, " ");
        const char *colon = skip_digits(text);
        if (colon > text && *colon == ':' && skip_digits(colon + 1) > colon + 1)
            text = skip_digits(colon + 1);
        text += strspn(text, " ");
        if (*text != ',')
            return *text == '\0';
        text++;
    }
}

bool mb_topic_config_agrees(const struct mb_topic_config *config, const struct mb_properties *properties, char *text,
                            size_t text_size)
{
    long long least = number_of(config, properties, MIN_COMPACTION_LAG);
    long long most = number_of(config, properties, MAX_COMPACTION_LAG);
    enum key throttled =
        is_replica_list(text_of(config, properties, FOLLOWERS_THROTTLED)) ? LEADERS_THROTTLED : FOLLOWERS_THROTTLED;
    if (least > most)
        snprintf(text, text_size, "conflict: min.compaction.lag.ms (%lld) is more than max.compaction.lag.ms (%lld)",
                 least, most);
    else if (number_of(config, properties, GZIP_LEVEL) == 0)
        snprintf(text, text_size,
                 "Invalid value 0 for configuration compression.gzip.level: Value must be between 1 and 9 or -1");
    else if (number_of(config, properties, REMOTE_STORAGE))
        snprintf(text, text_size, "There is no tiered storage here: remote.storage.enable cannot be true.");
    else if (!is_replica_list(text_of(config, properties, throttled)))
        snprintf(text, text_size, "%s must be * or a list of partition:broker,partition:broker,...",
                 rows[throttled].name);
    else
        return true;
    return false;
}

void mb_topic_config_unset(struct mb_topic_config *config, struct kci_str name)
{
    int row = mb_topic_config_find(name);
    if (row < 0)
        return;
    kci_alloc_free(config->alloc, config->values[row]);
    config->values[row] = NULL;
}

bool mb_topic_config_copy(struct mb_topic_config *out, const struct mb_topic_config *config)
{
    *out = *config;
    memset(out->values, 0, sizeof out->values);
    for (size_t i = 0; i < ROWS; i++) {
        if (!config->values[i])
            continue;
        size_t size = strlen(config->values[i]) + 1;
        out->values[i] = kci_alloc_new(out->alloc, size);
        if (!out->values[i]) {
            mb_topic_config_destroy(out);
            return false;
        }
        memcpy(out->values[i], config->values[i], size);
    }
    return true;
}

void mb_topic_config_resolve(struct mb_topic_config *config, const struct mb_properties *properties)
{
    const char *policy = text_of(config, properties, CLEANUP_POLICY);
    const char *codec = text_of(config, properties, COMPRESSION_TYPE);
    config->delete = strstr(policy, "delete") != NULL;
    config->compact = strstr(policy, "compact") != NULL;
    config->codec = strcmp(codec, "uncompressed") == 0 ? KCI_CODEC_NONE : kci_codec_of(kci_str_of(codec));
    config->codec_level = KCI_LEVEL_DEFAULT;
    if (config->codec == KCI_CODEC_GZIP || config->codec == KCI_CODEC_LZ4 || config->codec == KCI_CODEC_ZSTD)
        config->codec_level = (int32_t)number_of(config, properties,
                                                 config->codec == KCI_CODEC_GZIP  ? GZIP_LEVEL
                                                 : config->codec == KCI_CODEC_LZ4 ? LZ4_LEVEL
                                                                                  : ZSTD_LEVEL);
    config->batch_bytes_max = (int32_t)number_of(config, properties, MAX_MESSAGE_BYTES);
    config->timestamp_after_ms = number_of(config, properties, TIMESTAMP_AFTER);
    config->timestamp_before_ms = number_of(config, properties, TIMESTAMP_BEFORE);
    config->log_append_time = strcmp(text_of(config, properties, TIMESTAMP_TYPE), "LogAppendTime") == 0;
    config->min_insync = (int32_t)number_of(config, properties, MIN_INSYNC);
    config->retention_bytes = number_of(config, properties, RETENTION_BYTES);
    config->retention_ms = number_of(config, properties, RETENTION_MS);
    config->segment_bytes = (int32_t)number_of(config, properties, SEGMENT_BYTES);
    config->segment_ms = number_of(config, properties, SEGMENT_MS);
    config->delete_retention_ms = number_of(config, properties, DELETE_RETENTION);
    config->compaction_lag_min_ms = number_of(config, properties, MIN_COMPACTION_LAG);
    config->compaction_lag_max_ms = number_of(config, properties, MAX_COMPACTION_LAG);
    config->dirty_ratio_min = strtod(text_of(config, properties, MIN_DIRTY), NULL);
    int64_t flush_records = number_of(config, properties, FLUSH_MESSAGES);
    int64_t flush_ms = number_of(config, properties, FLUSH_MS);
    config->flush_records = flush_records == INT64_MAX ? 0 : flush_records;
    config->flush_ms = flush_ms == INT64_MAX ? -1 : flush_ms;
    config->index_interval_bytes = (int32_t)number_of(config, properties, INDEX_INTERVAL_BYTES);
    config->index_bytes = (int32_t)number_of(config, properties, INDEX_BYTES);
    config->unclean = number_of(config, properties, UNCLEAN) != 0;
}

void mb_topic_config_destroy(struct mb_topic_config *config)
{
    for (size_t i = 0; i < ROWS; i++)
        kci_alloc_free(config->alloc, config->values[i]);
    memset(config->values, 0, sizeof config->values);
}
