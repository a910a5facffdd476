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
 *   floor(P/N) for each, one more for P mod N of them.  Each keeps its claims up to that; by
 *   id, those that claim more get the larger shares.  The rest is dealt out in turn, to who has less than floor(P/N)
 *   first.
 *
 * Else: claims stand; what is left goes to the least loaded of its readers, partitions with the fewest readers first;
 * then single partitions move from a reader to one that has at least two less, until no such move is left.  Each move
 * makes the sum of the squares of the loads smaller, so that ends; WORK_MAX ends it sooner with a fair assignment.
 *
 * Cooperative: a partition that changes hands is left out of this round's assignment.  Its owner gives it up and all
 * join again; then nobody claims it.
 *
 * The result does not depend on the order in which the coordinator lists the members.  User data come from any client:
 * they are walked in place, cost no memory, and end at the first contradiction. */
#include "consumer/assignor.h"

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

/* ---- all read the same ---- */

/* How many of its claims each member keeps; *larger: shares of one more that are taken already. */
static void keep_claims(struct sticky *s, int32_t share, int32_t larger_max, int32_t *larger)
{
    size_t all = s->first[s->topic_count];
    for (int32_t m = 0; m < s->member_count; m++) {
        int32_t has = s->free_claims[m];
        if (has > share && *larger < larger_max) {
            s->free_claims[m] = share + 1;
            ++*larger;
        } else if (has > share) {
            s->free_claims[m] = share;
        }
    }
    for (size_t i = 0; i < all; i++) {
        int32_t m = claimant(s, i);
        if (m != NOBODY && s->loads[m] < s->free_claims[m]) {
            s->owners[i] = m;
            s->loads[m]++;
        }
    }
}

static bool assign_equally(struct sticky *s)
{
    size_t all = s->first[s->topic_count];
    int32_t share = (int32_t)(all / (size_t)s->member_count), larger_max = (int32_t)(all % (size_t)s->member_count);
    int32_t larger = 0, below = 0, level = 0, turn = 0;
    int32_t *low = kci_arena_array(s->arena, (size_t)s->member_count, sizeof *low); /* have less than the share */
    int32_t *even =
        kci_arena_array(s->arena, (size_t)s->member_count, sizeof *even); /* have it, and may get one more */
    if (!low || !even)
        return false;
    for (size_t i = 0; i < all; i++)
        if (claimant(s, i) != NOBODY)
            s->free_claims[claimant(s, i)]++;
    keep_claims(s, share, larger_max, &larger);
    for (int32_t m = 0; m < s->member_count; m++) {
        if (s->loads[m] < share)
            low[below++] = m;
        else if (s->loads[m] == share)
            even[level++] = m;
    }
    for (size_t i = 0, next = 0; i < all; i++) {
        if (s->owners[i] != NOBODY)
            continue;
        if (below == 0) { /* all have the share: one more for the first of them */
            s->owners[i] = even[next++];
            continue;
        }
        int32_t m = low[turn];
        s->owners[i] = m;
        if (++s->loads[m] == share) { /* its turns are over; the order of the others stays */
            even[level++] = m;
            memmove(&low[turn], &low[turn + 1], (size_t)(--below - turn) * sizeof *low);
        } else {
            turn++;
        }
        if (turn >= below)
            turn = 0;
    }
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

/* Move partitions of one topic while that helps; returns how many moved. `head` is per member, `next` per partition of
 * the topic; both scratch. */
static size_t improve_topic(struct sticky *s, size_t topic, int32_t *head, int32_t *next, size_t *work)
{
    size_t first = s->first[topic], moved = 0;
    int32_t count = s->topics[topic].partition_count;
    for (size_t i = s->readers_first[topic]; i < s->readers_first[topic + 1]; i++)
        head[s->readers[i]] = NOBODY;
    for (int fresh = 0; fresh < 2; fresh++) /* what its owner has only just got comes to the front: it moves first */
        for (int32_t p = count - 1; p >= 0; p--) {
            int32_t m = s->owners[first + (size_t)p];
            if (m != NOBODY && (claimant(s, first + (size_t)p) != m) == fresh) {
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

static bool assign_by_taste(struct sticky *s)
{
    size_t all = s->first[s->topic_count], work = 0;
    struct rank *ranks = kci_arena_array(s->arena, s->topic_count, sizeof *ranks);
    int32_t *head = kci_arena_array(s->arena, (size_t)s->member_count, sizeof *head);
    int32_t *next = kci_arena_array(s->arena, all, sizeof *next);
    if (!ranks || !head || !next)
        return false;
    for (size_t i = 0; i < all; i++) {
        s->owners[i] = claimant(s, i);
        if (s->owners[i] != NOBODY)
            s->loads[s->owners[i]]++;
    }
    for (size_t t = 0; t < s->topic_count; t++)
        ranks[t] = (struct rank){ s->readers_first[t + 1] - s->readers_first[t], t };
    qsort(ranks, s->topic_count, sizeof *ranks, by_readers);
    for (size_t r = 0; r < s->topic_count; r++)
        for (size_t i = s->first[ranks[r].topic]; i < s->first[ranks[r].topic + 1]; i++)
            if (s->owners[i] == NOBODY && ranks[r].readers) {
                s->owners[i] = least_loaded(s, ranks[r].topic);
                s->loads[s->owners[i]]++;
            }
    for (size_t moved = 1; moved && work < WORK_MAX;) {
        moved = 0;
        for (size_t r = 0; r < s->topic_count; r++)
            if (ranks[r].readers > 1)
                moved += improve_topic(s, ranks[r].topic, head, next, &work);
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
    return find_readers(s);
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
