/* Broker properties: one table, Kafka's names and defaults.  Properties that this broker does not act upon are in the
 * table all the same when tools set or show them; a name that is not here is refused, because a typing error that is
 * silently ignored makes a test lie. */
#include "mockbroker/core/properties.h"

#include "base/near.h"
#include "protocol/compress.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define LONG_MAX_TEXT "9223372036854775807"
#define ANY           INT64_MIN, INT64_MAX
#define NATURAL       0, INT64_MAX
#define POSITIVE      1, INT64_MAX
#define POSITIVE_INT  1, INT32_MAX
#define B(name, initial)                                                                                               \
    {                                                                                                                  \
        name, MB_CONFIG_BOOLEAN, initial, 0, 1, NULL, NULL                                                             \
    }
#define I(name, initial, ...)                                                                                          \
    {                                                                                                                  \
        name, MB_CONFIG_INT, initial, __VA_ARGS__, NULL, NULL                                                          \
    }
#define L(name, initial, ...)                                                                                          \
    {                                                                                                                  \
        name, MB_CONFIG_LONG, initial, __VA_ARGS__, NULL, NULL                                                         \
    }
#define S(name, initial, choices)                                                                                      \
    {                                                                                                                  \
        name, MB_CONFIG_STRING, initial, 0, 0, choices, NULL                                                           \
    }
#define T(name, initial, choices)                                                                                      \
    {                                                                                                                  \
        name, MB_CONFIG_LIST, initial, 0, 0, choices, NULL                                                             \
    }
#define P(name)                                                                                                        \
    {                                                                                                                  \
        name, MB_CONFIG_PASSWORD, "", 0, 0, NULL, NULL                                                                 \
    }
#define D(name, initial)                                                                                               \
    {                                                                                                                  \
        name, MB_CONFIG_DOUBLE, initial, 0, 0, NULL, NULL                                                              \
    }

/* clang-format off */
static const struct mb_config_row rows[] = {
    S("advertised.listeners", "", NULL),
    B("allow.everyone.if.no.acl.found", "false"),
    S("authorizer.class.name", "", NULL),
    B("auto.create.topics.enable", "true"),
    B("auto.leader.rebalance.enable", "true"),
    I("background.threads", "10", POSITIVE_INT),
    S("broker.rack", "", NULL),
    I("broker.session.timeout.ms", "9000", POSITIVE_INT),
    I("compression.gzip.level", "-1", -1, 9),
    I("compression.lz4.level", "9", 1, 17),
    S("compression.type", "producer", "producer,uncompressed,gzip,snappy,lz4,zstd"),
    I("compression.zstd.level", "3", -131072, 22),
    L("connections.max.idle.ms", "600000", ANY),
    L("connections.max.reauth.ms", "0", NATURAL),
    B("controlled.shutdown.enable", "true"),
    I("controller.quota.window.num", "11", POSITIVE_INT),
    I("controller.quota.window.size.seconds", "1", POSITIVE_INT),
    I("default.replication.factor", "1", 1, INT16_MAX),
    L("delegation.token.expiry.check.interval.ms", "3600000", POSITIVE),
    L("delegation.token.expiry.time.ms", "86400000", POSITIVE),
    L("delegation.token.max.lifetime.ms", "604800000", POSITIVE),
    P("delegation.token.secret.key"),
    B("delete.topic.enable", "true"),
    I("fetch.max.bytes", "57671680", 1024, INT32_MAX),
    I("fetch.purgatory.purge.interval.requests", "1000", ANY),
    L("follower.replication.throttled.rate", LONG_MAX_TEXT, NATURAL),
    I("group.consumer.assignment.interval.ms", "1000", 0, INT32_MAX),
    T("group.consumer.assignors", "uniform,range", NULL),
    I("group.consumer.heartbeat.interval.ms", "5000", POSITIVE_INT),
    I("group.consumer.max.heartbeat.interval.ms", "15000", POSITIVE_INT),
    I("group.consumer.max.session.timeout.ms", "60000", POSITIVE_INT),
    I("group.consumer.max.size", "2147483647", POSITIVE_INT),
    S("group.consumer.migration.policy", "bidirectional", "disabled,downgrade,upgrade,bidirectional"),
    I("group.consumer.min.heartbeat.interval.ms", "5000", POSITIVE_INT),
    I("group.consumer.min.session.timeout.ms", "45000", POSITIVE_INT),
    I("group.consumer.regex.refresh.interval.ms", "600000", 10000, INT32_MAX),
    I("group.consumer.session.timeout.ms", "45000", POSITIVE_INT),
    I("group.initial.rebalance.delay.ms", "3000", 0, INT32_MAX),
    I("group.max.session.timeout.ms", "1800000", POSITIVE_INT),
    I("group.max.size", "2147483647", POSITIVE_INT),
    I("group.min.session.timeout.ms", "6000", POSITIVE_INT),
    S("inter.broker.protocol.version", "4.0", NULL),
    L("leader.imbalance.check.interval.seconds", "300", POSITIVE_INT),
    L("leader.replication.throttled.rate", LONG_MAX_TEXT, NATURAL),
    S("listeners", "", NULL),
    L("log.cleaner.backoff.ms", "15000", NATURAL),
    L("log.cleaner.delete.retention.ms", "86400000", NATURAL),
    B("log.cleaner.enable", "true"),
    L("log.cleaner.max.compaction.lag.ms", LONG_MAX_TEXT, POSITIVE),
    D("log.cleaner.min.cleanable.ratio", "0.5"),
    L("log.cleaner.min.compaction.lag.ms", "0", NATURAL),
    T("log.cleanup.policy", "delete", "delete,compact"),
    S("log.dir", "", NULL),
    S("log.dirs", "", NULL),
    L("log.flush.interval.messages", LONG_MAX_TEXT, POSITIVE),
    L("log.flush.interval.ms", LONG_MAX_TEXT, NATURAL),
    I("log.index.interval.bytes", "4096", 0, INT32_MAX),
    I("log.index.size.max.bytes", "10485760", 4, INT32_MAX),
    L("log.message.timestamp.after.max.ms", "3600000", NATURAL),
    L("log.message.timestamp.before.max.ms", LONG_MAX_TEXT, NATURAL),
    S("log.message.timestamp.type", "CreateTime", "CreateTime,LogAppendTime"),
    B("log.preallocate", "false"),
    L("log.retention.bytes", "-1", ANY),
    L("log.retention.check.interval.ms", "300000", POSITIVE),
    L("log.retention.ms", "604800000", -1, INT64_MAX),
    L("log.roll.jitter.ms", "0", NATURAL),
    L("log.roll.ms", "604800000", POSITIVE),
    I("log.segment.bytes", "1073741824", 14, INT32_MAX),
    L("log.segment.delete.delay.ms", "60000", NATURAL),
    I("max.connection.creation.rate", "2147483647", 0, INT32_MAX),
    I("max.connections", "2147483647", 0, INT32_MAX),
    I("max.connections.per.ip", "2147483647", 0, INT32_MAX),
    S("max.connections.per.ip.overrides", "", NULL),
    I("max.incremental.fetch.session.cache.slots", "1000", 0, INT32_MAX),
    I("message.max.bytes", "1048588", 0, INT32_MAX),
    I("min.insync.replicas", "1", POSITIVE_INT),
    S("mock.as.version", "4.4", "2.1,2.8,3.3,3.9,4.0,4.1,4.2,4.3,4.4"),
    S("mock.racks", "", NULL),
    S("mock.records.check", "full", "full,header"),
    I("mock.replication.delay.ms", "0", 0, INT32_MAX),
    I("mock.request.time.us", "100", 0, INT32_MAX),
    P("mock.sasl.users"),
    I("node.id", "1", 0, INT32_MAX),
    I("num.io.threads", "8", POSITIVE_INT),
    I("num.network.threads", "3", POSITIVE_INT),
    I("num.partitions", "1", POSITIVE_INT),
    I("num.recovery.threads.per.data.dir", "2", POSITIVE_INT),
    I("num.replica.fetchers", "1", POSITIVE_INT),
    I("offset.metadata.max.bytes", "4096", 0, INT32_MAX),
    I("offsets.commit.timeout.ms", "5000", POSITIVE_INT),
    I("offsets.load.buffer.size", "5242880", POSITIVE_INT),
    L("offsets.retention.check.interval.ms", "600000", POSITIVE),
    I("offsets.retention.minutes", "10080", POSITIVE_INT),
    I("offsets.topic.compression.codec", "0", 0, 4),
    I("offsets.topic.num.partitions", "50", POSITIVE_INT),
    I("offsets.topic.replication.factor", "3", 1, INT16_MAX),
    I("offsets.topic.segment.bytes", "104857600", POSITIVE_INT),
    T("process.roles", "broker,controller", NULL),
    I("producer.id.expiration.check.interval.ms", "600000", POSITIVE_INT),
    I("producer.id.expiration.ms", "86400000", POSITIVE_INT),
    I("queued.max.requests", "500", POSITIVE_INT),
    I("quota.window.num", "11", 2, INT32_MAX),
    I("quota.window.size.seconds", "1", POSITIVE_INT),
    L("replica.alter.log.dirs.io.max.bytes.per.second", LONG_MAX_TEXT, NATURAL),
    I("replica.fetch.backoff.ms", "1000", 0, INT32_MAX),
    I("replica.fetch.max.bytes", "1048576", 0, INT32_MAX),
    I("replica.fetch.min.bytes", "1", ANY),
    I("replica.fetch.response.max.bytes", "10485760", 0, INT32_MAX),
    I("replica.fetch.wait.max.ms", "500", ANY),
    L("replica.high.watermark.checkpoint.interval.ms", "5000", ANY),
    L("replica.lag.time.max.ms", "30000", POSITIVE),
    S("replica.selector.class", "", NULL),
    I("request.timeout.ms", "30000", ANY),
    T("sasl.enabled.mechanisms", "GSSAPI", "GSSAPI,PLAIN,SCRAM-SHA-256,SCRAM-SHA-512"),
    I("sasl.server.max.receive.size", "524288", 1024, INT32_MAX),
    I("socket.receive.buffer.bytes", "102400", ANY),
    I("socket.request.max.bytes", "104857600", POSITIVE_INT),
    I("socket.send.buffer.bytes", "102400", ANY),
    S("super.users", "", NULL),
    I("telemetry.max.bytes", "1048576", POSITIVE_INT),
    L("transaction.abort.timed.out.transaction.cleanup.interval.ms", "10000", POSITIVE),
    I("transaction.max.timeout.ms", "900000", POSITIVE_INT),
    L("transaction.remove.expired.transaction.cleanup.interval.ms", "3600000", POSITIVE),
    I("transaction.state.log.min.isr", "2", POSITIVE_INT),
    I("transaction.state.log.num.partitions", "50", POSITIVE_INT),
    I("transaction.state.log.replication.factor", "3", 1, INT16_MAX),
    I("transaction.state.log.segment.bytes", "104857600", POSITIVE_INT),
    L("transactional.id.expiration.ms", "604800000", POSITIVE),
    B("unclean.leader.election.enable", "false"),
};
/* clang-format on */
#define ROWS (sizeof rows / sizeof rows[0])
_Static_assert(ROWS <= MB_PROPERTIES_MAX, "room for every property");

size_t mb_properties_count(void)
{
    return ROWS;
}

const struct mb_config_row *mb_properties_row(size_t i)
{
    return &rows[i];
}

/* The rows are in order (a test holds it). */
int mb_properties_find(struct kci_str name)
{
    size_t low = 0, high = ROWS;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strncmp(rows[middle].name, name.data, name.size);
        if (order == 0 && rows[middle].name[name.size] == '\0')
            return (int)middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

const char *mb_properties_text(const struct mb_properties *properties, size_t i)
{
    const char *given = properties->values[i] ? properties->values[i] : rows[i].initial;
    return properties->dynamic[i] ? properties->dynamic[i] : given;
}

int64_t mb_properties_number(const struct mb_properties *properties, const char *name)
{
    int i = mb_properties_find(kci_str_of(name));
    int64_t value = 0;
    if (i < 0 || !mb_config_number(mb_properties_text(properties, (size_t)i), rows[i].type, &value))
        abort();
    return value;
}

bool mb_config_number(const char *value, enum mb_config_type type, int64_t *out)
{
    if (type == MB_CONFIG_BOOLEAN) {
        *out = strcasecmp(value, "true") == 0;
        return *out || strcasecmp(value, "false") == 0;
    }
    char *end = NULL;
    errno = 0;
    long long number = strtoll(value, &end, 10);
    *out = number;
    return errno == 0 && end != value && *end == '\0';
}

static bool word_is_among(const char *choices, struct kci_str word)
{
    for (const char *at = choices; at;) {
        const char *comma = strchr(at, ',');
        size_t size = comma ? (size_t)(comma - at) : strlen(at);
        if (kci_str_equal((struct kci_str){ at, size }, word))
            return true;
        at = comma ? comma + 1 : NULL;
    }
    return false;
}

static bool words_are_among(const char *choices, struct kci_str list)
{
    for (size_t at = 0; at < list.size;) {
        size_t end = at;
        while (end < list.size && list.data[end] != ',')
            end++;
        if (!word_is_among(choices, (struct kci_str){ list.data + at, end - at }))
            return false;
        at = end + 1;
    }
    return true;
}

/* Values are kept as lines of text (metadata_store.c): what would break a line is no value. */
static bool is_printable(struct kci_str value)
{
    if (value.size > MB_CONFIG_VALUE_MAX)
        return false;
    for (size_t i = 0; i < value.size; i++)
        if ((unsigned char)value.data[i] < ' ')
            return false;
    return true;
}

static bool check_ratio(const struct mb_config_row *row, struct kci_str value, char *text, size_t text_size)
{
    char copy[64], *end = NULL;
    snprintf(copy, sizeof copy, "%.*s", (int)(value.size < sizeof copy ? value.size : sizeof copy - 1), value.data);
    double number = strtod(copy, &end);
    bool ok = value.size < sizeof copy && end != copy && *end == '\0' && number >= 0 && number <= 1;
    if (!ok)
        snprintf(text, text_size, "Invalid value %s for configuration %s: Value must be between 0 and 1", copy,
                 row->name);
    return ok;
}

/* The next of "host:number,host:number" at *at; its host, and the number behind the last colon. */
static bool next_host(struct kci_str *list, struct kci_str *host, int64_t *number)
{
    char digits[12], *end = NULL;
    size_t size = 0, colon;
    while (size < list->size && list->data[size] != ',')
        size++;
    for (colon = size; colon > 0 && list->data[colon - 1] != ':';)
        colon--;
    snprintf(digits, sizeof digits, "%.*s", (int)(size - colon < 12 ? size - colon : 0), list->data + colon);
    *host = (struct kci_str){ list->data, colon ? colon - 1 : 0 };
    *number = strtoll(digits, &end, 10);
    bool ok = colon > 1 && digits[0] >= '0' && digits[0] <= '9' && !*end && *number <= INT32_MAX;
    for (size_t i = 0; i < host->size; i++)
        ok = ok && (isalnum((unsigned char)host->data[i]) || strchr("-%._:", host->data[i]));
    size += size < list->size;
    *list = (struct kci_str){ list->data + size, list->size - size };
    return ok;
}

static bool check_hosts(const struct mb_config_row *row, struct kci_str value, char *text, size_t text_size)
{
    struct kci_str list = value, host;
    int64_t number;
    while (list.size)
        if (!next_host(&list, &host, &number)) {
            snprintf(text, text_size,
                     "Invalid value %.*s for configuration %s: address:number,address:number is needed",
                     (int)value.size, value.data, row->name);
            return false;
        }
    return true;
}

bool mb_config_number_of_host(const char *list, struct kci_str host, int64_t *out)
{
    struct kci_str rest = kci_str_of(list), name;
    while (rest.size)
        if (next_host(&rest, &name, out) && kci_str_equal(name, host))
            return true;
    return false;
}

const char *mb_properties_conflict(const char *per_ip, const char *overrides)
{
    return strcmp(per_ip, "0") == 0 && !overrides[0]
               ? "max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property is set."
               : NULL;
}

bool mb_config_check(const struct mb_config_row *row, struct kci_str value, char *text, size_t text_size)
{
    char copy[64];
    int64_t number = 0;
    if (!is_printable(value)) {
        snprintf(text, text_size,
                 "Invalid value for configuration %s: longer than %d bytes, or with control characters", row->name,
                 MB_CONFIG_VALUE_MAX);
        return false;
    }
    switch (row->type) {
    case MB_CONFIG_PASSWORD:
        return true;
    case MB_CONFIG_STRING:
        if (strcmp(row->name, "max.connections.per.ip.overrides") == 0)
            return check_hosts(row, value, text, text_size);
        if (!row->choices || word_is_among(row->choices, value))
            return true;
        snprintf(text, text_size, "Invalid value %.*s for configuration %s: String must be one of: %s", (int)value.size,
                 value.data, row->name, row->choices);
        return false;
    case MB_CONFIG_LIST:
        if (!row->choices || words_are_among(row->choices, value))
            return true;
        snprintf(text, text_size, "Invalid value %.*s for configuration %s: each must be one of: %s", (int)value.size,
                 value.data, row->name, row->choices);
        return false;
    case MB_CONFIG_DOUBLE:
        return check_ratio(row, value, text, text_size);
    default:
        break;
    }
    snprintf(copy, sizeof copy, "%.*s", (int)(value.size < sizeof copy ? value.size : sizeof copy - 1), value.data);
    bool is_number = value.size < sizeof copy && mb_config_number(copy, row->type, &number);
    if (is_number && number >= row->min && number <= row->max &&
        (row->type != MB_CONFIG_INT || (number >= INT32_MIN && number <= INT32_MAX)))
        return true;
    if (!is_number)
        snprintf(text, text_size, "Invalid value %s for configuration %s: Not a %s", copy, row->name,
                 row->type == MB_CONFIG_BOOLEAN ? "boolean: true or false" : "number of its type");
    else
        snprintf(text, text_size, "Invalid value %s for configuration %s: Value must be between %lld and %lld", copy,
                 row->name, (long long)row->min, (long long)row->max);
    return false;
}

bool mb_properties_is_dynamic(size_t i)
{
    static const char names[] =
        "background.threads,compression.gzip.level,compression.lz4.level,compression.type,compression.zstd.level,"
        "follower.replication.throttled.rate,leader.replication.throttled.rate,"
        "replica.alter.log.dirs.io.max.bytes.per.second,log.cleaner.backoff.ms,log.cleaner.delete.retention.ms,"
        "log.cleaner.max.compaction.lag.ms,log.cleaner.min.cleanable.ratio,log.cleaner.min.compaction.lag.ms,"
        "log.cleanup.policy,log.flush.interval.messages,log.flush.interval.ms,log.index.interval.bytes,"
        "log.index.size.max.bytes,log.message.timestamp.after.max.ms,log.message.timestamp.before.max.ms,"
        "log.message.timestamp.type,log.preallocate,log.retention.bytes,log.retention.ms,log.roll.jitter.ms,"
        "log.roll.ms,log.segment.bytes,log.segment.delete.delay.ms,max.connection.creation.rate,max.connections,"
        "max.connections.per.ip,max.connections.per.ip.overrides,message.max.bytes,"
        "min.insync.replicas,num.io.threads,num.network.threads,num.recovery.threads.per.data.dir,"
        "num.replica.fetchers,producer.id.expiration.ms,unclean.leader.election.enable";
    return word_is_among(names, kci_str_of(rows[i].name));
}

bool mb_properties_alter(const struct kci_alloc *alloc, char **values, size_t i, struct kci_str value, char *text,
                         size_t text_size)
{
    char *copy = NULL;
    if (value.data) {
        if (!mb_config_check(&rows[i], value, text, text_size))
            return false;
        copy = kci_alloc_zero(alloc, value.size + 1, 1);
        if (!copy) {
            snprintf(text, text_size, "out of memory");
            return false;
        }
        memcpy(copy, value.data, value.size);
    }
    kci_alloc_free(alloc, values[i]);
    values[i] = copy;
    return true;
}

/* What Kafka takes from its properties and the shell has an option for: to take it and do nothing would be a lie. */
static const char *given_elsewhere(const char *name)
{
    static const char *const options[][2] = {
        { "listeners", "--listen says where the brokers listen" },
        { "advertised.listeners", "--advertise says what clients are told" },
        { "log.dir", "--data-dir says where the logs are" },
        { "log.dirs", "--data-dir says where the logs are" },
        { "node.id", "brokers are numbered from 1" },
        { "process.roles", "every broker may be the controller" },
    };
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        if (strcmp(options[i][0], name) == 0)
            return options[i][1];
    return NULL;
}

static void tell_unknown(struct kci_str name, char *text, size_t text_size)
{
    struct kci_near near = kci_near_of(name);
    for (size_t i = 0; i < mb_properties_count(); i++)
        kci_near_offer(&near, rows[i].name);
    snprintf(text, text_size, "unknown broker property \"%.*s\"%s%s%s", (int)name.size, name.data,
             near.best ? "; did you mean " : "", near.best ? near.best : "", near.best ? "?" : "");
}

static bool set_one(struct mb_properties *properties, const char *pair, size_t size, char *text, size_t text_size)
{
    const char *equals = memchr(pair, '=', size);
    if (!equals) {
        snprintf(text, text_size, "\"%.*s\" is not key=value", (int)size, pair);
        return false;
    }
    struct kci_str name = { pair, (size_t)(equals - pair) };
    struct kci_str value = { equals + 1, size - name.size - 1 };
    int row = mb_properties_find(name);
    const char *instead = row < 0 ? NULL : given_elsewhere(rows[row].name);
    if (row < 0) {
        tell_unknown(name, text, text_size);
        return false;
    }
    if (instead) {
        snprintf(text, text_size, "unused broker property \"%.*s\": %s", (int)name.size, name.data, instead);
        return false;
    }
    return mb_properties_alter(properties->alloc, properties->values, (size_t)row, value, text, text_size);
}

static const char *text_of(const struct mb_properties *properties, const char *name)
{
    return mb_properties_text(properties, (size_t)mb_properties_find(kci_str_of(name)));
}

bool mb_properties_parse(struct mb_properties *properties, const char *config, char *text, size_t text_size)
{
    for (const char *at = config; at && *at;) {
        at += strspn(at, " \t\r\n");
        if (*at == '#') {
            at += strcspn(at, "\n");
            continue;
        }
        size_t size = strcspn(at, " \t\r\n");
        if (size && !set_one(properties, at, size, text, text_size))
            return false;
        at += size;
    }
    const char *conflict = mb_properties_conflict(text_of(properties, "max.connections.per.ip"),
                                                  text_of(properties, "max.connections.per.ip.overrides"));
    if (conflict)
        snprintf(text, text_size, "%s", conflict);
    return !conflict;
}

void mb_properties_destroy(struct mb_properties *properties)
{
    for (size_t i = 0; i < ROWS; i++) {
        kci_alloc_free(properties->alloc, properties->values[i]);
        kci_alloc_free(properties->alloc, properties->dynamic[i]);
    }
    memset(properties->values, 0, sizeof properties->values);
    memset(properties->dynamic, 0, sizeof properties->dynamic);
}
