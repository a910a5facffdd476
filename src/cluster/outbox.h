/* What is to be sent on a connection: requests as ropes, in order, several small ones in one send. */
#ifndef KCI_CLUSTER_OUTBOX_H
#define KCI_CLUSTER_OUTBOX_H

#include "cluster/cluster.h"
#include "cluster/text.h"

#define KCI_OUTBOX_PIECES_MAX 1024                /* pieces of one send: what one system call takes (IOV_MAX) */
#define KCI_OUTBOX_BYTES      ((size_t)256 << 10) /* requests are put into one send until it holds this much */
#define KCI_OUTBOX_HEADS      16                  /* spare buffers kept for request heads */
#define KCI_OUTBOX_HEAD_KEEP  ((size_t)16 << 10)  /* bytes: a larger one is not worth keeping */

/* Shared by all connections of a cluster; the queues are the nodes' own. */
struct kci_outbox {
    struct kci_alloc
        watched;            /* the cluster's allocator, noting failures: tells "no memory" from "cannot be expressed" */
    bool no_memory;         /* what it noted */
    struct kci_iov *pieces; /* owned, KCI_OUTBOX_PIECES_MAX: of the send being put together */
    struct kci_writer heads[KCI_OUTBOX_HEADS]; /* spare buffers */
    size_t head_count;
};

bool kci_outbox_init(struct kci_cluster *cluster);
void kci_outbox_destroy(struct kci_cluster *cluster);
/* Remember that the node has something to send. */
void kci_outbox_mark(struct kci_cluster *cluster, struct kci_node *node);
/* Send what can be sent to all marked nodes. */
void kci_outbox_flush(struct kci_cluster *cluster, int64_t now);
/* Forget what was partly sent (the connection is gone). */
void kci_outbox_reset(struct kci_node *node);
/* Give back the buffer of a call's head. */
void kci_outbox_release(struct kci_cluster *cluster, struct kci_call *call);
/* Encode a call for its node's connection: version, correlation, head. What prevents it is told in `text`. */
kc_err kci_outbox_encode(struct kci_cluster *cluster, struct kci_node *node, struct kci_call *call,
                         struct kci_text *text);

#endif
