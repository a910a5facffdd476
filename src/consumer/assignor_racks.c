/* Racks of members and of replicas, numbered once, so that asking who is near compares integers.
 *
 * They matter, as in Kafka's assignors, when some member is in a rack that has some replica, and not all partitions are
 * in the same racks: else every choice is as near as any other. */
#include "consumer/assignor_racks.h"

#include <stdlib.h>

static int by_bytes(const void *a, const void *b)
{
    return kci_str_compare(*(const struct kci_str *)a, *(const struct kci_str *)b);
}

static int32_t number_of(const struct kci_racks *racks, struct kci_str name)
{
    const struct kci_str *found = NULL;
    if (racks->rack_count && name.size)
        found = bsearch(&name, racks->names, (size_t)racks->rack_count, sizeof name, by_bytes);
    return found ? (int32_t)(found - racks->names) : -1;
}

static bool number_members(struct kci_racks *racks, struct kci_arena *arena, struct kci_member *const *members,
                           size_t count)
{
    size_t said = 0;
    racks->names = kci_arena_array(arena, count, sizeof *racks->names);
    racks->of_member = kci_arena_array(arena, count, sizeof *racks->of_member);
    racks->members_in = kci_arena_array(arena, count, sizeof *racks->members_in);
    if (!racks->names || !racks->of_member || !racks->members_in)
        return false;
    for (size_t m = 0; m < count; m++)
        if (members[m]->rack.size)
            racks->names[said++] = members[m]->rack;
    if (said)
        qsort(racks->names, said, sizeof *racks->names, by_bytes);
    for (size_t i = 0; i < said; i++)
        if (i == 0 || !kci_str_equal(racks->names[i], racks->names[racks->rack_count - 1]))
            racks->names[racks->rack_count++] = racks->names[i];
    for (size_t m = 0; m < count; m++) {
        racks->of_member[m] = number_of(racks, members[m]->rack);
        if (racks->of_member[m] >= 0)
            racks->members_in[racks->of_member[m]]++;
    }
    return true;
}

static const struct kci_replica_racks *replicas_of(const struct kci_group_topic *topic, int32_t partition)
{
    static const struct kci_replica_racks unknown = { NULL, 0 };
    return topic->racks ? &topic->racks[partition] : &unknown;
}

static bool covers(const struct kci_replica_racks *all, const struct kci_replica_racks *some)
{
    for (int32_t i = 0; i < some->count; i++) {
        bool found = false;
        for (int32_t k = 0; k < all->count && !found; k++)
            found = kci_str_equal(all->racks[k], some->racks[i]);
        if (!found)
            return false;
    }
    return true;
}

/* Are all partitions in the same racks? *replicas: of all partitions. */
static bool all_alike(const struct kci_group_topic *topics, size_t topic_count, size_t *replicas)
{
    const struct kci_replica_racks *first = NULL;
    bool alike = true;
    *replicas = 0;
    for (size_t t = 0; t < topic_count; t++)
        for (int32_t p = 0; p < topics[t].partition_count; p++) {
            const struct kci_replica_racks *these = replicas_of(&topics[t], p);
            first = first ? first : these;
            alike = alike && covers(first, these) && covers(these, first);
            *replicas += (size_t)these->count;
        }
    return alike;
}

static size_t enter_replicas(struct kci_racks *racks, const struct kci_replica_racks *replicas, size_t from)
{
    size_t to = from;
    for (int32_t r = 0; r < replicas->count; r++) {
        int32_t number = number_of(racks, replicas->racks[r]);
        bool known = number < 0;
        for (size_t k = from; k < to && !known; k++)
            known = racks->replicas[k] == number;
        if (!known)
            racks->replicas[to++] = number;
    }
    return to;
}

bool kci_racks_find(struct kci_racks *racks, struct kci_arena *arena, struct kci_member *const *members, size_t count,
                    const struct kci_group_topic *topics, size_t topic_count)
{
    size_t partitions = 0, replicas = 0, i = 0;
    *racks = (struct kci_racks){ 0 };
    for (size_t t = 0; t < topic_count; t++)
        partitions += topics[t].partition_count > 0 ? (size_t)topics[t].partition_count : 0;
    if (all_alike(topics, topic_count, &replicas) || replicas == 0)
        return true;
    racks->first = kci_arena_array(arena, partitions + 1, sizeof *racks->first);
    racks->replicas = kci_arena_array(arena, replicas, sizeof *racks->replicas);
    if (!racks->first || !racks->replicas || !number_members(racks, arena, members, count))
        return false;
    for (size_t t = 0; t < topic_count; t++)
        for (int32_t p = 0; p < topics[t].partition_count; p++, i++)
            racks->first[i + 1] = enter_replicas(racks, replicas_of(&topics[t], p), racks->first[i]);
    racks->matter = racks->first[partitions] > 0;
    return true;
}

bool kci_racks_near(const struct kci_racks *racks, int32_t member, size_t partition)
{
    for (size_t k = racks->first[partition]; k < racks->first[partition + 1]; k++)
        if (racks->replicas[k] == racks->of_member[member])
            return true;
    return false;
}

bool kci_racks_far(const struct kci_racks *racks, int32_t member, size_t partition)
{
    return racks->matter && racks->of_member[member] >= 0 && !kci_racks_near(racks, member, partition);
}

int32_t kci_racks_neighbours(const struct kci_racks *racks, size_t partition)
{
    int32_t sum = 0;
    for (size_t k = racks->first[partition]; k < racks->first[partition + 1]; k++)
        sum += racks->members_in[racks->replicas[k]];
    return sum;
}
