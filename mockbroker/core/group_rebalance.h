/* How a rebalance begins, goes on and ends (PROTOCOL.md 4.5). */
#ifndef MB_CORE_GROUP_REBALANCE_H
#define MB_CORE_GROUP_REBALANCE_H

#include "mockbroker/core/group.h"

/* Something changed: begin a rebalance, or, if one runs, see whether it can end now. `why` is for the log. */
void mb_group_rebalance(struct mb_group *group, const char *why, int64_t now);
/* In Preparing, once nobody is missing: end the join phase. Else nothing. */
void mb_group_rebalance_maybe_complete(struct mb_group *group, int64_t now);
/* Remove a member (UNKNOWN_MEMBER_ID to what it has parked) and rebalance the rest. */
void mb_group_rebalance_expel(struct mb_group_member *member, const char *why, int64_t now);
/* The member asked for its assignment. */
void mb_group_rebalance_synced(struct mb_group_member *member);
/* The leader's assignment is in the log: hand it out. */
void mb_group_rebalance_finish(struct mb_group *group, int64_t now);
/* It could not be written: everyone learns the error and joins again. */
void mb_group_rebalance_fail(struct mb_group *group, int16_t error, int64_t now);
/* The coordinator moves away or ends: answer everybody, forget the members, Dead. */
void mb_group_rebalance_unload(struct mb_group *group, int16_t error, int64_t now);

#endif
