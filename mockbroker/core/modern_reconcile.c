/* What a member may have next, on its way to its target.
 *
 *      Stable      --the target is newer, and asks for partitions back-->   Unrevoked    (at its old epoch)
 *      Unrevoked   --the client no longer names them-->                     as if Stable at the next epoch
 *      any         --others still have some of what it is to get-->         Unreleased   (at the epoch of the target)
 *      any         --nothing is in the way-->                               Stable       (at the epoch of the target)
 *
 * A partition is assigned only if no member has it, assigned or being revoked: so it is never in two places, whatever
 * the order of heartbeats (KIP-848, and PROTOCOL 4.7). */
#include "mockbroker/core/cluster.h"
#include "mockbroker/core/group_registry.h"
#include "mockbroker/core/modern.h"
#include "mockbroker/core/tpset.h"

#include <assert.h>

struct step {
    struct mb_tpset assigned; /* kept, then also what is new */
    struct mb_tpset revoking;
    size_t added;
    bool unreleased;
};

static bool split(const struct mb_modern_member *member, struct step *step)
{
    const struct kci_alloc *alloc = mb_group_alloc(member->group);
    const struct mb_modern *modern = member->group->modern;
    *step = (struct step){ .added = 0 };
    if (!mb_tpset_reserve(alloc, &step->assigned, member->assigned.count + member->target.count) ||
        !mb_tpset_reserve(alloc, &step->revoking, member->assigned.count))
        return false;
    for (size_t i = 0; i < member->assigned.count; i++) {
        const struct mb_tp *tp = &member->assigned.items[i];
        struct mb_tpset *to = mb_tpset_find(&member->target, tp) ? &step->assigned : &step->revoking;
        to->items[to->count++] = *tp;
    }
    size_t kept = step->assigned.count;
    for (size_t i = 0; i < member->target.count; i++) {
        struct mb_tp tp = member->target.items[i];
        if (mb_tpset_find(&member->assigned, &tp))
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

static int next(struct mb_modern_member *member, int32_t epoch, const struct mb_tpset *owned)
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
        set_epoch(member, MB_MODERN_UNREVOKED, epoch);
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

int mb_modern_reconcile(struct mb_modern_member *member, const struct mb_tpset *owned)
{
    int32_t target_epoch = member->group->modern->target_epoch;
    switch (member->state) {
    case MB_MODERN_STABLE:
        return member->epoch == target_epoch ? 0 : next(member, member->epoch, owned);
    case MB_MODERN_UNREVOKED:
        if (!owned || mb_tpset_overlap(&member->revoking, owned))
            return 0;
        return next(member, member->epoch + 1, owned);
    case MB_MODERN_UNRELEASED:
        break;
    }
    return next(member, member->epoch, owned);
}
