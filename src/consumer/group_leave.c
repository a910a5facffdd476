/* The end: unsubscribe and close.
 *
 *    LEAVING_COMMIT   the automatic commit, and whatever commits the application began   until done or the deadline
 *    LEAVING_REVOKE   on_revoked (on_lost without membership), if there is something to lose
 *    LEAVING_SEND     LeaveGroup, unless we are a static member (those come back, and      until answered or the deadline
 *                     leave only if they owe the group a rebalance); KIP-848: a heartbeat
 *                     with epoch -1, or -2 for a static member. The application may want
 *                     to leave in any case, or to remain (KIP-1092)
 *
 * Every state ends by the deadline; what could not be done then is done by the group itself when the session times out.
 */
#include "consumer/internal.h"

static void finished(struct kci_consumer *c, int64_t now)
{
    struct kci_group *g = &c->group;
    if (g->modern) { /* the id is ours for good */
        kci_group_target_drop(c);
        g->m.target_due = g->m.introduced = false;
    } else {
        kci_alloc_free(c->alloc, g->member_id);
        g->member_id = NULL;
    }
    g->generation = -1;
    g->rejoin = g->owes_rejoin = g->lost = false;
    g->left = true;
    kci_group_drop_topics(c);
    kci_partition_list_free(c->alloc, &g->assignment);
    kci_subscription_clear(&c->subscription);
    c->subscription.by_group = false;
    kci_group_enter(c, KCI_GROUP_IDLE, now);
    kci_consumer_tell(c);
}

static void leave_answered(struct kci_consumer *c, const struct kci_reply *reply, int64_t now)
{
    struct kci_group *g = &c->group;
    if (g->state != KCI_GROUP_LEAVING_SEND)
        return; /* sent because the application did not poll: nothing hangs on it */
    if (reply->error != KC_OK)
        g->left_code = KC_ERR_TIMED_OUT;
    finished(c, now);
}

/* Versions 3 and up take a list of members, older ones a single id. */
struct leave_shapes {
    struct kci_leave_group_request request; /* what is sent */
    struct kci_leave_group_request__member_identity member;
    struct kci_str group_id;
};

static bool choose_shape(struct kci_call *call, int16_t version)
{
    const struct kci_group_call *owner = call->owner;
    struct leave_shapes *shapes = owner->shapes;
    memset(&shapes->request, 0, sizeof shapes->request);
    shapes->request.group_id = shapes->group_id;
    if (version < 3) {
        shapes->request.member_id = shapes->member.member_id;
    } else {
        shapes->request.members = &shapes->member;
        shapes->request.members_count = 1;
    }
    return true;
}

void kci_group_send_leave(struct kci_consumer *c, const char *reason, int32_t timeout_ms, int64_t now)
{
    struct kci_group *g = &c->group;
    int32_t node = kci_group_coordinator_node(c, now);
    if (node == KCI_NODE_NONE || !g->member_id)
        return;
    kci_arena_reset(&g->call.arena);
    struct leave_shapes *shapes = kci_arena_take(&g->call.arena, sizeof *shapes);
    char *member = kci_arena_text(&g->call.arena, kci_group_member_id(g));
    if (!shapes || !member)
        return;
    shapes->group_id = kci_str_of(c->settings->group_id);
    shapes->member.member_id = kci_str_of(member);
    shapes->member.reason = kci_str_of(reason);
    g->call.answered = leave_answered;
    g->call.shapes = shapes;
    kci_group_send(c, &g->call, node, KCI_API_LEAVE_GROUP, 0, 5, &shapes->request, choose_shape, timeout_ms, now);
}

void kci_group_begin_leave(struct kci_consumer *c, int64_t now, int64_t deadline)
{
    struct kci_group *g = &c->group;
    g->left = false;
    g->left_code = KC_OK;
    g->leave_deadline = deadline;
    if (g->call.in_flight) { /* a join or sync that waits for others: leaving cannot wait behind it */
        g->call.abandoned = true;
        g->m.introduced = g->modern;
    }
    if (g->modern && g->state == KCI_GROUP_JOINING && g->heartbeat.in_flight)
        g->heartbeat.abandoned = true;
    if (g->state >= KCI_GROUP_LEAVING_COMMIT && g->state <= KCI_GROUP_LEAVING_SEND)
        return; /* already at it; the deadline is new */
    KCI_LIST_EACH(link, &c->subscription.assigned)
    KCI_CONTAINER(link, struct kci_assigned, link)->revoking = true;
    if (g->state >= KCI_GROUP_JOINING && g->state <= KCI_GROUP_SYNCING) /* cooperative: others decide about them now */
        g->lost = c->subscription.assigned_count > 0;
    int32_t generation;
    if (c->settings->enable_auto_commit && c->settings->group_id &&
        kci_group_commit_generation(c, &generation) == KC_OK)
        kci_operations_auto_commit(c, true, now, deadline);
    kci_group_enter(c, KCI_GROUP_LEAVING_COMMIT, now);
    kci_consumer_want_step(c);
}

static bool commits_under_way(const struct kci_consumer *c)
{
    KCI_LIST_EACH(link, &c->operations.list)
    {
        const struct kci_operation *operation = KCI_CONTAINER(link, struct kci_operation, link);
        if (operation->kind <= KCI_OPERATION_COMMIT_ONCE && !operation->done && !operation->given_up)
            return true;
    }
    return false;
}

void kci_group_leave_step(struct kci_consumer *c, int64_t now)
{
    struct kci_group *g = &c->group;
    bool late = now >= g->leave_deadline;
    if (!late)
        kci_consumer_at(c, g->leave_deadline);
    late = late && c->plant != KCI_PLANT_LEAVE_PATIENTLY; /* planted defect */
    if (g->state == KCI_GROUP_LEAVING_COMMIT && (late || !commits_under_way(c))) {
        if (late && commits_under_way(c))
            g->left_code = KC_ERR_TIMED_OUT;
        kci_group_enter(c, KCI_GROUP_LEAVING_REVOKE, now);
        kci_consumer_tell(c);
    }
    if (g->state == KCI_GROUP_LEAVING_REVOKE && late)
        kci_consumer_tell(c); /* it may have looked when there was no memory to tell it of */
    bool nothing_to_tell = c->subscription.assigned_count == 0 || !c->subscription.by_group;
    if (g->state == KCI_GROUP_LEAVING_REVOKE && nothing_to_tell)
        kci_group_enter(c, KCI_GROUP_LEAVING_SEND, now);
    if (g->state != KCI_GROUP_LEAVING_SEND || g->call.in_flight)
        return;
    /* A static member that comes back gets its old assignment and begins no rebalance: if it owes one, nobody would get
     * what it gave up. */
    bool is_static = c->settings->group_instance_id;
    bool comes_back = is_static && !(g->owes_rejoin && g->generation >= 0);
    bool stays = g->exit == KC_CLOSE_REMAIN || (g->exit == KC_CLOSE_DEFAULT && comes_back);
    /* A static member of KIP-848 always says that it goes, with the epoch that keeps its place. */
    bool silent = g->modern ? !g->m.introduced || (g->exit == KC_CLOSE_REMAIN && !is_static) : !g->member_id || stays;
    if (silent || late) {
        if (late && !silent)
            g->left_code = KC_ERR_TIMED_OUT;
        finished(c, now);
        return;
    }
    int64_t left_ms = (g->leave_deadline - now) / KCI_MS;
    int32_t timeout_ms = left_ms < 1 ? 1 : left_ms > INT32_MAX ? INT32_MAX : (int32_t)left_ms;
    if (g->modern) {
        g->call.answered = leave_answered;
        kci_group_modern_send_leave(c, timeout_ms, now);
    } else {
        kci_group_send_leave(c, "the consumer unsubscribed or was closed", timeout_ms, now);
    }
}
