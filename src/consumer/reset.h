/* When a position cannot be kept: what auto.offset.reset says, and who is told. */
#ifndef KCI_CONSUMER_RESET_H
#define KCI_CONSUMER_RESET_H

#include "consumer/subscription.h"

struct kci_consumer;

/* The position is given up for this reason: looked up anew as auto.offset.reset says, or the partition fails until a
 * seek. */
void kci_reset_begin(struct kci_consumer *c, struct kci_assigned *a, enum kci_reset_reason reason, int64_t now);
/* A lookup for RESET was answered; offset < 0: no record is as young as that. */
void kci_reset_found(struct kci_consumer *c, struct kci_assigned *a, int64_t offset, int32_t epoch, int64_t now);
/* The leader's log has another history from `offset` on, which is where `epoch` ends (-1: it knows nothing of ours).
 * current_epoch: of the leader that said so; -1: unknown. */
void kci_reset_diverged(struct kci_consumer *c, struct kci_assigned *a, int64_t offset, int32_t epoch,
                        int32_t current_epoch, int64_t now);
/* New metadata: positions in a topic that was deleted and created again are those of another topic. */
void kci_reset_check_topics(struct kci_consumer *c, int64_t now);

#endif
