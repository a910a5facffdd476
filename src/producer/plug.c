/* Interceptors, then serializers, then the partitioner: the order of Kafka's own producer (PROTOCOL 2.2).
 *
 * A thread knows which sends it is inside of (`innermost`): so an interceptor that sends to its own producer is refused
 * instead of never coming back, and kc_record_add_header finds the memory that belongs to the record. */
#include "producer/plug.h"

#include "cluster/cluster.h"
#include <kclient/producer.h>

/* The send that this thread is in; others that it was called from hang on `outer`. */
static _Thread_local struct kci_plug *innermost;

void kci_plug_enter(struct kci_plug *plug)
{
    plug->outer = innermost;
    innermost = plug;
}

void kci_plug_leave(struct kci_plug *plug)
{
    innermost = plug->outer;
}

bool kci_plug_inside(const struct kci_settings *settings)
{
    for (const struct kci_plug *plug = innermost; plug; plug = plug->outer)
        if (plug->settings == settings)
            return true;
    return false;
}

kc_err kc_record_add_header(kc_record *record, const char *name, kc_bytes value)
{
    struct kci_plug *plug = innermost;
    if (!record || !name || (!value.data && value.size))
        return KC_ERR_ARGUMENT;
    if (!plug || record != &plug->record)
        return KC_ERR_STATE;
    kc_header *headers = kci_arena_array(&plug->headers, record->header_count + 1, sizeof *headers);
    char *text = kci_arena_text(&plug->headers, kci_str_of(name));
    uint8_t *bytes = kci_arena_take(&plug->headers, value.size + 1); /* an empty value is not a null one */
    if (!headers || !text || !bytes)
        return KC_ERR_NO_MEMORY;
    if (record->header_count)
        memcpy(headers, record->headers, record->header_count * sizeof *headers);
    if (value.size)
        memcpy(bytes, value.data, value.size);
    headers[record->header_count] = (kc_header){ text, { value.data ? bytes : NULL, value.size } };
    record->headers = headers;
    record->header_count++;
    return KC_OK;
}

bool kci_plug_needed(const struct kci_settings *settings)
{
    for (size_t i = 0; i < settings->producer_interceptor_count; i++)
        if (settings->producer_interceptors[i].on_send)
            return true;
    return settings->key_serializer.serialize || settings->value_serializer.serialize ||
           settings->partitioner.partition;
}

struct kci_plug kci_plug_of(const struct kci_settings *settings, const struct kci_alloc *alloc)
{
    struct kci_writer writer = kci_writer_of(alloc, (size_t)settings->max_request_size + 1);
    return (struct kci_plug){ .settings = settings,
                              .key = { writer },
                              .value = { writer },
                              .headers = kci_arena_of(alloc, (size_t)settings->max_request_size) };
}

void kci_plug_destroy(struct kci_plug *plug)
{
    kci_writer_destroy(&plug->key.writer);
    kci_writer_destroy(&plug->value.writer);
    kci_arena_destroy(&plug->headers);
}

void kci_plug_intercept(struct kci_plug *plug, const kc_record *record, const struct kci_logger *logger)
{
    plug->record = *record;
    kci_arena_reset(&plug->headers);
    for (size_t i = 0; i < plug->settings->producer_interceptor_count; i++) {
        const kc_producer_interceptor *interceptor = &plug->settings->producer_interceptors[i];
        kc_record before = plug->record;
        kc_err err = interceptor->on_send ? interceptor->on_send(interceptor->context, &plug->record) : KC_OK;
        if (err == KC_OK)
            continue;
        plug->record = before;
        kci_log(logger, KCI_LOG_WARN, "producer", "interceptor %s failed in on_send: %s",
                interceptor->name ? interceptor->name : "(without name)", kc_err_name(err));
    }
}

void kci_plug_refused(struct kci_plug *plug, const kc_error *error)
{
    const kc_record *record = &plug->record;
    for (size_t i = 0; i < plug->settings->producer_interceptor_count; i++) {
        const kc_producer_interceptor *interceptor = &plug->settings->producer_interceptors[i];
        kc_delivery delivery = { .opaque = record->opaque,
                                 .topic = record->topic,
                                 .partition = record->partition >= 0 ? record->partition : -1,
                                 .offset = -1,
                                 .timestamp_ms = record->timestamp_ms,
                                 .code = error->code,
                                 .traits = error->traits,
                                 .text = error->text };
        if (interceptor->on_acknowledgement)
            interceptor->on_acknowledgement(interceptor->context, &delivery);
    }
}

kc_err kci_plug_configure(const struct kci_settings *settings, const kc_config *config, size_t from, size_t *configured,
                          kc_error *error)
{
    for (*configured = from; *configured < settings->producer_interceptor_count; ++*configured) {
        const kc_producer_interceptor *interceptor = &settings->producer_interceptors[*configured];
        kc_err err = interceptor->configure ? interceptor->configure(interceptor->context, config) : KC_OK;
        if (err)
            return kci_fail(error, KC_ERR_CONFIG, 0, "interceptor %s refuses the configuration: %s",
                            interceptor->name ? interceptor->name : "(without name)", kc_err_name(err));
    }
    return KC_OK;
}

static kc_err serialize(const kc_serializer *serializer, const char *what, const char *topic, kc_bytes *bytes,
                        kc_buffer *out, kc_error *error)
{
    if (!serializer->serialize || !bytes->data)
        return KC_OK; /* a null stays null */
    out->writer.size = 0;
    out->writer.failed = false;
    kc_err err = serializer->serialize(serializer->context, topic, *bytes, out);
    if (err || out->writer.failed)
        return kci_fail(error, KC_ERR_SERIALIZATION, 0, "serializer %s refused the %s for topic %s: %s",
                        serializer->name ? serializer->name : "(without name)", what, topic,
                        kc_err_name(err ? err : KC_ERR_NO_MEMORY));
    *bytes = (kc_bytes){ out->writer.data ? (const void *)out->writer.data : "", out->writer.size };
    return KC_OK;
}

kc_err kci_plug_serialize(struct kci_plug *plug, kc_error *error)
{
    kc_record *record = &plug->record;
    kc_err err = serialize(&plug->settings->key_serializer, "key", record->topic, &record->key, &plug->key, error);
    return err ? err
               : serialize(&plug->settings->value_serializer, "value", record->topic, &record->value, &plug->value,
                           error);
}

kc_err kci_plug_partition(struct kci_plug *plug, int32_t partition_count, kc_error *error)
{
    const kc_partitioner *partitioner = &plug->settings->partitioner;
    if (!partitioner->partition || plug->record.partition != KC_PARTITION_ANY)
        return KC_OK;
    int32_t partition = partitioner->partition(partitioner->context, &plug->record, partition_count);
    if (partition != KC_PARTITION_STICKY && (partition < 0 || partition >= partition_count))
        return kci_fail(error, KC_ERR_ARGUMENT, 0, "partitioner %s chose partition %d of topic %s, which has %d",
                        partitioner->name ? partitioner->name : "(without name)", (int)partition, plug->record.topic,
                        (int)partition_count);
    plug->record.partition = partition;
    return KC_OK;
}

void kci_plug_close(const struct kci_settings *settings)
{
    for (size_t i = 0; i < settings->producer_interceptor_count; i++)
        if (settings->producer_interceptors[i].close)
            settings->producer_interceptors[i].close(settings->producer_interceptors[i].context);
    if (settings->key_serializer.close)
        settings->key_serializer.close(settings->key_serializer.context);
    if (settings->value_serializer.close)
        settings->value_serializer.close(settings->value_serializer.context);
    if (settings->partitioner.close)
        settings->partitioner.close(settings->partitioner.context);
}
