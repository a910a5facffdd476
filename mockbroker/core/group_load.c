/* Groups rebuilt from the log, when a broker becomes the leader of a partition of __consumer_offsets: the last record
 * of each key wins.  Members survive with their assignments and a fresh session, so that a move of the coordinator
 * costs no rebalance; what was not yet in the log (a rebalance under way, ids given out) is gone, and its clients begin
 * again.
 *
 * The log is our own, but it may come from a data directory that somebody edited: what does not make sense is passed
 * over with a warning, never trusted. */
#include "mockbroker/core/group_load.h"

#include "mockbroker/core/group_member.h"
#include "mockbroker/core/group_offsets.h"
#include "mockbroker/core/group_records.h"
#include "mockbroker/core/group_txn.h"
#include "mockbroker/core/modern_records.h"

enum { MARKER_COMMIT = 1 }; /* type of a control record */

struct loading {
    struct mb_groups *groups;
    int32_t partition;
    int64_t now;
    bool no_memory;
};

static void forget_group(struct mb_group *group)
{
    const struct kci_str none = { NULL, 0 };
    KCI_LIST_EACH(node, &group->members)
    {
        mb_group_member_remove(KCI_CONTAINER(node, struct mb_group_member, link));
    }
    mb_group_set_protocol(group, none);
    mb_group_set_protocol_type(group, none);
    group->state = group->previous_state = MB_GROUP_EMPTY;
    group->generation = 0;
}

static void load_offset(struct loading *load, const struct kci_batch_header *batch,
                        const struct mb_group_record *record)
{
    bool open = (batch->attributes & KCI_BATCH_TRANSACTIONAL) != 0;
    struct mb_group *group = mb_groups_find(load->groups, record->group);
    if (record->tombstone) {
        if (group)
            mb_offsets_remove(group, record->commit.topic, record->commit.partition);
        return;
    }
    struct mb_offset offset = {
        .offset = record->commit.offset,
        .leader_epoch = record->commit.leader_epoch,
        .commit_ms = record->commit.commit_ms,
        .expire_ms = record->commit.expire_ms,
        .metadata = record->commit.metadata,
    };
    group = group ? group : mb_groups_obtain(load->groups, record->group, load->now);
    bool kept = group && (open ? mb_group_txn_add(group, batch->producer_id, record->commit.topic,
                                                  record->commit.partition, &offset)
                               : mb_offsets_set(group, record->commit.topic, record->commit.partition, &offset));
    load->no_memory |= !kept;
}

/* 1: added, 0: does not make sense, -1: no memory. */
static int load_member(struct loading *load, struct mb_group *group, const struct mb_group_record_member *from,
                       struct kci_str leader)
{
    struct mb_group_protocol protocol = { group->protocol, from->subscription };
    struct mb_group_identity who = {
        .id = from->id,
        .instance_id = from->instance_id,
        .client_id = from->client_id,
        .client_host = from->client_host,
        .session_timeout_ms = from->session_timeout_ms,
        .rebalance_timeout_ms = from->rebalance_timeout_ms,
        .protocols = &protocol,
        .protocol_count = 1,
    };
    if (!group->protocol.data || !group->protocol_type.data || from->session_timeout_ms < 0 ||
        mb_group_member_find(group, from->id) || mb_group_member_static(group, from->instance_id))
        return 0;
    struct mb_group_member *member = mb_group_member_add(group, &who, load->now);
    if (!member || !mb_group_copy_bytes(mb_group_alloc(group), from->assignment, &member->assignment))
        return -1;
    if (kci_str_equal(member->id, leader))
        group->leader = member;
    return 1;
}

/* False: no memory. */
static bool load_group(struct loading *load, struct mb_group_record *record)
{
    struct mb_group *group = mb_groups_find(load->groups, record->group);
    if (group)
        forget_group(group);
    if (record->tombstone)
        return true;
    group = group ? group : mb_groups_obtain(load->groups, record->group, load->now);
    struct kci_str type = record->meta.protocol_type;
    if (!group || (type.size && !mb_group_set_protocol_type(group, type)) ||
        !mb_group_set_protocol(group, record->meta.protocol))
        return false;
    group->generation = record->meta.generation;
    group->state_since_ms = record->meta.state_since_ms;
    struct mb_group_record_member member;
    int more, added = 1;
    while (added > 0 && (more = mb_group_records_next_member(record, &member)) != 0)
        added = more < 0 ? 0 : load_member(load, group, &member, record->meta.leader);
    if (added == 0) {
        kci_log(mb_cluster_logger(load->groups->cluster), KCI_LOG_WARN, "group",
                "%s: its members in %s do not make sense, it is taken as empty", group->id.data, MB_OFFSETS_TOPIC);
        KCI_LIST_EACH(node, &group->members)
        {
            mb_group_member_remove(KCI_CONTAINER(node, struct mb_group_member, link));
        }
    }
    if (group->member_count == 0)
        mb_group_set_protocol(group, (struct kci_str){ NULL, 0 });
    group->state =
        group->member_count ? MB_GROUP_STABLE : MB_GROUP_EMPTY; /* not a move: it was so when it was written */
    return added >= 0;
}

static void load_record(void *owner, const struct kci_batch_header *batch, const struct kci_record_view *view)
{
    struct loading *load = owner;
    struct mb_group_record record;
    if (load->no_memory)
        return;
    if (batch->attributes & KCI_BATCH_CONTROL) {
        bool commit = view->key.size >= 4 && kci_be16(view->key.data + 2) == MARKER_COMMIT;
        load->no_memory = !mb_group_txn_replay(load->groups, load->partition, batch->producer_id, commit);
        return;
    }
    bool readable = mb_group_records_read(view, &record);
    if (readable && record.kind == MB_GROUP_RECORD_OTHER) {
        enum mb_modern_load result = mb_modern_load_record(load->groups, load->partition, view, load->now);
        load->no_memory = result == MB_MODERN_NO_MEMORY;
        readable = result != MB_MODERN_MALFORMED;
    }
    if (!readable) {
        kci_log(mb_cluster_logger(load->groups->cluster), KCI_LOG_WARN, "group",
                "%s-%d: the record at offset %lld is malformed or too new and is passed over", MB_OFFSETS_TOPIC,
                (int)load->partition, (long long)view->offset);
        return;
    }
    if (record.kind == MB_GROUP_RECORD_OTHER || mb_groups_partition_of(load->groups, record.group) != load->partition)
        return;
    if (record.kind == MB_GROUP_RECORD_OFFSET)
        load_offset(load, batch, &record);
    else if (!load_group(load, &record))
        load->no_memory = true;
}

bool mb_group_load(struct mb_groups *groups, int32_t partition, int64_t now)
{
    struct loading load = { groups, partition, now, false };
    if (!mb_internal_replay(groups->cluster, kci_str_of(MB_OFFSETS_TOPIC), partition, load_record, &load) ||
        load.no_memory)
        return false;
    const struct kci_map_entry *entry;
    for (size_t at = 0; (entry = kci_map_next(&groups->by_id, &at));) {
        struct mb_group *group = entry->value;
        if (group->partition != partition)
            continue;
        mb_modern_loaded(group, now);
        if (!group->protocol_type.data && !group->modern && group->offset_count == 0 && group->open_offsets.count == 0)
            mb_groups_remove(group, now); /* only tombstones were left of it */
    }
    return true;
}
