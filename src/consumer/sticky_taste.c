/* The sticky assignors where each member reads what it likes.
 *
 * Claims stand; what is left goes to the least loaded of its readers, partitions with the fewest readers first; then
 * single partitions move from a reader to one that has at least two less, until no such move is left.  Each move makes
 * the sum of the squares of the loads smaller, so that ends; WORK_MAX ends it sooner with a fair assignment.
 *
 * When racks matter (KIP-881): what is handed out goes to who is near first; a claim of a member that is far stands (a
 * cooperative group would not come to rest), but the last step also moves what is far from its owner to a reader near
 * that has less. */
#include "consumer/sticky.h"

#include <stdlib.h>

#define WORK_MAX (64u << 20) /* steps of improving: below a second; heartbeats wait meanwhile */

struct rank {
    size_t readers; /* of the topic */
    size_t topic;
};

static int by_readers(const void *a, const void *b)
{
    const struct rank *x = a, *y = b;
    if (x->readers != y->readers)
        return x->readers < y->readers ? -1 : 1;
    return x->topic < y->topic ? -1 : x->topic > y->topic;
}

static int32_t least_loaded(const struct kci_sticky *s, size_t topic)
{
    int32_t best = KCI_NOBODY;
    for (size_t i = s->readers_first[topic]; i < s->readers_first[topic + 1]; i++)
        if (best == KCI_NOBODY || s->loads[s->readers[i]] < s->loads[best])
            best = s->readers[i];
    return best;
}

/* Of those that are not far; KCI_NOBODY: all are. */
static int32_t least_loaded_near(const struct kci_sticky *s, size_t topic, size_t partition)
{
    int32_t best = KCI_NOBODY;
    for (size_t i = s->readers_first[topic]; i < s->readers_first[topic + 1]; i++) {
        int32_t m = s->readers[i];
        if ((best == KCI_NOBODY || s->loads[m] < s->loads[best]) && !kci_racks_far(&s->racks, m, partition))
            best = m;
    }
    return best;
}

/* Move partitions of one topic while that helps; returns how many moved. `head` is per member, `next` per partition of
 * the topic; both scratch. */
static size_t improve_topic(struct kci_sticky *s, size_t topic, int32_t *head, int32_t *next, size_t *work)
{
    size_t first = s->first[topic], moved = 0;
    int32_t count = s->topics[topic].partition_count;
    for (size_t i = s->readers_first[topic]; i < s->readers_first[topic + 1]; i++)
        head[s->readers[i]] = KCI_NOBODY;
    for (int mobile = 0; mobile < 3; mobile++) /* what moves first comes to the front: what its owner is far from ... */
        for (int32_t p = count - 1; p >= 0; p--) {
            size_t i = first + (size_t)p;
            int32_t m = s->owners[i];
            int is = m == KCI_NOBODY                  ? -1
                     : kci_racks_far(&s->racks, m, i) ? 2
                                                      : kci_sticky_keeper(s, i) != m; /* ... or has just got */
            if (is == mobile) {
                next[p] = head[m];
                head[m] = p;
            }
        }
    *work += (size_t)count;
    while (*work < WORK_MAX) {
        int32_t from = KCI_NOBODY, to = least_loaded(s, topic);
        *work += s->readers_first[topic + 1] - s->readers_first[topic];
        for (size_t i = s->readers_first[topic]; i < s->readers_first[topic + 1]; i++) {
            int32_t m = s->readers[i];
            if (head[m] != KCI_NOBODY && (from == KCI_NOBODY || s->loads[m] > s->loads[from]))
                from = m;
        }
        if (from == KCI_NOBODY || s->loads[from] <= s->loads[to] + 1)
            break;
        int32_t p = head[from];
        head[from] = next[p];
        next[p] = head[to];
        head[to] = p;
        s->owners[first + (size_t)p] = to;
        s->loads[from]--;
        s->loads[to]++;
        moved++;
    }
    return moved;
}

/* Move what is far from its owner to a reader near that has less; returns how many moved. */
static size_t settle_topic(struct kci_sticky *s, size_t topic, size_t *work)
{
    size_t moved = 0;
    for (size_t i = s->first[topic]; i < s->first[topic + 1] && *work < WORK_MAX; i++) {
        int32_t from = s->owners[i];
        if (from == KCI_NOBODY || !kci_racks_far(&s->racks, from, i))
            continue;
        int32_t to = least_loaded_near(s, topic, i);
        *work += s->readers_first[topic + 1] - s->readers_first[topic];
        if (to != KCI_NOBODY && s->loads[to] < s->loads[from]) {
            s->owners[i] = to;
            s->loads[from]--;
            s->loads[to]++;
            moved++;
        }
    }
    return moved;
}

/* First to who is near, then the rest. */
static void hand_out(struct kci_sticky *s, const struct rank *ranks)
{
    for (int near = s->racks.matter; near >= 0; near--)
        for (size_t r = 0; r < s->topic_count; r++) {
            size_t t = ranks[r].topic;
            for (size_t i = s->first[t]; i < s->first[t + 1] && ranks[r].readers; i++) {
                if (s->owners[i] != KCI_NOBODY)
                    continue;
                s->owners[i] = near ? least_loaded_near(s, t, i) : least_loaded(s, t);
                if (s->owners[i] != KCI_NOBODY)
                    s->loads[s->owners[i]]++;
            }
        }
}

bool kci_sticky_assign_by_taste(struct kci_sticky *s)
{
    size_t all = s->first[s->topic_count], work = 0;
    struct rank *ranks = kci_arena_array(s->arena, s->topic_count, sizeof *ranks);
    int32_t *head = kci_arena_array(s->arena, (size_t)s->member_count, sizeof *head);
    int32_t *next = kci_arena_array(s->arena, all, sizeof *next);
    if (!ranks || !head || !next)
        return false;
    for (size_t i = 0; i < all; i++) {
        s->owners[i] = kci_sticky_claimant(s, i); /* also of who is far: dropped claims would go round for ever */
        if (s->owners[i] != KCI_NOBODY)
            s->loads[s->owners[i]]++;
    }
    for (size_t t = 0; t < s->topic_count; t++)
        ranks[t] = (struct rank){ s->readers_first[t + 1] - s->readers_first[t], t };
    qsort(ranks, s->topic_count, sizeof *ranks, by_readers);
    hand_out(s, ranks);
    for (size_t moved = 1; moved && work < WORK_MAX;) {
        moved = 0;
        for (size_t r = 0; r < s->topic_count; r++)
            if (ranks[r].readers > 1)
                moved += improve_topic(s, ranks[r].topic, head, next, &work);
        for (size_t t = 0; t < s->topic_count && s->racks.matter && !moved; t++)
            moved += settle_topic(s, t, &work);
    }
    return true;
}
