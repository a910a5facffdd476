/* Committed offsets of a group, by topic and partition. */
#ifndef MB_CORE_GROUP_OFFSETS_H
#define MB_CORE_GROUP_OFFSETS_H

#include "mockbroker/core/group.h"

struct mb_offset {
    int64_t offset;          /* the next to be read */
    int32_t leader_epoch;    /* of the last record read; -1: unknown */
    int64_t commit_ms;       /* wall clock */
    int64_t expire_ms;       /* wall clock; -1: by offsets.retention.minutes */
    struct kci_str metadata; /* of the client; never null. In the store: owned with the struct */
};

struct mb_offset_topic {
    struct kci_str name;       /* owned */
    struct kci_map partitions; /* int64 partition -> struct mb_offset, owned */
};

/* NULL: none. */
const struct mb_offset *mb_offsets_get(const struct mb_group *group, struct kci_str topic, int32_t partition);
/* Copies. False: no memory; nothing changed. */
bool mb_offsets_set(struct mb_group *group, struct kci_str topic, int32_t partition, const struct mb_offset *offset);
bool mb_offsets_remove(struct mb_group *group, struct kci_str topic, int32_t partition); /* true: it was there */
void mb_offsets_remove_topic(struct mb_group *group, struct kci_str topic);
void mb_offsets_clear(struct mb_group *group);
/* The next topic (start with *at = 0), or NULL; its next partition, or NULL. Removing while walking is fine. */
const struct mb_offset_topic *mb_offsets_next_topic(const struct mb_group *group, size_t *at);
const struct mb_offset *mb_offsets_next(const struct mb_offset_topic *topic, size_t *at, int32_t *partition);

#endif
