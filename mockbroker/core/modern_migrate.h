/* From a classic group to one of the consumer protocol and back, while its members go on (KIP-848). */
#ifndef MB_CORE_MODERN_MIGRATE_H
#define MB_CORE_MODERN_MIGRATE_H

#include "mockbroker/core/modern.h"

/* group.consumer.migration.policy */
enum mb_modern_migration { MB_MIGRATE_NOT = 0, MB_MIGRATE_UP = 1, MB_MIGRATE_DOWN = 2 }; /* bits */
int mb_modern_migration(const struct mb_cluster *cluster);

/* May this classic group, which has members, become a mixed one? False: `why` says why not. */
bool mb_modern_may_upgrade(const struct mb_group *group, struct kci_arena *arena, char *why, size_t size);
/* It becomes one; its members stay, requests that they have parked hear REBALANCE_IN_PROGRESS. It may
 * (mb_modern_may_upgrade). False: no memory, nothing changed but the records. */
bool mb_modern_upgrade(struct mb_group *group, struct kci_arena *arena, struct mb_group_records *records, int64_t now);

/* May it become a classic one without those that are `leaving`: are the others of the classic protocol? */
bool mb_modern_may_downgrade(const struct mb_group *group);
/* It becomes one. `why` (NULL: do not): a rebalance begins. False: no memory, read the log again. */
bool mb_modern_downgrade(struct mb_group *group, struct mb_group_records *records, const char *why, int64_t now);

#endif
