/* What every heartbeat of a KIP-848 group leads to, of whichever protocol its sender is: the group moves on if it has
 * reason to, then the member, one step towards its target.  And what silence leads to: a member that is not heard for
 * its session, keeps what it was to give up, or (classic, modern_classic.c) does not join again, is out.
 *
 * Left to others: what the target is (modern_target.c), the step (modern_reconcile.c), becoming a classic group
 * (modern_migrate.c). */
#include "mockbroker/core/cluster.h"
#include "mockbroker/core/group_registry.h"
#include "mockbroker/core/modern_migrate.h"
#include "mockbroker/core/modern_pattern.h"
#include "mockbroker/core/modern_records.h"
#include "mockbroker/core/modern_write.h"
#include "mockbroker/core/tpset.h"

/* ---- moving on ---- */

bool mb_modern_member_replace(struct mb_modern_member *member, struct kci_str id, struct mb_group_records *records)
{
    mb_modern_records_no_member(records, member->group, member->id);
    if (!mb_modern_member_rename(member, id))
        return false;
    member->epoch = 0;
    member->previous_epoch = -1;
    mb_modern_records_member(records, member);
    mb_modern_records_target(records, member);
    mb_modern_records_current(records, member);
    return true;
}

bool mb_modern_look_at_topics(struct mb_group *group, bool bump, bool *changed)
{
    *changed = false;
    return (!bump && group->modern->topics_seen == mb_group_cluster(group)->metadata_version) ||
           mb_modern_refresh(group, changed);
}

bool mb_modern_advance_group(struct mb_group *group, bool bump, struct mb_group_records *records, int64_t now)
{
    struct mb_modern *modern = group->modern;
    struct mb_cluster *cluster = mb_group_cluster(group);
    bool other_topics;
    if (!mb_modern_look_at_topics(group, bump, &other_topics))
        return false;
    if (bump || other_topics || modern->unsettled) {
        modern->unsettled = false;
        modern->epoch++;
        mb_modern_records_epoch(records, group);
    }
    int64_t since_ms = mb_cluster_wall_ms(cluster, now) - modern->assigned_ms;
    if (modern->target_epoch == modern->epoch ||
        (since_ms >= 0 && since_ms < mb_group_setting(cluster, group->id, "consumer.assignment.interval.ms")))
        return true;
    return mb_modern_compute_target(group, records, now);
}

bool mb_modern_advance_member(struct mb_modern_member *member, bool resubscribed, const struct mb_tpset *owned,
                              struct mb_group_records *records, bool *moved, int64_t now)
{
    const struct kci_alloc *alloc = mb_group_alloc(member->group);
    struct mb_tpset before;
    if (!mb_tpset_reserve(alloc, &before, member->assigned.count))
        return false;
    if (member->assigned.count)
        memcpy(before.items, member->assigned.items, member->assigned.count * sizeof *before.items);
    before.count = member->assigned.count;
    int changed = mb_modern_reconcile(member, resubscribed, owned);
    *moved = changed > 0 && !mb_tpset_equal(&before, &member->assigned);
    mb_tpset_free(alloc, &before);
    if (changed > 0) {
        mb_modern_records_current(records, member);
        mb_alarm_stop(mb_group_cluster(member->group), &member->revoke);
        if (member->state == MB_MODERN_UNREVOKED)
            mb_modern_member_watch_revocation(member, now);
    }
    return changed >= 0;
}

/* ---- going ---- */

bool mb_modern_members_leave(struct mb_group *group, struct mb_group_records *records, int64_t now)
{
    bool changed;
    if (mb_modern_may_downgrade(group))
        return mb_modern_downgrade(group, records, "the last member of the consumer protocol left", now);
    KCI_LIST_EACH(node, &group->modern->members)
    {
        struct mb_modern_member *member = KCI_CONTAINER(node, struct mb_modern_member, link);
        if (!member->leaving)
            continue;
        mb_modern_records_no_member(records, group, member->id);
        mb_modern_member_remove(member);
    }
    mb_modern_patterns_prune(group, records);
    group->modern->epoch++;
    bool looked = mb_modern_refresh(group, &changed);
    mb_modern_records_epoch(records, group);
    return looked;
}

void mb_modern_member_fence(struct mb_modern_member *member, const char *why, int64_t now)
{
    struct mb_group *group = member->group;
    struct mb_group_records records = mb_group_records_of(mb_group_alloc(group));
    kci_log(mb_cluster_logger(mb_group_cluster(group)), KCI_LOG_INFO, "group", "%s: member %s is fenced: %s",
            group->id.data, member->id.data, why);
    member->leaving = true;
    if (mb_modern_members_leave(group, &records, now))
        mb_modern_write(group, &records, NULL, NULL, now);
    else
        mb_modern_write_failed(group, &records, NULL, now);
}

/* ---- silence ---- */

static void session_over(void *owner, int64_t now)
{
    mb_modern_member_fence(owner, "it was silent for its session", now);
}

static void revocation_over(void *owner, int64_t now)
{
    struct mb_modern_member *member = owner;
    if (member->epoch == member->revoke_epoch)
        mb_modern_member_fence(member, "it did not give up its partitions in time", now);
}

void mb_modern_member_alive(struct mb_modern_member *member, int64_t now)
{
    struct mb_cluster *cluster = mb_group_cluster(member->group);
    int64_t session_ms = member->classic ? member->classic->session_timeout_ms
                                         : mb_group_setting(cluster, member->group->id, "consumer.session.timeout.ms");
    member->session.fire = session_over;
    member->session.owner = member;
    mb_alarm_set(cluster, &member->session, now + session_ms * 1000);
}

void mb_modern_member_watch_revocation(struct mb_modern_member *member, int64_t now)
{
    member->revoke.fire = revocation_over;
    member->revoke.owner = member;
    member->revoke_epoch = member->epoch;
    mb_alarm_set(mb_group_cluster(member->group), &member->revoke, now + (int64_t)member->rebalance_timeout_ms * 1000);
}
