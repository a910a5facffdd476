/* The calls of a connection that ended: which of them come back, and what they are told. */
#ifndef KCI_CLUSTER_CASUALTIES_H
#define KCI_CLUSTER_CASUALTIES_H

#include "cluster/node.h"

struct kci_casualties {
    struct kci_list sent;   /* wholly: they may have been carried out */
    struct kci_list unsent; /* not, or in part: a broker that never saw the whole frame cannot have carried them out */
};

/* What they come back with. */
struct kci_verdict {
    const struct kci_call *culprit;  /* the call that the connection ended for; NULL: none */
    kc_err culprit_error;            /* of that one */
    kc_err sent_error, unsent_error; /* of the others */
    const char *text;                /* why */
};

/* Take the calls that cannot go on off the node. Calls that were not sent stay in its queue, or wait for another node
 * if any will do; `unreachable`: the node cannot be had now, so those that only it could serve come back, too. */
void kci_casualties_collect(struct kci_node *node, bool unreachable, struct kci_casualties *lost);
/* Let them come back: sent ones first, each kind in order. Runs `done`: the node must be in its new state by then. */
void kci_casualties_return(struct kci_node *node, struct kci_casualties *lost, const struct kci_verdict *verdict,
                           int64_t now);

#endif
