/* What assignors have in common: their names, the order of members, and lists that grow. */
#include "consumer/assignor.h"

#include <stdlib.h>

static const struct kci_assignor *const assignors[] = { &kci_assignor_range, &kci_assignor_roundrobin,
                                                        &kci_assignor_sticky, &kci_assignor_cooperative_sticky };
static const char *const java_names[] = { "org.apache.kafka.clients.consumer.RangeAssignor",
                                          "org.apache.kafka.clients.consumer.RoundRobinAssignor",
                                          "org.apache.kafka.clients.consumer.StickyAssignor",
                                          "org.apache.kafka.clients.consumer.CooperativeStickyAssignor" };

const struct kci_assignor *kci_assignor_find(struct kci_str name)
{
    for (size_t i = 0; i < sizeof assignors / sizeof assignors[0]; i++)
        if (kci_str_equal(name, kci_str_of(assignors[i]->name)) || kci_str_equal(name, kci_str_of(java_names[i])))
            return assignors[i];
    return NULL;
}

size_t kci_assignor_list(const char *names, const kc_assignor *custom, size_t custom_count, struct kci_assignor *room,
                         const struct kci_assignor **out)
{
    size_t count = 0;
    while (*names && count < KCI_ASSIGNORS_MAX) {
        size_t skip = strspn(names, ","), size = strcspn(names + skip, ",");
        if (size == 0)
            break;
        const struct kci_str name = { names + skip, size };
        out[count] = kci_assignor_find(name);
        for (size_t i = 0; i < custom_count; i++)
            if (kci_str_equal(name, kci_str_of(custom[i].name))) {
                room[count] =
                    (struct kci_assignor){ custom[i].name, NULL, NULL, custom[i].cooperative != 0, &custom[i] };
                out[count] = &room[count];
            }
        if (!out[count++])
            return 0;
        names += skip + size;
    }
    return count;
}

static int java_order(const void *a, const void *b)
{
    const struct kci_member *x = *(struct kci_member *const *)a, *y = *(struct kci_member *const *)b;
    if (x->instance_id.data && y->instance_id.data)
        return kci_str_compare(x->instance_id, y->instance_id);
    if (x->instance_id.data || y->instance_id.data)
        return x->instance_id.data ? -1 : 1;
    return kci_str_compare(x->id, y->id);
}

struct kci_member **kci_assignor_sort(struct kci_arena *arena, struct kci_member *members, size_t count)
{
    struct kci_member **sorted = kci_arena_array(arena, count, sizeof *sorted);
    for (size_t i = 0; sorted && i < count; i++)
        sorted[i] = &members[i];
    if (sorted)
        qsort(sorted, count, sizeof *sorted, java_order);
    return sorted;
}

bool kci_member_subscribes(const struct kci_member *member, struct kci_str topic)
{
    int32_t low = 0, high = member->topic_count;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        int order = kci_str_compare(member->topics[middle], topic);
        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

bool kci_member_give(struct kci_arena *arena, struct kci_member *member, uint32_t topic, int32_t partition)
{
    if (member->assigned_count == member->assigned_capacity) {
        size_t capacity = member->assigned_capacity ? 2 * member->assigned_capacity : 8;
        struct kci_member_partition *grown = kci_arena_array(arena, capacity, sizeof *grown);
        if (!grown)
            return false;
        if (member->assigned_count)
            memcpy(grown, member->assigned, member->assigned_count * sizeof *grown);
        member->assigned = grown;
        member->assigned_capacity = capacity;
    }
    member->assigned[member->assigned_count++] = (struct kci_member_partition){ topic, partition };
    return true;
}
