/* "sticky" and "cooperative-sticky": balanced, and everyone keeps what it has as far as balance permits.
 *
 *   what members claim (sticky_claims.c) -> owners: all read the same (sticky_equal.c), or not (sticky_taste.c)
 *
 * Balance comes first, then racks (KIP-881), then claims.
 *
 * Cooperative: a partition that changes hands is left out of this round's assignment.  Its owner gives it up and all
 * join again; then nobody claims it.
 *
 * The result does not depend on the order in which the coordinator lists the members. */
#include "consumer/sticky.h"

#include <stdlib.h>

static int by_id(const void *a, const void *b)
{
    return kci_str_compare((*(struct kci_member *const *)a)->id, (*(struct kci_member *const *)b)->id);
}

/* ---- who reads what ---- */

/* Walk the sorted lists of a member and of the group side by side; count its topics, or (fill) enter it as a reader. */
static void enter_reader(struct kci_sticky *s, int32_t m, size_t *at, bool fill)
{
    const struct kci_member *member = s->members[m];
    size_t t = 0;
    for (int32_t i = 0; i < member->topic_count; i++) {
        if (i > 0 && kci_str_equal(member->topics[i], member->topics[i - 1]))
            continue;
        while (t < s->topic_count && kci_str_compare(s->topics[t].name, member->topics[i]) < 0)
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

static bool find_readers(struct kci_sticky *s)
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

/* ---- from claims to an assignment ---- */

static bool prepare(struct kci_sticky *s, struct kci_arena *arena, struct kci_member *members, size_t member_count,
                    const struct kci_group_topic *topics, size_t topic_count)
{
    *s = (struct kci_sticky){
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
        s->claims[i].member = KCI_NOBODY;
        s->owners[i] = KCI_NOBODY;
    }
    return kci_racks_find(&s->racks, arena, s->members, member_count, topics, topic_count) && find_readers(s);
}

static bool assign(struct kci_arena *arena, struct kci_member *members, size_t member_count,
                   const struct kci_group_topic *topics, size_t topic_count, bool cooperative)
{
    struct kci_sticky s;
    if (member_count == 0)
        return true;
    if (!prepare(&s, arena, members, member_count, topics, topic_count))
        return false;
    for (int32_t m = 0; m < s.member_count; m++)
        (cooperative ? kci_sticky_claim_owned : kci_sticky_claim_user_data)(&s, m);
    if (!(s.all_read_the_same ? kci_sticky_assign_equally(&s) : kci_sticky_assign_by_taste(&s)))
        return false;
    for (size_t t = 0; t < topic_count; t++)
        for (size_t i = s.first[t]; i < s.first[t + 1]; i++) {
            bool changes_hands = s.claims[i].member != KCI_NOBODY && kci_sticky_claimant(&s, i) != s.owners[i];
            if (s.owners[i] != KCI_NOBODY && !(cooperative && changes_hands) &&
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

const struct kci_assignor kci_assignor_sticky = { "sticky", assign_sticky, kci_sticky_write_previous, false, NULL };
const struct kci_assignor kci_assignor_cooperative_sticky = { "cooperative-sticky", assign_cooperative,
                                                              kci_sticky_write_generation, true, NULL };
