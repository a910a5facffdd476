/* What the brokers say of the cluster: when to ask, and the topics that somebody wants to know of. */
#ifndef KCI_CLUSTER_METADATA_H
#define KCI_CLUSTER_METADATA_H

#include "base/map.h"
#include "cluster/cluster.h"
#include "cluster/node.h"

#define KCI_TOPICS_MAX          1000000 /* wanted topics of one client */
#define KCI_PARTITIONS_MAX      1000000 /* of one topic: memory is taken by the highest index */
#define KCI_PARTITION_HOLES_MAX 1000    /* indexes that one answer may skip */

struct kci_topic {
    struct kci_topic_info info;            /* first: what is lent out */
    size_t wants;                          /* who want it */
    bool due;                              /* an answer is needed at the next request */
    struct kci_partition_info *partitions; /* owned; info.partitions */
    int32_t *replicas;                     /* owned: all replicas and isr of the partitions, one after the other */
    char name[];                           /* NUL-terminated */
};

struct kci_metadata {
    struct kci_map by_name, by_id; /* struct kci_topic, owned through by_name */
    uint64_t generation;
    int32_t controller; /* KCI_NODE_NONE: unknown */

    bool bootstrapping; /* the bootstrap servers are candidates */
    bool distrust;      /* ... and the brokers known so far are not: they may be of a cluster that is no more */

    struct kci_call call; /* the request under way */
    struct kci_metadata_request request;
    struct kci_metadata_request__metadata_request_topic *request_topics; /* owned */
    size_t request_capacity;
    bool asking;     /* call is under way */
    bool asked_full; /* ... and asks for all wanted topics */

    bool needed;            /* somebody made a call, so brokers must be known */
    bool urgent;            /* a new topic is wanted: no back-off */
    bool full;              /* the next request asks for all wanted topics */
    uint32_t attempts;      /* requests in a row that brought nothing new */
    int64_t not_before;     /* microseconds: end of the back-off */
    int64_t updated_at;     /* microseconds: last good answer; INT64_MIN: never */
    int64_t full_at;        /* microseconds: last good answer for all wanted topics */
    int64_t trouble_at;     /* microseconds: since when no answer came although asked; KCI_NEVER: no trouble */
    struct kci_alarm alarm; /* the next request */
};

bool kci_metadata_init(struct kci_cluster *cluster);
void kci_metadata_destroy(struct kci_cluster *cluster);
/* A call was made: if nothing is known of the cluster yet, ask. */
void kci_metadata_need(struct kci_cluster *cluster, int64_t now);
/* kci_cluster_refresh. */
void kci_metadata_refresh(struct kci_cluster *cluster, const char *why, int64_t now);
/* Go back to the bootstrap servers, if settings allow and we are not there already. true: candidates changed. */
bool kci_metadata_rebootstrap(struct kci_cluster *cluster, const char *why, int64_t now);

/* ---- topics.c ---- */
/* Take one topic of a response of `version`. false: out of memory, nothing changed. *changed is set when something did.
 */
bool kci_topics_take(struct kci_metadata *metadata, const struct kci_alloc *alloc, struct kci_topic *topic,
                     const struct kci_metadata_response__metadata_response_topic *answer, int16_t version,
                     bool *changed);
void kci_topics_free(struct kci_metadata *metadata, const struct kci_alloc *alloc, struct kci_topic *topic);

#endif
