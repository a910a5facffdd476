/* Steering of groups from outside: a rebalance without a reason, a member thrown out.  What members see is what they
 * would see of a real cause; see group_rebalance.h (classic) and modern_heartbeat.c (KIP-848). */
#include "mockbroker/core/cluster.h"
#include "mockbroker/core/group_member.h"
#include "mockbroker/core/group_rebalance.h"
#include "mockbroker/core/group_registry.h"
#include "mockbroker/core/modern.h"
#include "mockbroker/core/modern_records.h"
#include "mockbroker/core/modern_write.h"

/* The group, if its coordinator is there to do something. */
static int16_t find(const struct mb_cluster *cluster, struct kci_str id, struct mb_group **out)
{
    const struct mb_groups *groups = cluster->groups;
    *out = mb_groups_find(groups, id);
    if (!*out)
        return KCI_GROUP_ID_NOT_FOUND;
    const struct mb_group_partition *home = &groups->partitions[(*out)->partition];
    return home->broker >= 0 && home->loaded ? KCI_NONE : KCI_COORDINATOR_NOT_AVAILABLE;
}

/* The group's epoch rises; the next heartbeat computes targets anew. */
static void rebalance_modern(struct mb_group *group, int64_t now)
{
    struct mb_group_records records = mb_group_records_of(mb_group_alloc(group));
    group->modern->epoch++;
    mb_modern_records_epoch(&records, group);
    mb_modern_write(group, &records, NULL, NULL, now);
}

int16_t mb_cluster_group_rebalance(struct mb_cluster *cluster, struct kci_str id, int64_t now)
{
    struct mb_group *group;
    int16_t error = find(cluster, id, &group);
    if (!error && mb_group_is_empty(group))
        error = KCI_UNKNOWN_MEMBER_ID;
    if (error)
        return error;
    cluster->now = now;
    if (group->modern)
        rebalance_modern(group, now);
    else
        mb_group_rebalance(group, "it was asked for", now);
    return KCI_NONE;
}

int16_t mb_cluster_group_kick(struct mb_cluster *cluster, struct kci_str id, struct kci_str member_id, int64_t now)
{
    struct mb_group *group;
    int16_t error = find(cluster, id, &group);
    struct mb_group_member *member = error || group->modern ? NULL : mb_group_member_find(group, member_id);
    struct mb_modern_member *modern = !error && group->modern ? mb_modern_member_find(group, member_id) : NULL;
    if (!error && !member && !modern)
        error = KCI_UNKNOWN_MEMBER_ID;
    if (error)
        return error;
    cluster->now = now;
    if (modern)
        mb_modern_member_fence(modern, "it was thrown out", now);
    else
        mb_group_rebalance_expel(member, "it was thrown out", now);
    return KCI_NONE;
}
