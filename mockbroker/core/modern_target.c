/* From subscriptions and topics to targets.
 *
 * A page of memory holds one computation: the topics that anybody subscribes to (by name, or by a pattern that is
 * resolved, modern_pattern.c), sorted by name, each with its subscribers.  Their hash tells whether topics changed since
 * the group's epoch was last raised; ours is not the number that Apache Kafka would compute, which costs it one rebalance
 * on taking over a data directory. */
#include "base/checksum.h"
#include "mockbroker/core/cluster.h"
#include "mockbroker/core/group_registry.h"
#include "mockbroker/core/modern_assign.h"
#include "mockbroker/core/modern_pattern.h"
#include "mockbroker/core/modern_records.h"
#include "mockbroker/core/tpset.h"

#include <stdlib.h>

struct page {
    struct kci_arena arena;
    struct mb_modern_member **members; /* static ones first, by instance id; then by member id */
    uint32_t member_count;
    const struct mb_topic **topics; /* by name */
    struct mb_assign_topic *plans;  /* of topics; those of no interest are left out */
    size_t topic_count;
};

static int compare_members(const void *a, const void *b)
{
    const struct mb_modern_member *x = *(struct mb_modern_member *const *)a, *y = *(struct mb_modern_member *const *)b;
    if (x->instance_id.data && y->instance_id.data)
        return kci_str_compare(x->instance_id, y->instance_id);
    if (x->instance_id.data || y->instance_id.data)
        return x->instance_id.data ? -1 : 1;
    return kci_str_compare(x->id, y->id);
}

static int compare_topics(const void *a, const void *b)
{
    return strcmp((*(const struct mb_topic *const *)a)->name, (*(const struct mb_topic *const *)b)->name);
}

static bool list_members(struct page *page, const struct mb_group *group)
{
    page->members = kci_arena_array(&page->arena, group->modern->member_count, sizeof(struct mb_modern_member *));
    if (!page->members)
        return false;
    KCI_LIST_EACH(node, &group->modern->members)
    {
        page->members[page->member_count++] = KCI_CONTAINER(node, struct mb_modern_member, link);
    }
    if (page->member_count)
        qsort(page->members, page->member_count, sizeof(struct mb_modern_member *), compare_members);
    return true;
}

static bool list_topics(struct page *page, const struct mb_cluster *cluster)
{
    const struct mb_topic *topic;
    page->topics = kci_arena_array(&page->arena, cluster->topics.count, sizeof(struct mb_topic *));
    page->plans = kci_arena_array(&page->arena, cluster->topics.count, sizeof *page->plans);
    if (!page->topics || !page->plans)
        return false;
    for (size_t at = 0; (topic = mb_topic_next(cluster, &at)) != NULL;)
        page->topics[page->topic_count++] = topic;
    if (page->topic_count)
        qsort(page->topics, page->topic_count, sizeof(struct mb_topic *), compare_topics);
    return true;
}

/* False: no memory. */
static bool subscribe(struct page *page, size_t t)
{
    struct mb_assign_topic *plan = &page->plans[t];
    struct kci_str name = kci_str_of(page->topics[t]->name);
    plan->partitions = page->topics[t]->partition_count;
    for (uint32_t m = 0; m < page->member_count; m++) {
        if (!mb_modern_member_subscribes(page->members[m], name))
            continue;
        if (!plan->subscribers)
            plan->subscribers = kci_arena_array(&page->arena, page->member_count, sizeof(uint32_t));
        if (!plan->subscribers)
            return false;
        plan->subscribers[plan->subscriber_count++] = m;
    }
    return true;
}

static bool subscribe_all(struct page *page)
{
    size_t kept = 0;
    for (size_t t = 0; t < page->topic_count; t++) {
        if (!subscribe(page, t))
            return false;
        page->topics[kept] = page->topics[t];
        page->plans[kept] = page->plans[t];
        if (kept != t)
            page->plans[t] = (struct mb_assign_topic){ .partitions = 0 };
        kept += page->plans[kept].subscriber_count ? 1 : 0;
    }
    page->topic_count = kept;
    return true;
}

static bool page_open(struct page *page, const struct mb_group *group)
{
    *page = (struct page){ .arena = kci_arena_of(mb_group_alloc(group), MB_MODERN_PAGES_BYTES) };
    if (list_members(page, group) && list_topics(page, mb_group_cluster(group)) && subscribe_all(page))
        return true;
    kci_arena_destroy(&page->arena);
    return false;
}

static int64_t hash_of(const struct page *page)
{
    uint32_t low = 0, high = 1;
    for (size_t t = 0; t < page->topic_count; t++) {
        const struct mb_topic *topic = page->topics[t];
        uint8_t count[4];
        kci_put32(count, (uint32_t)topic->partition_count);
        low = kci_crc32c(kci_crc32c(low, topic->name, strlen(topic->name) + 1), topic->id.b, sizeof topic->id.b);
        low = kci_crc32c(low, count, sizeof count);
        high = high * 31 + low;
    }
    return page->topic_count ? (int64_t)((uint64_t)high << 32 | low) : 0; /* as before anybody came */
}

bool mb_modern_refresh(struct mb_group *group, bool *changed)
{
    struct page page;
    if (!page_open(&page, group))
        return false;
    int64_t hash = hash_of(&page);
    *changed = hash != group->modern->topics_hash;
    group->modern->topics_hash = hash;
    group->modern->topics_seen = mb_group_cluster(group)->metadata_version;
    kci_arena_destroy(&page.arena);
    return true;
}

/* Who had each partition so far, where it may keep it. */
static bool remember_owners(struct page *page)
{
    for (size_t t = 0; t < page->topic_count; t++) {
        struct mb_assign_topic *plan = &page->plans[t];
        plan->owners = kci_arena_array(&page->arena, (size_t)plan->partitions, sizeof(uint32_t));
        if (!plan->owners)
            return false;
        for (int32_t p = 0; p < plan->partitions; p++)
            plan->owners[p] = MB_NOBODY;
        for (size_t s = 0; s < plan->subscriber_count; s++) {
            const struct mb_tpset *target = &page->members[plan->subscribers[s]]->target;
            struct mb_tp tp = { .topic = page->topics[t]->id };
            if (target->count == 0)
                continue;
            for (; tp.partition < plan->partitions; tp.partition++)
                if (mb_tpset_find(target, &tp))
                    plan->owners[tp.partition] = plan->subscribers[s];
        }
    }
    return true;
}

/* The plans as a set per member. False: no memory. */
static bool collect(struct page *page, const struct kci_alloc *alloc, struct mb_tpset *targets)
{
    size_t *counts = kci_arena_array(&page->arena, page->member_count, sizeof *counts);
    if (!counts)
        return false;
    for (size_t t = 0; t < page->topic_count; t++)
        for (int32_t p = 0; p < page->plans[t].partitions; p++)
            counts[page->plans[t].owners[p]]++;
    for (uint32_t m = 0; m < page->member_count; m++)
        if (!mb_tpset_reserve(alloc, &targets[m], counts[m]))
            return false;
    for (size_t t = 0; t < page->topic_count; t++)
        for (int32_t p = 0; p < page->plans[t].partitions; p++) {
            struct mb_tpset *target = &targets[page->plans[t].owners[p]];
            target->items[target->count++] = (struct mb_tp){ .topic = page->topics[t]->id, .partition = p };
        }
    for (uint32_t m = 0; m < page->member_count; m++)
        mb_tpset_normalize(&targets[m]);
    return true;
}

bool mb_modern_compute_target(struct mb_group *group, struct mb_group_records *records, int64_t now)
{
    struct page page;
    const struct kci_alloc *alloc = mb_group_alloc(group);
    if (!page_open(&page, group))
        return false;
    struct mb_tpset *targets = kci_arena_array(&page.arena, page.member_count, sizeof *targets);
    bool done = targets && remember_owners(&page);
    if (done && kci_str_equal(mb_modern_assignor(group), kci_str_of("range")))
        mb_assign_range(page.plans, page.topic_count);
    else if (done)
        done = mb_assign_uniform(alloc, page.plans, page.topic_count, page.member_count);
    done = done && collect(&page, alloc, targets);
    for (uint32_t m = 0; targets && m < page.member_count; m++) {
        struct mb_modern_member *member = page.members[m];
        if (!done || mb_tpset_equal(&member->target, &targets[m])) {
            mb_tpset_free(alloc, &targets[m]);
            continue;
        }
        mb_tpset_free(alloc, &member->target);
        member->target = targets[m];
        mb_modern_records_target(records, member);
    }
    if (done) {
        group->modern->target_epoch = group->modern->epoch;
        group->modern->assigned_ms = mb_cluster_wall_ms(mb_group_cluster(group), now);
        mb_modern_records_target_epoch(records, group);
    }
    kci_arena_destroy(&page.arena);
    return done;
}
