/* One question about some partitions to one broker: ListOffsets, OffsetForLeaderEpoch, OffsetFetch, OffsetCommit.
 * All four are lists of topics with lists of partitions, so they share how they are grouped, sent and read. */
#ifndef KCI_CONSUMER_REQUEST_H
#define KCI_CONSUMER_REQUEST_H

#include "consumer/subscription.h"

struct kci_consumer;
struct kci_request;

struct kci_request_item {
    struct kci_consumer_topic *topic; /* counted */
    int32_t partition;
    struct kci_uuid topic_id; /* that was asked for, with the name; zero: by name only */
    uint32_t index;           /* the owner's: which of its items this is */
    uint64_t version;         /* of the position, or 0 */
    int32_t current_epoch;    /* leader epoch that the metadata says, -1: unknown */
    /* the question */
    int64_t number;       /* ListOffsets: timestamp. OffsetForLeaderEpoch: epoch. OffsetCommit: offset */
    int32_t epoch;        /* OffsetCommit: leader epoch of the record before */
    const char *metadata; /* OffsetCommit; borrowed from the owner, may be NULL */
    /* the answer */
    bool answered;
    int16_t error; /* Kafka's code */
    int64_t offset;
    int32_t offset_epoch; /* -1: unknown */
    struct kci_str text;  /* OffsetFetch: metadata; only during `finish` */
};

struct kci_request {
    struct kci_call call;
    struct kci_consumer *consumer;
    struct kci_arena arena; /* of the request as it is sent */
    /* Called once, with the consumer's lock; the request is freed behind it. */
    void (*finish)(struct kci_request *request, int64_t now);
    /* Take what the response says into the items; false: malformed in its meaning. */
    void (*read)(struct kci_request *request, const void *response);
    void *shapes; /* OffsetFetch: in the arena */
    void *owner;  /* of finish; may be set to NULL by an owner that goes */
    kc_err error; /* of the call; KC_OK: items are answered */
    bool maybe_applied;
    const char *text;    /* of error; only during `finish` */
    int16_t group_error; /* of the whole response; 0: none */
    int32_t node;        /* who was asked */
    int32_t generation;  /* OffsetCommit: of the member when it was sent */
    size_t count;
    struct kci_request_item items[];
};

/* No answer, and there will be none: the broker does not have the request. */
static inline bool kci_request_is_too_old(const struct kci_request *request)
{
    return request->error == KC_ERR_NO_VERSION;
}

/* Room for count items, zeroed. NULL: out of memory. */
struct kci_request *kci_request_new(struct kci_consumer *c, size_t count);
/* Free one that was never sent. */
void kci_request_free(struct kci_request *request);
/* Send; false: out of memory, and the request is still yours. Items are sorted by topic. */
bool kci_request_list_offsets(struct kci_request *request, int32_t node, int64_t now);
bool kci_request_epochs(struct kci_request *request, int32_t node, int64_t now);
bool kci_request_offset_fetch(struct kci_request *request, int32_t node, int64_t now);
bool kci_request_offset_commit(struct kci_request *request, int32_t node, int64_t now);

#endif
