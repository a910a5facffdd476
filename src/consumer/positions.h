/* Finding and checking the positions of assigned partitions. */
#ifndef KCI_CONSUMER_POSITIONS_H
#define KCI_CONSUMER_POSITIONS_H

#include "base/bytes.h"

struct kci_consumer;

/* Ask for what is not known and not asked yet. */
void kci_positions_step(struct kci_consumer *c, int64_t now);

#endif
