/* From names to tables of functions.  A function that the user has set comes before what the configuration names;
 * interceptors that are named come before those that were added.  Which close() is owed when a creation fails: that of
 * everything made here, and that of the user's interceptors whose configure() succeeded. */
#include "api/builtin.h"
#include "api/audit_sink.h"
#include "cluster/cluster.h"
#include "plugins/audit.h"
#include "plugins/latency.h"
#include "plugins/partitioners.h"
#include "plugins/serializers.h"
#include "producer/plug.h"
#include "runtime/runtime.h"

#define NAMED_MAX 16 /* names in interceptor.classes */

/* ---- names ---- */

/* The next of a list between commas; 0: there is none. The list was checked when it was set. */
static size_t next_name(const char **list, const char **name)
{
    size_t size = *list ? strcspn(*list, ",") : 0;
    *name = *list;
    if (size)
        *list += size + ((*list)[size] == ',');
    return size;
}

static bool is_name(const char *name, size_t size, const char *wanted)
{
    return strlen(wanted) == size && memcmp(name, wanted, size) == 0;
}

/* Put `count` tables before those of the array. */
static bool prepend(void **array, size_t *array_count, const void *tables, size_t count, size_t table_size)
{
    char *both = kci_alloc_new(kci_heap_alloc(), (*array_count + count) * table_size);
    if (!both)
        return false;
    memcpy(both, tables, count * table_size);
    if (*array_count)
        memcpy(both + count * table_size, *array, *array_count * table_size);
    kci_alloc_free(kci_heap_alloc(), *array);
    *array = both;
    *array_count += count;
    return true;
}

static kc_err no_memory(kc_error *error)
{
    return kci_fail(error, KC_ERR_NO_MEMORY, 0, "out of memory for interceptors or a partitioner");
}

static kc_err too_many(kc_error *error)
{
    return kci_fail(error, KC_ERR_CONFIG, 0, "interceptor.classes names more than %d interceptors", NAMED_MAX);
}

/* ---- a producer's ---- */

static kc_err make_audit(struct kci_builtin *builtin, const struct kci_settings *settings, const kc_config *config,
                         kc_producer_interceptor *out, kc_error *error)
{
    if (builtin->audit)
        return kci_fail(error, KC_ERR_CONFIG, 0, "interceptor.classes names audit twice");
    kc_err err = kci_audit_sink_new(&builtin->audit, config, settings, error);
    if (err)
        return err;
    struct kci_audit_options options = { .alloc = kci_heap_alloc(),
                                         .lock_ops = kci_lock_system(),
                                         .clock = kci_clock_wall_us,
                                         .client_id = settings->client_id,
                                         .write = kci_audit_sink_write,
                                         .close = kci_audit_sink_close,
                                         .context = builtin->audit };
    if (kci_audit_make(&options, out)) {
        kci_audit_sink_close(builtin->audit);
        builtin->audit = NULL;
        return no_memory(error);
    }
    return KC_OK;
}

static kc_err make_producer_chain(struct kci_builtin *builtin, struct kci_settings *settings, const kc_config *config,
                                  kc_error *error)
{
    kc_producer_interceptor made[NAMED_MAX];
    const char *list = settings->interceptor_classes, *name;
    size_t count = 0;
    kc_err err = KC_OK;
    for (size_t size; err == KC_OK && (size = next_name(&list, &name)) > 0;) {
        if (count == NAMED_MAX)
            err = too_many(error);
        else if (is_name(name, size, "audit"))
            err = make_audit(builtin, settings, config, &made[count], error);
        else if (kci_latency_for_producer(kci_heap_alloc(), kci_clock_wall_us, &made[count]))
            err = no_memory(error);
        count += err == KC_OK;
    }
    void *array = settings->producer_interceptors;
    if (err == KC_OK && count && !prepend(&array, &settings->producer_interceptor_count, made, count, sizeof made[0]))
        err = no_memory(error);
    settings->producer_interceptors = array;
    if (err)
        while (count-- > 0)
            made[count].close(made[count].context);
    else
        builtin->interceptors = builtin->configured = count;
    return err;
}

static kc_err make_partitioner(struct kci_builtin *builtin, struct kci_settings *settings, kc_error *error)
{
    enum kci_partitioner which = (enum kci_partitioner)settings->partitioner_class;
    if (settings->partitioner.partition)
        return KC_OK;
    settings->partitioner_ignore_keys |= which == KCI_PARTITIONER_STICKY;
    if (kci_partitioners_make(which, kci_heap_alloc(), kci_lock_system(), kci_random_seed(), &settings->partitioner))
        return no_memory(error);
    builtin->partitioner = true;
    return KC_OK;
}

kc_err kci_builtin_producer(struct kci_builtin *builtin, struct kci_settings *settings, const kc_config *config,
                            kc_error *error)
{
    if (!settings->key_serializer.serialize)
        settings->key_serializer = kci_serializers_of((enum kci_format)settings->key_format);
    if (!settings->value_serializer.serialize)
        settings->value_serializer = kci_serializers_of((enum kci_format)settings->value_format);
    kc_err err = make_partitioner(builtin, settings, error);
    if (!err)
        err = make_producer_chain(builtin, settings, config, error);
    if (!err)
        err = kci_plug_configure(settings, config, builtin->interceptors, &builtin->configured, error);
    return err;
}

void kci_builtin_discard_producer(const struct kci_builtin *builtin, const struct kci_settings *settings)
{
    for (size_t i = 0; i < builtin->configured; i++) {
        const kc_producer_interceptor *interceptor = &settings->producer_interceptors[i];
        if (interceptor->close && (i < builtin->interceptors || interceptor->configure))
            interceptor->close(interceptor->context);
    }
    if (builtin->partitioner && settings->partitioner.close)
        settings->partitioner.close(settings->partitioner.context);
}

/* ---- a consumer's ---- */

static kc_err make_consumer_chain(struct kci_builtin *builtin, struct kci_settings *settings, kc_error *error)
{
    kc_consumer_interceptor latency;
    const char *list = settings->interceptor_classes, *name;
    for (size_t size; (size = next_name(&list, &name)) > 0;) {
        if (builtin->latency || !is_name(name, size, "latency")) /* audit has nothing to do in a consumer */
            continue;
        void *array = settings->consumer_interceptors;
        if (kci_latency_for_consumer(kci_heap_alloc(), kci_clock_wall_us, &latency, &builtin->latency))
            return no_memory(error);
        if (!prepend(&array, &settings->consumer_interceptor_count, &latency, 1, sizeof latency)) {
            latency.close(latency.context);
            builtin->latency = NULL;
            return no_memory(error);
        }
        settings->consumer_interceptors = array;
        builtin->interceptors = builtin->configured = 1;
    }
    return KC_OK;
}

kc_err kci_builtin_consumer(struct kci_builtin *builtin, struct kci_settings *settings, const kc_config *config,
                            kc_error *error)
{
    kc_err err = make_consumer_chain(builtin, settings, error);
    for (; !err && builtin->configured < settings->consumer_interceptor_count; builtin->configured += !err) {
        const kc_consumer_interceptor *interceptor = &settings->consumer_interceptors[builtin->configured];
        if (interceptor->configure && (err = interceptor->configure(interceptor->context, config)) != KC_OK)
            err = kci_fail(error, KC_ERR_CONFIG, 0, "interceptor %s refuses the configuration: %s",
                           interceptor->name ? interceptor->name : "(without name)", kc_err_name(err));
    }
    return err;
}

void kci_builtin_discard_consumer(const struct kci_builtin *builtin, const struct kci_settings *settings)
{
    for (size_t i = 0; i < builtin->configured; i++) {
        const kc_consumer_interceptor *interceptor = &settings->consumer_interceptors[i];
        if (interceptor->close && (i < builtin->interceptors || interceptor->configure))
            interceptor->close(interceptor->context);
    }
}
