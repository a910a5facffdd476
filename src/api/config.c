/* kc_config: set, get, copy, and the check of the whole when a handle is created.
 *
 * Each value is parsed and range-checked when it is set; which keys were set explicitly is remembered, because some
 * rules differ for defaults (idempotence steps aside silently for acks=1, but contradicting it explicitly is an error:
 * PROTOCOL 2.1). */
#include "api/config.h"
#include "api/duration.h"
#include "cluster/cluster.h"
#include "protocol/compress.h"
#include "runtime/runtime.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define CONFIG_ROWS_MAX 96
#define VALUE_BYTES_MAX (64 * 1024) /* of one value: longer is a mistake */
#define PLUGINS_MAX     64          /* interceptors in one chain */

struct kc_config {
    struct kci_settings settings;
    bool set[CONFIG_ROWS_MAX]; /* explicitly, by row */
};

static void *field_of(struct kci_settings *settings, const struct kci_config_row *row)
{
    return (char *)settings + row->offset;
}

static bool is_text(const struct kci_config_row *row)
{
    return row->type == KCI_TYPE_TEXT || row->type == KCI_TYPE_LIST;
}

static char *copy_text(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = kci_alloc_new(kci_heap_alloc(), size);
    return copy ? memcpy(copy, text, size) : NULL;
}

static kc_err bad_value(const struct kci_config_row *row, const char *value, kc_error *error)
{
    if (row->type == KCI_TYPE_BOOL)
        return kci_fail(error, KC_ERR_CONFIG, 0, "%s=%.60s: true or false is needed", row->key, value);
    char words[320];
    if (row->type == KCI_TYPE_CHOICE)
        return kci_fail(error, KC_ERR_CONFIG, 0, "%s=%.60s: one of %s is needed", row->key, value,
                        kci_config_words(row, words, sizeof words));
    if (row->type == KCI_TYPE_LIST)
        return kci_fail(error, KC_ERR_CONFIG, 0, "%s=%.60s: a list of %s, separated by commas, is needed", row->key,
                        value, kci_config_words(row, words, sizeof words));
    return kci_fail(error, KC_ERR_CONFIG, 0, "%s=%.60s: a whole number from %lld to %lld is needed", row->key, value,
                    (long long)row->minimum, (long long)row->maximum);
}

/* The choice that `size` bytes name, or NULL. A Java class may come without its package, as in StringSerializer. */
static const struct kci_config_choice *choice_of(const struct kci_config_row *row, const char *text, size_t size)
{
    for (const struct kci_config_choice *c = row->choices; c->word; c++) {
        const char *dot = strrchr(c->word, '.');
        if ((strlen(c->word) == size && memcmp(c->word, text, size) == 0) ||
            (dot && strlen(dot + 1) == size && memcmp(dot + 1, text, size) == 0))
            return c;
    }
    return NULL;
}

/* Is each part of the list, between commas, a word of the row? An empty list is. */
static bool list_ok(const struct kci_config_row *row, const char *text)
{
    while (*text) {
        size_t size = strcspn(text, ",");
        if (!choice_of(row, text, size))
            return false;
        text += size;
        if (*text && !*++text)
            return false; /* ends with a comma */
    }
    return true;
}

/* What stands behind "word:"; only by_duration has something there. */
static bool take_argument(struct kci_settings *settings, const struct kci_config_row *row,
                          const struct kci_config_choice *choice, const char *argument)
{
    bool by_duration =
        field_of(settings, row) == (void *)&settings->auto_offset_reset && choice->value == KCI_RESET_BY_DURATION;
    return by_duration && kci_duration_parse(argument, &settings->auto_offset_reset_by_ms);
}

/* Parse into `settings`; text replaces (and frees) what was there. */
static kc_err parse_value(struct kci_settings *settings, const struct kci_config_row *row, const char *value,
                          kc_error *error)
{
    void *field = field_of(settings, row);
    if (row->type == KCI_TYPE_LIST && !list_ok(row, value))
        return bad_value(row, value, error);
    if (is_text(row)) {
        char *copy = copy_text(value);
        if (!copy)
            return kci_fail(error, KC_ERR_NO_MEMORY, 0, "out of memory while setting %s", row->key);
        kci_alloc_free(kci_heap_alloc(), *(char **)field);
        *(const char **)field = copy;
        return KC_OK;
    }
    if (row->type == KCI_TYPE_BOOL) {
        if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
            return bad_value(row, value, error);
        *(bool *)field = value[0] == 't';
        return KC_OK;
    }
    if (row->type == KCI_TYPE_CHOICE) {
        const char *colon = strchr(value, ':');
        const struct kci_config_choice *choice =
            choice_of(row, value, colon ? (size_t)(colon - value) + 1 : strlen(value));
        if (choice && colon && !take_argument(settings, row, choice, colon + 1))
            choice = NULL;
        if (!choice)
            return bad_value(row, value, error);
        *(int32_t *)field = choice->value;
        return KC_OK;
    }
    char *end = NULL;
    errno = 0;
    long long number = strtoll(value, &end, 10);
    if (end == value || *end || errno || number < row->minimum || number > row->maximum)
        return bad_value(row, value, error);
    if (row->type == KCI_TYPE_INT32)
        *(int32_t *)field = (int32_t)number;
    else
        *(int64_t *)field = number;
    return KC_OK;
}

static void free_settings_content(struct kci_settings *settings)
{
    for (size_t i = 0; i < kci_config_row_count; i++)
        if (is_text(&kci_config_rows[i]))
            kci_alloc_free(kci_heap_alloc(), *(char **)field_of(settings, &kci_config_rows[i]));
    kci_alloc_free(kci_heap_alloc(), settings->producer_interceptors);
    kci_alloc_free(kci_heap_alloc(), settings->consumer_interceptors);
    kci_alloc_free(kci_heap_alloc(), settings->assignors);
}

/* A copy of an array; NULL when it is empty, or out of memory (then *ok becomes false). */
static void *copy_array(const void *from, size_t count, size_t element_size, bool *ok)
{
    void *copy = count ? kci_alloc_new(kci_heap_alloc(), count * element_size) : NULL;
    if (copy)
        memcpy(copy, from, count * element_size);
    *ok = *ok && (copy || !count);
    return copy;
}

/* Copy everything that `to` must own. false: out of memory; `to` can be freed all the same. */
static bool copy_settings(struct kci_settings *to, const struct kci_settings *from)
{
    bool ok = true;
    *to = *from;
    for (size_t i = 0; i < kci_config_row_count; i++) {
        if (!is_text(&kci_config_rows[i]))
            continue;
        char **text = field_of(to, &kci_config_rows[i]);
        if (*text)
            ok = (*text = copy_text(*text)) != NULL && ok;
    }
    to->producer_interceptors = copy_array(from->producer_interceptors, from->producer_interceptor_count,
                                           sizeof *from->producer_interceptors, &ok);
    to->consumer_interceptors = copy_array(from->consumer_interceptors, from->consumer_interceptor_count,
                                           sizeof *from->consumer_interceptors, &ok);
    to->assignors = copy_array(from->assignors, from->assignor_count, sizeof *from->assignors, &ok);
    return ok;
}

kc_config *kc_config_new(void)
{
    kc_config *config = kci_alloc_zero(kci_heap_alloc(), 1, sizeof *config);
    if (!config)
        return NULL;
    config->settings.compression_level = KCI_LEVEL_DEFAULT;
    config->settings.log_level = 4;
    for (size_t i = 0; i < kci_config_row_count; i++) {
        const struct kci_config_row *row = &kci_config_rows[i];
        if (row->default_text && parse_value(&config->settings, row, row->default_text, NULL) != KC_OK) {
            kc_config_destroy(config);
            return NULL;
        }
    }
    return config;
}

void kc_config_destroy(kc_config *config)
{
    if (!config)
        return;
    free_settings_content(&config->settings);
    kci_alloc_free(kci_heap_alloc(), config);
}

kc_config *kc_config_copy(const kc_config *config)
{
    kc_config *copy = kci_alloc_zero(kci_heap_alloc(), 1, sizeof *copy);
    if (!copy)
        return NULL;
    memcpy(copy->set, config->set, sizeof copy->set);
    if (!copy_settings(&copy->settings, &config->settings)) {
        kc_config_destroy(copy);
        return NULL;
    }
    return copy;
}

kc_config *kci_config_copy_plain(const kc_config *config)
{
    kc_config *copy = kc_config_copy(config);
    if (!copy)
        return NULL;
    struct kci_settings *s = &copy->settings;
    s->producer_interceptor_count = s->consumer_interceptor_count = s->assignor_count = 0;
    s->key_serializer = s->value_serializer = (kc_serializer){ 0 };
    s->key_deserializer = s->value_deserializer = (kc_deserializer){ 0 };
    s->partitioner = (kc_partitioner){ 0 };
    s->rebalance_listener = (kc_rebalance_listener){ 0 };
    s->delivery = NULL;
    return copy;
}

static kc_err unknown_key(const char *key, kc_error *error)
{
    const char *elsewhere = kci_config_known_elsewhere(key);
    if (elsewhere)
        return kci_fail(error, KC_ERR_CONFIG, 0, "%s: %s", key, elsewhere);
    const char *nearest = kci_config_nearest(key);
    if (nearest)
        return kci_fail(error, KC_ERR_CONFIG, 0, "%.80s: there is no such configuration key; did you mean %s?", key,
                        nearest);
    return kci_fail(error, KC_ERR_CONFIG, 0,
                    "%.80s: there is no such configuration key; docs/configuration.md lists them all", key);
}

kc_err kc_config_set(kc_config *config, const char *key, const char *value, kc_error *error)
{
    if (!config || !key || !value)
        return kci_fail(error, KC_ERR_ARGUMENT, 0, "config, key and value must not be NULL");
    const struct kci_config_row *row = kci_config_find(key);
    if (!row)
        return kci_config_harmless(key, value) ? KC_OK : unknown_key(key, error);
    if (strlen(value) > VALUE_BYTES_MAX)
        return kci_fail(error, KC_ERR_CONFIG, 0, "%s: the value is longer than %d bytes", row->key, VALUE_BYTES_MAX);
    kc_err err = parse_value(&config->settings, row, value, error);
    if (err == KC_OK)
        config->set[row - kci_config_rows] = true;
    return err;
}

kc_err kc_config_set_pair(kc_config *config, const char *pair, kc_error *error)
{
    const char *equals = pair ? strchr(pair, '=') : NULL;
    char key[128];
    if (!equals || equals == pair || (size_t)(equals - pair) >= sizeof key)
        return kci_fail(error, KC_ERR_CONFIG, 0, "\"%.80s\": key=value is needed", pair ? pair : "");
    memcpy(key, pair, (size_t)(equals - pair));
    key[equals - pair] = 0;
    return kc_config_set(config, key, equals + 1, error);
}

/* All or nothing: set in a copy, which then takes the place. */
kc_err kc_config_set_many(kc_config *config, const char *const *keys, const char *const *values, size_t count,
                          kc_error *error)
{
    if (!config || (count && (!keys || !values)))
        return kci_fail(error, KC_ERR_ARGUMENT, 0, "config, keys and values must not be NULL");
    kc_config *copy = kc_config_copy(config);
    if (!copy)
        return kci_fail(error, KC_ERR_NO_MEMORY, 0, "out of memory while copying the configuration");
    kc_err err = KC_OK;
    for (size_t i = 0; i < count && err == KC_OK; i++)
        err = kc_config_set(copy, keys[i], values[i], error);
    if (err == KC_OK) {
        kc_config swap = *config;
        *config = *copy;
        *copy = swap;
    }
    kc_config_destroy(copy);
    return err;
}

kc_err kc_config_get(const kc_config *config, const char *key, char *value, size_t size)
{
    const struct kci_config_row *row = config && key ? kci_config_find(key) : NULL;
    if (!row || (!value && size))
        return row ? KC_ERR_ARGUMENT : KC_ERR_CONFIG;
    const void *field = (const char *)&config->settings + row->offset;
    switch (row->type) {
    case KCI_TYPE_TEXT:
    case KCI_TYPE_LIST:
        snprintf(value, size, "%s", *(const char *const *)field ? *(const char *const *)field : "");
        return KC_OK;
    case KCI_TYPE_BOOL:
        snprintf(value, size, "%s", *(const bool *)field ? "true" : "false");
        return KC_OK;
    case KCI_TYPE_CHOICE:
        for (const struct kci_config_choice *c = row->choices; c->word; c++)
            if (c->value == *(const int32_t *)field) {
                char duration[40];
                bool argument = c->word[0] && c->word[strlen(c->word) - 1] == ':';
                snprintf(value, size, "%s%s", c->word,
                         argument
                             ? kci_duration_text(config->settings.auto_offset_reset_by_ms, duration, sizeof duration)
                             : "");
                break;
            }
        return KC_OK;
    case KCI_TYPE_INT32:
        if (*(const int32_t *)field == KCI_LEVEL_DEFAULT)
            snprintf(value, size, "%s", "");
        else
            snprintf(value, size, "%lld", (long long)*(const int32_t *)field);
        return KC_OK;
    case KCI_TYPE_INT64:
        snprintf(value, size, "%lld", (long long)*(const int64_t *)field);
        return KC_OK;
    }
    return KC_ERR_CONFIG;
}

/* ---- plugged-in functions ---- */

void kc_config_set_delivery(kc_config *config, kc_delivery_fn fn, void *context, int every_record)
{
    config->settings.delivery = fn;
    config->settings.delivery_context = context;
    config->settings.delivery_polled = false;
    config->settings.delivery_every_record = every_record != 0;
}

void kc_config_set_delivery_polled(kc_config *config, int every_record)
{
    config->settings.delivery = NULL;
    config->settings.delivery_context = NULL;
    config->settings.delivery_polled = true;
    config->settings.delivery_every_record = every_record != 0;
}

void kc_config_set_log(kc_config *config, kc_log_fn fn, void *context, int level)
{
    config->settings.log = fn;
    config->settings.log_context = context;
    config->settings.log_level = level;
}

static kc_err append_plugin(void **array, size_t *count, const void *item, size_t item_size)
{
    if (!item || *count >= PLUGINS_MAX)
        return KC_ERR_ARGUMENT;
    void *grown = kci_alloc_resize(kci_heap_alloc(), *array, (*count + 1) * item_size);
    if (!grown)
        return KC_ERR_NO_MEMORY;
    memcpy((char *)grown + *count * item_size, item, item_size);
    *array = grown;
    ++*count;
    return KC_OK;
}

kc_err kc_config_add_producer_interceptor(kc_config *config, const kc_producer_interceptor *interceptor)
{
    void *array = config->settings.producer_interceptors;
    kc_err err = append_plugin(&array, &config->settings.producer_interceptor_count, interceptor, sizeof *interceptor);
    config->settings.producer_interceptors = array;
    return err;
}

kc_err kc_config_add_consumer_interceptor(kc_config *config, const kc_consumer_interceptor *interceptor)
{
    void *array = config->settings.consumer_interceptors;
    kc_err err = append_plugin(&array, &config->settings.consumer_interceptor_count, interceptor, sizeof *interceptor);
    config->settings.consumer_interceptors = array;
    return err;
}

void kc_config_set_key_serializer(kc_config *config, const kc_serializer *serializer)
{
    config->settings.key_serializer = serializer ? *serializer : (kc_serializer){ 0 };
}

void kc_config_set_value_serializer(kc_config *config, const kc_serializer *serializer)
{
    config->settings.value_serializer = serializer ? *serializer : (kc_serializer){ 0 };
}

void kc_config_set_key_deserializer(kc_config *config, const kc_deserializer *deserializer)
{
    config->settings.key_deserializer = deserializer ? *deserializer : (kc_deserializer){ 0 };
}

void kc_config_set_value_deserializer(kc_config *config, const kc_deserializer *deserializer)
{
    config->settings.value_deserializer = deserializer ? *deserializer : (kc_deserializer){ 0 };
}

void kc_config_set_partitioner(kc_config *config, const kc_partitioner *partitioner)
{
    config->settings.partitioner = partitioner ? *partitioner : (kc_partitioner){ 0 };
}

void kc_config_set_rebalance_listener(kc_config *config, const kc_rebalance_listener *listener)
{
    config->settings.rebalance_listener = listener ? *listener : (kc_rebalance_listener){ 0 };
}

kc_err kc_config_add_assignor(kc_config *config, const kc_assignor *assignor)
{
    if (!assignor || !assignor->assign || !assignor->name || !*assignor->name || strpbrk(assignor->name, ", "))
        return KC_ERR_ARGUMENT;
    void *array = config->settings.assignors;
    kc_err err = append_plugin(&array, &config->settings.assignor_count, assignor, sizeof *assignor);
    config->settings.assignors = array;
    return err;
}

void kc_config_set_notice(kc_config *config, kc_notice_fn fn, void *context)
{
    config->settings.notice = fn;
    config->settings.notice_context = context;
}

/* ---- the whole ---- */

static bool was_set(const kc_config *config, const char *key)
{
    return config->set[kci_config_find(key) - kci_config_rows];
}

static kc_err check_idempotence(const kc_config *config, struct kci_settings *s, kc_error *error)
{
    bool explicit_on = was_set(config, "enable.idempotence");
    if (!s->enable_idempotence)
        return KC_OK;
    if (s->max_in_flight_requests_per_connection > 5)
        return kci_fail(error, KC_ERR_CONFIG, 0,
                        "max.in.flight.requests.per.connection=%d is more than the 5 that enable.idempotence allows: "
                        "lower it, or set "
                        "enable.idempotence=false",
                        s->max_in_flight_requests_per_connection);
    if (s->acks == -1 && s->retries > 0)
        return KC_OK;
    if (explicit_on)
        return kci_fail(error, KC_ERR_CONFIG, 0,
                        "enable.idempotence=true needs %s: set it, or set enable.idempotence=false",
                        s->acks != -1 ? "acks=all" : "retries > 0");
    s->enable_idempotence = false;
    return KC_OK;
}

/* What Java's name of the codec's level says, if it was set. */
static int32_t level_of_codec(const kc_config *config, const struct kci_settings *s)
{
    switch (s->compression_type) {
    case KCI_CODEC_GZIP: /* -1 is zlib's own default */
        return s->compression_gzip_level == -1 ? KCI_LEVEL_DEFAULT : s->compression_gzip_level;
    case KCI_CODEC_LZ4:
        return was_set(config, "compression.lz4.level") ? s->compression_lz4_level : KCI_LEVEL_DEFAULT;
    case KCI_CODEC_ZSTD:
        return was_set(config, "compression.zstd.level") ? s->compression_zstd_level : KCI_LEVEL_DEFAULT;
    default:
        return KCI_LEVEL_DEFAULT;
    }
}

static kc_err check_producer(const kc_config *config, struct kci_settings *s, kc_error *error)
{
    kc_err err = check_idempotence(config, s, error);
    if (err != KC_OK)
        return err;
    if (s->delivery_polled && s->delivery)
        return kci_fail(error, KC_ERR_CONFIG, 0,
                        "delivery.report.polled=true and a delivery function exclude each other: leave one out");
    int64_t least = (int64_t)s->linger_ms + s->request_timeout_ms;
    if (s->delivery_timeout_ms < least) {
        if (was_set(config, "delivery.timeout.ms"))
            return kci_fail(error, KC_ERR_CONFIG, 0,
                            "delivery.timeout.ms=%d is less than linger.ms + request.timeout.ms = %lld: raise it, or "
                            "lower request.timeout.ms",
                            s->delivery_timeout_ms, (long long)least);
        s->delivery_timeout_ms = least > INT32_MAX ? INT32_MAX : (int32_t)least;
    }
    if (!kci_codec_built_in(s->compression_type))
        return kci_fail(error, KC_ERR_CONFIG, 0, "compression.type=%s was left out of this build",
                        kci_codec_name(s->compression_type));
    if (s->compression_level == KCI_LEVEL_DEFAULT)
        s->compression_level = level_of_codec(config, s);
    int32_t level = s->compression_level;
    bool level_ok = level == KCI_LEVEL_DEFAULT || (s->compression_type == KCI_CODEC_GZIP && level >= 1 && level <= 9) ||
                    (s->compression_type == KCI_CODEC_LZ4 && level >= 1 && level <= 17) ||
                    (s->compression_type == KCI_CODEC_ZSTD && level <= 22);
    if (!level_ok)
        return kci_fail(
            error, KC_ERR_CONFIG, 0,
            "compression level %d does not exist for compression.type=%s (gzip 1..9, lz4 1..17, zstd -131072..22)",
            level, kci_codec_name(s->compression_type));
    return KC_OK;
}

/* "org.apache.kafka.clients.consumer.RangeAssignor" -> range, and so on; in place, names separated by commas. */
static bool known_assignor(const struct kci_settings *s, const char *name, size_t size)
{
    static const char *const known[] = { "range",
                                         "roundrobin",
                                         "sticky",
                                         "cooperative-sticky",
                                         "org.apache.kafka.clients.consumer.RangeAssignor",
                                         "org.apache.kafka.clients.consumer.RoundRobinAssignor",
                                         "org.apache.kafka.clients.consumer.StickyAssignor",
                                         "org.apache.kafka.clients.consumer.CooperativeStickyAssignor" };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strlen(known[i]) == size && memcmp(known[i], name, size) == 0)
            return true;
    for (size_t i = 0; i < s->assignor_count; i++)
        if (strlen(s->assignors[i].name) == size && memcmp(s->assignors[i].name, name, size) == 0)
            return true;
    return false;
}

/* What the coordinator decides with one group protocol, the member decides with the other: as Java, a setting without
 * an effect is refused. */
static kc_err check_group_protocol(const kc_config *config, const struct kci_settings *s, kc_error *error)
{
    static const char *const of_classic[] = { "session.timeout.ms", "heartbeat.interval.ms",
                                              "partition.assignment.strategy" };
    if (!s->group_protocol_consumer && s->group_remote_assignor && s->group_remote_assignor[0])
        return kci_fail(error, KC_ERR_CONFIG, 0,
                        "group.remote.assignor=%.80s needs group.protocol=consumer; with classic, set "
                        "partition.assignment.strategy",
                        s->group_remote_assignor);
    for (size_t i = 0; s->group_protocol_consumer && i < sizeof of_classic / sizeof of_classic[0]; i++)
        if (was_set(config, of_classic[i]))
            return kci_fail(error, KC_ERR_CONFIG, 0,
                            "%s cannot be set with group.protocol=consumer: the brokers decide it (%s)", of_classic[i],
                            i == 0   ? "group.consumer.session.timeout.ms"
                            : i == 1 ? "group.consumer.heartbeat.interval.ms"
                                     : "group.remote.assignor names one of theirs");
    return KC_OK;
}

static kc_err check_consumer(const kc_config *config, struct kci_settings *s, kc_error *error)
{
    kc_err protocol = check_group_protocol(config, s, error);
    if (protocol != KC_OK)
        return protocol;
    if (!s->group_id || !*s->group_id) {
        if (s->enable_auto_commit && was_set(config, "enable.auto.commit"))
            return kci_fail(error, KC_ERR_CONFIG, 0, "enable.auto.commit=true needs group.id");
        s->enable_auto_commit = false;
    }
    if (s->heartbeat_interval_ms >= s->session_timeout_ms)
        return kci_fail(error, KC_ERR_CONFIG, 0,
                        "heartbeat.interval.ms=%d must be below session.timeout.ms=%d (a third of it is usual)",
                        s->heartbeat_interval_ms, s->session_timeout_ms);
    const char *name = s->partition_assignment_strategy;
    for (;;) {
        size_t size = strcspn(name, ",");
        if (!known_assignor(s, name, size))
            return kci_fail(error, KC_ERR_CONFIG, 0,
                            "partition.assignment.strategy: \"%.*s\" is not one of range, roundrobin, sticky, "
                            "cooperative-sticky, or a name given to kc_config_add_assignor()",
                            (int)(size > 80 ? 80 : size), name);
        if (!name[size])
            return KC_OK;
        name += size + 1;
    }
}

/* What describes a cluster of mock brokers has no effect without one, so it is a mistake. */
static kc_err check_mock(const struct kci_settings *s, kc_error *error)
{
    const char *given[] = { s->test_mock_cluster, s->test_mock_topics, s->test_mock_config };
    static const char *const keys[] = { "cluster", "topics", "config" };
    for (size_t i = 0; i < 3 && !s->test_mock_num_brokers; i++)
        if (given[i] && *given[i])
            return kci_fail(error, KC_ERR_CONFIG, 0, "test.mock.%s needs test.mock.num.brokers", keys[i]);
    return KC_OK;
}

kc_err kci_config_settings(const kc_config *config, enum kci_config_role role, struct kci_settings **out,
                           kc_error *error)
{
    *out = NULL;
    if (!config)
        return kci_fail(error, KC_ERR_ARGUMENT, 0, "config must not be NULL");
    const struct kci_settings *given = &config->settings;
    if (!given->test_mock_num_brokers && (!given->bootstrap_servers || !*given->bootstrap_servers))
        return kci_fail(error, KC_ERR_CONFIG, 0, "bootstrap.servers is not set: give at least one host:port");
    struct kci_settings *settings = kci_alloc_zero(kci_heap_alloc(), 1, sizeof *settings);
    if (!settings || !copy_settings(settings, &config->settings)) {
        kci_config_settings_free(settings);
        return kci_fail(error, KC_ERR_NO_MEMORY, 0, "out of memory while copying the configuration");
    }
    kc_err err = check_mock(settings, error);
    if (err == KC_OK && role == KCI_ROLE_PRODUCER)
        err = check_producer(config, settings, error);
    else if (err == KC_OK && role == KCI_ROLE_CONSUMER)
        err = check_consumer(config, settings, error);
    if (err != KC_OK) {
        kci_config_settings_free(settings);
        return err;
    }
    *out = settings;
    return KC_OK;
}

void kci_config_settings_free(struct kci_settings *settings)
{
    if (!settings)
        return;
    free_settings_content(settings);
    kci_alloc_free(kci_heap_alloc(), settings);
}

void kci_config_write_log(void *settings, enum kci_log_level level, const char *facility, const char *text)
{
    const struct kci_settings *s = settings;
    s->log(s->log_context, level, facility, text);
}
