/* Public functions of the consumer that ask the cluster and wait for its answer: commits, committed offsets, offsets by
 * time, watermarks.  The core works on an operation; here it is begun, waited for, and ended, whatever came. */
#include "api/consumer_handle.h"

/* Wait for an operation; *items is borrowed until it is ended. */
static kc_err wait_for(kc_consumer *consumer, struct kci_operation *operation, const struct kci_partition_list **items,
                       int64_t deadline, kc_error *error)
{
    kc_err code = KC_OK;
    int64_t last = deadline == KCI_NEVER ? KCI_NEVER : deadline + KCI_GRACE_US;
    for (;;) {
        uint64_t seen = kci_gate_now(consumer->gate);
        if (kci_consumer_operation_done(consumer->core, operation, items, &code, error))
            return code;
        if (kci_consumer_woken(consumer->core))
            return kci_fail(error, KC_ERR_WOKEN, KC_MAYBE_APPLIED, "kc_consumer_wakeup() was called");
        if (kci_clock_us() >= last)
            return kci_fail(error, KC_ERR_TIMED_OUT, KC_MAYBE_APPLIED, "no outcome in time");
        kci_gate_wait(consumer->gate, seen, last);
    }
}

kc_err kc_consumer_watermarks(kc_consumer *consumer, const char *topic, int32_t partition, int64_t *low, int64_t *high,
                              int32_t timeout_ms, kc_error *error)
{
    kc_err result = kci_consumer_handle_enter(consumer, error);
    if (result != KC_OK)
        return result;
    if (!topic || !low || !high)
        return kci_consumer_handle_leave(consumer, kci_fail(error, KC_ERR_ARGUMENT, 0, "topic, low or high is NULL"));
    int64_t deadline = kci_consumer_handle_deadline(kci_clock_us(), timeout_ms), found[2] = { -1, -1 };
    const int64_t questions[2] = { KC_OFFSET_BEGINNING, KC_OFFSET_END };
    struct kci_operation *operations[2] = { NULL, NULL };
    for (int i = 0; i < 2 && result == KC_OK; i++) { /* both at once */
        kc_topic_partition item = { topic, partition, questions[i], -1, NULL, KC_OK };
        result = kci_consumer_begin_offsets(consumer->core, &operations[i], &item, 1, deadline, error);
    }
    for (int i = 0; i < 2 && result == KC_OK; i++) {
        const struct kci_partition_list *answer = NULL;
        result = wait_for(consumer, operations[i], &answer, deadline, error);
        if (result == KC_OK)
            found[i] = answer->items[0].offset;
    }
    for (int i = 0; i < 2; i++)
        kci_consumer_operation_end(consumer->core, operations[i]);
    if (result == KC_OK) {
        *low = found[0];
        *high = found[1];
    }
    return kci_consumer_handle_leave(consumer, result);
}

/* Copy answers back into the caller's entries. */
static void take_answers(kc_topic_partition *to, const struct kci_partition_list *from)
{
    for (size_t i = 0; i < from->count; i++) {
        to[i].offset = from->items[i].offset;
        to[i].leader_epoch = from->items[i].leader_epoch;
        to[i].code = from->items[i].code;
    }
}

/* The texts of commits outlive the operation: they are the handle's until the next ones come. */
static kc_err take_texts(kc_consumer *consumer, kc_topic_partition *to, const struct kci_partition_list *from,
                         kc_error *error)
{
    struct kci_partition_list kept;
    if (!kci_partition_list_copy(kci_heap_alloc(), &kept, from->items, from->count))
        return kci_fail(error, KC_ERR_NO_MEMORY, 0, "out of memory");
    kci_partition_list_free(kci_heap_alloc(), &consumer->committed);
    consumer->committed = kept;
    for (size_t i = 0; i < kept.count; i++)
        to[i].metadata = kept.items[i].metadata;
    return KC_OK;
}

/* kci_consumer_begin_committed() or kci_consumer_begin_offsets() */
typedef kc_err (*begin_fn)(struct kci_consumer *core, struct kci_operation **out, const kc_topic_partition *items,
                           size_t count, int64_t until, kc_error *error);

/* Ask about these partitions, and have the answers in their place. */
static kc_err ask(kc_consumer *consumer, begin_fn begin, kc_topic_partition *partitions, size_t count,
                  int32_t timeout_ms, kc_error *error)
{
    struct kci_operation *operation = NULL;
    const struct kci_partition_list *answer = NULL;
    int64_t deadline = kci_consumer_handle_deadline(kci_clock_us(), timeout_ms);
    if (count == 0)
        return KC_OK;
    kc_err result = begin(consumer->core, &operation, partitions, count, deadline, error);
    if (!operation)
        return result;
    result = wait_for(consumer, operation, &answer, deadline, error);
    if (result == KC_OK && begin == kci_consumer_begin_committed)
        result = take_texts(consumer, partitions, answer, error);
    if (result == KC_OK)
        take_answers(partitions, answer);
    kci_consumer_operation_end(consumer->core, operation);
    return result;
}

kc_err kc_consumer_offsets_for_times(kc_consumer *consumer, kc_topic_partition *partitions, size_t count,
                                     int32_t timeout_ms, kc_error *error)
{
    kc_err result = kci_consumer_handle_enter(consumer, error);
    if (result != KC_OK)
        return result;
    if (!partitions && count)
        result = kci_fail(error, KC_ERR_ARGUMENT, 0, "partitions is NULL");
    for (size_t i = 0; result == KC_OK && i < count; i++)
        if (partitions[i].offset < 0 && partitions[i].offset != KC_OFFSET_BEGINNING &&
            partitions[i].offset != KC_OFFSET_END)
            result = kci_fail(error, KC_ERR_ARGUMENT, 0, "entry %zu: a time before 1970", i);
    if (result == KC_OK)
        result = ask(consumer, kci_consumer_begin_offsets, partitions, count, timeout_ms, error);
    return kci_consumer_handle_leave(consumer, result);
}

/* ---- commits ---- */

kc_err kc_consumer_commit(kc_consumer *consumer, const kc_topic_partition *offsets, size_t count, int32_t timeout_ms,
                          kc_error *error)
{
    kc_err result = kci_consumer_handle_enter(consumer, error);
    if (result != KC_OK)
        return result;
    struct kci_operation *operation = NULL;
    const struct kci_partition_list *items = NULL;
    int64_t deadline = kci_consumer_handle_deadline(kci_clock_us(), timeout_ms);
    result = kci_consumer_begin_commit(consumer->core, &operation, offsets, count, deadline, error);
    if (operation) {
        result = wait_for(consumer, operation, &items, deadline, error);
        kci_consumer_handle_run_events(consumer); /* earlier asynchronous ones ended before it */
        if (result == KC_OK)
            kci_consumer_handle_tell_commit(consumer, items->items, items->count);
        kci_consumer_operation_end(consumer->core, operation);
    }
    kci_consumer_handle_run_events(consumer);
    return kci_consumer_handle_leave(consumer, result);
}

kc_err kc_consumer_commit_async(kc_consumer *consumer, const kc_topic_partition *offsets, size_t count, kc_commit_fn fn,
                                void *context, kc_error *error)
{
    kc_err result = kci_consumer_handle_enter(consumer, error);
    if (result != KC_OK)
        return result;
    return kci_consumer_handle_leave(
        consumer, kci_consumer_commit_async(consumer->core, offsets, count, fn, context, kci_clock_us(), error));
}

kc_err kc_consumer_commit_why(kc_consumer *consumer, kc_error *why)
{
    kc_err result = why ? kci_consumer_handle_enter(consumer, why) : KC_ERR_ARGUMENT;
    if (result != KC_OK)
        return result;
    const struct kci_consumer_event *event = consumer->event;
    if (!event || event->kind != KCI_EVENT_COMMITTED)
        result = kci_fail(why, KC_ERR_STATE, 0, "not in the function of a commit");
    else
        kci_fail(why, event->code, event->traits, "%s", event->texts ? event->texts : kc_err_text(event->code));
    return kci_consumer_handle_leave(consumer, result);
}

kc_err kc_consumer_committed(kc_consumer *consumer, kc_topic_partition *partitions, size_t count, int32_t timeout_ms,
                             kc_error *error)
{
    kc_err result = kci_consumer_handle_enter(consumer, error);
    if (result != KC_OK)
        return result;
    if (!partitions && count)
        result = kci_fail(error, KC_ERR_ARGUMENT, 0, "partitions is NULL");
    else
        result = ask(consumer, kci_consumer_begin_committed, partitions, count, timeout_ms, error);
    return kci_consumer_handle_leave(consumer, result);
}
