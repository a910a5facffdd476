/* Compression of a closed batch by whoever closed it, no lock held: contexts and scratch buffers are kept for reuse, as
 * many as threads compressed at the same time (KCI_COMPRESSORS_MAX at most; more are made and thrown away).
 *
 * What does not get smaller is sent as it is. The ratio that was reached steers how large the topic's next batches
 * become before compression: it follows a worse one at once and a better one slowly, so that batches rarely exceed
 * their aim. */
#include "producer/internal.h"

#define RATIO_SLOWNESS 8 /* a better ratio counts for one part in so many */

static void learn_ratio(struct kci_topic *topic, uint32_t plain, uint32_t compressed)
{
    uint32_t seen = (uint32_t)((uint64_t)compressed * KCI_RATIO_ONE / plain);
    uint32_t known = atomic_load_explicit(&topic->ratio, memory_order_relaxed);
    uint32_t next = seen >= known ? seen : known - (known - seen + RATIO_SLOWNESS - 1) / RATIO_SLOWNESS;
    atomic_store_explicit(&topic->ratio, next < KCI_RATIO_ONE ? next : KCI_RATIO_ONE, memory_order_relaxed);
}

void kci_compressing_run(struct kci_producer *producer, struct kci_batch *batch)
{
    struct kci_compressing *kept = &producer->compressing;
    const struct kci_settings *settings = producer->settings;
    struct kci_compressor *compressor = NULL;
    struct kci_writer scratch = kci_writer_of(producer->alloc, (size_t)producer->batch_max);
    uint32_t plain = batch->bytes;
    kci_lock_take(&kept->lock);
    if (kept->idle_count) {
        compressor = kept->idle[--kept->idle_count];
        scratch = kept->scratch[kept->idle_count];
    }
    kci_lock_release(&kept->lock);
    if (!compressor)
        compressor = kci_compressor_new(producer->alloc);
    if (!compressor)
        return; /* out of memory: sent as it is */
    kci_batch_compress(batch, &producer->pool, compressor, settings->compression_type, settings->compression_level,
                       &scratch);
    learn_ratio(batch->partition->topic, plain, batch->bytes);
    kci_lock_take(&kept->lock);
    bool keep = kept->idle_count < KCI_COMPRESSORS_MAX;
    if (keep) {
        kept->scratch[kept->idle_count] = scratch;
        kept->idle[kept->idle_count++] = compressor;
    }
    kci_lock_release(&kept->lock);
    if (!keep) {
        kci_compressor_destroy(compressor);
        kci_writer_destroy(&scratch);
    }
}

void kci_compressing_destroy(struct kci_producer *producer)
{
    for (int32_t i = 0; i < producer->compressing.idle_count; i++) {
        kci_compressor_destroy(producer->compressing.idle[i]);
        kci_writer_destroy(&producer->compressing.scratch[i]);
    }
}
