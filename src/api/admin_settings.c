/* kclient/settings.h: DescribeConfigs and IncrementalAlterConfigs for one resource.  Those of one broker are asked of
 * that broker, all others of any. */
#include "api/admin_handle.h"
#include "runtime/runtime.h"

#include <errno.h>
#include <kclient/settings.h>
#include <stdio.h>
#include <stdlib.h>

#define ALTERATIONS_MAX 200   /* of one call: more than a resource has settings */
#define NAMES_MAX       10000 /* asked for by name */

/* The broker to ask. false: "name" is not the id of one. */
static bool node_of(kc_resource_type type, const char *name, int32_t *node)
{
    char *end;
    *node = KCI_NODE_ANY;
    if (type != KC_RESOURCE_BROKER || !*name)
        return true;
    errno = 0;
    long id = strtol(name, &end, 10);
    *node = (int32_t)id;
    return !errno && end != name && !*end && id >= 0 && id <= INT32_MAX;
}

static kc_err check(const kc_admin *admin, kc_resource_type type, const char *name, int32_t *node, kc_error *error)
{
    bool known = type == KC_RESOURCE_TOPIC || type == KC_RESOURCE_BROKER || type == KC_RESOURCE_CLIENT_METRICS ||
                 type == KC_RESOURCE_GROUP;
    if (!admin || !name || !known)
        return kci_fail(error, KC_ERR_ARGUMENT, 0, "admin, a type of resource and its name must be given");
    if (!node_of(type, name, node))
        return kci_fail(error, KC_ERR_ARGUMENT, 0, "a broker is named by its id, not by \"%.40s\"", name);
    return KC_OK;
}

/* What the broker said of the resource, as an error of ours. */
static kc_err refusal(kc_error *error, const char *verb, const char *name, int16_t code, struct kci_str message)
{
    if (code == KCI_NONE)
        return KC_OK;
    const char *text = message.data ? message.data : kci_error_text(code);
    return kci_fail(error, (kc_err)code, 0, "%s the settings of \"%.249s\": %s: %.*s", verb, name, kci_error_name(code),
                    (int)(message.data ? message.size : strlen(text)), text);
}

/* ---- describe: the answer, copied into one arena that the user frees ---- */

struct settings {
    kc_setting_list view; /* first: what the user holds */
    struct kci_arena arena;
};

static const char *source_name(int8_t source)
{
    static const char *const names[] = { "unknown", "topic",   "broker",         "all brokers", "file",
                                         "default", "logging", "client metrics", "group" };
    return source > 0 && (size_t)source < sizeof names / sizeof names[0] ? names[source] : names[0];
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const kc_setting *)a)->name, ((const kc_setting *)b)->name);
}

/* NULL: no memory. */
static struct settings *copy(const struct kci_describe_configs_response__describe_configs_result *from)
{
    struct settings *out = kci_alloc_zero(kci_heap_alloc(), 1, sizeof *out);
    if (!out)
        return NULL;
    out->arena = kci_arena_of(kci_heap_alloc(), SIZE_MAX);
    size_t count = (size_t)from->configs_count;
    kc_setting *settings = kci_arena_array(&out->arena, count, sizeof *settings);
    bool ok = settings || !count;
    for (size_t i = 0; ok && i < count; i++) {
        const struct kci_describe_configs_response__describe_configs_resource_result *c = &from->configs[i];
        bool has_value = c->value.data && !c->is_sensitive;
        settings[i].name = kci_arena_text(&out->arena, c->name);
        settings[i].value = has_value ? kci_arena_text(&out->arena, c->value) : NULL;
        settings[i].source = source_name(c->config_source);
        settings[i].is_default = c->config_source == 5 || c->is_default;
        settings[i].read_only = c->read_only;
        settings[i].sensitive = c->is_sensitive;
        ok = settings[i].name && (settings[i].value || !has_value);
    }
    if (!ok) {
        kc_setting_list_release(&out->view);
        return NULL;
    }
    if (count)
        qsort(settings, count, sizeof *settings, by_name);
    out->view = (kc_setting_list){ settings, count };
    return out;
}

void kc_setting_list_release(kc_setting_list *list)
{
    struct settings *settings = (struct settings *)list;
    if (settings)
        kci_arena_destroy(&settings->arena);
    kci_alloc_free(kci_heap_alloc(), settings);
}

static int16_t describe_verdict(const void *response)
{
    const struct kci_describe_configs_response *r = response;
    int16_t code = r->results_count == 1 ? r->results[0].error_code : KCI_NONE;
    return code == KCI_REQUEST_TIMED_OUT ? code : KCI_NONE;
}

static kc_err run_describe(kc_admin *admin, struct kci_describe_configs_request *request, int32_t node,
                           const char *name, int64_t deadline, kc_setting_list **out, kc_error *error)
{
    struct kci_admin_op op = { .api = KCI_API_DESCRIBE_CONFIGS,
                               .version_min = 1,
                               .version_max = 4,
                               .node = node,
                               .request = request,
                               .deadline = deadline,
                               .verdict = describe_verdict };
    kc_err err = kci_admin_handle_run(admin, &op, error);
    if (err == KC_OK) {
        const struct kci_describe_configs_response *response = op.response;
        err =
            response->results_count == 1
                ? refusal(error, "describe", name, response->results[0].error_code, response->results[0].error_message)
                : kci_fail(error, KC_ERR_MALFORMED, 0, "the broker answered for %d resources instead of 1",
                           response->results_count);
        struct settings *settings = err == KC_OK ? copy(&response->results[0]) : NULL;
        if (err == KC_OK && !settings)
            err = kci_fail(error, KC_ERR_NO_MEMORY, 0, "out of memory for the settings");
        if (settings)
            *out = &settings->view;
    }
    kci_admin_op_free(&op);
    return err;
}

kc_err kc_admin_describe_settings(kc_admin *admin, kc_resource_type type, const char *name, const char *const *names,
                                  size_t count, int32_t timeout_ms, kc_setting_list **out, kc_error *error)
{
    int32_t node;
    kc_err err = check(admin, type, name, &node, error);
    if (err != KC_OK)
        return err;
    if (!out || count > NAMES_MAX)
        return kci_fail(error, KC_ERR_ARGUMENT, 0, "out must be given, and at most %d names", NAMES_MAX);
    *out = NULL;
    struct kci_describe_configs_request__describe_configs_resource resource = { .resource_type = (int8_t)type,
                                                                                .resource_name = kci_str_of(name),
                                                                                .configuration_keys_count = -1 };
    struct kci_describe_configs_request request = { .resources = &resource, .resources_count = 1 };
    if (names) {
        resource.configuration_keys = kci_alloc_zero(kci_heap_alloc(), count ? count : 1, sizeof(struct kci_str));
        if (!resource.configuration_keys)
            return kci_fail(error, KC_ERR_NO_MEMORY, 0, "out of memory for %zu names", count);
        resource.configuration_keys_count = (int32_t)count;
        for (size_t i = 0; i < count; i++)
            resource.configuration_keys[i] = kci_str_of(names[i] ? names[i] : "");
    }
    err = run_describe(admin, &request, node, name, kci_admin_handle_deadline(timeout_ms), out, error);
    kci_alloc_free(kci_heap_alloc(), resource.configuration_keys);
    return err;
}

/* ---- alter ---- */

static int16_t alter_verdict(const void *response)
{
    const struct kci_incremental_alter_configs_response *r = response;
    int16_t code = r->responses_count == 1 ? r->responses[0].error_code : KCI_NONE;
    return code == KCI_REQUEST_TIMED_OUT || code == KCI_NOT_CONTROLLER ? code : KCI_NONE;
}

kc_err kc_admin_alter_settings(kc_admin *admin, kc_resource_type type, const char *name,
                               const kc_setting_alteration *alterations, size_t count, int validate_only,
                               int32_t timeout_ms, kc_error *error)
{
    int32_t node;
    kc_err err = check(admin, type, name, &node, error);
    if (err != KC_OK)
        return err;
    if (!alterations || count < 1 || count > ALTERATIONS_MAX)
        return kci_fail(error, KC_ERR_ARGUMENT, 0, "1 to %d alterations must be given", ALTERATIONS_MAX);
    struct kci_incremental_alter_configs_request__alterable_config configs[ALTERATIONS_MAX];
    memset(configs, 0, sizeof configs);
    for (size_t i = 0; i < count; i++) {
        const kc_setting_alteration *a = &alterations[i];
        bool needs_value = a->change != KC_SETTING_DELETE;
        if (!a->name || !*a->name || (needs_value && !a->value) || a->change < 0 || a->change > KC_SETTING_SUBTRACT)
            return kci_fail(error, KC_ERR_ARGUMENT, 0, "alteration %zu lacks a name, a value or a kind", i);
        configs[i].name = kci_str_of(a->name);
        configs[i].config_operation = (int8_t)a->change;
        configs[i].value = needs_value ? kci_str_of(a->value) : (struct kci_str){ NULL, 0 };
    }
    struct kci_incremental_alter_configs_request__alter_configs_resource resource = { .resource_type = (int8_t)type,
                                                                                      .resource_name = kci_str_of(name),
                                                                                      .configs = configs,
                                                                                      .configs_count = (int32_t)count };
    struct kci_incremental_alter_configs_request request = { .resources = &resource,
                                                             .resources_count = 1,
                                                             .validate_only = validate_only != 0 };
    struct kci_admin_op op = { .api = KCI_API_INCREMENTAL_ALTER_CONFIGS,
                               .version_min = 0,
                               .version_max = 1,
                               .node = node,
                               .request = &request,
                               .deadline = kci_admin_handle_deadline(timeout_ms),
                               .verdict = alter_verdict };
    err = kci_admin_handle_run(admin, &op, error);
    if (err == KC_OK) {
        const struct kci_incremental_alter_configs_response *response = op.response;
        err =
            response->responses_count == 1
                ? refusal(error, "alter", name, response->responses[0].error_code, response->responses[0].error_message)
                : kci_fail(error, KC_ERR_MALFORMED, 0, "the broker answered for %d resources instead of 1",
                           response->responses_count);
    }
    kci_admin_op_free(&op);
    return err;
}
