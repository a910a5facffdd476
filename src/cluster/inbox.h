/* What arrives on a connection: frames, matched with the requests in flight. */
#ifndef KCI_CLUSTER_INBOX_H
#define KCI_CLUSTER_INBOX_H

#include "cluster/cluster.h"

/* size bytes were received into the splitter's space. */
void kci_inbox_received(struct kci_node *node, size_t size, int64_t now);

#endif
