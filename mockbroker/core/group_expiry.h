/* Offsets and groups that nobody needs any more. */
#ifndef MB_CORE_GROUP_EXPIRY_H
#define MB_CORE_GROUP_EXPIRY_H

#include "mockbroker/core/group_registry.h"

/* There is a group: look after it every offsets.retention.check.interval.ms. */
void mb_group_expiry_arm(struct mb_groups *groups, int64_t now);
/* The topic was deleted: its offsets go. May be the last use of `group`. */
void mb_group_expiry_topic_gone(struct mb_group *group, struct kci_str topic, int64_t now);

#endif
