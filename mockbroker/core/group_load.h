/* Groups rebuilt from their partition of __consumer_offsets. */
#ifndef MB_CORE_GROUP_LOAD_H
#define MB_CORE_GROUP_LOAD_H

#include "mockbroker/core/group_registry.h"

/* All groups of the partition, as its log tells. False: no leader or no memory; some may have been loaded, unload them.
 */
bool mb_group_load(struct mb_groups *groups, int32_t partition, int64_t now);

#endif
