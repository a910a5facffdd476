/* The Fetch response, read straight down: the bytes of a response are mostly record batches, and those stay where they
 * are. */
#ifndef KCI_CONSUMER_FETCH_RESPONSE_H
#define KCI_CONSUMER_FETCH_RESPONSE_H

#include "base/cursor.h"

#define KCI_FETCH_VERSION_MIN   4
#define KCI_FETCH_VERSION_MAX   18
#define KCI_FETCH_VERSION_IDS   13 /* from here on topics are named by id */
#define KCI_FETCH_VERSION_EPOCH 12 /* from here on the leader compares histories (KIP-595) */

/* One partition of a response. All views are into the frame. */
struct kci_fetch_partition {
    struct kci_str topic;     /* below version 13 */
    struct kci_uuid topic_id; /* from version 13 on */
    int32_t partition;
    int16_t version;                                              /* of the response */
    int16_t error;                                                /* Kafka's code */
    int64_t high_watermark, last_stable_offset, log_start_offset; /* -1: not told */
    int32_t diverging_epoch;      /* -1: none. The log of the leader differs from ours ... */
    int64_t diverging_offset;     /* ... from this offset on */
    int32_t leader, leader_epoch; /* -1: no hint (KIP-951) */
    int32_t preferred_replica;    /* -1: none (KIP-392) */
    int32_t aborted_count;        /* of elements in `aborted`; 0 also for null */
    struct kci_reader aborted;    /* positioned at the first */
    struct kci_bytes records;     /* batches; size 0: none */
};

struct kci_fetch_endpoint {
    int32_t node;
    struct kci_str host, rack;
    int32_t port;
};

struct kci_fetch_reading {
    struct kci_reader r;
    int16_t version;
    int16_t error; /* of the whole: the fetch session's */
    int32_t session_id;
    int32_t topics_left, partitions_left;
    struct kci_str topic; /* of the current topic */
    struct kci_uuid topic_id;
    struct kci_reader endpoints; /* after the last partition */
    int32_t endpoints_left;
};

/* Begin with the body of a response. false: malformed. */
bool kci_fetch_response_begin(struct kci_fetch_reading *response, struct kci_reader body, int16_t version);
/* 1: *partition is the next one; 0: the end, and the endpoints can be read; -1: malformed. */
int kci_fetch_response_next(struct kci_fetch_reading *response, struct kci_fetch_partition *partition);
/* After the end: addresses of brokers that hints mention (KIP-951). */
bool kci_fetch_response_endpoint(struct kci_fetch_reading *response, struct kci_fetch_endpoint *endpoint);
/* The next aborted transaction of a partition. false: malformed. */
bool kci_fetch_response_aborted(struct kci_reader *aborted, int16_t version, int64_t *producer_id,
                                int64_t *first_offset);

#endif
