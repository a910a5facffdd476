/* The rebalance of a group.
 *
 *   begin       Preparing.  From Empty: wait group.initial.rebalance.delay.ms for others, again for each that comes, at
 *               most the rebalance timeout.  Otherwise: until all known members have joined, at most the rebalance timeout.
 *   join ends   who did not join is removed, except static members, who have until their session ends.  The leader is the
 *               oldest that joined.  Generation + 1, the protocol is voted for, everybody is answered: Completing.
 *   sync        members ask for their assignment, the leader brings all of them; when they are in the log they are handed
 *               out: Stable.  Who does not ask within the rebalance timeout is removed, and it begins anew.
 *
 * Nobody parked is forgotten: whoever leaves, fails or is removed gets an answer at that moment.  An assignment is
 * given out only after it is committed, so a coordinator that takes over knows at least what the members know.
 *
 * Left to others: whether a request may take part (group_join.c, group_sync.c), writing (group_sync.c,
 * group_records.c). */
#include "mockbroker/core/group_rebalance.h"

#include "mockbroker/core/group_answer.h"
#include "mockbroker/core/group_member.h"
#include "mockbroker/core/group_records.h"
#include "mockbroker/core/group_registry.h"

#include <assert.h>

#define NO_MEMORY_RETRY_MS 100 /* the join phase is tried again this much later */

static void complete_join(struct mb_group *group, int64_t now);

static void set_join_alarm(struct mb_group *group, void (*fire)(void *, int64_t), int32_t ms, int64_t now)
{
    group->join_alarm.fire = fire;
    group->join_alarm.owner = group;
    mb_alarm_set(mb_group_cluster(group), &group->join_alarm, now + (int64_t)ms * 1000);
}

static void join_over(void *owner, int64_t now)
{
    complete_join(owner, now);
}

/* KIP-134: each newcomer extends the delay, up to the rebalance timeout in total. */
static void initial_delay_over(void *owner, int64_t now)
{
    struct mb_group *group = owner;
    int32_t delay = (int32_t)mb_cluster_property(mb_group_cluster(group), "group.initial.rebalance.delay.ms");
    if (!group->member_added || group->delay_left_ms == 0) {
        complete_join(group, now);
        return;
    }
    group->member_added = false;
    int32_t next = delay < group->delay_left_ms ? delay : group->delay_left_ms;
    group->delay_left_ms = group->delay_left_ms > group->delay_ms ? group->delay_left_ms - group->delay_ms : 0;
    group->delay_ms = next;
    set_join_alarm(group, initial_delay_over, next, now);
}

static bool everyone_joined(const struct mb_group *group)
{
    return group->joined_count == group->member_count && kci_list_empty(&group->pending);
}

static void forget_bytes(const struct mb_group *group, struct kci_bytes *bytes)
{
    kci_alloc_free(mb_group_alloc(group), bytes->data);
    *bytes = (struct kci_bytes){ NULL, 0 };
}

/* Everybody who waits for an assignment learns `error`; assignments are void. */
static void reset_assignments(struct mb_group *group, int16_t error, int64_t now)
{
    KCI_LIST_EACH(node, &group->members)
    {
        struct mb_group_member *member = KCI_CONTAINER(node, struct mb_group_member, link);
        struct mb_request *sync = mb_group_member_take_sync(member);
        forget_bytes(group, &member->assignment);
        forget_bytes(group, &member->proposed);
        if (sync) {
            mb_group_member_alive(member, now);
            mb_group_answer_sync_error(sync, error, now);
        }
    }
}

static void begin(struct mb_group *group, const char *why, int64_t now)
{
    bool initial = group->state == MB_GROUP_EMPTY;
    if (group->state == MB_GROUP_COMPLETING)
        reset_assignments(group, KCI_REBALANCE_IN_PROGRESS, now);
    mb_alarm_stop(mb_group_cluster(group), &group->sync_alarm);
    mb_group_move(group, MB_GROUP_PREPARING, now);
    kci_log(mb_cluster_logger(mb_group_cluster(group)), KCI_LOG_INFO, "group", "%s: rebalance of generation %d: %s",
            group->id.data, (int)group->generation, why);
    if (!initial) {
        if (everyone_joined(group))
            complete_join(group, now);
        else
            set_join_alarm(group, join_over, mb_group_rebalance_timeout_ms(group), now);
        return;
    }
    int32_t timeout = mb_group_rebalance_timeout_ms(group);
    group->delay_ms = (int32_t)mb_cluster_property(mb_group_cluster(group), "group.initial.rebalance.delay.ms");
    group->delay_left_ms = timeout > group->delay_ms ? timeout - group->delay_ms : 0;
    group->member_added = false;
    set_join_alarm(group, initial_delay_over, group->delay_ms, now);
}

void mb_group_rebalance(struct mb_group *group, const char *why, int64_t now)
{
    if (group->state == MB_GROUP_PREPARING)
        mb_group_rebalance_maybe_complete(group, now);
    else
        begin(group, why, now);
}

void mb_group_rebalance_maybe_complete(struct mb_group *group, int64_t now)
{
    /* the initial delay runs its course even when all known members are in: others are expected */
    if (group->state == MB_GROUP_PREPARING && group->previous_state != MB_GROUP_EMPTY && everyone_joined(group))
        complete_join(group, now);
}

void mb_group_rebalance_expel(struct mb_group_member *member, const char *why, int64_t now)
{
    struct mb_group *group = member->group;
    mb_group_member_expel(member, KCI_UNKNOWN_MEMBER_ID, now);
    mb_group_rebalance(group, why, now);
}

/* The leader stays if it joined; else the oldest that did. False: nobody joined. */
static bool elect_leader(struct mb_group *group)
{
    if (group->leader && group->leader->join)
        return true;
    KCI_LIST_EACH(node, &group->members)
    {
        struct mb_group_member *member = KCI_CONTAINER(node, struct mb_group_member, link);
        if (member->join) {
            group->leader = member;
            return true;
        }
    }
    return false;
}

static void sync_over(void *owner, int64_t now)
{
    struct mb_group *group = owner;
    if (group->sync_pending_count == 0)
        return;
    KCI_LIST_EACH(node, &group->members)
    {
        struct mb_group_member *member = KCI_CONTAINER(node, struct mb_group_member, link);
        if (member->sync_pending)
            mb_group_member_expel(member, KCI_UNKNOWN_MEMBER_ID, now);
    }
    begin(group, "members did not ask for their assignment in time", now);
}

/* Generation + 1 begins: everybody is told, and expected to ask for its assignment. */
static void announce(struct mb_group *group, int64_t now)
{
    KCI_LIST_EACH(node, &group->members)
    {
        struct mb_group_member *member = KCI_CONTAINER(node, struct mb_group_member, link);
        struct mb_request *join = mb_group_member_take_join(member);
        struct mb_group_join_answer how = { .with_members = group->leader == member, .leader = group->leader->id };
        member->is_new = false;
        mb_group_member_expect_sync(member, true);
        mb_group_member_alive(member, now);
        if (join) /* static members that have not come back yet have none */
            mb_group_answer_join(join, member, &how, now);
    }
    mb_group_move(group, MB_GROUP_COMPLETING, now);
    group->sync_alarm.fire = sync_over;
    group->sync_alarm.owner = group;
    mb_alarm_set(mb_group_cluster(group), &group->sync_alarm,
                 now + (int64_t)mb_group_rebalance_timeout_ms(group) * 1000);
}

static void complete_join(struct mb_group *group, int64_t now)
{
    mb_alarm_stop(mb_group_cluster(group), &group->join_alarm);
    KCI_LIST_EACH(node, &group->members)
    {
        struct mb_group_member *member = KCI_CONTAINER(node, struct mb_group_member, link);
        if (!member->join && !member->instance_id.data)
            mb_group_member_expel(member, KCI_UNKNOWN_MEMBER_ID, now);
    }
    if (!elect_leader(group) && group->member_count) {
        /* only static members, none of them back: wait until one comes or their sessions end */
        set_join_alarm(group, join_over, mb_group_rebalance_timeout_ms(group), now);
        return;
    }
    if (group->member_count && !mb_group_set_protocol(group, mb_group_vote(group))) {
        set_join_alarm(group, join_over, NO_MEMORY_RETRY_MS, now);
        return;
    }
    group->generation = group->generation == INT32_MAX ? 1 : group->generation + 1;
    if (group->member_count) {
        announce(group, now);
        return;
    }
    mb_group_set_protocol(group, (struct kci_str){ NULL, 0 });
    mb_group_move(group, MB_GROUP_EMPTY, now);
    mb_group_records_write_empty(group, now);
}

void mb_group_rebalance_synced(struct mb_group_member *member)
{
    struct mb_group *group = member->group;
    mb_group_member_expect_sync(member, false);
    if (group->sync_pending_count == 0)
        mb_alarm_stop(mb_group_cluster(group), &group->sync_alarm);
}

void mb_group_rebalance_finish(struct mb_group *group, int64_t now)
{
    assert(group->state == MB_GROUP_COMPLETING);
    KCI_LIST_EACH(node, &group->members)
    {
        struct mb_group_member *member = KCI_CONTAINER(node, struct mb_group_member, link);
        struct mb_request *sync = mb_group_member_take_sync(member);
        forget_bytes(group, &member->assignment);
        member->assignment = member->proposed;
        member->proposed = (struct kci_bytes){ NULL, 0 };
        if (sync) {
            mb_group_member_alive(member, now);
            mb_group_answer_sync(sync, member, now);
        }
    }
    mb_group_move(group, MB_GROUP_STABLE, now);
}

void mb_group_rebalance_fail(struct mb_group *group, int16_t error, int64_t now)
{
    assert(group->state == MB_GROUP_COMPLETING);
    reset_assignments(group, error, now);
    begin(group, "the assignment could not be written", now);
}

void mb_group_rebalance_unload(struct mb_group *group, int16_t error, int64_t now)
{
    KCI_LIST_EACH(node, &group->members)
    {
        mb_group_member_expel(KCI_CONTAINER(node, struct mb_group_member, link), error, now);
    }
    mb_alarm_stop(mb_group_cluster(group), &group->join_alarm);
    mb_alarm_stop(mb_group_cluster(group), &group->sync_alarm);
}
