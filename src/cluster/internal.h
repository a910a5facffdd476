/* The cluster's insides, shared by the files of this folder. */
#ifndef KCI_CLUSTER_INTERNAL_H
#define KCI_CLUSTER_INTERNAL_H

#include "base/prng.h"
#include "cluster/calls.h"
#include "cluster/connection.h"
#include "cluster/metadata.h"
#include "cluster/metrics.h"
#include "cluster/node.h"
#include "cluster/outbox.h"

#define KCI_DECODE_BYTES_MAX                                                                                           \
    ((size_t)128 << 20)       /* memory that decoding one response may take: metadata of 500,000 partitions */
#define KCI_EXPLAIN_BYTES 500 /* of texts that are lent out, and of a call's error text */

struct kci_cluster {
    const struct kci_alloc *alloc;
    const struct kci_alloc *frames;      /* what answers are received into; borrowed */
    const struct kci_settings *settings; /* borrowed */
    struct kci_transport transport;
    struct kci_logger logger;
    struct kci_prng prng;
    int32_t in_flight_max;
    void (*on_metadata)(void *owner, int64_t now);
    void *owner;
    bool closing; /* destroy has begun: new calls come back at once */

    struct kci_heap call_timers; /* time-outs of calls */
    struct kci_heap alarms;      /* everything else: connections, throttling, metadata, routing */
    struct kci_list waiting;     /* calls that have no node yet */
    struct kci_list doomed;      /* calls that could not even begin: they come back in the next step */
    struct kci_list dirty;       /* nodes with something to send */
    bool route_due;              /* something changed that `waiting` may profit from */
    struct kci_alarm patience;   /* when another node is tried besides one that is slow to connect */

    struct kci_nodes nodes;
    struct kci_metadata metadata;
    struct kci_outbox outbox;
    struct kci_cluster_metrics metrics; /* counted here, read by any thread */
    struct kci_arena arena;             /* of the response being handled */
    char *lent;                         /* owned, KCI_EXPLAIN_BYTES: text of kci_cluster_node_why */
};

static inline void kci_alarm_set(struct kci_cluster *cluster, struct kci_alarm *alarm, int64_t at)
{
    if (alarm->timer.at != at)
        kci_heap_set(&cluster->alarms, &alarm->timer, at);
}

/* Put a new alarm, off, into the heap; false: out of memory. */
static inline bool kci_alarm_init(struct kci_cluster *cluster, struct kci_alarm *alarm,
                                  void (*ring)(struct kci_alarm *, int64_t))
{
    *alarm = (struct kci_alarm){ .ring = ring };
    return kci_heap_set(&cluster->alarms, &alarm->timer, KCI_NEVER);
}

#endif
