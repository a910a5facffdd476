/* Interceptors, then serializers, then the partitioner: the order of Kafka's own producer (PROTOCOL 2.2). */
#include "producer/plug.h"

#include "cluster/cluster.h"
#include <kclient/producer.h>

kc_err kc_buffer_append(kc_buffer *buffer, const void *data, size_t size)
{
    if (!buffer || (!data && size))
        return KC_ERR_ARGUMENT;
    kci_writer_bytes(&buffer->writer, data, size);
    return buffer->writer.failed ? KC_ERR_NO_MEMORY : KC_OK;
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
    return (struct kci_plug){ .settings = settings, .key = { writer }, .value = { writer } };
}

void kci_plug_destroy(struct kci_plug *plug)
{
    kci_writer_destroy(&plug->key.writer);
    kci_writer_destroy(&plug->value.writer);
}

void kci_plug_intercept(struct kci_plug *plug, const kc_record *record, const struct kci_logger *logger)
{
    plug->record = *record;
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
