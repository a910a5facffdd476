/* What the leader of a classic group does: gather what is known of the topics and run the assignor. */
#ifndef KCI_CONSUMER_LEAD_H
#define KCI_CONSUMER_LEAD_H

#include "cluster/cluster.h"
#include "consumer/assignor.h"

struct kci_consumer;

/* Our own assignor of this name, or NULL. */
const struct kci_assignor *kci_lead_assignor(struct kci_consumer *c, struct kci_str name);
/* Fill what each member gets. Under the lock, which a user's assignor is run without: look at the state behind it.
 * false: out of memory, or the user's assignor failed, which poll reports. */
bool kci_lead_assign(struct kci_consumer *c);
/* A number that changes when a replica moves to another rack; never 0. */
uint64_t kci_lead_racks_digest(struct kci_consumer *c, const struct kci_topic_info *info);

#endif
