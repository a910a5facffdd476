/* "roundrobin": all partitions of all topics, by topic name, dealt out to the members in turn.
 *
 *   t1: 0 1 2   t2: 0 1 2   members A, B:    A: t1-0 t1-2 t2-1    B: t1-1 t2-0 t2-2
 *
 * Members in Java's order; who does not subscribe to a topic is passed over, and the turn goes on behind whoever got
 * the last. */
#include "consumer/assignor.h"

static bool deal(struct kci_arena *arena, struct kci_member **sorted, size_t member_count, struct kci_str name,
                 uint32_t topic, int32_t partition, size_t *turn)
{
    for (size_t tried = 0; tried < member_count; tried++) {
        struct kci_member *member = sorted[*turn];
        *turn = (*turn + 1) % member_count;
        if (kci_member_subscribes(member, name))
            return kci_member_give(arena, member, topic, partition);
    }
    return true; /* nobody wants it */
}

static bool assign(struct kci_arena *arena, struct kci_member *members, size_t member_count,
                   const struct kci_group_topic *topics, size_t topic_count)
{
    struct kci_member **sorted = kci_assignor_sort(arena, members, member_count);
    size_t turn = 0;
    bool ok = sorted;
    for (size_t t = 0; ok && t < topic_count; t++)
        for (int32_t p = 0; ok && p < topics[t].partition_count; p++)
            ok = deal(arena, sorted, member_count, topics[t].name, (uint32_t)t, p, &turn);
    return ok;
}

const struct kci_assignor kci_assignor_roundrobin = { "roundrobin", assign, NULL, false, NULL };
