/* The store of committed offsets: what is here was committed to the log first.  A topic is dropped with its last
 * partition, so an empty store has no topics; offset_count of the group counts all partitions. */
#include "mockbroker/core/group_offsets.h"

#include <assert.h>

static void free_topic(struct mb_group *group, struct mb_offset_topic *topic)
{
    const struct kci_alloc *alloc = mb_group_alloc(group);
    const struct kci_map_entry *entry;
    for (size_t at = 0; (entry = kci_map_next(&topic->partitions, &at));)
        kci_alloc_free(alloc, entry->value);
    group->offset_count -= topic->partitions.count;
    kci_map_destroy(&topic->partitions);
    kci_alloc_free(alloc, topic->name.data);
    kci_alloc_free(alloc, topic);
}

/* NULL: no memory. */
static struct mb_offset_topic *obtain_topic(struct mb_group *group, struct kci_str name)
{
    const struct kci_alloc *alloc = mb_group_alloc(group);
    struct mb_offset_topic *topic = kci_map_get_str(&group->topics, name);
    if (topic)
        return topic;
    topic = kci_alloc_zero(alloc, 1, sizeof *topic);
    if (!topic)
        return NULL;
    topic->name = mb_group_copy_str(alloc, name);
    topic->partitions = kci_map_of(alloc, group->topics.seed);
    if (topic->name.data && kci_map_set(&group->topics, name.data, name.size, topic))
        return topic;
    kci_alloc_free(alloc, topic->name.data);
    kci_alloc_free(alloc, topic);
    return NULL;
}

const struct mb_offset *mb_offsets_get(const struct mb_group *group, struct kci_str topic, int32_t partition)
{
    const struct mb_offset_topic *found = kci_map_get_str(&group->topics, topic);
    return found ? kci_map_get_int(&found->partitions, partition) : NULL;
}

bool mb_offsets_set(struct mb_group *group, struct kci_str name, int32_t partition, const struct mb_offset *offset)
{
    const struct kci_alloc *alloc = mb_group_alloc(group);
    struct mb_offset *copy = kci_alloc_new(alloc, sizeof *copy + offset->metadata.size);
    struct mb_offset_topic *topic = copy ? obtain_topic(group, name) : NULL;
    if (!topic) {
        kci_alloc_free(alloc, copy);
        return false;
    }
    struct mb_offset *former = kci_map_get_int(&topic->partitions, partition);
    *copy = *offset;
    copy->metadata.data = (char *)(copy + 1);
    if (offset->metadata.size)
        memcpy(copy + 1, offset->metadata.data, offset->metadata.size);
    if (!kci_map_set_int(&topic->partitions, partition, copy)) {
        kci_alloc_free(alloc, copy);
        if (topic->partitions.count == 0)
            mb_offsets_remove_topic(group, name);
        return false;
    }
    group->offset_count += former ? 0 : 1;
    kci_alloc_free(alloc, former);
    return true;
}

bool mb_offsets_remove(struct mb_group *group, struct kci_str name, int32_t partition)
{
    struct mb_offset_topic *topic = kci_map_get_str(&group->topics, name);
    struct mb_offset *offset = topic ? kci_map_remove_int(&topic->partitions, partition) : NULL;
    if (!offset)
        return false;
    kci_alloc_free(mb_group_alloc(group), offset);
    group->offset_count--;
    if (topic->partitions.count == 0)
        mb_offsets_remove_topic(group, name);
    return true;
}

void mb_offsets_remove_topic(struct mb_group *group, struct kci_str name)
{
    struct mb_offset_topic *topic = kci_map_remove(&group->topics, name.data, name.size);
    if (topic)
        free_topic(group, topic);
}

void mb_offsets_clear(struct mb_group *group)
{
    const struct kci_map_entry *entry;
    for (size_t at = 0; (entry = kci_map_next(&group->topics, &at));) {
        struct mb_offset_topic *topic = entry->value;
        mb_offsets_remove_topic(group, topic->name);
    }
    assert(group->offset_count == 0);
}

const struct mb_offset_topic *mb_offsets_next_topic(const struct mb_group *group, size_t *at)
{
    const struct kci_map_entry *entry = kci_map_next(&group->topics, at);
    return entry ? entry->value : NULL;
}

const struct mb_offset *mb_offsets_next(const struct mb_offset_topic *topic, size_t *at, int32_t *partition)
{
    const struct kci_map_entry *entry = kci_map_next(&topic->partitions, at);
    if (!entry)
        return NULL;
    int64_t key;
    memcpy(&key, entry->key, sizeof key);
    *partition = (int32_t)key;
    return entry->value;
}
