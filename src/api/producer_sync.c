/* kc_producer_send_sync: a record whose delivery is kept for its sender.
 *
 * The record's opaque pointer is the address of what waits; the delivery function that the engine sees is ours, and
 * looks for it among those who wait. Who stops waiting leaves his memory to the report. */
#include "api/producer_handle.h"

#include <stdio.h>

#define SLACK_US 1000000 /* after delivery.timeout.ms: for the report to arrive */

struct sync {
    struct kci_list link; /* in producer->syncs */
    _Atomic(bool) done;
    bool left; /* the caller is gone: whoever reports frees it; under sync_lock */
    kc_delivery delivery;
    char text[sizeof((kc_error *)0)->text];
};

/* If the delivery belongs to a send_sync, keep it there. */
static bool keep_sync(kc_producer *producer, const kc_delivery *delivery)
{
    bool kept = false, left = false;
    struct sync *sync = NULL;
    kci_lock_take(&producer->sync_lock);
    KCI_LIST_EACH(node, &producer->syncs)
    {
        sync = KCI_CONTAINER(node, struct sync, link);
        if (sync != delivery->opaque)
            continue;
        kci_list_remove(&sync->link);
        atomic_fetch_sub(&producer->sync_count, 1);
        sync->delivery = *delivery;
        snprintf(sync->text, sizeof sync->text, "%s", delivery->text ? delivery->text : "");
        left = sync->left;
        if (!left)
            atomic_store(&sync->done, true); /* from here on it is the caller's */
        kept = true;
        break;
    }
    kci_lock_release(&producer->sync_lock);
    if (!kept)
        return false;
    if (left)
        kci_alloc_free(kci_heap_alloc(), sync);
    else
        kci_gate_open(producer->gate);
    return true;
}

static void pass_on(kc_producer *producer, const kc_delivery *deliveries, size_t count)
{
    if (producer->polled.capacity)
        kci_polled_put(producer, deliveries, count);
    else if (producer->delivery)
        producer->delivery(deliveries, count, producer->delivery_context);
}

void kci_handle_deliver(const kc_delivery *deliveries, size_t count, void *context)
{
    kc_producer *producer = context;
    if (atomic_load_explicit(&producer->sync_count, memory_order_acquire) == 0) {
        pass_on(producer, deliveries, count);
        return;
    }
    size_t from = 0;
    for (size_t i = 0; i <= count; i++) { /* what lies between those that are waited for goes to the user as it is */
        if (i < count && !keep_sync(producer, &deliveries[i]))
            continue;
        if (i > from)
            pass_on(producer, deliveries + from, i - from);
        from = i + 1;
    }
}

kc_err kc_producer_send_sync(kc_producer *producer, const kc_record *record, kc_delivery *delivery, kc_error *error)
{
    if (!producer || !record)
        return kci_fail(error, KC_ERR_ARGUMENT, 0, "producer and record must not be NULL");
    kc_err err = kci_handle_forked(producer, error);
    if (err)
        return err;
    if (kci_loop_on_thread(producer->loop))
        return kci_fail(error, KC_ERR_IN_CALLBACK, 0,
                        "kc_producer_send_sync would wait for the thread that it was called on");
    struct sync *sync = kci_alloc_zero(kci_heap_alloc(), 1, sizeof *sync);
    if (!sync)
        return kci_fail(error, KC_ERR_NO_MEMORY, KC_RETRIABLE, "out of memory");
    kc_record copy = *record;
    copy.opaque = sync;
    kci_lock_take(&producer->sync_lock);
    kci_list_push(&producer->syncs, &sync->link);
    atomic_fetch_add(&producer->sync_count, 1);
    kci_lock_release(&producer->sync_lock);
    atomic_fetch_add(&producer->waiters, 1);
    err = kc_producer_send(producer, &copy, 1, NULL, error);
    int64_t until = kci_handle_deadline(producer->settings->delivery_timeout_ms) + SLACK_US;
    if (!err) {
        for (uint64_t seen; seen = kci_gate_now(producer->gate), !atomic_load(&sync->done) && kci_clock_us() < until;)
            kci_gate_wait(producer->gate, seen, until);
    }
    kci_lock_take(&producer->sync_lock);
    bool done = atomic_load(&sync->done);
    if (err) {
        kci_list_remove(&sync->link);
        atomic_fetch_sub(&producer->sync_count, 1);
    }
    sync->left = !err && !done;
    kci_lock_release(&producer->sync_lock);
    atomic_fetch_sub(&producer->waiters, 1);
    if (!err && !done)
        return kci_fail(error, KC_ERR_TIMED_OUT, KC_MAYBE_APPLIED,
                        "no fate after delivery.timeout.ms: the sender is held up in a callback");
    if (!err) {
        sync->delivery.opaque = record->opaque;
        sync->delivery.topic = sync->delivery.text = NULL;
        if (delivery)
            *delivery = sync->delivery;
        err = sync->delivery.code;
        if (err)
            kci_fail(error, err, sync->delivery.traits, "%s", sync->text);
    }
    kci_alloc_free(kci_heap_alloc(), sync);
    return err;
}
