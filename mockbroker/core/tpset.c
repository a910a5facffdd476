/* Sets of partitions as sorted arrays: small, cheap to walk by topic, and equal sets are equal bytes (but for the
 * epochs).  A set of zero items has no memory. */
#include "mockbroker/core/tpset.h"

#include <stdlib.h>

static int by_topic_and_partition(const struct mb_tp *a, const struct mb_tp *b)
{
    int topic = memcmp(a->topic.b, b->topic.b, sizeof a->topic.b);
    return topic ? topic : (a->partition > b->partition) - (a->partition < b->partition);
}

static int compare(const void *a, const void *b)
{
    return by_topic_and_partition(a, b);
}

const struct mb_tp *mb_tpset_find(const struct mb_tpset *set, const struct mb_tp *tp)
{
    return set->count ? bsearch(tp, set->items, set->count, sizeof *tp, compare) : NULL;
}

bool mb_tpset_within(const struct mb_tpset *part, const struct mb_tpset *whole)
{
    for (size_t i = 0; i < part->count; i++)
        if (!mb_tpset_find(whole, &part->items[i]))
            return false;
    return true;
}

bool mb_tpset_equal(const struct mb_tpset *a, const struct mb_tpset *b)
{
    for (size_t i = 0; a->count == b->count && i < a->count; i++)
        if (by_topic_and_partition(&a->items[i], &b->items[i]) != 0)
            return false;
    return a->count == b->count;
}

bool mb_tpset_overlap(const struct mb_tpset *a, const struct mb_tpset *b)
{
    for (size_t i = 0; i < a->count; i++)
        if (mb_tpset_find(b, &a->items[i]))
            return true;
    return false;
}

void mb_tpset_normalize(struct mb_tpset *set)
{
    size_t kept = 0;
    if (set->count)
        qsort(set->items, set->count, sizeof *set->items, compare);
    for (size_t i = 0; i < set->count; i++)
        if (kept == 0 || by_topic_and_partition(&set->items[kept - 1], &set->items[i]) != 0)
            set->items[kept++] = set->items[i];
    set->count = kept;
}

bool mb_tpset_reserve(const struct kci_alloc *alloc, struct mb_tpset *set, size_t count)
{
    *set = (struct mb_tpset){ NULL, 0 };
    if (count)
        set->items = kci_alloc_zero(alloc, count, sizeof *set->items);
    return !count || set->items;
}

void mb_tpset_free(const struct kci_alloc *alloc, struct mb_tpset *set)
{
    kci_alloc_free(alloc, set->items);
    *set = (struct mb_tpset){ NULL, 0 };
}

size_t mb_tpset_run(const struct mb_tpset *set, size_t at)
{
    size_t run = 0;
    while (at + run < set->count && kci_uuid_equal(&set->items[at].topic, &set->items[at + run].topic))
        run++;
    return run;
}
