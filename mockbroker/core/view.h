/* Looking at a cluster from outside, for the control plane and for tests: what there is, without a way to change it.
 * Views are copies or borrowed for the call; nothing here walks a log. */
#ifndef MB_CORE_VIEW_H
#define MB_CORE_VIEW_H

#include "mockbroker/core/broker.h"

struct mb_cluster_view {
    const char *id;           /* borrowed; 22 characters */
    int32_t brokers;          /* ids 1 .. brokers */
    int32_t controller;       /* id; -1: none */
    int32_t controller_epoch; /* rises with every new one */
    size_t connections;       /* open ones, of clients */
    size_t requests;          /* being handled or parked */
};
void mb_view_cluster(const struct mb_cluster *cluster, struct mb_cluster_view *out);

enum mb_broker_state { MB_BROKER_STOPPED, MB_BROKER_RUNNING, MB_BROKER_PAUSED, MB_BROKER_FENCED, MB_BROKER_LEAVING };
/* false: no such broker. FENCED: paused for so long that others lead. */
bool mb_view_broker(const struct mb_cluster *cluster, int32_t id, enum mb_broker_state *state);
/* Is it being decommissioned?  Then *held is how many replicas it holds, and text why it cannot go on, or empty. */
bool mb_view_leaving(const struct mb_cluster *cluster, int32_t id, int32_t *held, char *text, size_t text_size);
const char *mb_view_broker_state(enum mb_broker_state state); /* "running" */

struct mb_topic_view {
    const char *name; /* borrowed */
    struct kci_uuid id;
    int32_t partitions;
    int16_t replication_factor;
    bool internal;
};
/* The next topic at or after *at (start with 0), in order of creation, advancing *at; false at the end. */
bool mb_view_topic_next(const struct mb_cluster *cluster, size_t *at, struct mb_topic_view *out);

struct mb_replica_view {
    int32_t broker;
    bool in_isr, eligible; /* eligible: not in sync, and may lead when nobody is (KIP-966) */
    int64_t log_end;
};
/* Replicas of a partition in the order of its assignment; returns how many there are and fills at most max. */
size_t mb_view_replicas(const struct mb_cluster *cluster, struct kci_str topic, int32_t partition,
                        struct mb_replica_view *out, size_t max);

struct mb_group_view {
    struct kci_str id; /* borrowed, like the two below */
    const char *state;
    struct kci_str protocol; /* the assignor; data NULL: none */
    int32_t generation;
    int32_t coordinator; /* broker id; -1: none now */
    bool modern;         /* of the consumer protocol (KIP-848) */
    size_t members;
};
bool mb_view_group_next(const struct mb_cluster *cluster, size_t *at, struct mb_group_view *out);
bool mb_view_group(const struct mb_cluster *cluster, struct kci_str id, struct mb_group_view *out); /* false: none */

struct mb_group_member_view {
    struct kci_str id, client_id, client_host; /* borrowed */
    struct kci_str instance_id;                /* borrowed; data NULL: a dynamic member */
    int32_t epoch;                             /* consumer protocol; -1: classic */
};
/* The member after `previous` (NULL: the first one), by order of joining; NULL: there are no more. For as long as
 * nothing changes. */
const void *mb_view_member_next(const struct mb_cluster *cluster, struct kci_str group, const void *previous,
                                struct mb_group_member_view *out);
struct mb_group_offset_view {
    const char *topic; /* borrowed */
    int32_t partition;
    int64_t offset, log_end; /* committed; of the partition, -1: it is gone */
    struct kci_str metadata; /* borrowed */
};
/* Call `each` for every committed offset, topics and partitions in no order. */
void mb_view_group_offsets(const struct mb_cluster *cluster, struct kci_str group,
                           void (*each)(void *context, const struct mb_group_offset_view *offset), void *context);

struct mb_txn_view {
    struct kci_str id; /* borrowed */
    const char *state; /* "Ongoing" */
    int64_t producer_id;
    int16_t epoch;
    int32_t timeout_ms;
    int64_t started_ms;  /* wall clock; -1: nothing is open */
    int32_t coordinator; /* broker id; -1: none now */
};
bool mb_view_txn_next(const struct mb_cluster *cluster, size_t *at, struct mb_txn_view *out);
/* Call `each` for every partition that the transaction of this id has open. */
void mb_view_txn_partitions(const struct mb_cluster *cluster, struct kci_str id,
                            void (*each)(void *context, struct kci_str topic, int32_t partition), void *context);

#endif
