/* The coordinator: which groups there are, and which broker answers for them.
 *
 * A group belongs to one partition of __consumer_offsets, and the broker that leads it is the group's coordinator.  All
 * brokers live in one process, so there is one registry for all; a move of leadership is true all the same: the groups
 * of the partition are dropped, everybody who waits hears NOT_COORDINATOR, and the new leader rebuilds them from *its*
 * log.
 *
 *   partition:  no leader  --on_leader(b)-->  b, not loaded  --replay-->  b, loaded  --on_leader-->  ...
 *                                                  '--- no memory: again after LOAD_RETRY_MS
 *
 * Invariants: a group in by_id belongs to a loaded partition (or to the one that is being loaded); an append that began
 * before a partition was loaded anew never changes what was loaded (`loads`). */
#include "mockbroker/core/group_registry.h"
#include "mockbroker/core/authorize.h"

#include "mockbroker/core/group_expiry.h"
#include "mockbroker/core/group_load.h"
#include "mockbroker/core/group_offsets.h"
#include "mockbroker/core/group_rebalance.h"
#include "mockbroker/core/group_records.h"
#include "mockbroker/core/java_string.h"

#include <assert.h>

#define LOAD_RETRY_MS  100
#define PARTITIONS_MAX 100000 /* of __consumer_offsets */

static void load_again(void *owner, int64_t now);

struct mb_groups *mb_groups_create(struct mb_cluster *cluster)
{
    const struct kci_alloc *alloc = mb_cluster_alloc(cluster);
    struct mb_groups *groups = kci_alloc_zero(alloc, 1, sizeof *groups);
    if (!groups)
        return NULL;
    groups->cluster = cluster;
    groups->alloc = alloc;
    groups->by_id = kci_map_of(alloc, kci_prng_next(mb_cluster_prng(cluster)));
    groups->next_serial = 1;
    groups->load_alarm.fire = load_again;
    groups->load_alarm.owner = groups;
    kci_list_init(&groups->writes);
    return groups;
}

static void unload(struct mb_groups *groups, int32_t partition, int64_t now)
{
    const struct kci_map_entry *entry;
    for (size_t at = 0; (entry = kci_map_next(&groups->by_id, &at));) {
        struct mb_group *group = entry->value;
        if (group->partition != partition && partition >= 0)
            continue;
        mb_group_rebalance_unload(group, KCI_NOT_COORDINATOR, now);
        mb_groups_remove(group, now);
    }
}

void mb_groups_destroy(struct mb_groups *groups, int64_t now)
{
    if (!groups)
        return;
    unload(groups, -1, now);
    KCI_LIST_EACH(node, &groups->writes)
    {
        KCI_CONTAINER(node, struct mb_group_write, link)->groups = NULL;
        kci_list_remove(node);
    }
    mb_alarm_stop(groups->cluster, &groups->load_alarm);
    mb_alarm_stop(groups->cluster, &groups->expiry_alarm);
    kci_map_destroy(&groups->by_id);
    kci_alloc_free(groups->alloc, groups->partitions);
    kci_alloc_free(groups->alloc, groups);
}

int32_t mb_groups_partition_of(const struct mb_groups *groups, struct kci_str group_id)
{
    int32_t count = mb_cluster_topic_partitions(groups->cluster, kci_str_of(MB_OFFSETS_TOPIC));
    if (count <= 0)
        count = (int32_t)mb_cluster_property(groups->cluster, "offsets.topic.num.partitions");
    return (mb_java_string_hash(group_id) & INT32_MAX) % count;
}

int16_t mb_groups_route(const struct mb_request *request, struct kci_str group_id, int64_t now)
{
    struct mb_groups *groups = mb_cluster_groups(request->cluster);
    int32_t partition = mb_groups_partition_of(groups, group_id);
    int32_t leader = mb_internal_leader(request->cluster, kci_str_of(MB_OFFSETS_TOPIC), partition, now);
    int16_t error = mb_authorize_group(request, group_id);
    if (error)
        return error;
    if (leader != request->broker)
        return KCI_NOT_COORDINATOR;
    if (partition >= groups->partition_count || groups->partitions[partition].broker != leader ||
        !groups->partitions[partition].loaded)
        return KCI_COORDINATOR_LOAD_IN_PROGRESS;
    return KCI_NONE;
}

struct mb_group *mb_groups_find(const struct mb_groups *groups, struct kci_str group_id)
{
    return kci_map_get_str(&groups->by_id, group_id);
}

struct mb_group *mb_groups_obtain(struct mb_groups *groups, struct kci_str group_id, int64_t now)
{
    struct mb_group *group = mb_groups_find(groups, group_id);
    if (group || groups->by_id.count >= MB_GROUPS_MAX)
        return group;
    group = mb_group_create(groups, group_id, mb_groups_partition_of(groups, group_id));
    if (!group || kci_map_set(&groups->by_id, group->id.data, group->id.size, group)) {
        mb_group_expiry_arm(groups, now);
        return group;
    }
    mb_group_destroy(group);
    return NULL;
}

void mb_groups_remove(struct mb_group *group, int64_t now)
{
    kci_map_remove(&group->owner->by_id, group->id.data, group->id.size);
    mb_group_move(group, MB_GROUP_DEAD, now);
    mb_group_destroy(group);
}

/* ---- leadership ---- */

/* False: no memory. */
static bool grow(struct mb_groups *groups, int32_t count)
{
    struct mb_group_partition *partitions =
        kci_alloc_resize(groups->alloc, groups->partitions, (size_t)count * sizeof *partitions);
    if (!partitions)
        return false;
    for (int32_t i = groups->partition_count; i < count; i++)
        partitions[i] = (struct mb_group_partition){ .broker = -1 };
    groups->partitions = partitions;
    groups->partition_count = count;
    return true;
}

static void load(struct mb_groups *groups, int32_t partition, int64_t now)
{
    struct mb_group_partition *at = &groups->partitions[partition];
    unload(groups, partition, now);
    at->loads++;
    at->loaded = mb_group_load(groups, partition, now);
    if (at->loaded)
        return;
    unload(groups, partition, now);
    mb_alarm_set(groups->cluster, &groups->load_alarm, now + LOAD_RETRY_MS * 1000);
}

static void load_again(void *owner, int64_t now)
{
    struct mb_groups *groups = owner;
    int32_t untold = groups->untold;
    groups->untold = 0;
    for (int32_t i = groups->partition_count; i < untold; i++)
        mb_groups_on_leader(groups, i, mb_internal_leader(groups->cluster, kci_str_of(MB_OFFSETS_TOPIC), i, now), now);
    for (int32_t i = 0; i < groups->partition_count; i++)
        if (groups->partitions[i].broker >= 0 && !groups->partitions[i].loaded)
            load(groups, i, now);
}

void mb_groups_reload(struct mb_groups *groups, int32_t partition, int64_t now)
{
    groups->partitions[partition].loaded = false; /* until then, requests hear COORDINATOR_LOAD_IN_PROGRESS */
    mb_alarm_set(groups->cluster, &groups->load_alarm, now);
}

void mb_groups_on_leader(struct mb_groups *groups, int32_t partition, int32_t broker, int64_t now)
{
    assert(partition >= 0 && partition < PARTITIONS_MAX);
    if (partition >= groups->partition_count && !grow(groups, partition + 1)) {
        /* requests hear COORDINATOR_LOAD_IN_PROGRESS until there is memory */
        kci_log(mb_cluster_logger(groups->cluster), KCI_LOG_ERROR, "group", "no memory for %s-%d", MB_OFFSETS_TOPIC,
                (int)partition);
        groups->untold = partition + 1 > groups->untold ? partition + 1 : groups->untold;
        mb_alarm_set(groups->cluster, &groups->load_alarm, now + LOAD_RETRY_MS * 1000);
        return;
    }
    unload(groups, partition, now);
    groups->partitions[partition].broker = broker;
    groups->partitions[partition].loaded = false;
    if (broker >= 0)
        load(groups, partition, now);
}

void mb_groups_on_topic_deleted(struct mb_groups *groups, struct kci_str topic, int64_t now)
{
    const struct kci_map_entry *entry;
    for (size_t at = 0; (entry = kci_map_next(&groups->by_id, &at));)
        mb_group_expiry_topic_gone(entry->value, topic, now);
}

/* ---- appends ---- */

void mb_group_write_begin(struct mb_group_write *write, struct mb_groups *groups, int32_t partition,
                          void (*done)(struct mb_group_write *write, int16_t error, int64_t now))
{
    write->groups = groups;
    write->alloc = groups->alloc;
    write->partition = partition;
    write->loads = groups->partitions[partition].loads;
    write->done = done;
    kci_list_push(&groups->writes, &write->link);
}

void mb_group_write_finish(void *owner, int16_t error, int64_t now)
{
    struct mb_group_write *write = owner;
    kci_list_remove(&write->link);
    if (error == KCI_NONE && (!write->groups || write->groups->partitions[write->partition].loads != write->loads ||
                              !write->groups->partitions[write->partition].loaded))
        error = KCI_NOT_LEADER_OR_FOLLOWER;
    write->done(write, error, now);
}
