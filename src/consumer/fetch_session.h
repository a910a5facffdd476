/* Fetch sessions (KIP-227): the broker remembers what is fetched, a request says only what changed. One per node. */
#ifndef KCI_CONSUMER_FETCH_SESSION_H
#define KCI_CONSUMER_FETCH_SESSION_H

#include "consumer/subscription.h"

struct kci_session_entry {
    struct kci_consumer_topic *topic; /* counted */
    struct kci_uuid topic_id;         /* as sent */
    int64_t key;
    uint64_t version; /* of the position when it was last sent */
    uint64_t round;   /* the last request that wanted it */
    int64_t offset;
    int32_t partition, leader_epoch;
    int32_t fetched_epoch; /* leader epoch of the record before offset, as sent; -1: not said */
    bool changed;          /* must be in the request that is being built */
};

struct kci_fetch_session {
    const struct kci_alloc *alloc;
    struct kci_subscription *subscription; /* for counting topics */
    int32_t id;                            /* 0: none */
    int32_t epoch;                         /* of the next request; 0: a full one */
    uint64_t round;                        /* requests built */
    bool with_ids;                         /* topics are named by id */
    bool stale;                            /* planted defect: new positions are not told */
    struct kci_map entries;                /* key -> kci_session_entry, owned */
    uint32_t resets;                       /* times that a session was given up, for statistics and tests */
};

void kci_fetch_session_init(struct kci_fetch_session *session, const struct kci_alloc *alloc,
                            struct kci_subscription *s, uint64_t seed);
void kci_fetch_session_destroy(struct kci_fetch_session *session);
/* Fill id, epoch, topics and forgotten topics of the request for exactly these partitions. false: out of memory; then
 * reset. */
bool kci_fetch_session_build(struct kci_fetch_session *session, struct kci_assigned *const *wanted, size_t count,
                             int32_t partition_bytes_max, struct kci_arena *arena, struct kci_fetch_request *request);
/* What was last sent about a partition, or NULL. */
const struct kci_session_entry *kci_fetch_session_find(const struct kci_fetch_session *session, int64_t key);
/* A response came: error and id of its head. false: nothing in it may be used. */
bool kci_fetch_session_answered(struct kci_fetch_session *session, int16_t error, int32_t id);
/* No response came, or it could not be read: the next request begins a session anew. */
void kci_fetch_session_reset(struct kci_fetch_session *session);

#endif
