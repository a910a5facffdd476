/* The producer's own numbers.  A batch is counted at its first request (size, time in the queue) and when its fate is
 * told; never a record by itself. As in the cluster's part, each event counts for its topic and in sum. */
#include "producer/counts.h"

#include "producer/internal.h"

void kci_counts_topic(struct kci_producer *producer, struct kci_topic *topic)
{
    struct kci_producer_counts *m = &producer->counts;
    uint32_t count = atomic_load_explicit(&m->count, memory_order_relaxed);
    m->others.name = "";
    topic->counted_as = &m->others;
    if (count == KCI_METRICS_TOPICS_MAX)
        return;
    topic->counts.name = topic->name;
    topic->counted_as = &topic->counts;
    atomic_store_explicit(&m->topics[count], &topic->counts, memory_order_relaxed);
    atomic_store_explicit(&m->count, count + 1, memory_order_release);
}

static void first_attempt(struct kci_topic_counts *counts, const struct kci_batch *batch)
{
    kci_metrics_add(&counts->batches, 1);
    kci_metrics_add(&counts->batch_bytes, batch->bytes);
    kci_metrics_add(&counts->plain_bytes, batch->filled ? batch->filled : batch->bytes); /* pieces are not compressed */
}

void kci_counts_launched(struct kci_producer *producer, const struct kci_produce *request, int64_t now)
{
    struct kci_producer_counts *m = &producer->counts;
    uint64_t records = 0;
    for (size_t i = 0; i < request->batch_count; i++) {
        const struct kci_batch *batch = request->batches[i];
        struct kci_topic_counts *topic = batch->partition->topic->counted_as;
        records += (uint64_t)batch->count;
        if (batch->attempts > 1) {
            kci_metrics_add(&topic->retried, (uint64_t)batch->count);
            kci_metrics_add(&m->all.retried, (uint64_t)batch->count);
            continue;
        }
        first_attempt(topic, batch);
        first_attempt(&m->all, batch);
        kci_histogram_add_alone(&m->queue_time, now > batch->created_at ? (uint64_t)(now - batch->created_at) : 0);
        if (batch->bytes > kci_metrics_get(&m->bytes_max))
            atomic_store_explicit(&m->bytes_max, batch->bytes, memory_order_relaxed);
    }
    kci_metrics_add(&m->requests, 1);
    kci_metrics_add(&m->request_records, records);
}

void kci_counts_done(struct kci_producer *producer, const struct kci_batch *batch, int64_t now)
{
    struct kci_topic_counts *both[] = { batch->partition->topic->counted_as, &producer->counts.all };
    for (int i = 0; i < 2; i++) {
        if (batch->code) {
            kci_metrics_add(&both[i]->failed, (uint64_t)batch->count);
            continue;
        }
        kci_meter_add(&both[i]->records, (uint64_t)batch->count, now);
        kci_meter_add(&both[i]->bytes, batch->bytes, now);
    }
}

void kci_counts_split(struct kci_producer *producer)
{
    kci_metrics_add(&producer->counts.splits, 1);
}

/* ---- reading ---- */

static void read_topic(const struct kci_topic_counts *m, kc_topic_metrics *out, int64_t now)
{
    out->records = kci_meter_total(&m->records);
    out->bytes = kci_meter_total(&m->bytes);
    out->record_rate = kci_meter_rate(&m->records, now);
    out->byte_rate = kci_meter_rate(&m->bytes, now);
    out->records_failed = kci_metrics_get(&m->failed);
    out->records_retried = kci_metrics_get(&m->retried);
    out->batches = kci_metrics_get(&m->batches);
    out->batch_bytes = kci_metrics_get(&m->batch_bytes);
    out->batch_bytes_plain = kci_metrics_get(&m->plain_bytes);
}

static double ratio(uint64_t a, uint64_t b, double otherwise)
{
    return b ? (double)a / (double)b : otherwise;
}

static bool has_others(const struct kci_producer_counts *m)
{
    return kci_metrics_get(&m->others.batches) || kci_metrics_get(&m->others.failed);
}

void kci_producer_metrics_need(const struct kci_producer *producer, struct kci_metrics_room *room)
{
    const struct kci_producer_counts *m = &producer->counts;
    kci_cluster_metrics_need(producer->cluster, room);
    room->topic_capacity = atomic_load_explicit(&m->count, memory_order_acquire) + has_others(m);
}

static void read_topics(const struct kci_producer_counts *m, kc_metrics *out, const struct kci_metrics_room *room,
                        int64_t now)
{
    uint32_t count = atomic_load_explicit(&m->count, memory_order_acquire);
    kc_topic_metrics *topic;
    out->topics = room->topics;
    for (uint32_t i = 0; i < count; i++) {
        const struct kci_topic_counts *counts = atomic_load_explicit(&m->topics[i], memory_order_relaxed);
        if ((topic = kci_metrics_topic(out, room, counts->name)) != NULL)
            read_topic(counts, topic, now);
    }
    if (has_others(m) && (topic = kci_metrics_topic(out, room, "")) != NULL)
        read_topic(&m->others, topic, now);
}

void kci_producer_metrics(struct kci_producer *producer, kc_metrics *out, const struct kci_metrics_room *room,
                          int64_t now)
{
    const struct kci_producer_counts *m = &producer->counts;
    const struct kci_counters *c = &producer->counters;
    kc_topic_metrics all = { .topic = NULL };
    kci_cluster_metrics(producer->cluster, out, room, now);
    read_topics(m, out, room, now);
    read_topic(&m->all, &all, now);
    uint64_t done = atomic_load(&c->done);
    out->records_queued = atomic_load(&c->queued);
    out->records_pending = out->records_queued - done;
    out->records_sent = all.records;
    out->records_failed = all.records_failed;
    out->records_retried = all.records_retried;
    out->bytes_sent = all.bytes;
    out->record_send_rate = all.record_rate;
    out->byte_send_rate = all.byte_rate;
    out->batches = all.batches;
    out->batches_retried = kci_metrics_get(&c->batches_retried);
    out->batches_split = kci_metrics_get(&m->splits);
    out->batch_bytes = all.batch_bytes;
    out->batch_bytes_plain = all.batch_bytes_plain;
    out->batch_bytes_max = kci_metrics_get(&m->bytes_max);
    out->produce_requests = kci_metrics_get(&m->requests);
    out->produce_records = kci_metrics_get(&m->request_records);
    out->batch_size_avg = ratio(out->batch_bytes, out->batches, 0);
    out->records_per_request_avg = ratio(out->produce_records, out->produce_requests, 0);
    out->compression_rate_avg = ratio(out->batch_bytes, out->batch_bytes_plain, 1);
    kci_metrics_times(&m->queue_time, &out->queue_time);
    out->leader_changes = kci_metrics_get(&c->leader_changes);
    out->duplicates = kci_metrics_get(&c->duplicates);
    kc_health health;
    kci_health_glance(producer, &health);
    out->health = (uint64_t)health.state;
    out->brokers_unreachable = health.brokers_unreachable;
    out->partitions_leaderless = health.partitions_leaderless;
    out->memory_used = kci_pool_used_bytes(&producer->pool);
    out->memory_limit = (uint64_t)producer->settings->buffer_memory;
}
