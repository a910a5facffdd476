/* Server-side assignors.
 *
 * uniform, all members subscribe to the same: the quota of a member is P / N partitions, P % N members have one more;
 * those that have more already keep it.  Each keeps what it has up to its quota, the rest is dealt in rounds.
 * uniform, otherwise: what has no owner goes to the subscriber with the fewest; then partitions move from members with
 * more to subscribers with at least two fewer until none can.  Every move makes the sum of the squares smaller, so that
 * ends; PASSES_MAX bounds the time, not the correctness.
 *
 * range: as Kafka's client-side assignor. */
#include "mockbroker/core/modern_assign.h"

#define PASSES_MAX 64

static void release_beyond(struct mb_assign_topic *topics, size_t count, size_t *kept, const size_t *quota)
{
    for (size_t t = 0; t < count; t++)
        for (int32_t p = 0; p < topics[t].partitions; p++) {
            uint32_t owner = topics[t].owners[p];
            if (owner == MB_NOBODY)
                continue;
            if (kept[owner] < quota[owner])
                kept[owner]++;
            else
                topics[t].owners[p] = MB_NOBODY;
        }
}

static void set_quotas(const size_t *load, size_t *quota, uint32_t members, size_t partitions)
{
    size_t extra = partitions % members, floor = partitions / members;
    for (uint32_t m = 0; m < members; m++) {
        quota[m] = floor;
        if (extra && load[m] > floor) {
            quota[m]++;
            extra--;
        }
    }
    for (uint32_t m = 0; m < members && extra; m++)
        if (quota[m] == floor) {
            quota[m]++;
            extra--;
        }
}

static void deal(struct mb_assign_topic *topics, size_t count, size_t *kept, const size_t *quota, uint32_t members)
{
    uint32_t turn = 0;
    for (size_t t = 0; t < count; t++)
        for (int32_t p = 0; p < topics[t].partitions; p++) {
            if (topics[t].owners[p] != MB_NOBODY)
                continue;
            while (kept[turn] >= quota[turn]) /* the quotas add up to all partitions: somebody has room */
                turn = (turn + 1) % members;
            topics[t].owners[p] = turn;
            kept[turn]++;
            turn = (turn + 1) % members;
        }
}

static uint32_t least_loaded(const struct mb_assign_topic *topic, const size_t *load)
{
    uint32_t best = MB_NOBODY;
    for (size_t i = 0; i < topic->subscriber_count; i++)
        if (best == MB_NOBODY || load[topic->subscribers[i]] < load[best])
            best = topic->subscribers[i];
    return best;
}

/* One pass; true: something moved. */
static bool even_out(struct mb_assign_topic *topics, size_t count, size_t *load, bool only_unowned)
{
    bool moved = false;
    for (size_t t = 0; t < count; t++) {
        for (int32_t p = 0; p < topics[t].partitions; p++) {
            uint32_t owner = topics[t].owners[p], best;
            if (only_unowned != (owner == MB_NOBODY) || (best = least_loaded(&topics[t], load)) == MB_NOBODY)
                continue;
            if (owner != MB_NOBODY && load[owner] < load[best] + 2)
                continue;
            if (owner != MB_NOBODY)
                load[owner]--;
            topics[t].owners[p] = best;
            load[best]++;
            moved = true;
        }
    }
    return moved;
}

bool mb_assign_uniform(const struct kci_alloc *alloc, struct mb_assign_topic *topics, size_t topic_count,
                       uint32_t members)
{
    size_t *load = kci_alloc_zero(alloc, (size_t)members * 3 + 1, sizeof *load);
    size_t partitions = 0;
    bool same = true;
    if (!load)
        return false;
    for (size_t t = 0; t < topic_count; t++) {
        same = same && topics[t].subscriber_count == members;
        partitions += (size_t)topics[t].partitions;
        for (int32_t p = 0; p < topics[t].partitions; p++)
            if (topics[t].owners[p] != MB_NOBODY)
                load[topics[t].owners[p]]++;
    }
    if (members && same) {
        size_t *kept = load + members, *quota = kept + members;
        set_quotas(load, quota, members, partitions);
        release_beyond(topics, topic_count, kept, quota);
        deal(topics, topic_count, kept, quota, members);
    } else if (members) {
        even_out(topics, topic_count, load, true);
        for (int pass = 0; pass < PASSES_MAX && even_out(topics, topic_count, load, false); pass++)
            continue;
    }
    kci_alloc_free(alloc, load);
    return true;
}

void mb_assign_range(struct mb_assign_topic *topics, size_t topic_count)
{
    for (size_t t = 0; t < topic_count; t++) {
        struct mb_assign_topic *topic = &topics[t];
        int32_t members = (int32_t)topic->subscriber_count, next = 0;
        for (int32_t m = 0; m < members; m++) {
            int32_t share = topic->partitions / members + (m < topic->partitions % members ? 1 : 0);
            for (int32_t i = 0; i < share; i++)
                topic->owners[next++] = topic->subscribers[m];
        }
    }
}
