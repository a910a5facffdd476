/* What is counted per broker, and in sum.  The I/O thread counts, once per request, response or connection; any thread
 * reads.  A broker's block is made when it is first connected to and lives as long as the cluster, so readers need no
 * lock: they see a pointer or do not see it yet. */
#ifndef KCI_CLUSTER_METRICS_H
#define KCI_CLUSTER_METRICS_H

#include "base/alloc.h"
#include "base/histogram.h"
#include "base/meter.h"
#include <kclient/metrics.h>

#define KCI_METRICS_BROKERS_MAX 128  /* counted by themselves: 1.3 MB; a client rarely talks to more */
#define KCI_METRICS_TOPICS_MAX  1000 /* likewise, of a producer: its text would be some megabytes with more */

#define KCI_METRICS_APIS_MAX 128 /* keys of Kafka's APIs end at 94; a client uses some twenty, 10 KB each */

struct kci_node;
struct kci_cluster;

struct kci_broker_metrics {
    int32_t id;                     /* KC_BROKER_BOOTSTRAP, KC_BROKER_OTHERS */
    _Atomic(uint64_t) in_flight;    /* now */
    _Atomic(uint64_t) made, closed; /* connections */
    _Atomic(uint64_t) broken;       /* attempts to connect that failed, and connections that broke */
    _Atomic(uint64_t) responses, failures;
    _Atomic(uint64_t) throttled_us;
    struct kci_meter requests, bytes_out, bytes_in;
    struct kci_histogram latency; /* microseconds */
};

/* One kind of request, to all brokers. Made when the first one is sent. */
struct kci_api_metrics {
    const char *name; /* Kafka's; static */
    _Atomic(uint64_t) requests, failures;
    struct kci_histogram latency; /* microseconds */
};

struct kci_cluster_metrics {
    struct kci_broker_metrics all, others;
    _Atomic(uint64_t) updates;                                             /* metadata responses taken */
    _Atomic(struct kci_broker_metrics *) brokers[KCI_METRICS_BROKERS_MAX]; /* the first `count` are there; owned */
    _Atomic(uint32_t) count;
    _Atomic(struct kci_api_metrics *) apis[KCI_METRICS_APIS_MAX]; /* by API key; NULL: not sent yet; owned */
};

void kci_metrics_init(struct kci_cluster_metrics *metrics);
void kci_metrics_destroy(struct kci_cluster_metrics *metrics, const struct kci_alloc *alloc);

/* ---- the I/O thread, as things happen to a node ---- */
void kci_metrics_node(struct kci_node *node); /* begin to count for it; before that, and without memory: "others" */
void kci_metrics_requested(struct kci_node *node, int16_t api, int64_t now);
void kci_metrics_answered(struct kci_node *node, int16_t api, int64_t latency_us);
void kci_metrics_unanswered(struct kci_node *node, int16_t api);
void kci_metrics_in_flight(struct kci_node *node, int32_t change);
void kci_metrics_moved(struct kci_node *node, size_t bytes_out, size_t bytes_in, int64_t now);
void kci_metrics_connection(struct kci_node *node, bool made); /* or closed */
void kci_metrics_broken(struct kci_node *node);
void kci_metrics_throttled(struct kci_node *node, int32_t throttle_ms);

/* ---- any thread ---- */
/* The arrays of a snapshot while it is filled. Capacities are what there was when it was begun: what came since is left
 * out. */
struct kci_metrics_room {
    kc_broker_metrics *brokers;
    size_t broker_capacity;
    kc_topic_metrics *topics;
    size_t topic_capacity;
    kc_partition_metrics *partitions;
    size_t partition_capacity;
    kc_api_metrics *apis;
    size_t api_capacity;
    char *names; /* of topics: KCI_METRICS_NAME_BYTES each, in the order of `topics` */
};
#define KCI_METRICS_NAME_BYTES 250 /* Kafka's limit, and NUL */

/* Set the capacities of what kci_cluster_metrics() fills. */
void kci_cluster_metrics_need(const struct kci_cluster *cluster, struct kci_metrics_room *room);
/* The part of a snapshot that every client has. */
void kci_cluster_metrics(const struct kci_cluster *cluster, kc_metrics *out, const struct kci_metrics_room *room,
                         int64_t now);
void kci_metrics_times(const struct kci_histogram *histogram, kc_times *out);
/* A topic's entry, with its name; NULL: no room. */
kc_topic_metrics *kci_metrics_topic(kc_metrics *out, const struct kci_metrics_room *room, const char *name);

/* One writer: no locked instruction. */
static inline void kci_metrics_add(_Atomic(uint64_t) *counter, uint64_t n)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n, memory_order_relaxed);
}
static inline uint64_t kci_metrics_get(const _Atomic(uint64_t) *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

#endif
