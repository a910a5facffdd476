/* Snapshots: one block for the struct, its arrays and its texts, filled by the engine while it works on.
 *
 * How many brokers, topics, partitions and APIs there are is asked first; what comes between that and the filling is
 * left out of this snapshot. */
#include "api/metrics.h"

#include "cluster/cluster.h"
#include "runtime/runtime.h"

/* The block, with the arrays of `room` in it. */
static kc_metrics *new_snapshot(const char *role, const struct kci_settings *settings, struct kci_metrics_room *room)
{
    size_t id_bytes = strlen(settings->client_id) + 1;
    size_t bytes = sizeof(kc_metrics) + room->broker_capacity * sizeof *room->brokers +
                   room->topic_capacity * (sizeof *room->topics + KCI_METRICS_NAME_BYTES) +
                   room->partition_capacity * sizeof *room->partitions + room->api_capacity * sizeof *room->apis +
                   id_bytes;
    kc_metrics *metrics = kci_alloc_zero(kci_heap_alloc(), 1, bytes);
    if (!metrics)
        return NULL;
    room->brokers = (void *)(metrics + 1);
    room->topics = (void *)(room->brokers + room->broker_capacity);
    room->partitions = (void *)(room->topics + room->topic_capacity);
    room->apis = (void *)(room->partitions + room->partition_capacity);
    room->names = (char *)(room->apis + room->api_capacity);
    char *client_id = room->names + room->topic_capacity * KCI_METRICS_NAME_BYTES;
    memcpy(client_id, settings->client_id, id_bytes);
    metrics->role = role;
    metrics->client_id = client_id;
    return metrics;
}

kc_err kci_metrics_snapshot(const struct kci_metrics_source *source, kc_metrics **out, kc_error *error)
{
    struct kci_metrics_room room = { .brokers = NULL };
    source->need(source->engine, &room);
    *out = new_snapshot(source->role, source->settings, &room);
    if (!*out)
        return kci_fail(error, KC_ERR_NO_MEMORY, KC_RETRIABLE, "out of memory for a snapshot of the metrics");
    source->fill(source->engine, *out, &room, kci_clock_us());
    return KC_OK;
}

void kc_metrics_release(kc_metrics *metrics)
{
    kci_alloc_free(kci_heap_alloc(), metrics);
}
