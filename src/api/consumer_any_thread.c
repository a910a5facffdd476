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

/* Through the door, which kc_consumer_close() waits for: a thread that wakes the one in poll must be out before that one
 * closes the consumer and frees it. */
static kc_err pass(const kc_consumer *consumer, const void *argument, kc_error *error)
{
    if (!consumer || !argument)
        return kci_fail(error, KC_ERR_ARGUMENT, 0, "consumer or records is NULL");
    kc_err forked = kci_consumer_handle_forked(consumer, error);
    if (forked != KC_OK)
        return forked;
    if (kci_config_is_logging())
        return kci_fail(error, KC_ERR_IN_CALLBACK, 0, "a log function must not call the consumer");
    if (!kci_door_enter(&((kc_consumer *)(uintptr_t)consumer)->door))
        return kci_fail(error, KC_ERR_CLOSED, 0, "the consumer was closed");
    return KC_OK;
}

/* Its second argument, for `return`. */
static kc_err leave(const kc_consumer *consumer, kc_err result)
{
    kci_door_leave(&((kc_consumer *)(uintptr_t)consumer)->door);
    return result;
}

kc_err kc_consumer_ack(kc_consumer *consumer, const kc_record_view *views, size_t count, kc_error *error)
{
    kc_err result = pass(consumer, count ? (const void *)views : consumer, error);
    return result == KC_OK ? leave(consumer, kci_consumer_ack(consumer->core, views, count, error)) : result;
}

kc_err kc_consumer_ack_records(kc_consumer *consumer, const kc_records *records, kc_error *error)
{
    kc_err result = pass(consumer, consumer, error);
    if (result != KC_OK)
        return result;
    return leave(consumer, records ? kci_consumer_ack_records(consumer->core, records, error) : KC_OK);
}

kc_err kc_consumer_keepalive(kc_consumer *consumer, kc_error *error)
{
    kc_err result = pass(consumer, consumer, error);
    return result == KC_OK ? leave(consumer, kci_consumer_keepalive(consumer->core, kci_clock_us(), error)) : result;
}

void kc_consumer_wakeup(kc_consumer *consumer)
{
    if (!consumer || consumer->generation != kci_process_generation() || !kci_door_enter(&consumer->door))
        return;
    kci_consumer_wakeup(consumer->core);
    kci_door_leave(&consumer->door);
}

void kc_consumer_get_state(const kc_consumer *consumer, const char *topic, int32_t partition, kc_consumer_state *state)
{
    if (!state)
        return;
    memset(state, 0, sizeof *state);
    if (pass(consumer, consumer, NULL) != KC_OK)
        return;
    kci_consumer_state(consumer->core, topic, partition, kci_clock_us(), state);
    leave(consumer, KC_OK);
}

void kc_consumer_get_stats(const kc_consumer *consumer, kc_consumer_stats *stats)
{
    if (!stats)
        return;
    memset(stats, 0, sizeof *stats);
    if (pass(consumer, consumer, NULL) != KC_OK)
        return;
    kci_consumer_stats(consumer->core, stats);
    leave(consumer, KC_OK);
}

kc_err kc_consumer_get_latency(const kc_consumer *consumer, kc_latency_stats *stats)
{
    if (!consumer || !stats)
        return KC_ERR_ARGUMENT;
    if (!consumer->builtin.latency)
        return KC_ERR_STATE;
    if (!kci_door_enter(&((kc_consumer *)(uintptr_t)consumer)->door))
        return KC_ERR_CLOSED;
    kci_latency_read(consumer->builtin.latency, stats); /* takes no lock: also in a log function */
    return leave(consumer, KC_OK);
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
    kc_err result = pass(consumer, consumer, error);
    if (result != KC_OK)
        return result;
    struct kci_metrics_source source = { "consumer", consumer->settings, (void *)(uintptr_t)consumer, metrics_need,
                                         metrics_fill };
    return leave(consumer, kci_metrics_snapshot(&source, out, error));
}
