/* The coordinator of all brokers of the cluster: which groups there are, which broker answers for them now. */
#ifndef MB_CORE_GROUP_REGISTRY_H
#define MB_CORE_GROUP_REGISTRY_H

#include "mockbroker/core/group.h"

/* One partition of __consumer_offsets, as its coordinator sees it. */
struct mb_group_partition {
    int32_t broker; /* its leader; -1: none */
    bool loaded;    /* all groups in its log are in memory */
    uint32_t loads; /* how often it was loaded: tells an append from before a move */
};

struct mb_groups {
    struct mb_cluster *cluster;            /* borrowed */
    int32_t untold;                        /* partitions below it may have a leader that we had no memory for */
    const struct kci_alloc *alloc;         /* borrowed */
    struct mb_group_partition *partitions; /* owned array */
    int32_t partition_count;
    struct kci_map by_id;         /* group id -> group, owned */
    struct kci_list writes;       /* struct mb_group_write: appends that are not yet done */
    uint64_t next_serial;         /* of the next group */
    struct mb_alarm load_alarm;   /* tries again what could not be loaded */
    struct mb_alarm expiry_alarm; /* offsets.retention.check.interval.ms */
};

/* The partition of __consumer_offsets that a group id belongs to. */
int32_t mb_groups_partition_of(const struct mb_groups *groups, struct kci_str group_id);

/* Is the broker of this request the coordinator of the group, and ready? 0, NOT_COORDINATOR or
 * COORDINATOR_LOAD_IN_PROGRESS. */
int16_t mb_groups_route(const struct mb_request *request, struct kci_str group_id, int64_t now);
struct mb_group *mb_groups_find(const struct mb_groups *groups, struct kci_str group_id); /* NULL: none */
/* Find or make; NULL: no memory, or MB_GROUPS_MAX. */
struct mb_group *mb_groups_obtain(struct mb_groups *groups, struct kci_str group_id, int64_t now);
/* It becomes DEAD, leaves the registry and is freed; it has no members. */
void mb_groups_remove(struct mb_group *group, int64_t now);

/* Memory no longer agrees with the log (no memory to apply what was committed, or a deletion that was not): read it
 * again. */
void mb_groups_reload(struct mb_groups *groups, int32_t partition, int64_t now);

/* An append to __consumer_offsets under way. Embedded in what waits for it; group_registry.c starts and ends them. */
struct mb_group_write {
    struct kci_list link;          /* in groups->writes */
    struct mb_groups *groups;      /* NULL: the coordinator is gone */
    const struct kci_alloc *alloc; /* outlives groups */
    int32_t partition;
    uint32_t loads; /* of the partition when it began */
    /* Ends it and frees the struct around it. `error` is 0 only if the records are committed *and* the partition was
     * not loaded anew since (then the log has told already: NOT_LEADER_OR_FOLLOWER). groups is NULL when the
     * coordinator is gone. */
    void (*done)(struct mb_group_write *write, int16_t error, int64_t now);
};
/* Register; follow with mb_group_records_append. */
void mb_group_write_begin(struct mb_group_write *write, struct mb_groups *groups, int32_t partition,
                          void (*done)(struct mb_group_write *write, int16_t error, int64_t now));
/* What mb_internal_append calls; also for records that could not even be built. */
void mb_group_write_finish(void *write, int16_t error, int64_t now);

#endif
