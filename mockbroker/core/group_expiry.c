/* Retention of offsets (KIP-211): an offset goes offsets.retention.minutes after the group became empty; in a simple
 * group (no members ever), after its commit; in a stable group of consumers, after its commit if nobody subscribes to
 * the topic any more.  A commit of v2-4 may carry an expiry of its own.  An empty group without offsets goes with the
 * next look.
 *
 * Tombstones are written without waiting: if they get lost, the log is right and the next look comes. */
#include "mockbroker/core/group_expiry.h"

#include "mockbroker/core/group_offsets.h"
#include "mockbroker/core/group_records.h"
#include "mockbroker/core/modern_records.h"

static void nobody_waits(void *owner, int16_t error, int64_t now)
{
    (void)owner, (void)error, (void)now;
}

/* The time from which retention counts, or INT64_MAX: keep. */
static int64_t counts_from(const struct mb_group *group, bool subscribed, const struct mb_offset *offset)
{
    if (group->modern)
        return subscribed ? INT64_MAX : offset->commit_ms;
    if (!group->protocol_type.data)
        return offset->commit_ms;
    if (group->state == MB_GROUP_EMPTY)
        return group->state_since_ms >= 0 ? group->state_since_ms : offset->commit_ms;
    if (group->state == MB_GROUP_STABLE && mb_group_of_consumers(group) && !subscribed)
        return offset->commit_ms;
    return INT64_MAX;
}

static void expire_topic(struct mb_group *group, const struct mb_offset_topic *topic, int64_t wall_ms,
                         int64_t retention_ms, struct mb_group_records *records)
{
    bool subscribed = mb_group_subscribed(group, topic->name);
    const struct mb_offset *offset;
    int32_t partition;
    size_t left = topic->partitions.count;
    for (size_t at = 0; left && (offset = mb_offsets_next(topic, &at, &partition)); left--) {
        int64_t from = counts_from(group, subscribed, offset);
        bool over = from != INT64_MAX &&
                    (offset->expire_ms >= 0 ? wall_ms >= offset->expire_ms : wall_ms - from >= retention_ms);
        if (!over)
            continue;
        bool last = topic->partitions.count == 1; /* the topic goes with it */
        mb_group_records_no_offset(records, group->id, topic->name, partition);
        mb_offsets_remove(group, topic->name, partition);
        if (last)
            return;
    }
}

/* May free the group. */
static void expire_group(struct mb_group *group, int64_t now)
{
    struct mb_cluster *cluster = mb_group_cluster(group);
    int64_t wall_ms = mb_cluster_wall_ms(cluster, now);
    int64_t retention_ms = mb_cluster_property(cluster, "offsets.retention.minutes") * 60000;
    int32_t partition = group->partition;
    struct mb_group_records records = mb_group_records_of(mb_group_alloc(group));
    const struct mb_offset_topic *topic;
    for (size_t at = 0; (topic = mb_offsets_next_topic(group, &at));)
        expire_topic(group, topic, wall_ms, retention_ms, &records);
    if (mb_group_is_empty(group) && group->offset_count == 0 && group->open_offsets.count == 0 &&
        kci_list_empty(&group->pending)) {
        mb_modern_records_forget(&records, group);
        mb_groups_remove(group, now);
    }
    if (!mb_group_records_empty(&records))
        mb_group_records_append(&records, cluster, partition, nobody_waits, NULL, now);
}

static void look(void *owner, int64_t now)
{
    struct mb_groups *groups = owner;
    const struct kci_map_entry *entry;
    for (size_t at = 0; (entry = kci_map_next(&groups->by_id, &at));) {
        struct mb_group *group = entry->value;
        if (groups->partitions[group->partition].loaded)
            expire_group(group, now);
    }
    if (groups->by_id.count)
        mb_group_expiry_arm(groups, now);
}

void mb_group_expiry_arm(struct mb_groups *groups, int64_t now)
{
    if (groups->expiry_alarm.timer.position)
        return;
    groups->expiry_alarm.fire = look;
    groups->expiry_alarm.owner = groups;
    mb_alarm_set(groups->cluster, &groups->expiry_alarm,
                 now + mb_cluster_property(groups->cluster, "offsets.retention.check.interval.ms") * 1000);
}

void mb_group_expiry_topic_gone(struct mb_group *group, struct kci_str name, int64_t now)
{
    const struct mb_offset_topic *topic;
    for (size_t at = 0; (topic = mb_offsets_next_topic(group, &at));) {
        if (!kci_str_equal(topic->name, name))
            continue;
        struct mb_group_records records = mb_group_records_of(mb_group_alloc(group));
        int32_t partition, home = group->partition;
        for (size_t place = 0; mb_offsets_next(topic, &place, &partition);)
            mb_group_records_no_offset(&records, group->id, name, partition);
        struct mb_cluster *cluster = mb_group_cluster(group);
        mb_offsets_remove_topic(group, topic->name);
        mb_group_records_append(&records, cluster, home, nobody_waits, NULL, now);
        return;
    }
}
