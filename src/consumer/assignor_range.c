/* "range": each topic by itself, contiguous shares.
 *
 *   partitions 0 1 2 3 4 5 6 of three members that subscribe:   A: 0 1 2   B: 3 4   C: 5 6
 *
 * Members in Java's order; each gets floor(partitions / members), the first (partitions % members) one more.  So topics
 * with equal partition counts and subscribers are split alike, which is what joins over two topics rely on. */
#include "consumer/assignor.h"

static bool assign_topic(struct kci_arena *arena, struct kci_member **sorted, size_t member_count, struct kci_str name,
                         uint32_t topic, int32_t partitions)
{
    int32_t subscribers = 0, seen = 0, next = 0;
    for (size_t m = 0; m < member_count; m++)
        subscribers += kci_member_subscribes(sorted[m], name);
    for (size_t m = 0; m < member_count && subscribers; m++) {
        if (!kci_member_subscribes(sorted[m], name))
            continue;
        int32_t share = partitions / subscribers + (seen++ < partitions % subscribers);
        for (int32_t i = 0; i < share; i++)
            if (!kci_member_give(arena, sorted[m], topic, next++))
                return false;
    }
    return true;
}

static bool assign(struct kci_arena *arena, struct kci_member *members, size_t member_count,
                   const struct kci_group_topic *topics, size_t topic_count)
{
    struct kci_member **sorted = kci_assignor_sort(arena, members, member_count);
    bool ok = sorted;
    for (size_t t = 0; ok && t < topic_count; t++)
        ok = assign_topic(arena, sorted, member_count, topics[t].name, (uint32_t)t, topics[t].partition_count);
    return ok;
}

const struct kci_assignor kci_assignor_range = { "range", assign, NULL, false };
