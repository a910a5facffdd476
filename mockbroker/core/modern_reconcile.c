/* What a member may have next, on its way to its target.
 *
 *      Stable      --the target is newer, and asks for partitions back-->   Unrevoked    (at its old epoch)
 *      Unrevoked   --the client no longer names them-->                     as if Stable
 *      any         --others still have some of what it is to get-->         Unreleased   (at the epoch of the target)
 *      any         --nothing is in the way-->                               Stable       (at the epoch of the target)
 *
 * What the member does not subscribe to (any more, or yet) counts as no target, also where the target is older than its
 * subscription: so it gives that up in the same heartbeat that says so.
 *
 * A partition is assigned only if no member has it, assigned or being revoked: so it is never in two places, whatever
 * the order of heartbeats (KIP-848, and PROTOCOL 4.7). */
#include "mockbroker/core/cluster.h"
#include "mockbroker/core/group_registry.h"
#include "mockbroker/core/modern_pattern.h"
#include "mockbroker/core/tpset.h"

#include <assert.h>

struct step {
    struct mb_tpset assigned; /* kept, then also what is new */
    struct mb_tpset revoking;
    size_t added;
    bool unreleased;
};

/* Does the member subscribe to the topic? Of one partition after the other, sorted: the answer is kept. */
struct wish {
    const struct mb_modern_member *member;
    struct kci_uuid topic;
    bool known, wanted;
};

static bool is_wanted(struct wish *wish, const struct mb_tp *tp)
{
    if (!wish->known || memcmp(&wish->topic, &tp->topic, sizeof tp->topic) != 0) {
        struct kci_str name = mb_cluster_topic_name(mb_group_cluster(wish->member->group), &tp->topic);
        wish->topic = tp->topic;
        wish->known = true;
        wish->wanted = name.data && mb_modern_member_subscribes(wish->member, name);
    }
    return wish->wanted;
}

static bool split(const struct mb_modern_member *member, struct step *step)
{
    const struct kci_alloc *alloc = mb_group_alloc(member->group);
    const struct mb_modern *modern = member->group->modern;
    struct wish wish = { .member = member };
    *step = (struct step){ .added = 0 };
    if (!mb_tpset_reserve(alloc, &step->assigned, member->assigned.count + member->target.count) ||
        !mb_tpset_reserve(alloc, &step->revoking, member->assigned.count))
        return false;
    for (size_t i = 0; i < member->assigned.count; i++) {
        const struct mb_tp *tp = &member->assigned.items[i];
        bool keeps = is_wanted(&wish, tp) && mb_tpset_find(&member->target, tp);
        struct mb_tpset *to = keeps ? &step->assigned : &step->revoking;
        to->items[to->count++] = *tp;
    }
    size_t kept = step->assigned.count;
    for (size_t i = 0; i < member->target.count; i++) {
        struct mb_tp tp = member->target.items[i];
        if (!is_wanted(&wish, &tp) || mb_tpset_find(&member->assigned, &tp))
            continue;
        bool hasty = member->group->owner->cluster->options.plant == MB_PLANT_TWO_OWNERS; /* planted defect */
        if (!hasty && mb_modern_owner(modern, &tp)) {
            step->unreleased = true;
            continue;
        }
        tp.epoch = modern->target_epoch;
        step->assigned.items[kept + step->added++] = tp;
    }
    return true;
}

static void set_epoch(struct mb_modern_member *member, enum mb_modern_member_state state, int32_t epoch)
{
    member->state = state;
    member->previous_epoch = member->epoch;
    member->epoch = epoch;
}

static int next(struct mb_modern_member *member, const struct mb_tpset *owned)
{
    const struct kci_alloc *alloc = mb_group_alloc(member->group);
    const struct mb_tpset nothing = { NULL, 0 };
    struct step step;
    if (!split(member, &step)) {
        mb_tpset_free(alloc, &step.assigned);
        mb_tpset_free(alloc, &step.revoking);
        return -1;
    }
    if (step.revoking.count && (!owned || mb_tpset_overlap(&step.revoking, owned))) {
        set_epoch(member, MB_MODERN_UNREVOKED, member->epoch);
        return mb_modern_member_hold(member, step.assigned, step.revoking) ? 1 : -1;
    }
    bool waits_on = member->state == MB_MODERN_UNRELEASED && step.unreleased && !step.added && !step.revoking.count &&
                    member->epoch == member->group->modern->target_epoch && member->previous_epoch == member->epoch;
    mb_tpset_free(alloc, &step.revoking);
    if (waits_on) { /* nothing is news */
        mb_tpset_free(alloc, &step.assigned);
        return 0;
    }
    step.assigned.count += step.added;
    mb_tpset_normalize(&step.assigned);
    set_epoch(member, step.unreleased ? MB_MODERN_UNRELEASED : MB_MODERN_STABLE, member->group->modern->target_epoch);
    return mb_modern_member_hold(member, step.assigned, nothing) ? 1 : -1;
}

/* It subscribes to something else, and there is no newer target yet: what it has of other topics goes. */
static int drop(struct mb_modern_member *member, const struct mb_tpset *owned)
{
    const struct kci_alloc *alloc = mb_group_alloc(member->group);
    struct wish wish = { .member = member };
    struct mb_tpset assigned = { NULL, 0 }, revoking = { NULL, 0 };
    bool done = mb_tpset_reserve(alloc, &assigned, member->assigned.count) &&
                mb_tpset_reserve(alloc, &revoking, member->assigned.count + member->revoking.count);
    for (size_t i = 0; done && i < member->revoking.count; i++)
        revoking.items[revoking.count++] = member->revoking.items[i];
    for (size_t i = 0; done && i < member->assigned.count; i++) {
        struct mb_tpset *to = is_wanted(&wish, &member->assigned.items[i]) ? &assigned : &revoking;
        to->items[to->count++] = member->assigned.items[i];
    }
    if (!done || assigned.count == member->assigned.count) {
        mb_tpset_free(alloc, &assigned);
        mb_tpset_free(alloc, &revoking);
        return done ? 0 : -1;
    }
    mb_tpset_normalize(&revoking);
    bool has_it = !owned || mb_tpset_overlap(&revoking, owned);
    if (!has_it) { /* gone already; in this state there is nothing else to give up */
        mb_tpset_free(alloc, &revoking);
        revoking = (struct mb_tpset){ NULL, 0 };
    }
    set_epoch(member, has_it ? MB_MODERN_UNREVOKED : member->state, member->epoch);
    return mb_modern_member_hold(member, assigned, revoking) ? 1 : -1;
}

int mb_modern_reconcile(struct mb_modern_member *member, bool resubscribed, const struct mb_tpset *owned)
{
    int32_t target_epoch = member->group->modern->target_epoch;
    switch (member->state) {
    case MB_MODERN_STABLE:
        if (member->epoch == target_epoch)
            return resubscribed ? drop(member, owned) : 0;
        break;
    case MB_MODERN_UNREVOKED:
        if (!owned || mb_tpset_overlap(&member->revoking, owned))
            return resubscribed ? drop(member, owned) : 0;
        break;
    case MB_MODERN_UNRELEASED:
        break;
    }
    return next(member, owned);
}
