/* The way of a call, and its end.
 *
 *      IDLE --> WAITING --> QUEUED --> SENDING --> FLIGHT --> IDLE, then done()
 *        \        ^  \________/ \__________/__________/
 *         \       |__ back, when its node is lost and another will do
 *          -> DOOMED: comes back in the next step
 *
 * WAITING  in cluster->waiting: no node is known or connected that it may go to
 * QUEUED   in node->queue, nothing sent        SENDING  the first in node->queue, partly sent
 * FLIGHT   in node->flight: sent, not answered */
#ifndef KCI_CLUSTER_CALLS_H
#define KCI_CLUSTER_CALLS_H

#include "cluster/cluster.h"

enum kci_call_stage {
    KCI_CALL_IDLE,
    KCI_CALL_WAITING,
    KCI_CALL_QUEUED,
    KCI_CALL_SENDING,
    KCI_CALL_FLIGHT,
    KCI_CALL_LOST,             /* in a list of those that are about to fail with their connection */
    KCI_CALL_DOOMED_NO_MEMORY, /* in cluster->doomed */
    KCI_CALL_DOOMED_CLOSED,
};

/* "Metadata", or "API 99". */
const char *kci_calls_name(const struct kci_call *call);
/* Take the call out of whatever list it is in. */
void kci_calls_detach(struct kci_call *call);
/* Back to waiting for any node. */
void kci_calls_wait(struct kci_cluster *cluster, struct kci_call *call);
/* The end of every call: resets it, then runs done. */
void kci_calls_finish(struct kci_cluster *cluster, struct kci_call *call, struct kci_reply *reply, int64_t now);
/* The same for a failure. */
void kci_calls_fail(struct kci_cluster *cluster, struct kci_call *call, kc_err error, bool maybe_applied,
                    const char *text, int64_t now);
/* Find nodes for the calls that wait. */
void kci_calls_route(struct kci_cluster *cluster, int64_t now);
/* Those in cluster->doomed. */
void kci_calls_doomed(struct kci_cluster *cluster, int64_t now);
/* The call whose timer came. */
void kci_calls_timed_out(struct kci_cluster *cluster, struct kci_call *call, int64_t now);

#endif
