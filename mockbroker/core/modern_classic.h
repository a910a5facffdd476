/* Members of the classic protocol in a mixed group (KIP-848): their four requests, served by the consumer protocol. */
#ifndef MB_CORE_MODERN_CLASSIC_H
#define MB_CORE_MODERN_CLASSIC_H

#include "mockbroker/core/modern.h"

/* The request itself was checked, the coordinator is here, the group is of the consumer protocol and has members. */
void mb_modern_classic_join(struct mb_request *request, struct mb_group *group, int64_t now);
/* These two also for groups without members. */
void mb_modern_classic_sync(struct mb_request *request, const struct mb_group *group, int64_t now);
int16_t mb_modern_classic_beat(const struct kci_heartbeat_request *body, const struct mb_group *group, int64_t now);
/* One member of a LeaveGroup: found and marked as `leaving`, or an error. */
int16_t mb_modern_classic_leave(struct mb_group *group, struct kci_str id, struct kci_str instance_id);

#endif
