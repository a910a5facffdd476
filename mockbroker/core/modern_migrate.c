/* Online migration (KIP-848), so that consumers can change over one by one:
 *
 *      classic group  --a member of the consumer protocol comes-->                  mixed group
 *      mixed group    --the last of them goes, and somebody else is left-->         classic group, which rebalances
 *
 * Up: epoch and target are those of the classic generation, so nobody loses anything; a member that was in the middle
 * of a rebalance is told to join again, and the epoch rises, also for a static member that comes back as it was: else
 * nobody would do what the rebalance was for.  Down: generation is the epoch, assignments are the targets.  In the log, one
 * batch takes back all records of the one kind and brings those of the other: whoever loads it sees either.
 *
 * What cannot be carried over is refused with GROUP_ID_NOT_FOUND, as Kafka does: subscriptions that cannot be read,
 * user data in assignments (a custom assignor would miss it), too many members, a policy that does not allow it. */
#include "mockbroker/core/modern_migrate.h"

#include "mockbroker/core/cluster.h"
#include "mockbroker/core/embedded.h"
#include "mockbroker/core/group_answer.h"
#include "mockbroker/core/group_rebalance.h"
#include "mockbroker/core/group_registry.h"
#include "mockbroker/core/modern_records.h"
#include "mockbroker/core/tpset.h"

#include <stdarg.h>
#include <stdio.h>

int mb_modern_migration(const struct mb_cluster *cluster)
{
    int index = mb_properties_find(kci_str_of("group.consumer.migration.policy"));
    struct kci_str policy = kci_str_of(index < 0 ? "" : mb_properties_text(&cluster->properties, (size_t)index));
    if (kci_str_equal(policy, kci_str_of("bidirectional")))
        return MB_MIGRATE_UP | MB_MIGRATE_DOWN;
    if (kci_str_equal(policy, kci_str_of("upgrade")))
        return MB_MIGRATE_UP;
    return kci_str_equal(policy, kci_str_of("downgrade")) ? MB_MIGRATE_DOWN : MB_MIGRATE_NOT;
}

/* ---- up ---- */

static bool because(char *why, size_t size, const struct mb_group *group, const char *format, ...)
{
    int at = snprintf(why, size, "Cannot upgrade classic group %s to consumer group because ", group->id.data);
    va_list list;
    va_start(list, format);
    if (at > 0 && (size_t)at < size)
        vsnprintf(why + at, size - (size_t)at, format, list);
    va_end(list);
    return false;
}

/* What a member of a classic group says and has. */
struct carried {
    struct kci_consumer_protocol_subscription subscription;
    struct kci_consumer_protocol_assignment assignment;
};

/* The protocol that subscriptions are read by: in the first rebalance none is chosen yet. */
static struct kci_str spoken(const struct mb_group *group)
{
    return group->protocol.data ? group->protocol : mb_group_vote(group);
}

/* False: malformed. */
static bool read_member(const struct mb_group_member *member, struct kci_arena *arena, struct carried *out)
{
    out->assignment = (struct kci_consumer_protocol_assignment){ .assigned_partitions_count = 0 };
    if (!mb_embedded_subscription(arena, mb_group_member_metadata(member, spoken(member->group)), &out->subscription))
        return false;
    return member->assignment.size == 0 || mb_embedded_assignment(arena, member->assignment, &out->assignment);
}

bool mb_modern_may_upgrade(const struct mb_group *group, struct kci_arena *arena, char *why, size_t size)
{
    if (!(mb_modern_migration(mb_group_cluster(group)) & MB_MIGRATE_UP))
        return because(why, size, group, "online upgrade is disabled.");
    if (!mb_group_of_consumers(group))
        return because(why, size, group, "the group does not use the consumer embedded protocol.");
    if ((int64_t)group->member_count > mb_cluster_property(mb_group_cluster(group), "group.consumer.max.size"))
        return because(why, size, group, "the group size exceeds the consumer group maximum size.");
    bool custom = false;
    KCI_LIST_EACH(node, &group->members)
    {
        struct carried carried;
        if (!read_member(KCI_CONTAINER(node, struct mb_group_member, link), arena, &carried))
            return because(why, size, group, "the embedded consumer protocol is malformed.");
        custom |= carried.assignment.user_data.size > 0;
    }
    return !custom || because(why, size, group,
                              "an unsupported custom assignor is in use. Please refer to the documentation or switch "
                              "to a default assignor before re-attempting the upgrade.");
}

/* Both sets of the member; a partition that two were assigned, which is a defect of their leader's, stays with the
 * first. False: no memory. */
static bool give(struct mb_modern_member *to, const struct mb_tpset *had)
{
    const struct kci_alloc *alloc = mb_group_alloc(to->group);
    const struct mb_tpset nothing = { NULL, 0 };
    struct mb_tpset assigned;
    if (!mb_tpset_reserve(alloc, &assigned, had->count) || !mb_tpset_reserve(alloc, &to->target, had->count)) {
        mb_tpset_free(alloc, &assigned);
        return false;
    }
    for (size_t i = 0; i < had->count; i++) {
        struct mb_tp tp = had->items[i];
        tp.epoch = to->epoch;
        if (!mb_modern_owner(to->group->modern, &tp))
            assigned.items[assigned.count++] = to->target.items[to->target.count++] = tp;
    }
    return mb_modern_member_hold(to, assigned, nothing);
}

static bool carry_over(struct mb_group *group, const struct mb_group_member *from, struct kci_arena *arena)
{
    struct carried carried;
    struct mb_tpset had;
    bool changed;
    struct mb_group_identity who = { .session_timeout_ms = from->session_timeout_ms,
                                     .protocols = from->protocols,
                                     .protocol_count = from->protocol_count };
    struct mb_modern_member *to = mb_modern_member_add(group, from->id);
    if (!to || !read_member(from, arena, &carried) ||
        !mb_embedded_assigned(mb_group_cluster(group), arena, &carried.assignment, &had))
        return false;
    to->known = true;
    to->epoch = to->previous_epoch = group->generation;
    to->rebalance_timeout_ms = from->rebalance_timeout_ms;
    return mb_modern_member_set_instance(to, from->instance_id) &&
           mb_modern_member_set_text(to, &to->client_id, from->client_id, &changed) &&
           mb_modern_member_set_text(to, &to->client_host, from->client_host, &changed) &&
           mb_modern_member_set_text(to, &to->rack_id, carried.subscription.rack_id, &changed) &&
           mb_modern_member_set_topics(to, carried.subscription.topics, (size_t)carried.subscription.topics_count) &&
           mb_modern_member_set_classic(to, &who) && give(to, &had);
}

/* The classic side of the group as if nobody had ever joined; who waits is to join again. */
static void clear_classic(struct mb_group *group, int64_t now)
{
    const struct kci_str none = { NULL, 0 };
    KCI_LIST_EACH(node, &group->members)
    {
        struct mb_group_member *member = KCI_CONTAINER(node, struct mb_group_member, link);
        struct mb_request *join = mb_group_member_take_join(member);
        if (join)
            mb_group_answer_join_error(join, member->id, KCI_REBALANCE_IN_PROGRESS, now);
        mb_group_member_expel(member, KCI_REBALANCE_IN_PROGRESS, now);
    }
    KCI_LIST_EACH(node, &group->pending)
    {
        mb_group_pending_remove(group, KCI_CONTAINER(node, struct mb_group_pending, link)->id);
    }
    mb_alarm_stop(mb_group_cluster(group), &group->join_alarm);
    mb_alarm_stop(mb_group_cluster(group), &group->sync_alarm);
    mb_group_set_protocol_type(group, none);
    mb_group_set_protocol(group, none);
    group->generation = 0;
    group->state = group->previous_state = MB_GROUP_EMPTY; /* not a move: it is a group of another kind */
}

bool mb_modern_upgrade(struct mb_group *group, struct kci_arena *arena, struct mb_group_records *records, int64_t now)
{
    bool done = mb_modern_attach(group), changed;
    if (!done)
        return false;
    group->modern->epoch = group->modern->target_epoch = group->generation;
    group->modern->assigned_ms = 0; /* the next target need not wait */
    group->modern->unsettled = group->state != MB_GROUP_STABLE;
    KCI_LIST_EACH(node, &group->members)
    {
        done = done && carry_over(group, KCI_CONTAINER(node, struct mb_group_member, link), arena);
    }
    done = done && mb_modern_refresh(group, &changed);
    if (!done) {
        mb_modern_detach(group);
        return false;
    }
    mb_group_records_no_group(records, group->id);
    KCI_LIST_EACH(node, &group->modern->members)
    {
        struct mb_modern_member *member = KCI_CONTAINER(node, struct mb_modern_member, link);
        mb_modern_records_member(records, member);
        mb_modern_records_target(records, member);
        mb_modern_records_current(records, member);
        mb_modern_member_alive(member, now);
    }
    mb_modern_records_epoch(records, group);
    mb_modern_records_target_epoch(records, group);
    clear_classic(group, now);
    kci_log(mb_cluster_logger(mb_group_cluster(group)), KCI_LOG_INFO, "group",
            "%s: a member of the consumer protocol came, the group is a mixed one now", group->id.data);
    return true;
}

/* ---- down ---- */

/* Do they share a protocol? They do, unless somebody edited the log. */
static bool share_a_protocol(const struct mb_group *group)
{
    KCI_LIST_EACH(node, &group->modern->members)
    {
        const struct mb_modern_member *member = KCI_CONTAINER(node, struct mb_modern_member, link);
        for (size_t i = 0; !member->leaving && i < member->classic->protocol_count; i++)
            if (mb_modern_classic_share(group, member->classic->protocols[i].name))
                return true;
        if (!member->leaving)
            break;
    }
    return false;
}

bool mb_modern_may_downgrade(const struct mb_group *group)
{
    size_t left = 0;
    KCI_LIST_EACH(node, &group->modern->members)
    {
        const struct mb_modern_member *member = KCI_CONTAINER(node, struct mb_modern_member, link);
        if (!member->leaving && !member->classic)
            return false;
        left += !member->leaving;
    }
    return left > 0 && (mb_modern_migration(mb_group_cluster(group)) & MB_MIGRATE_DOWN) && share_a_protocol(group) &&
           (int64_t)left <= mb_cluster_property(mb_group_cluster(group), "group.max.size");
}

static bool carry_back(struct mb_group *group, const struct mb_modern_member *from, int64_t now)
{
    struct mb_group_identity who = {
        .id = from->id,
        .instance_id = from->instance_id,
        .client_id = from->client_id,
        .client_host = from->client_host,
        .session_timeout_ms = from->classic->session_timeout_ms,
        .rebalance_timeout_ms = from->rebalance_timeout_ms,
        .protocols = from->classic->protocols,
        .protocol_count = from->classic->protocol_count,
    };
    return mb_group_member_add(group, &who, now) != NULL;
}

/* Who comes into the classic group has its target as its assignment. False: no memory. */
static bool assign_targets(struct mb_group *group)
{
    bool done = true;
    KCI_LIST_EACH(node, &group->members)
    {
        struct mb_group_member *member = KCI_CONTAINER(node, struct mb_group_member, link);
        int16_t version = mb_embedded_version(mb_group_member_metadata(member, group->protocol));
        done =
            done && mb_embedded_write(mb_group_cluster(group), mb_group_alloc(group),
                                      &mb_modern_member_find(group, member->id)->target, version, &member->assignment);
    }
    return done;
}

bool mb_modern_downgrade(struct mb_group *group, struct mb_group_records *records, const char *why, int64_t now)
{
    bool done = true;
    KCI_LIST_EACH(node, &group->modern->members)
    {
        struct mb_modern_member *member = KCI_CONTAINER(node, struct mb_modern_member, link);
        mb_modern_records_no_member(records, group, member->id);
        done = done && (member->leaving || carry_back(group, member, now));
    }
    done = done && mb_group_set_protocol_type(group, kci_str_of("consumer")) &&
           mb_group_set_protocol(group, mb_group_vote(group)) && assign_targets(group);
    if (!done) {
        clear_classic(group, now);
        return false;
    }
    mb_modern_records_forget(records, group);
    group->generation = group->modern->epoch;
    mb_modern_detach(group);
    group->state = group->previous_state = MB_GROUP_STABLE; /* not a move: it is a group of another kind */
    group->state_since_ms = mb_cluster_wall_ms(mb_group_cluster(group), now);
    mb_group_records_group(records, group, false);
    kci_log(mb_cluster_logger(mb_group_cluster(group)), KCI_LOG_INFO, "group",
            "%s: only members of the classic protocol are left, the group is a classic one now", group->id.data);
    if (why)
        mb_group_rebalance(group, why, now);
    return true;
}
