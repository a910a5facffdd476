/* Offsets that transactions have committed and that do not count yet: they do when the transaction commits. */
#ifndef MB_CORE_GROUP_TXN_H
#define MB_CORE_GROUP_TXN_H

#include "mockbroker/core/group_offsets.h"

/* Copies. False: no memory; nothing changed. */
bool mb_group_txn_add(struct mb_group *group, int64_t producer_id, struct kci_str topic, int32_t partition,
                      const struct mb_offset *offset);
/* Is there one of an open transaction? */
bool mb_group_txn_has(const struct mb_group *group, struct kci_str topic, int32_t partition);
/* The producer's transaction has ended: a marker of it is in this partition of __consumer_offsets. */
void mb_group_txn_end(struct mb_groups *groups, int32_t home, int64_t producer_id, bool commit, int64_t now);
/* The same while the partition is being loaded. False: no memory. */
bool mb_group_txn_replay(struct mb_groups *groups, int32_t home, int64_t producer_id, bool commit);
void mb_group_txn_clear(struct mb_group *group); /* never mind: the group goes */

#endif
