/* Public functions of the consumer that any thread may call while another one polls: workers acknowledge, a watchdog
 * wakes, a scraper looks.
 *
 * They do not enter (kci_consumer_handle_enter): what the handle keeps for the one thread inside (depth, listener, lists
 * that were lent out) is not touched here.  The core's own lock, or an atomic, guards what they read and change, for a
 * few instructions; none of them waits for the network or for a callback.  A child of the process that created the
 * consumer is refused, and so is a log function, which may run with that very lock held. */
#include "api/consumer_handle.h"
#include "api/metrics.h"
#include "plugins/latency.h"

static kc_err alive(const kc_consumer *consumer, const void *argument, kc_error *error)
{
    if (!consumer || !argument)
        return kci_fail(error, KC_ERR_ARGUMENT, 0, "consumer or records is NULL");
    kc_err forked = kci_consumer_handle_forked(consumer, error);
    if (forked != KC_OK)
        return forked;
    if (kci_config_is_logging())
        return kci_fail(error, KC_ERR_IN_CALLBACK, 0, "a log function must not call the consumer");
    return KC_OK;
}

kc_err kc_consumer_ack(kc_consumer *consumer, const kc_record_view *views, size_t count, kc_error *error)
{
    kc_err result = alive(consumer, count ? (const void *)views : consumer, error);
    return result == KC_OK ? kci_consumer_ack(consumer->core, views, count, error) : result;
}

kc_err kc_consumer_ack_records(kc_consumer *consumer, const kc_records *records, kc_error *error)
{
    kc_err result = alive(consumer, records ? (const void *)records : consumer, error);
    return result == KC_OK && records ? kci_consumer_ack_records(consumer->core, records, error) : result;
}

kc_err kc_consumer_keepalive(kc_consumer *consumer, kc_error *error)
{
    kc_err result = alive(consumer, consumer, error);
    return result == KC_OK ? kci_consumer_keepalive(consumer->core, kci_clock_us(), error) : result;
}

void kc_consumer_wakeup(kc_consumer *consumer)
{
    if (consumer && consumer->generation == kci_process_generation())
        kci_consumer_wakeup(consumer->core);
}

void kc_consumer_get_state(const kc_consumer *consumer, const char *topic, int32_t partition, kc_consumer_state *state)
{
    if (state && kci_config_is_logging())
        memset(state, 0, sizeof *state);
    else if (consumer && state)
        kci_consumer_state(consumer->core, topic, partition, kci_clock_us(), state);
}

void kc_consumer_get_stats(const kc_consumer *consumer, kc_consumer_stats *stats)
{
    if (stats && kci_config_is_logging())
        memset(stats, 0, sizeof *stats);
    else if (consumer && stats)
        kci_consumer_stats(consumer->core, stats);
}

kc_err kc_consumer_get_latency(const kc_consumer *consumer, kc_latency_stats *stats)
{
    if (!consumer || !stats)
        return KC_ERR_ARGUMENT;
    if (!consumer->builtin.latency)
        return KC_ERR_STATE;
    kci_latency_read(consumer->builtin.latency, stats);
    return KC_OK;
}

static void metrics_need(void *consumer, struct kci_metrics_room *room)
{
    kci_consumer_metrics_need(((kc_consumer *)consumer)->core, room);
}

static void metrics_fill(void *consumer, kc_metrics *out, const struct kci_metrics_room *room, int64_t now)
{
    kci_consumer_metrics(((kc_consumer *)consumer)->core, out, room, now);
}

kc_err kc_consumer_metrics(const kc_consumer *consumer, kc_metrics **out, kc_error *error)
{
    if (!consumer || !out)
        return kci_fail(error, KC_ERR_ARGUMENT, 0, "consumer and out must not be NULL");
    *out = NULL;
    kc_err result = alive(consumer, consumer, error);
    if (result != KC_OK)
        return result;
    struct kci_metrics_source source = { "consumer", consumer->settings, (void *)(uintptr_t)consumer, metrics_need,
                                         metrics_fill };
    return kci_metrics_snapshot(&source, out, error);
}
