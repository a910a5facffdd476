/* The "consumer" embedded protocol: what members of a classic group tell each other in opaque bytes of JoinGroup and
 * SyncGroup (PROTOCOL.md 3.7).  In a mixed group the broker must read and write it (KIP-848). */
#ifndef MB_CORE_EMBEDDED_H
#define MB_CORE_EMBEDDED_H

#include "mockbroker/core/modern.h"

/* Decoded into the arena, text is views. False: malformed (or beyond the arena's limit). */
bool mb_embedded_subscription(struct kci_arena *arena, struct kci_bytes bytes,
                              struct kci_consumer_protocol_subscription *out);
bool mb_embedded_assignment(struct kci_arena *arena, struct kci_bytes bytes,
                            struct kci_consumer_protocol_assignment *out);
/* The version that a subscription is written in; 0 if it has none. */
int16_t mb_embedded_version(struct kci_bytes subscription);
/* Partitions of both as a set in the arena; topics that do not exist are left out. False: no memory. */
bool mb_embedded_owned(const struct mb_cluster *cluster, struct kci_arena *arena,
                       const struct kci_consumer_protocol_subscription *subscription, struct mb_tpset *out);
bool mb_embedded_assigned(const struct mb_cluster *cluster, struct kci_arena *arena,
                          const struct kci_consumer_protocol_assignment *assignment, struct mb_tpset *out);
/* The assignment of a set, in owned bytes; topics that do not exist any more are left out. False: no memory. */
bool mb_embedded_write(const struct mb_cluster *cluster, const struct kci_alloc *alloc, const struct mb_tpset *set,
                       int16_t version, struct kci_bytes *out);

#endif
