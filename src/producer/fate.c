/* What becomes of a batch: delivered, sent again, given up.  And when that is told: in the order of sending, per
 * partition, so a batch whose fate is known waits for those before it (kci_fate_settle).
 *
 * "Maybe applied" is kept for good once an attempt ended without a sure answer: a later refusal says nothing about
 * the earlier attempt. */
#include "producer/internal.h"

#include <assert.h>

static void leave_state(struct kci_batch *batch)
{
    struct kci_partition *partition = batch->partition;
    if (batch->state == KCI_BATCH_IN_FLIGHT)
        partition->in_flight--;
    else if (batch->state == KCI_BATCH_WAITING)
        partition->waiting--;
    assert(partition->in_flight >= 0 && partition->waiting >= 0);
}

void kci_fate_success(struct kci_producer *producer, struct kci_batch *batch, int64_t base_offset,
                      int64_t log_append_ms)
{
    struct kci_partition *partition = batch->partition;
    leave_state(batch);
    kci_batch_move(batch, KCI_BATCH_DONE);
    batch->code = KC_OK;
    batch->base_offset = base_offset;
    batch->log_append_ms = log_append_ms;
    partition->failures = 0;
    if (batch->sequenced && batch->producer_epoch == partition->producer_epoch)
        partition->gap = partition->gap_unsure = false; /* it followed whatever was given up: that had arrived */
    kci_count(&producer->counters.delivered, (uint64_t)batch->count);
    kci_count(&producer->counters.bytes_delivered, batch->bytes);
}

static void set_cause(struct kci_batch *batch, struct kci_cause *cause)
{
    if (!cause)
        return;
    kci_cause_ref(cause);
    kci_cause_release(batch->cause);
    batch->cause = cause;
}

void kci_fate_fail(struct kci_producer *producer, struct kci_batch *batch, kc_err code, struct kci_cause *cause)
{
    if (batch->state == KCI_BATCH_IN_FLIGHT)
        batch->maybe_applied |= batch->in_request; /* no answer yet */
    leave_state(batch);
    set_cause(batch, cause);
    kci_batch_move(batch, KCI_BATCH_DONE);
    batch->code = code;
    if (batch->sequenced) {
        batch->partition->gap = true;
        batch->partition->gap_unsure |= batch->maybe_applied;
    }
    kci_count(&producer->counters.failed, (uint64_t)batch->count);
}

void kci_fate_attempt_failed(struct kci_producer *producer, struct kci_batch *batch, kc_err code, bool retriable,
                             struct kci_cause *cause, int64_t now)
{
    const struct kci_settings *settings = producer->settings;
    struct kci_backoff backoff = { settings->retry_backoff_ms, settings->retry_backoff_max_ms };
    bool late = now >= batch->created_at + (int64_t)settings->delivery_timeout_ms * 1000;
    bool spent = batch->attempts > settings->retries && producer->plant != KCI_PLANT_IGNORE_RETRIES;
    if (!retriable || late || spent) {
        kci_fate_fail(producer, batch, retriable && late ? KC_ERR_TIMED_OUT : code, cause);
        return;
    }
    leave_state(batch);
    set_cause(batch, cause);
    kci_batch_move(batch, KCI_BATCH_WAITING);
    batch->partition->waiting++;
    batch->partition->pipelined = false;
    uint32_t attempt = batch->attempts > 0 ? (uint32_t)batch->attempts - 1 : 0;
    batch->retry_at = now + kci_backoff_us(backoff, attempt, kci_prng_next(&producer->random));
    if (producer->plant == KCI_PLANT_NO_BACKOFF) /* planted defect */
        batch->retry_at = now;
    kci_count(&producer->counters.batches_retried, 1);
}

void kci_fate_expire(struct kci_producer *producer, struct kci_batch *batch, int64_t now)
{
    (void)now;
    kci_fate_fail(producer, batch, KC_ERR_TIMED_OUT, NULL);
}

void kci_fate_settle(struct kci_producer *producer, struct kci_partition *partition)
{
    for (struct kci_list *node; (node = kci_list_first(&partition->outstanding)) != NULL;) {
        struct kci_batch *batch = KCI_CONTAINER(node, struct kci_batch, link);
        if (batch->state != KCI_BATCH_DONE)
            break;
        kci_list_remove(node);
        kci_list_push(&producer->done, node);
    }
}
