/* What members of a sticky group have, as each claims it: "sticky" says so in its user data, because it has given
 * everything back before it joins; "cooperative-sticky" by the owned partitions of its subscription.  Claims may
 * contradict each other: the higher generation wins, and among equals nobody does.
 *
 *   user data of "sticky"               [ topic string, [i32] ] | (v1) generation i32
 *   user data of "cooperative-sticky"   generation i32              (older members; else it is in the subscription)
 *
 * User data come from any client: they are walked in place, cost no memory, and end at the first contradiction. */
#include "consumer/sticky.h"

/* The topic that a member claims partitions of, if it is there and the member reads it; else topic_count. */
static size_t find_topic(const struct kci_sticky *s, int32_t m, struct kci_str name)
{
    size_t low = 0, high = s->topic_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = kci_str_compare(s->topics[middle].name, name);
        if (order == 0)
            return kci_member_subscribes(s->members[m], name) ? middle : s->topic_count;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return s->topic_count;
}

static void claim(struct kci_sticky *s, int32_t m, int32_t generation, size_t t, int32_t partition)
{
    if (t == s->topic_count || partition < 0 || partition >= s->topics[t].partition_count)
        return;
    struct kci_claim *c = &s->claims[s->first[t] + (size_t)partition];
    if (c->member == KCI_NOBODY || generation > c->generation)
        *c = (struct kci_claim){ m, generation, false };
    else if (generation == c->generation && m != c->member)
        c->tied = true;
}

void kci_sticky_claim_owned(struct kci_sticky *s, int32_t m)
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
static int32_t walk_user_data(struct kci_sticky *s, int32_t m, int32_t generation, bool take, bool *ok)
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

void kci_sticky_claim_user_data(struct kci_sticky *s, int32_t m)
{
    bool ok;
    if (s->members[m]->user_data.size == 0)
        return;
    int32_t generation = walk_user_data(s, m, -1, false, &ok); /* it stands at the end */
    if (ok)
        walk_user_data(s, m, generation, true, &ok);
}

static size_t same_topic(const struct kci_partition_list *list, size_t from)
{
    size_t to = from + 1;
    while (to < list->count && strcmp(list->items[to].topic, list->items[from].topic) == 0)
        to++;
    return to;
}

void kci_sticky_write_previous(struct kci_writer *w, const struct kci_partition_list *previous, int32_t generation)
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

void kci_sticky_write_generation(struct kci_writer *w, const struct kci_partition_list *previous, int32_t generation)
{
    (void)previous;
    kci_writer_i32(w, generation);
}
