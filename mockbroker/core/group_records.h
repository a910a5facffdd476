/* The records of __consumer_offsets: Kafka's own formats, written and read. */
#ifndef MB_CORE_GROUP_RECORDS_H
#define MB_CORE_GROUP_RECORDS_H

#include "mockbroker/core/group.h"

struct mb_offset;

/* Records being gathered for one append. A failure (no memory, too large) sticks and comes out of the append. */
struct mb_group_records {
    const struct kci_alloc *alloc;
    struct kci_writer bytes;            /* keys and values, one behind the other */
    struct mb_group_record_span *spans; /* owned; where in `bytes` */
    size_t count, capacity;
    int64_t producer_id; /* whose transaction they are part of; -1: of none */
    int16_t producer_epoch;
    bool failed;
};
struct mb_group_records mb_group_records_of(const struct kci_alloc *alloc);
void mb_group_records_offset(struct mb_group_records *records, struct kci_str group, struct kci_str topic,
                             int32_t partition, const struct mb_offset *offset);
void mb_group_records_no_offset(struct mb_group_records *records, struct kci_str group, struct kci_str topic,
                                int32_t partition);
/* The group with its members; `proposed`: with the assignments that the leader just brought. */
void mb_group_records_group(struct mb_group_records *records, const struct mb_group *group, bool proposed);
void mb_group_records_no_group(struct mb_group_records *records, struct kci_str group);
/* Records of other kinds (modern_records.c): begin, write the key into `bytes`, end it; without a value, that is a
 * deletion. Then write the value, and end it. */
void mb_group_records_begin(struct mb_group_records *records);
void mb_group_records_str(struct mb_group_records *records, struct kci_str text); /* in the encoding of keys */
void mb_group_records_end_key(struct mb_group_records *records);
void mb_group_records_end_value(struct mb_group_records *records);
/* Append as one batch and free the gathered bytes. done runs in any case, perhaps at once, so this is the last thing to
 * do. */
void mb_group_records_append(struct mb_group_records *records, struct mb_cluster *cluster, int32_t partition,
                             void (*done)(void *owner, int16_t error, int64_t now), void *owner, int64_t now);
/* Nothing was gathered, and nothing failed either: there is no need to append. */
bool mb_group_records_empty(const struct mb_group_records *records);
void mb_group_records_discard(struct mb_group_records *records); /* never mind */
/* An empty group is written for the record; nobody waits for it. */
void mb_group_records_write_empty(const struct mb_group *group, int64_t now);

enum mb_group_record_kind { MB_GROUP_RECORD_OTHER, MB_GROUP_RECORD_OFFSET, MB_GROUP_RECORD_GROUP };

/* What a record says; text and bytes are views. */
struct mb_group_record {
    enum mb_group_record_kind kind;
    bool tombstone;
    struct kci_str group;
    struct { /* MB_GROUP_RECORD_OFFSET */
        struct kci_str topic;
        int32_t partition;
        int64_t offset;
        int32_t leader_epoch;
        struct kci_str metadata;
        int64_t commit_ms;
        int64_t expire_ms; /* -1: by the retention of the broker */
    } commit;
    struct { /* MB_GROUP_RECORD_GROUP */
        int16_t version;
        struct kci_str protocol_type, protocol, leader;
        int32_t generation;
        int64_t state_since_ms; /* -1: unknown */
        int32_t members_left;
        struct kci_reader members; /* at the next member */
    } meta;
};
struct mb_group_record_member {
    struct kci_str id, instance_id, client_id, client_host;
    int32_t rebalance_timeout_ms, session_timeout_ms;
    struct kci_bytes subscription, assignment;
};
/* False: malformed, or of a version that is not known. */
bool mb_group_records_read(const struct kci_record_view *view, struct mb_group_record *out);
/* 1: *out is the next member; 0: there is none; -1: malformed. */
int mb_group_records_next_member(struct mb_group_record *record, struct mb_group_record_member *out);

#endif
