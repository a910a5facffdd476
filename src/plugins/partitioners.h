/* The partitioners of partitioner.class beside Kafka's own, which is built into the producer. */
#ifndef KCI_PLUGINS_PARTITIONERS_H
#define KCI_PLUGINS_PARTITIONERS_H

#include "base/alloc.h"
#include "base/lock.h"
#include "cluster/settings.h"

/* Fill in the table of functions; all zero where the producer's own rule does it (default, sticky, murmur2_random).
 * What it allocates is freed by its `close`. KC_ERR_NO_MEMORY. */
kc_err kci_partitioners_make(enum kci_partitioner which, const struct kci_alloc *alloc,
                             const struct kci_lock_ops *lock_ops, uint64_t seed, kc_partitioner *out);
/* Does it spread records without looking at them, so that a neighbour will do when its choice cannot be sent to? */
bool kci_partitioners_spreads(enum kci_partitioner which);

#endif
