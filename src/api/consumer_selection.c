/* Public functions of the consumer that say what to read: subscribe, assign, seek, pause; and where it stands. */
#include "api/consumer_handle.h"
#include "consumer/unreadable.h"

kc_err kc_consumer_subscribe(kc_consumer *consumer, const char *const *topics, size_t count,
                             const kc_rebalance_listener *listener, kc_error *error)
{
    if (count == 0)
        return kc_consumer_unsubscribe(consumer, error);
    kc_err result = kci_consumer_handle_enter(consumer, error);
    if (result != KC_OK)
        return result;
    if (!topics)
        return kci_consumer_handle_leave(consumer, kci_fail(error, KC_ERR_ARGUMENT, 0, "topics is NULL"));
    result = kci_consumer_subscribe(consumer->core, topics, count, kci_clock_us(), error);
    if (result == KC_OK)
        consumer->listener = listener ? *listener : consumer->settings->rebalance_listener;
    return kci_consumer_handle_leave(consumer, result);
}

kc_err kc_consumer_enforce_rebalance(kc_consumer *consumer, const char *reason, kc_error *error)
{
    kc_err result = kci_consumer_handle_enter(consumer, error);
    if (result != KC_OK)
        return result;
    return kci_consumer_handle_leave(consumer, kci_consumer_enforce_rebalance(consumer->core, reason, error));
}

static kc_err subscribe_pattern(kc_consumer *consumer, const char *pattern, bool remote,
                                const kc_rebalance_listener *listener, kc_error *error)
{
    kc_err result = kci_consumer_handle_enter(consumer, error);
    if (result != KC_OK)
        return result;
    result = kci_consumer_subscribe_pattern(consumer->core, pattern, remote, kci_clock_us(), error);
    if (result == KC_OK)
        consumer->listener = listener ? *listener : consumer->settings->rebalance_listener;
    return kci_consumer_handle_leave(consumer, result);
}

kc_err kc_consumer_subscribe_pattern(kc_consumer *consumer, const char *pattern, const kc_rebalance_listener *listener,
                                     kc_error *error)
{
    return subscribe_pattern(consumer, pattern, false, listener, error);
}

kc_err kc_consumer_subscribe_remote_pattern(kc_consumer *consumer, const char *pattern,
                                            const kc_rebalance_listener *listener, kc_error *error)
{
    return subscribe_pattern(consumer, pattern, true, listener, error);
}

kc_err kc_consumer_assign(kc_consumer *consumer, const kc_topic_partition *partitions, size_t count, kc_error *error)
{
    kc_err result = kci_consumer_handle_enter(consumer, error);
    if (result != KC_OK)
        return result;
    if (!partitions && count)
        result = kci_fail(error, KC_ERR_ARGUMENT, 0, "partitions is NULL");
    else
        result = kci_consumer_assign(consumer->core, partitions, count, kci_clock_us(), error);
    return kci_consumer_handle_leave(consumer, result);
}

/* What `ask` lists, as far as it fits. */
static kc_err list_partitions(kc_consumer *consumer, kc_err (*ask)(struct kci_consumer *, struct kci_partition_list *),
                              kc_topic_partition *partitions, size_t capacity, size_t *count)
{
    kc_err result = kci_consumer_handle_enter(consumer, NULL);
    if (result != KC_OK)
        return result;
    if (!count || (!partitions && capacity))
        return kci_consumer_handle_leave(consumer, KC_ERR_ARGUMENT);
    kci_partition_list_free(kci_heap_alloc(), &consumer->assignment);
    result = ask(consumer->core, &consumer->assignment);
    *count = consumer->assignment.count;
    for (size_t i = 0; result == KC_OK && i < capacity && i < *count; i++)
        partitions[i] = consumer->assignment.items[i];
    return kci_consumer_handle_leave(consumer, result);
}

kc_err kc_consumer_assignment(kc_consumer *consumer, kc_topic_partition *partitions, size_t capacity, size_t *count)
{
    return list_partitions(consumer, kci_consumer_assignment, partitions, capacity, count);
}

kc_err kc_consumer_failed(kc_consumer *consumer, kc_topic_partition *partitions, size_t capacity, size_t *count)
{
    return list_partitions(consumer, kci_consumer_failed, partitions, capacity, count);
}

kc_err kc_consumer_seek(kc_consumer *consumer, const char *topic, int32_t partition, int64_t offset, kc_error *error)
{
    kc_err result = kci_consumer_handle_enter(consumer, error);
    if (result != KC_OK)
        return result;
    return kci_consumer_handle_leave(
        consumer, kci_consumer_seek(consumer->core, topic, partition, offset, kci_clock_us(), error));
}

kc_err kc_consumer_position(kc_consumer *consumer, const char *topic, int32_t partition, int64_t *offset,
                            int32_t timeout_ms, kc_error *error)
{
    kc_err result = kci_consumer_handle_enter(consumer, error);
    if (result != KC_OK)
        return result;
    if (!offset)
        return kci_consumer_handle_leave(consumer, kci_fail(error, KC_ERR_ARGUMENT, 0, "offset is NULL"));
    int64_t deadline = kci_consumer_handle_deadline(kci_clock_us(), timeout_ms);
    for (;;) {
        uint64_t seen = kci_gate_now(consumer->gate);
        int64_t found = -1;
        char why[320];
        if (kci_consumer_woken(consumer->core)) {
            result = kci_fail(error, KC_ERR_WOKEN, 0, "kc_consumer_wakeup() was called");
            break;
        }
        result = kci_consumer_position(consumer->core, topic, partition, &found, error);
        if (result == KC_OK && found >= 0)
            *offset = found;
        if (result != KC_OK || found >= 0)
            break;
        if (kci_clock_us() >= deadline) {
            kci_consumer_explain(consumer->core, topic, partition, why, sizeof why);
            result = kci_fail(error, KC_ERR_TIMED_OUT, 0, "the position of %s [%d] is not known yet%s%s", topic,
                              (int)partition, why[0] ? ": " : "", why);
            break;
        }
        kci_gate_wait(consumer->gate, seen, deadline);
    }
    return kci_consumer_handle_leave(consumer, result);
}

static kc_err set_paused(kc_consumer *consumer, const kc_topic_partition *partitions, size_t count, bool pause,
                         kc_error *error)
{
    kc_err result = kci_consumer_handle_enter(consumer, error);
    if (result != KC_OK)
        return result;
    if (!partitions && count)
        result = kci_fail(error, KC_ERR_ARGUMENT, 0, "partitions is NULL");
    else
        result = kci_consumer_pause(consumer->core, partitions, count, pause, error);
    return kci_consumer_handle_leave(consumer, result);
}

kc_err kc_consumer_pause(kc_consumer *consumer, const kc_topic_partition *partitions, size_t count, kc_error *error)
{
    return set_paused(consumer, partitions, count, true, error);
}

kc_err kc_consumer_resume(kc_consumer *consumer, const kc_topic_partition *partitions, size_t count, kc_error *error)
{
    return set_paused(consumer, partitions, count, false, error);
}
