/* The records of a KIP-848 group in __consumer_offsets. */
#ifndef MB_CORE_MODERN_RECORDS_H
#define MB_CORE_MODERN_RECORDS_H

#include "mockbroker/core/group_registry.h"
#include "mockbroker/core/modern.h"

void mb_modern_records_epoch(struct mb_group_records *records, const struct mb_group *group);
void mb_modern_records_target_epoch(struct mb_group_records *records, const struct mb_group *group);
void mb_modern_records_member(struct mb_group_records *records, const struct mb_modern_member *member);
void mb_modern_records_target(struct mb_group_records *records, const struct mb_modern_member *member);
void mb_modern_records_current(struct mb_group_records *records, const struct mb_modern_member *member);
/* All that was written about the member is void. */
void mb_modern_records_no_member(struct mb_group_records *records, const struct mb_group *group, struct kci_str id);
struct mb_modern_pattern;
void mb_modern_records_pattern(struct mb_group_records *records, const struct mb_group *group,
                               const struct mb_modern_pattern *pattern);
void mb_modern_records_no_pattern(struct mb_group_records *records, const struct mb_group *group, struct kci_str text);
/* All that was written about the group (of either kind, without members; not its offsets) is void. */
void mb_modern_records_forget(struct mb_group_records *records, const struct mb_group *group);

enum mb_modern_load { MB_MODERN_LOADED, MB_MODERN_NOT_OURS, MB_MODERN_MALFORMED, MB_MODERN_NO_MEMORY };
/* Apply one record to the registry; those of other partitions' groups are passed over. */
enum mb_modern_load mb_modern_load_record(struct mb_groups *groups, int32_t partition,
                                          const struct kci_record_view *view, int64_t now);
/* After the last record: members without metadata go, sessions begin. */
void mb_modern_loaded(struct mb_group *group, int64_t now);

#endif
