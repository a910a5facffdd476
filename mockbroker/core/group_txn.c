/* Offsets in transactions (PROTOCOL 4.6, 4.8).  TxnOffsetCommit writes them to __consumer_offsets in a batch of the
 * producer's transaction; here they wait for its marker in the same partition, in the order in which they came.
 * Consumers that ask for stable offsets hear UNSTABLE_OFFSET_COMMIT meanwhile. */
#include "mockbroker/core/group_txn.h"

#include "mockbroker/core/group_registry.h"

struct waiting { /* offset */
    struct kci_list link;
    struct kci_str topic; /* in the same block, as is the offset's metadata */
    int32_t partition;
    struct mb_offset offset;
};

struct open { /* transaction of a producer */
    struct kci_list offsets;
};

bool mb_group_txn_add(struct mb_group *group, int64_t producer_id, struct kci_str topic, int32_t partition,
                      const struct mb_offset *offset)
{
    const struct kci_alloc *alloc = mb_group_alloc(group);
    struct open *open = kci_map_get_int(&group->open_offsets, producer_id);
    struct waiting *waiting = kci_alloc_new(alloc, sizeof *waiting + topic.size + offset->metadata.size + 1);
    bool fresh = !open;
    if (waiting && fresh) {
        open = kci_alloc_new(alloc, sizeof *open);
        if (open && !kci_map_set_int(&group->open_offsets, producer_id, open)) {
            kci_alloc_free(alloc, open);
            open = NULL;
        }
    }
    if (!waiting || !open) {
        kci_alloc_free(alloc, waiting);
        return false;
    }
    if (fresh)
        kci_list_init(&open->offsets);
    char *text = (char *)(waiting + 1);
    *waiting = (struct waiting){ .topic = { text, topic.size }, .partition = partition, .offset = *offset };
    waiting->offset.metadata.data = text + topic.size;
    if (topic.size)
        memcpy(text, topic.data, topic.size);
    if (offset->metadata.size)
        memcpy(text + topic.size, offset->metadata.data, offset->metadata.size);
    kci_list_push(&open->offsets, &waiting->link);
    return true;
}

bool mb_group_txn_has(const struct mb_group *group, struct kci_str topic, int32_t partition)
{
    const struct kci_map_entry *entry;
    for (size_t at = 0; (entry = kci_map_next(&group->open_offsets, &at));) {
        struct open *open = entry->value;
        KCI_LIST_EACH(node, &open->offsets)
        {
            const struct waiting *waiting = KCI_CONTAINER(node, struct waiting, link);
            if (waiting->partition == partition && kci_str_equal(waiting->topic, topic))
                return true;
        }
    }
    return false;
}

/* False: no memory to apply all of it. */
static bool end(struct mb_group *group, struct open *open, bool commit)
{
    struct kci_list *node;
    bool ok = true;
    while ((node = kci_list_pop(&open->offsets)) != NULL) {
        struct waiting *waiting = KCI_CONTAINER(node, struct waiting, link);
        if (commit)
            ok &= mb_offsets_set(group, waiting->topic, waiting->partition, &waiting->offset);
        kci_alloc_free(mb_group_alloc(group), waiting);
    }
    kci_alloc_free(mb_group_alloc(group), open);
    return ok;
}

bool mb_group_txn_replay(struct mb_groups *groups, int32_t home, int64_t producer_id, bool commit)
{
    const struct kci_map_entry *entry;
    bool ok = true;
    for (size_t at = 0; (entry = kci_map_next(&groups->by_id, &at));) {
        struct mb_group *group = entry->value;
        struct open *open = group->partition == home ? kci_map_remove_int(&group->open_offsets, producer_id) : NULL;
        if (open)
            ok &= end(group, open, commit);
    }
    return ok;
}

void mb_group_txn_end(struct mb_groups *groups, int32_t home, int64_t producer_id, bool commit, int64_t now)
{
    bool loaded = home < groups->partition_count && groups->partitions[home].loaded;
    if (loaded && !mb_group_txn_replay(groups, home, producer_id, commit))
        mb_groups_reload(groups, home, now);
}

void mb_group_txn_clear(struct mb_group *group)
{
    const struct kci_map_entry *entry;
    for (size_t at = 0; (entry = kci_map_next(&group->open_offsets, &at));)
        end(group, entry->value, false);
    kci_map_destroy(&group->open_offsets);
}
