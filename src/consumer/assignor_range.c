/* "range": each topic by itself, contiguous shares.
 *
 *   partitions 0 1 2 3 4 5 6 of three members that subscribe:   A: 0 1 2   B: 3 4   C: 5 6
 *
 * Members in Java's order; each gets floor(partitions / members), and (partitions % members) of them one more.  So
 * topics with equal partition counts and subscribers are split alike, which is what joins over two topics rely on.
 *
 * Racks (KIP-881), when members say theirs and not every partition has a replica in every rack: within the same shares,
 * members first get partitions that have a replica where they run.  Topics with equal partition counts and subscribers
 * are kept alike: partition p of all of them goes to the first member that is near to p in each and has room in each.
 * What is left over is dealt out as above. */
#include "consumer/assignor.h"

#include <stdlib.h>

struct share {
    struct kci_member *member;
    int32_t given; /* partitions of this topic */
};

/* One topic on its way. */
struct work {
    const struct kci_group_topic *topic;
    uint32_t index;
    struct share *shares; /* of the subscribers, in Java's order */
    size_t share_count;
    bool *taken; /* per partition */
    int32_t left;
    int32_t quota, extras; /* the least that each gets; members that may still get one more */
    bool rack_aware;       /* nearness makes a difference */
    bool matched;          /* racks were looked at */
};

static int32_t room(const struct work *w, const struct share *share)
{
    int32_t most = w->quota + (w->extras > 0);
    return most > share->given ? most - share->given : 0;
}

static bool give(struct kci_arena *arena, struct work *w, struct share *share, int32_t partition)
{
    w->taken[partition] = true;
    w->left--;
    if (++share->given > w->quota)
        w->extras--;
    return kci_member_give(arena, share->member, w->index, partition);
}

static bool is_near(const struct work *w, const struct kci_member *member, int32_t partition)
{
    if (!member->rack.data)
        return true; /* everything is as near as anything */
    if (!w->topic->racks)
        return false;
    const struct kci_replica_racks *replicas = &w->topic->racks[partition];
    for (int32_t r = 0; r < replicas->count; r++)
        if (kci_str_equal(replicas->racks[r], member->rack))
            return true;
    return false;
}

/* Shares in order, each filled as far as it has room. */
static bool deal(struct kci_arena *arena, struct work *w, bool only_near)
{
    for (size_t s = 0; s < w->share_count && w->left; s++) {
        int32_t most = room(w, &w->shares[s]); /* before the first: one more than the quota stays one more */
        for (int32_t p = 0; p < w->topic->partition_count && most > 0; p++) {
            if (w->taken[p] || (only_near && !is_near(w, w->shares[s].member, p)))
                continue;
            if (!give(arena, w, &w->shares[s], p))
                return false;
            most--;
        }
    }
    return true;
}

static bool begin(struct kci_arena *arena, struct work *w, struct kci_member **sorted, size_t member_count)
{
    w->shares = kci_arena_array(arena, member_count, sizeof *w->shares);
    w->taken = kci_arena_array(arena, (size_t)w->topic->partition_count, sizeof *w->taken);
    if (!w->shares || !w->taken)
        return false;
    for (size_t m = 0; m < member_count; m++)
        if (kci_member_subscribes(sorted[m], w->topic->name))
            w->shares[w->share_count++].member = sorted[m];
    w->left = w->topic->partition_count;
    if (w->share_count) {
        w->quota = w->left / (int32_t)w->share_count;
        w->extras = w->left % (int32_t)w->share_count;
    }
    return true;
}

/* ---- racks ---- */

static bool has_rack(const struct kci_replica_racks *replicas, struct kci_str rack)
{
    for (int32_t r = 0; r < replicas->count; r++)
        if (kci_str_equal(replicas->racks[r], rack))
            return true;
    return false;
}

static bool same_racks(const struct kci_replica_racks *a, const struct kci_replica_racks *b)
{
    bool same = true;
    for (int32_t r = 0; r < a->count && same; r++)
        same = has_rack(b, a->racks[r]);
    for (int32_t r = 0; r < b->count && same; r++)
        same = has_rack(a, b->racks[r]);
    return same;
}

/* Is there a rack that some members and some replicas are in, and one that some partition is not in? */
static bool racks_matter(const struct work *w)
{
    const struct kci_group_topic *t = w->topic;
    bool shared = false, differ = false;
    if (!t->racks)
        return false;
    for (int32_t p = 0; p < t->partition_count; p++) {
        for (size_t s = 0; s < w->share_count && !shared; s++)
            shared = w->shares[s].member->rack.data && has_rack(&t->racks[p], w->shares[s].member->rack);
        differ = differ || !same_racks(&t->racks[0], &t->racks[p]);
    }
    return shared && differ;
}

static bool alike(const struct work *a, const struct work *b)
{
    if (a->topic->partition_count != b->topic->partition_count || a->share_count != b->share_count)
        return false;
    for (size_t s = 0; s < a->share_count; s++)
        if (a->shares[s].member != b->shares[s].member)
            return false;
    return true;
}

/* Topics that are split alike: partition by partition, to a member that is near in all of them. */
static bool match_together(struct kci_arena *arena, struct work **group, size_t count)
{
    for (int32_t p = 0; p < group[0]->topic->partition_count; p++)
        for (size_t s = 0; s < group[0]->share_count; s++) {
            bool fits = true;
            for (size_t w = 0; w < count && fits; w++)
                fits = room(group[w], &group[w]->shares[s]) > 0 && is_near(group[w], group[w]->shares[s].member, p);
            for (size_t w = 0; w < count && fits; w++)
                if (!give(arena, group[w], &group[w]->shares[s], p))
                    return false;
            if (fits)
                break;
        }
    return true;
}

static bool match_racks(struct kci_arena *arena, struct work *all, size_t count)
{
    struct work **group = kci_arena_array(arena, count, sizeof *group);
    if (!group)
        return false;
    for (size_t i = 0; i < count; i++) {
        size_t members = 0;
        if (all[i].matched)
            continue;
        for (size_t j = i; j < count; j++)
            if (!all[j].matched && alike(&all[i], &all[j])) {
                all[j].matched = true;
                group[members++] = &all[j];
            }
        bool ok = true;
        if (members > 1)
            ok = match_together(arena, group, members);
        else if (all[i].rack_aware)
            ok = deal(arena, &all[i], true);
        if (!ok)
            return false;
    }
    return true;
}

static int by_topic(const void *a, const void *b)
{
    const struct kci_member_partition *x = a, *y = b;
    if (x->topic != y->topic)
        return x->topic < y->topic ? -1 : 1;
    return (x->partition > y->partition) - (x->partition < y->partition);
}

static bool assign(struct kci_arena *arena, struct kci_member *members, size_t member_count,
                   const struct kci_group_topic *topics, size_t topic_count)
{
    struct kci_member **sorted = kci_assignor_sort(arena, members, member_count);
    struct work *all = kci_arena_array(arena, topic_count, sizeof *all);
    bool ok = sorted && all, racks = false;
    for (size_t t = 0; ok && t < topic_count; t++) {
        all[t].topic = &topics[t];
        all[t].index = (uint32_t)t;
        ok = begin(arena, &all[t], sorted, member_count);
        all[t].rack_aware = ok && racks_matter(&all[t]);
        racks |= all[t].rack_aware;
    }
    if (ok && racks)
        ok = match_racks(arena, all, topic_count);
    for (size_t t = 0; ok && t < topic_count; t++)
        ok = deal(arena, &all[t], false);
    for (size_t m = 0; ok && racks && m < member_count; m++)
        if (members[m].assigned_count)
            qsort(members[m].assigned, members[m].assigned_count, sizeof *members[m].assigned, by_topic);
    return ok;
}

const struct kci_assignor kci_assignor_range = { "range", assign, NULL, false, NULL };
