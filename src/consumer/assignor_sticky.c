/* "sticky" and "cooperative-sticky": balanced, and everyone keeps what it has as far as balance permits.
 *
 * What a member has is what it claims: "sticky" says so in its user data, because it has given everything back before
 * it joins; "cooperative-sticky" by the owned partitions of its subscription.  Claims may contradict each other: the
 * higher generation wins, and among equals nobody does.
 *
 *   user data of "sticky"               [ topic string, [i32] ] | (v1) generation i32
 *   user data of "cooperative-sticky"   generation i32              (older members; else it is in the subscription)
 *
 * All members read the same topics (the common case): P partitions, N members.
 *
 *   floor(P/N) for each, one more for P mod N of them.  Each keeps its claims up to that; by id, those that claim more
 *   get the larger shares; it keeps the low partition numbers.  The rest is dealt out in turn, to who has less than
 *   floor(P/N) first.
 *
 * Else: claims stand; what is left goes to the least loaded of its readers, partitions with the fewest readers first;
 * then single partitions move from a reader to one that has at least two less, until no such move is left.  Each move
 * makes the sum of the squares of the loads smaller, so that ends; WORK_MAX ends it sooner with a fair assignment.
 *
 * Racks (KIP-881), when they matter: balance comes first.  What is dealt out goes to members near first.  If all read
 * the same, a claim of a member that is far does not stand, and partitions with the fewest neighbours come first, as in
 * Kafka. Else it stands (a cooperative group would not come to rest), and the last step also moves what is far from its
 * owner to a reader near that has less.
 *
 * Cooperative: a partition that changes hands is left out of this round's assignment.  Its owner gives it up and all
 * join again; then nobody claims it.
 *
 * The result does not depend on the order in which the coordinator lists the members.  User data come from any client:
 * they are walked in place, cost no memory, and end at the first contradiction. */
#include "consumer/assignor.h"
#include "consumer/assignor_racks.h"

#include <stdlib.h>

#define NOBODY   (-1)
#define WORK_MAX (64u << 20) /* steps of improving: below a second; heartbeats wait meanwhile */

/* What members claim of one partition. */
struct claim {
    int32_t member; /* index by id of the latest claimant; NOBODY: none */
    int32_t generation;
    bool tied; /* another one claims it in the same generation: it is nobody's */
};

struct sticky {
    struct kci_arena *arena;
    struct kci_member **members; /* by id */
    int32_t member_count;
    const struct kci_group_topic *topics;
    size_t topic_count;
    size_t *first;         /* per topic: index of its partition 0; one more at the end: all partitions */
    size_t *readers_first; /* per topic: index of its first reader; one more at the end */
    int32_t *readers;      /* members by id */
    struct claim *claims;  /* per partition */
    int32_t *owners;       /* per partition: the answer */
    int32_t *loads;        /* per member: partitions that it owns */
    int32_t *free_claims;  /* per member, scratch: claims that stand */
    bool all_read_the_same;
    struct kci_racks racks;
};

static int compare_text(struct kci_str a, struct kci_str b)
{
    int order = memcmp(a.data, b.data, a.size < b.size ? a.size : b.size);
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

static int by_id(const void *a, const void *b)
{
    return compare_text((*(struct kci_member *const *)a)->id, (*(struct kci_member *const *)b)->id);
}

/* ---- who reads what ---- */

/* Walk the sorted lists of a member and of the group side by side; count its topics, or (fill) enter it as a reader. */
static void enter_reader(struct sticky *s, int32_t m, size_t *at, bool fill)
{
    const struct kci_member *member = s->members[m];
    size_t t = 0;
    for (int32_t i = 0; i < member->topic_count; i++) {
        if (i > 0 && kci_str_equal(member->topics[i], member->topics[i - 1]))
            continue;
        while (t < s->topic_count && compare_text(s->topics[t].name, member->topics[i]) < 0)
            t++;
        if (t == s->topic_count)
            return;
        if (!kci_str_equal(s->topics[t].name, member->topics[i]))
            continue;
        if (fill)
            s->readers[at[t]] = m;
        at[t]++;
    }
}

static bool find_readers(struct sticky *s)
{
    size_t *at = kci_arena_array(s->arena, s->topic_count + 1, sizeof *at);
    s->readers_first = kci_arena_array(s->arena, s->topic_count + 1, sizeof *s->readers_first);
    if (!at || !s->readers_first)
        return false;
    for (int32_t m = 0; m < s->member_count; m++)
        enter_reader(s, m, at, false);
    s->all_read_the_same = true;
    for (size_t t = 0; t < s->topic_count; t++) {
        if (s->topics[t].partition_count > 0 && at[t] != (size_t)s->member_count)
            s->all_read_the_same = false;
        s->readers_first[t + 1] = s->readers_first[t] + at[t];
        at[t] = s->readers_first[t];
    }
    s->readers = kci_arena_array(s->arena, s->readers_first[s->topic_count], sizeof *s->readers);
    for (int32_t m = 0; s->readers && m < s->member_count; m++)
        enter_reader(s, m, at, true);
    return s->readers;
}

/* ---- claims ---- */

/* The topic that a member claims partitions of, if it is there and the member reads it; else topic_count. */
static size_t find_topic(const struct sticky *s, int32_t m, struct kci_str name)
{
    size_t low = 0, high = s->topic_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_text(s->topics[middle].name, name);
        if (order == 0)
            return kci_member_subscribes(s->members[m], name) ? middle : s->topic_count;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return s->topic_count;
}

static void claim(struct sticky *s, int32_t m, int32_t generation, size_t t, int32_t partition)
{
    if (t == s->topic_count || partition < 0 || partition >= s->topics[t].partition_count)
        return;
    struct claim *c = &s->claims[s->first[t] + (size_t)partition];
    if (c->member == NOBODY || generation > c->generation)
        *c = (struct claim){ m, generation, false };
    else if (generation == c->generation && m != c->member)
        c->tied = true;
}

static void claim_owned(struct sticky *s, int32_t m)
{
    const struct kci_member *member = s->members[m];
    struct kci_reader r = kci_reader_of(member->user_data.data, member->user_data.size);
    int32_t generation = member->generation;
    if (generation < 0 && member->user_data.size >= 4)
        generation = kci_reader_i32(&r);
    for (int32_t i = 0; i < member->owned_count; i++) {
        size_t t = find_topic(s, m, member->owned[i].topic);
        for (int32_t p = 0; p < member->owned[i].partition_count; p++)
            claim(s, m, generation, t, member->owned[i].partitions[p]);
    }
}

/* Walk the user data of "sticky"; with `take`, enter the claims. Returns the generation, -1 without one; *ok is false
 * if the bytes are no such list. */
static int32_t walk_user_data(struct sticky *s, int32_t m, int32_t generation, bool take, bool *ok)
{
    struct kci_reader r = kci_reader_of(s->members[m]->user_data.data, s->members[m]->user_data.size);
    int32_t topics = kci_reader_i32(&r);
    *ok = topics >= 0;
    for (int32_t i = 0; *ok && i < topics; i++) {
        int16_t size = kci_reader_i16(&r);
        const uint8_t *name = size >= 0 ? kci_reader_take(&r, (size_t)size) : NULL;
        int32_t partitions = kci_reader_i32(&r);
        *ok = name && !r.failed && partitions >= 0 && (size_t)partitions <= kci_reader_left(&r) / 4;
        size_t t =
            *ok && take ? find_topic(s, m, (struct kci_str){ (const char *)name, (size_t)size }) : s->topic_count;
        for (int32_t p = 0; *ok && p < partitions; p++)
            claim(s, m, generation, t, kci_reader_i32(&r));
    }
    if (r.failed)
        *ok = false;
    return *ok && kci_reader_left(&r) >= 4 ? kci_reader_i32(&r) : -1; /* version 0 ends before the generation */
}

static void claim_user_data(struct sticky *s, int32_t m)
{
    bool ok;
    if (s->members[m]->user_data.size == 0)
        return;
    int32_t generation = walk_user_data(s, m, -1, false, &ok); /* it stands at the end */
    if (ok)
        walk_user_data(s, m, generation, true, &ok);
}

/* The member whose claim stands, or NOBODY. */
static int32_t claimant(const struct sticky *s, size_t partition)
{
    const struct claim *c = &s->claims[partition];
    return c->tied ? NOBODY : c->member;
}

/* The member that keeps the partition if balance permits: the claimant, unless it is far. */
static int32_t keeper(const struct sticky *s, size_t partition)
{
    int32_t m = claimant(s, partition);
    return m == NOBODY || kci_racks_far(&s->racks, m, partition) ? NOBODY : m;
}

/* ---- all read the same ---- */

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
static size_t *by_number(struct sticky *s)
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
static bool keep_claims(struct sticky *s, struct shares *d)
{
    size_t all = s->first[s->topic_count], *order = by_number(s);
    if (!order)
        return false;
    for (size_t i = 0; i < all; i++)
        if (keeper(s, i) != NOBODY)
            s->free_claims[keeper(s, i)]++;
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
        int32_t m = keeper(s, order[k]);
        if (m != NOBODY && s->loads[m] < s->free_claims[m]) {
            s->owners[order[k]] = m;
            s->loads[m]++;
        }
    }
    return true;
}

/* One more for low[at]. Is its turn over, because it has its share? */
static bool fill_low(struct sticky *s, struct shares *d, int32_t at)
{
    int32_t m = d->low[at];
    if (++s->loads[m] < d->share)
        return false;
    d->even[d->level++] = m;
    memmove(&d->low[at], &d->low[at + 1], (size_t)(--d->below - at) * sizeof *d->low); /* the order stays */
    return true;
}

/* The first that is near, from `turn` on and around; -1: none. */
static int32_t next_near(const struct sticky *s, const int32_t *members, int32_t count, int32_t turn, size_t partition)
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
static void deal_near(struct sticky *s, struct shares *d, struct wanted *list, size_t count)
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
static void deal_rest(struct sticky *s, struct shares *d, const struct wanted *list, size_t count)
{
    int32_t turn = 0;
    for (size_t i = 0; i < count; i++) {
        size_t partition = list[i].partition;
        if (s->owners[partition] != NOBODY)
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

static bool assign_equally(struct sticky *s)
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
        if (s->owners[i] == NOBODY)
            list[count++] = (struct wanted){ i, s->racks.matter ? kci_racks_neighbours(&s->racks, i) : 0 };
    if (s->racks.matter && count) {
        qsort(list, count, sizeof *list, by_neighbours);
        deal_near(s, &d, list, count);
    }
    deal_rest(s, &d, list, count);
    return true;
}

/* ---- each reads what it likes ---- */

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

static int32_t least_loaded(const struct sticky *s, size_t topic)
{
    int32_t best = NOBODY;
    for (size_t i = s->readers_first[topic]; i < s->readers_first[topic + 1]; i++)
        if (best == NOBODY || s->loads[s->readers[i]] < s->loads[best])
            best = s->readers[i];
    return best;
}

/* Of those that are not far; NOBODY: all are. */
static int32_t least_loaded_near(const struct sticky *s, size_t topic, size_t partition)
{
    int32_t best = NOBODY;
    for (size_t i = s->readers_first[topic]; i < s->readers_first[topic + 1]; i++) {
        int32_t m = s->readers[i];
        if ((best == NOBODY || s->loads[m] < s->loads[best]) && !kci_racks_far(&s->racks, m, partition))
            best = m;
    }
    return best;
}

/* Move partitions of one topic while that helps; returns how many moved. `head` is per member, `next` per partition of
 * the topic; both scratch. */
static size_t improve_topic(struct sticky *s, size_t topic, int32_t *head, int32_t *next, size_t *work)
{
    size_t first = s->first[topic], moved = 0;
    int32_t count = s->topics[topic].partition_count;
    for (size_t i = s->readers_first[topic]; i < s->readers_first[topic + 1]; i++)
        head[s->readers[i]] = NOBODY;
    for (int mobile = 0; mobile < 3; mobile++) /* what moves first comes to the front: what its owner is far from ... */
        for (int32_t p = count - 1; p >= 0; p--) {
            size_t i = first + (size_t)p;
            int32_t m = s->owners[i];
            int is = m == NOBODY                      ? -1
                     : kci_racks_far(&s->racks, m, i) ? 2
                                                      : keeper(s, i) != m; /* ... or has just got */
            if (is == mobile) {
                next[p] = head[m];
                head[m] = p;
            }
        }
    *work += (size_t)count;
    while (*work < WORK_MAX) {
        int32_t from = NOBODY, to = least_loaded(s, topic);
        *work += s->readers_first[topic + 1] - s->readers_first[topic];
        for (size_t i = s->readers_first[topic]; i < s->readers_first[topic + 1]; i++) {
            int32_t m = s->readers[i];
            if (head[m] != NOBODY && (from == NOBODY || s->loads[m] > s->loads[from]))
                from = m;
        }
        if (from == NOBODY || s->loads[from] <= s->loads[to] + 1)
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
static size_t settle_topic(struct sticky *s, size_t topic, size_t *work)
{
    size_t moved = 0;
    for (size_t i = s->first[topic]; i < s->first[topic + 1] && *work < WORK_MAX; i++) {
        int32_t from = s->owners[i];
        if (from == NOBODY || !kci_racks_far(&s->racks, from, i))
            continue;
        int32_t to = least_loaded_near(s, topic, i);
        *work += s->readers_first[topic + 1] - s->readers_first[topic];
        if (to != NOBODY && s->loads[to] < s->loads[from]) {
            s->owners[i] = to;
            s->loads[from]--;
            s->loads[to]++;
            moved++;
        }
    }
    return moved;
}

/* First to who is near, then the rest. */
static void hand_out(struct sticky *s, const struct rank *ranks)
{
    for (int near = s->racks.matter; near >= 0; near--)
        for (size_t r = 0; r < s->topic_count; r++) {
            size_t t = ranks[r].topic;
            for (size_t i = s->first[t]; i < s->first[t + 1] && ranks[r].readers; i++) {
                if (s->owners[i] != NOBODY)
                    continue;
                s->owners[i] = near ? least_loaded_near(s, t, i) : least_loaded(s, t);
                if (s->owners[i] != NOBODY)
                    s->loads[s->owners[i]]++;
            }
        }
}

static bool assign_by_taste(struct sticky *s)
{
    size_t all = s->first[s->topic_count], work = 0;
    struct rank *ranks = kci_arena_array(s->arena, s->topic_count, sizeof *ranks);
    int32_t *head = kci_arena_array(s->arena, (size_t)s->member_count, sizeof *head);
    int32_t *next = kci_arena_array(s->arena, all, sizeof *next);
    if (!ranks || !head || !next)
        return false;
    for (size_t i = 0; i < all; i++) {
        s->owners[i] = claimant(s, i); /* also of who is far: dropped claims would go round for ever */
        if (s->owners[i] != NOBODY)
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

/* ---- both ---- */

static bool prepare(struct sticky *s, struct kci_arena *arena, struct kci_member *members, size_t member_count,
                    const struct kci_group_topic *topics, size_t topic_count)
{
    *s = (struct sticky){
        .arena = arena, .member_count = (int32_t)member_count, .topics = topics, .topic_count = topic_count
    };
    s->members = kci_arena_array(arena, member_count, sizeof *s->members);
    s->first = kci_arena_array(arena, topic_count + 1, sizeof *s->first);
    if (!s->members || !s->first)
        return false;
    for (size_t m = 0; m < member_count; m++)
        s->members[m] = &members[m];
    qsort(s->members, member_count, sizeof *s->members, by_id);
    for (size_t t = 0; t < topic_count; t++)
        s->first[t + 1] = s->first[t] + (size_t)(topics[t].partition_count > 0 ? topics[t].partition_count : 0);
    size_t all = s->first[topic_count];
    s->claims = kci_arena_array(arena, all, sizeof *s->claims);
    s->owners = kci_arena_array(arena, all, sizeof *s->owners);
    s->loads = kci_arena_array(arena, member_count, sizeof *s->loads);
    s->free_claims = kci_arena_array(arena, member_count, sizeof *s->free_claims);
    if (!s->claims || !s->owners || !s->loads || !s->free_claims)
        return false;
    for (size_t i = 0; i < all; i++) {
        s->claims[i].member = NOBODY;
        s->owners[i] = NOBODY;
    }
    return kci_racks_find(&s->racks, arena, s->members, member_count, topics, topic_count) && find_readers(s);
}

static bool assign(struct kci_arena *arena, struct kci_member *members, size_t member_count,
                   const struct kci_group_topic *topics, size_t topic_count, bool cooperative)
{
    struct sticky s;
    if (member_count == 0)
        return true;
    if (!prepare(&s, arena, members, member_count, topics, topic_count))
        return false;
    for (int32_t m = 0; m < s.member_count; m++)
        (cooperative ? claim_owned : claim_user_data)(&s, m);
    if (!(s.all_read_the_same ? assign_equally(&s) : assign_by_taste(&s)))
        return false;
    for (size_t t = 0; t < topic_count; t++)
        for (size_t i = s.first[t]; i < s.first[t + 1]; i++) {
            bool changes_hands = s.claims[i].member != NOBODY && claimant(&s, i) != s.owners[i];
            if (s.owners[i] != NOBODY && !(cooperative && changes_hands) &&
                !kci_member_give(arena, s.members[s.owners[i]], (uint32_t)t, (int32_t)(i - s.first[t])))
                return false;
        }
    return true;
}

static bool assign_sticky(struct kci_arena *arena, struct kci_member *members, size_t member_count,
                          const struct kci_group_topic *topics, size_t topic_count)
{
    return assign(arena, members, member_count, topics, topic_count, false);
}

static bool assign_cooperative(struct kci_arena *arena, struct kci_member *members, size_t member_count,
                               const struct kci_group_topic *topics, size_t topic_count)
{
    return assign(arena, members, member_count, topics, topic_count, true);
}

/* ---- what we say ourselves ---- */

static size_t same_topic(const struct kci_partition_list *list, size_t from)
{
    size_t to = from + 1;
    while (to < list->count && strcmp(list->items[to].topic, list->items[from].topic) == 0)
        to++;
    return to;
}

static void write_previous(struct kci_writer *w, const struct kci_partition_list *previous, int32_t generation)
{
    int32_t topics = 0;
    if (generation < 0) /* nothing was ever assigned: no user data */
        return;
    for (size_t i = 0; i < previous->count; i = same_topic(previous, i))
        topics++;
    kci_writer_i32(w, topics);
    for (size_t i = 0, end; i < previous->count; i = end) {
        end = same_topic(previous, i);
        size_t size = strlen(previous->items[i].topic);
        kci_writer_i16(w, (int16_t)size);
        kci_writer_bytes(w, previous->items[i].topic, size);
        kci_writer_i32(w, (int32_t)(end - i));
        for (size_t p = i; p < end; p++)
            kci_writer_i32(w, previous->items[p].partition);
    }
    kci_writer_i32(w, generation);
}

static void write_generation(struct kci_writer *w, const struct kci_partition_list *previous, int32_t generation)
{
    (void)previous;
    kci_writer_i32(w, generation);
}

const struct kci_assignor kci_assignor_sticky = { "sticky", assign_sticky, write_previous, false, NULL };
const struct kci_assignor kci_assignor_cooperative_sticky = { "cooperative-sticky", assign_cooperative,
                                                              write_generation, true, NULL };
