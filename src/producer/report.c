/* Telling the application what became of its records: on the sender, no lock held, in the order in which batches
 * settled, up to KCI_REPORT_BATCH records per call.
 *
 * Success is told for records that carry an opaque pointer (or for all, if the configuration wants that); failure is
 * told for every record.  Interceptors see every record, before the delivery function. A batch for which nothing has to
 * be told costs nothing per record. */
#include "producer/internal.h"

#include <stdio.h>

static double seconds(int64_t us)
{
    return (double)us / 1e6;
}

/* What is known of the record in the log: the same as the traits say, in words. */
static const char *fate_of(const struct kci_batch *batch)
{
    return batch->maybe_applied ? "may have been written" : batch->attempts ? "not written" : "never sent";
}

/* What stands in the way of a batch that no attempt has failed for. */
static void explain_waiting(struct kci_producer *producer, const struct kci_partition *partition, char *why,
                            size_t size, int64_t now)
{
    size_t used = 0;
    if (!partition->target)
        used = (size_t)snprintf(why, size, "nobody leads the partition, for %.1f s; ",
                                seconds(now - partition->leaderless_at));
    if (used < size)
        kci_producer_explain(producer, partition->topic->name, why + used, size - used, now);
}

/* "timed out after 30.0 s: 3 attempts, not written; last: broker 2 (10.0.0.5:9092) answered NOT_ENOUGH_REPLICAS 1.2 s
 * ago" */
static const char *text_of(struct kci_producer *producer, const struct kci_batch *batch, int64_t now)
{
    struct kci_partition *partition = batch->partition;
    const char *name = partition->topic->name;
    char why[300], *text = producer->text;
    size_t size = sizeof producer->text;
    if (batch->cause)
        snprintf(why, sizeof why, "%s %.1f s ago", batch->cause->text, seconds(now - batch->cause->at));
    else if (batch->in_request)
        snprintf(why, sizeof why, "no answer yet");
    else
        explain_waiting(producer, partition, why, sizeof why, now);
    const char *plural = batch->attempts == 1 ? "" : "s", *fate = fate_of(batch);
    if (batch->code == KC_ERR_TIMED_OUT)
        snprintf(text, size, "%s-%d: timed out after %.1f s: %d attempt%s, %s; last: %s", name, (int)partition->index,
                 seconds(now - batch->created_at), (int)batch->attempts, plural, fate, why);
    else if (batch->code == KC_ERR_CLOSED)
        snprintf(text, size, "%s-%d: the producer was closed before an answer came: %d attempt%s, %s%s%s", name,
                 (int)partition->index, (int)batch->attempts, plural, fate, batch->cause ? "; last: " : "",
                 batch->cause ? why : "");
    else
        snprintf(text, size, "%s-%d: %s, after %d attempt%s, %s", name, (int)partition->index, why,
                 (int)batch->attempts, plural, fate);
    return text;
}

static void tell(struct kci_producer *producer, size_t count)
{
    const struct kci_settings *settings = producer->settings;
    kc_delivery *reports = producer->reports;
    for (size_t i = 0; i < settings->producer_interceptor_count; i++) {
        const kc_producer_interceptor *interceptor = &settings->producer_interceptors[i];
        for (size_t k = 0; interceptor->on_acknowledgement && k < count; k++)
            interceptor->on_acknowledgement(interceptor->context, &reports[k]);
    }
    if (!settings->delivery)
        return;
    if (!settings->delivery_every_record) { /* interceptors see more than the function asked for */
        size_t kept = 0;
        for (size_t k = 0; k < count; k++)
            if (reports[k].code || reports[k].opaque)
                reports[kept++] = reports[k];
        count = kept;
    }
    if (count)
        settings->delivery(reports, count, settings->delivery_context);
}

/* KIP-467: what the broker said of this very record; the others fell with it. */
static void refine(const struct kci_refusal *refusal, int32_t index, kc_delivery *delivery)
{
    for (int32_t i = 0; i < refusal->count; i++) {
        if (refusal->records[i].index == index) {
            if (refusal->records[i].text)
                delivery->text = refusal->records[i].text;
            return;
        }
    }
    delivery->code = KC_ERR_INVALID_RECORD;
    delivery->text = "another record of the batch was refused, and the batch with it; send this record again";
}

static void report_records(struct kci_producer *producer, struct kci_batch *batch, int64_t now)
{
    const struct kci_settings *settings = producer->settings;
    bool every = producer->every_record || batch->code != KC_OK;
    bool plain = batch->attributes == KCI_CODEC_NONE;
    const char *text = batch->code ? text_of(producer, batch, now) : NULL;
    bool maybe = batch->code && batch->maybe_applied && producer->plant != KCI_PLANT_SURE_OF_TIMEOUT;
    uint32_t traits = batch->code ? kc_err_traits(batch->code) | (maybe ? KC_MAYBE_APPLIED : 0u) : 0;
    struct kci_side_reader opaques = kci_side_read(&batch->opaques), stamps = kci_side_read(&batch->timestamps);
    struct kci_batch_walk walk = kci_batch_walk_begin(batch);
    size_t count = 0;
    for (int32_t i = 0; i < batch->count; i++) {
        void *opaque = (void *)(uintptr_t)kci_side_next(&opaques, i, 0);
        int64_t stamp = plain ? batch->base_timestamp_ms + kci_batch_walk_timestamp(&walk)
                              : (int64_t)kci_side_next(&stamps, i, (uint64_t)batch->base_timestamp_ms);
        if (!every && !opaque)
            continue;
        kc_delivery *delivery = &producer->reports[count++];
        *delivery = (kc_delivery){ .opaque = opaque,
                                   .topic = batch->partition->topic->name,
                                   .partition = batch->partition->index,
                                   .offset = batch->code || batch->base_offset < 0 ? -1 : batch->base_offset + i,
                                   .timestamp_ms = batch->log_append_ms >= 0 ? batch->log_append_ms : stamp,
                                   .code = batch->code,
                                   .traits = traits,
                                   .text = text };
        if (batch->refusal && batch->code)
            refine(batch->refusal, i, delivery);
        if (producer->plant == KCI_PLANT_WRONG_OFFSET && delivery->offset >= 0)
            delivery->offset++;
        if (producer->plant == KCI_PLANT_TWO_FATES && batch->code && i == 0 && settings->delivery)
            settings->delivery(producer->reports, 1, settings->delivery_context);
        if (count == KCI_REPORT_BATCH) {
            tell(producer, count);
            count = 0;
        }
    }
    if (count)
        tell(producer, count);
}

void kci_report_all(struct kci_producer *producer, int64_t now)
{
    const struct kci_settings *settings = producer->settings;
    for (struct kci_list *node; (node = kci_list_pop(&producer->done)) != NULL;) {
        struct kci_batch *batch = KCI_CONTAINER(node, struct kci_batch, link);
        uint64_t generation = batch->generation, count = (uint64_t)batch->count;
        bool wanted = producer->every_record || ((batch->code || batch->opaques.count) && settings->delivery);
        bool forget = producer->plant == KCI_PLANT_FORGET_EXPIRED && batch->code == KC_ERR_TIMED_OUT;
        kci_counts_done(producer, batch, now);
        if (wanted && !forget)
            report_records(producer, batch, now);
        if (batch->in_request && producer->plant == KCI_PLANT_REUSE_IN_FLIGHT) /* planted defect */
            memset(kci_batch_header_bytes(batch), 0xDD, KCI_BATCH_HEADER_BYTES);
        if (batch->in_request)
            batch->reported = true; /* the bytes still belong to the connection: freed when the call is over */
        else
            kci_batch_free(batch, &producer->pool, producer->alloc);
        /* who sees it sees that the records were queued, too */
        uint64_t done = atomic_load_explicit(&producer->counters.done, memory_order_relaxed);
        atomic_store_explicit(&producer->counters.done, done + count, memory_order_release);
        kci_flush_leave(producer, generation);
    }
    if (kci_flush_advance(producer) || (atomic_load(&producer->closing) && kci_producer_pending(producer) == 0))
        producer->must_notify = true;
}
