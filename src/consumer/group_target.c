/* The target of a KIP-848 member.
 *
 *    heartbeat answer: [ topic id, [ partition ] ]  --metadata--> name --> kci_consumer_topic
 *
 * Ids of subscribed topics are in the metadata already, as a rule.  The others (matched by the broker's pattern, made
 * a moment ago) are asked for by id; what stays unknown, because the topic is gone again, does not hold up the rest. */
#include "consumer/internal.h"

void kci_group_target_drop(struct kci_consumer *c)
{
    struct kci_group_target *target = &c->group.m.target;
    for (size_t i = 0; i < target->count; i++)
        kci_subscription_topic_done(&c->subscription, target->topics[i].topic);
    kci_alloc_free(c->alloc, target->topics);
    *target = (struct kci_group_target){ NULL, 0 };
}

bool kci_group_target_take(struct kci_consumer *c, const void *assignment)
{
    const struct kci_consumer_group_heartbeat_response__assignment *from = assignment;
    size_t topics = from->topic_partitions_count > 0 ? (size_t)from->topic_partitions_count : 0, partitions = 0;
    for (size_t t = 0; t < topics; t++)
        partitions += (size_t)from->topic_partitions[t].partitions_count;
    if (partitions > KCI_PARTITIONS_MAX || topics > KCI_PARTITIONS_MAX)
        return false;
    struct kci_group_target_topic *block =
        kci_alloc_zero(c->alloc, 1, (topics + 1) * sizeof *block + partitions * sizeof(int32_t));
    if (!block)
        return false;
    int32_t *numbers = (int32_t *)(void *)(block + topics + 1);
    for (size_t t = 0; t < topics; t++) {
        block[t].id = from->topic_partitions[t].topic_id;
        block[t].partitions = numbers;
        for (int32_t p = 0; p < from->topic_partitions[t].partitions_count; p++)
            if (from->topic_partitions[t].partitions[p] >= 0) {
                *numbers++ = from->topic_partitions[t].partitions[p];
                block[t].partition_count++;
            }
    }
    kci_group_target_drop(c);
    c->group.m.target = (struct kci_group_target){ block, topics };
    return true;
}

bool kci_group_target_resolve(struct kci_consumer *c, int64_t now)
{
    struct kci_group_target *target = &c->group.m.target;
    bool all = true;
    for (size_t i = 0; i < target->count; i++) {
        struct kci_group_target_topic *t = &target->topics[i];
        const struct kci_topic_info *info = t->topic ? NULL : kci_cluster_topic_by_id(c->cluster, &t->id);
        if (info) /* NULL: the next step tries again */
            t->topic = kci_subscription_topic(&c->subscription, kci_str_of(info->name));
        all = all && t->topic;
    }
    if (!all)
        kci_catalog_want_ids(c, now);
    return all;
}

void kci_group_target_name(struct kci_consumer *c, const struct kci_uuid *id, struct kci_str name)
{
    struct kci_group_target *target = &c->group.m.target;
    for (size_t i = 0; i < target->count; i++)
        if (!target->topics[i].topic && kci_uuid_equal(&target->topics[i].id, id))
            target->topics[i].topic = kci_subscription_topic(&c->subscription, name);
}

bool kci_group_target_list(struct kci_consumer *c, struct kci_partition_list *out, struct kci_uuid **ids)
{
    const struct kci_group_target *target = &c->group.m.target;
    size_t count = 0, used = 0;
    for (size_t i = 0; i < target->count; i++)
        count += target->topics[i].topic ? (size_t)target->topics[i].partition_count : 0;
    kc_topic_partition *items = kci_alloc_zero(c->alloc, count, sizeof *items);
    struct kci_uuid *fresh = kci_alloc_zero(c->alloc, count, sizeof *fresh);
    struct kci_partition_list list = { NULL, 0 };
    for (size_t i = 0; items && fresh && i < target->count; i++)
        for (int32_t p = 0; target->topics[i].topic && p < target->topics[i].partition_count; p++) {
            fresh[used] = target->topics[i].id;
            items[used++] = (kc_topic_partition){
                target->topics[i].topic->name.data, target->topics[i].partitions[p], KC_OFFSET_NONE, -1, NULL, KC_OK
            };
        }
    bool ok = items && fresh && kci_partition_list_copy(c->alloc, &list, items, used);
    kci_alloc_free(c->alloc, items);
    if (!ok) {
        kci_alloc_free(c->alloc, fresh);
        return false;
    }
    kci_partition_list_free(c->alloc, out);
    kci_alloc_free(c->alloc, *ids);
    *out = list;
    *ids = fresh;
    return true;
}

bool kci_group_target_has_unnamed(const struct kci_group_target *target, const struct kci_assigned *a)
{
    for (size_t i = 0; i < target->count; i++) {
        const struct kci_group_target_topic *t = &target->topics[i];
        for (int32_t p = 0; !t->topic && kci_uuid_equal(&t->id, &a->topic_id) && p < t->partition_count; p++)
            if (t->partitions[p] == a->partition)
                return true;
    }
    return false;
}
