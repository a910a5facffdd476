/* What the consumer counts besides its cluster: per poll, fetch and heartbeat, under the consumer's lock. */
#ifndef KCI_CONSUMER_TALLY_H
#define KCI_CONSUMER_TALLY_H

#include "cluster/metrics.h"

struct kci_consumer;
struct kci_consumer_topic;

struct kci_tally {
    int64_t poll_began_at, poll_ended_at; /* microseconds; 0: there was none */
    struct kci_meter records, bytes;      /* returned; of fetch responses */
    uint64_t fetches_answered, fetch_bytes_max;
    uint64_t heartbeats, heartbeat_failures;
    struct kci_histogram fetch_latency, poll_gap, commit_latency; /* microseconds */
};

void kci_tally_poll_begins(struct kci_consumer *c, int64_t now);
void kci_tally_poll_ends(struct kci_consumer *c, int64_t now);
/* Records of a topic are about to be returned by the poll that runs, and the bytes of the runs that it read to their
 * end. */
void kci_tally_records(struct kci_consumer *c, struct kci_consumer_topic *topic, size_t records);
void kci_tally_bytes(struct kci_consumer *c, struct kci_consumer_topic *topic, int64_t bytes);
void kci_tally_fetched(struct kci_consumer *c, size_t bytes, int64_t latency_us, int64_t now);
/* A commit succeeded, so long after it was begun. */
void kci_tally_committed(struct kci_consumer *c, int64_t took_us);
/* A request of the membership was sent, or came back without an answer. */
void kci_tally_sent(struct kci_consumer *c, int16_t api);
void kci_tally_unanswered(struct kci_consumer *c, int16_t api);

#endif
