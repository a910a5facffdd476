/* What the producer counts besides its cluster: by the sender, once per batch or request; read by any thread. */
#ifndef KCI_PRODUCER_COUNTS_H
#define KCI_PRODUCER_COUNTS_H

#include "cluster/metrics.h"

struct kci_batch;
struct kci_produce;
struct kci_producer;
struct kci_topic;

struct kci_topic_counts {
    const char *name; /* the topic's; "": others */
    struct kci_meter records, bytes;
    _Atomic(uint64_t) failed, retried, batches, batch_bytes, plain_bytes;
};

struct kci_producer_counts {
    struct kci_topic_counts all, others;
    _Atomic(uint64_t) splits, bytes_max;
    _Atomic(uint64_t) requests, request_records;
    struct kci_histogram queue_time; /* microseconds */
    _Atomic(struct kci_topic_counts *)
        topics[KCI_METRICS_TOPICS_MAX]; /* the first `count` are there; the topics' own */
    _Atomic(uint32_t) count;
};

/* ---- sender ---- */
void kci_counts_topic(struct kci_producer *producer, struct kci_topic *topic); /* begin to count for it */
void kci_counts_launched(struct kci_producer *producer, const struct kci_produce *request, int64_t now);
void kci_counts_done(struct kci_producer *producer, const struct kci_batch *batch, int64_t now);
void kci_counts_split(struct kci_producer *producer);

#endif
