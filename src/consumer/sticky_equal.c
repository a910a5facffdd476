/* The sticky assignors where all members read the same topics (the common case): P partitions, N members.
 *
 *   floor(P/N) for each, one more for P mod N of them.  Each keeps its claims up to that; by id, those that claim more
 *   get the larger shares; it keeps the low partition numbers.  The rest is dealt out in turn, to who has less than
 *   floor(P/N) first.
 *
 * When racks matter (KIP-881), a claim of a member that is far does not stand, what is dealt out goes to members near
 * first, and partitions with the fewest neighbours come first, as in Kafka. */
#include "consumer/sticky.h"

#include <stdlib.h>

/* Shares while they are dealt out. */
struct shares {
    int32_t share;       /* each member gets that ... */
    int32_t larger_max;  /* ... and so many of them one more */
    int32_t larger;      /* have one more */
    int32_t *low, below; /* members that have less than the share */
    int32_t *even;       /* members that have it and may get one more: even[next] to even[level] */
    int32_t next, level;
};

/* All partitions by number and then by topic: the order in which claims are kept. */
static size_t *by_number(struct kci_sticky *s)
{
    int32_t most = 0;
    for (size_t t = 0; t < s->topic_count; t++)
        most = s->topics[t].partition_count > most ? s->topics[t].partition_count : most;
    size_t *at = kci_arena_array(s->arena, (size_t)most + 1, sizeof *at);
    size_t *order = kci_arena_array(s->arena, s->first[s->topic_count], sizeof *order);
    if (!at || !order)
        return NULL;
    for (size_t t = 0; t < s->topic_count; t++)
        for (int32_t p = 0; p < s->topics[t].partition_count; p++)
            at[p + 1]++;
    for (int32_t p = 0; p < most; p++)
        at[p + 1] += at[p];
    for (size_t t = 0; t < s->topic_count; t++)
        for (int32_t p = 0; p < s->topics[t].partition_count; p++)
            order[at[p]++] = s->first[t] + (size_t)p;
    return order;
}

/* How many of its claims each member keeps. */
static bool keep_claims(struct kci_sticky *s, struct shares *d)
{
    size_t all = s->first[s->topic_count], *order = by_number(s);
    if (!order)
        return false;
    for (size_t i = 0; i < all; i++)
        if (kci_sticky_keeper(s, i) != KCI_NOBODY)
            s->free_claims[kci_sticky_keeper(s, i)]++;
    for (int32_t m = 0; m < s->member_count; m++) {
        int32_t has = s->free_claims[m];
        if (has > d->share && d->larger < d->larger_max) {
            s->free_claims[m] = d->share + 1;
            d->larger++;
        } else if (has > d->share) {
            s->free_claims[m] = d->share;
        }
    }
    for (size_t k = 0; k < all; k++) {
        int32_t m = kci_sticky_keeper(s, order[k]);
        if (m != KCI_NOBODY && s->loads[m] < s->free_claims[m]) {
            s->owners[order[k]] = m;
            s->loads[m]++;
        }
    }
    return true;
}

/* One more for low[at]. Is its turn over, because it has its share? */
static bool fill_low(struct kci_sticky *s, struct shares *d, int32_t at)
{
    int32_t m = d->low[at];
    if (++s->loads[m] < d->share)
        return false;
    d->even[d->level++] = m;
    memmove(&d->low[at], &d->low[at + 1], (size_t)(--d->below - at) * sizeof *d->low); /* the order stays */
    return true;
}

/* The first that is near, from `turn` on and around; -1: none. */
static int32_t next_near(const struct kci_sticky *s, const int32_t *members, int32_t count, int32_t turn,
                         size_t partition)
{
    for (int32_t k = 0; k < count; k++) {
        int32_t at = turn + k < count ? turn + k : turn + k - count;
        if (kci_racks_near(&s->racks, members[at], partition))
            return at;
    }
    return -1;
}

struct wanted {
    size_t partition;
    int32_t neighbours; /* members that are near */
};

static int by_neighbours(const void *a, const void *b)
{
    const struct wanted *x = a, *y = b;
    if (x->neighbours != y->neighbours)
        return x->neighbours < y->neighbours ? -1 : 1;
    return x->partition < y->partition ? -1 : x->partition > y->partition;
}

/* What finds a member near with room, in turn; partitions with few neighbours choose first. */
static void deal_near(struct kci_sticky *s, struct shares *d, struct wanted *list, size_t count)
{
    int32_t turn = 0;
    for (size_t i = 0; i < count; i++) {
        size_t partition = list[i].partition;
        int32_t at = next_near(s, d->low, d->below, turn, partition);
        if (at >= 0) {
            s->owners[partition] = d->low[at];
            turn = fill_low(s, d, at) ? at : at + 1;
            if (turn >= d->below)
                turn = 0;
        } else if (d->larger < d->larger_max) {
            at = next_near(s, d->even, d->level, 0, partition);
            if (at < 0)
                continue;
            s->owners[partition] = d->even[at];
            s->loads[d->even[at]]++;
            d->larger++;
            memmove(&d->even[at], &d->even[at + 1], (size_t)(--d->level - at) * sizeof *d->even);
        }
    }
}

/* The rest in turn: all to their share first, then one more for the first of them. */
static void deal_rest(struct kci_sticky *s, struct shares *d, const struct wanted *list, size_t count)
{
    int32_t turn = 0;
    for (size_t i = 0; i < count; i++) {
        size_t partition = list[i].partition;
        if (s->owners[partition] != KCI_NOBODY)
            continue;
        if (d->below == 0) {
            s->owners[partition] = d->even[d->next++];
            continue;
        }
        s->owners[partition] = d->low[turn];
        if (!fill_low(s, d, turn))
            turn++;
        if (turn >= d->below)
            turn = 0;
    }
}

bool kci_sticky_assign_equally(struct kci_sticky *s)
{
    size_t all = s->first[s->topic_count], members = (size_t)s->member_count, count = 0;
    struct shares d = { .share = (int32_t)(all / members), .larger_max = (int32_t)(all % members) };
    struct wanted *list = kci_arena_array(s->arena, all, sizeof *list);
    d.low = kci_arena_array(s->arena, members, sizeof *d.low);
    d.even = kci_arena_array(s->arena, members, sizeof *d.even);
    if (!list || !d.low || !d.even || !keep_claims(s, &d))
        return false;
    for (int32_t m = 0; m < s->member_count; m++) {
        if (s->loads[m] < d.share)
            d.low[d.below++] = m;
        else if (s->loads[m] == d.share)
            d.even[d.level++] = m;
    }
    for (size_t i = 0; i < all; i++)
        if (s->owners[i] == KCI_NOBODY)
            list[count++] = (struct wanted){ i, s->racks.matter ? kci_racks_neighbours(&s->racks, i) : 0 };
    if (s->racks.matter && count) {
        qsort(list, count, sizeof *list, by_neighbours);
        deal_near(s, &d, list, count);
    }
    deal_rest(s, &d, list, count);
    return true;
}
