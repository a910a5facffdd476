/* Looking at a cluster from outside, for the control plane and for tests: what there is, without a way to change it.
 * Views are copies or borrowed for the call; nothing here walks a log. */
#ifndef MB_CORE_VIEW_H
#define MB_CORE_VIEW_H

#include "mockbroker/core/broker.h"

struct mb_cluster_view {
    const char *id;     /* borrowed; 22 characters */
    int32_t brokers;    /* ids 1 .. brokers */
    int32_t controller; /* id; -1: none */
    size_t connections; /* open ones, of clients */
    size_t requests;    /* being handled or parked */
};
void mb_view_cluster(const struct mb_cluster *cluster, struct mb_cluster_view *out);

/* false: no such broker. */
bool mb_view_broker(const struct mb_cluster *cluster, int32_t id, bool *running);

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
    bool in_isr;
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
    size_t members;
};
bool mb_view_group_next(const struct mb_cluster *cluster, size_t *at, struct mb_group_view *out);

#endif
