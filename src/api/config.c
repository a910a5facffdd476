/* kc_config: set, get, copy, and the independent settings that a handle gets when it is created.
 *
 * Which keys were set explicitly is remembered, because some rules differ for defaults (idempotence steps aside silently
 * for acks=1, but contradicting it explicitly is an error: PROTOCOL 2.1).  Those rules are in config_check.c. */
#include "api/config_handle.h"
#include "cluster/cluster.h"
#include "protocol/compress.h"

#define VALUE_BYTES_MAX (64 * 1024) /* of one value: longer is a mistake */

static void free_settings_content(struct kci_settings *settings)
{
    for (size_t i = 0; i < kci_config_row_count; i++)
        if (kci_config_is_text(&kci_config_rows[i]))
            kci_alloc_free(kci_heap_alloc(), *(char **)kci_config_field(settings, &kci_config_rows[i]));
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
        if (!kci_config_is_text(&kci_config_rows[i]))
            continue;
        char **text = kci_config_field(to, &kci_config_rows[i]);
        if (*text)
            ok = (*text = kci_config_copy_text(*text)) != NULL && ok;
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
        if (row->default_text && kci_config_parse(&config->settings, row, row->default_text, NULL) != KC_OK) {
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
    kc_err err = kci_config_parse(&config->settings, row, value, error);
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
    kci_config_print(&config->settings, row, value, size);
    return KC_OK;
}

/* ---- the settings of a handle ---- */

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
    kc_err err = kci_config_check(config, role, settings, error);
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

static _Thread_local int logging; /* log functions that this thread is inside of */

void kci_config_write_log(void *settings, enum kci_log_level level, const char *facility, const char *text)
{
    const struct kci_settings *s = settings;
    logging++;
    s->log(s->log_context, level, facility, text);
    logging--;
}

bool kci_config_is_logging(void)
{
    return logging > 0;
}
