/* Membership in a group: the KIP-848 protocol (PROTOCOL 3.6).
 *
 *                                    lost: on_lost
 *           +------------------------- REVOKING <---------+
 *           v                                             | poll, with partitions
 *   IDLE --subscribe--> UNJOINED --poll--> JOINING --answer--> STABLE <--- heartbeats ---> coordinator
 *                          ^  ^               |                |   ^
 *                          |  +-- fenced -----+   a new target, |   | said
 *                          |      or refused          and poll  v   |
 *                          +------ fenced ------- [PREPARING] [YIELDING] --> ASSIGNING --> ACKNOWLEDGING
 *                                                 auto commit  on_revoked    on_assigned
 *
 *   any --unsubscribe, close--> LEAVING_COMMIT --> LEAVING_REVOKE --> LEAVING_SEND --> IDLE     any --fenced--> FAILED
 *
 * There is one request, the heartbeat (group_modern_beat.c): it joins, stays, tells what changed and leaves.  The
 * coordinator assigns; what it wants us to have in the end is the target (group_target.c).  When the target is not what
 * we own, the next poll begins to reconcile: what goes is not returned any more, the automatic commit claims what
 * earlier polls returned, on_revoked, then the new assignment is visible, on_assigned - always, even if it is empty, as
 * Java does - and the next heartbeat says what we own now.  Only then can others have what we gave up.  Several rounds
 * may be needed; a target that comes meanwhile waits for the next one.
 *
 * Two threads share the work as in group.c: heartbeats go on by themselves, also while a callback takes its time.
 * `generation` is the member epoch, -1 without membership.  It rises while we are a member and own the same
 * partitions, so commits are tied to `life` instead, the number of the membership, and one that waits over the
 * revocation of its partition is refused. */
#include "consumer/internal.h"

#define TO(state) (1u << KCI_GROUP_##state)
#define LEAVE     (TO(LEAVING_COMMIT) | TO(FAILED))

static bool no_member(const void *x)
{
    return ((const struct kci_group *)x)->generation < 0;
}

static bool has_id(const void *x)
{
    return ((const struct kci_group *)x)->member_id != NULL;
}

const struct kci_state_table kci_group_modern_states = {
    "KIP-848 group",
    KCI_GROUP_COUNT,
    {
        [KCI_GROUP_IDLE] = { "IDLE", TO(IDLE) | TO(UNJOINED) | LEAVE, no_member },
        [KCI_GROUP_UNJOINED] = { "UNJOINED", TO(UNJOINED) | TO(REVOKING) | TO(JOINING) | LEAVE, no_member },
        [KCI_GROUP_REVOKING] = { "REVOKING", TO(UNJOINED) | TO(JOINING) | LEAVE, no_member },
        [KCI_GROUP_JOINING] = { "JOINING", TO(STABLE) | TO(UNJOINED) | LEAVE, has_id },
        [KCI_GROUP_STABLE] = { "STABLE", TO(PREPARING) | TO(YIELDING) | TO(ASSIGNING) | TO(UNJOINED) | LEAVE, has_id },
        [KCI_GROUP_PREPARING] = { "PREPARING", TO(YIELDING) | TO(UNJOINED) | LEAVE, has_id },
        [KCI_GROUP_YIELDING] = { "YIELDING", TO(ASSIGNING) | TO(UNJOINED) | LEAVE, has_id },
        [KCI_GROUP_ASSIGNING] = { "ASSIGNING", TO(ACKNOWLEDGING) | TO(UNJOINED) | LEAVE, has_id },
        [KCI_GROUP_ACKNOWLEDGING] = { "ACKNOWLEDGING", TO(STABLE) | TO(UNJOINED) | LEAVE, has_id },
        [KCI_GROUP_LEAVING_COMMIT] = { "LEAVING_COMMIT", TO(LEAVING_REVOKE), NULL },
        [KCI_GROUP_LEAVING_REVOKE] = { "LEAVING_REVOKE", TO(LEAVING_SEND), NULL },
        [KCI_GROUP_LEAVING_SEND] = { "LEAVING_SEND", TO(IDLE), NULL },
        [KCI_GROUP_FAILED] = { "FAILED", LEAVE, NULL },
    },
};

void kci_group_modern_subscribed(struct kci_consumer *c)
{
    struct kci_group *g = &c->group;
    g->m.say_topics = true;
    g->heartbeat_at = 0;
    c->next_at = 0;
    kci_consumer_want_step(c);
}

/* A poll has come and we are no member: say farewell to what we still have, then join. */
static void begin_join(struct kci_consumer *c, int64_t now)
{
    struct kci_group *g = &c->group;
    if (!kci_group_modern_make_id(c)) {
        kci_group_backoff(c, now);
        return;
    }
    g->rejoin = false;
    g->lost = c->subscription.assigned_count > 0;
    if (g->lost) {
        kci_group_enter(c, KCI_GROUP_REVOKING, now);
        kci_consumer_tell(c);
        return;
    }
    kci_group_target_drop(c);
    g->m.target_due = g->m.given = false;
    g->m.say_all = true;
    g->heartbeat_at = now;
    kci_group_enter(c, KCI_GROUP_JOINING, now);
}

/* ---- reconciling ---- */

/* Hold the target against what we own: mark what goes. *comes: something does. */
static size_t compare(struct kci_consumer *c, bool complete, bool *comes)
{
    struct kci_group *g = &c->group;
    KCI_LIST_EACH(link, &c->subscription.assigned)
    {
        struct kci_assigned *a = KCI_CONTAINER(link, struct kci_assigned, link);
        a->revoking = complete || !kci_group_target_has_unnamed(&g->m.target, a);
    }
    *comes = false;
    for (size_t i = 0; i < g->assignment.count; i++) {
        struct kci_assigned *a = kci_subscription_find_name(&c->subscription, g->assignment.items[i].topic,
                                                            g->assignment.items[i].partition);
        bool same = a && kci_uuid_equal(&a->topic_id, &g->m.assignment_ids[i]);
        if (same)
            a->revoking = false;
        else
            *comes = true; /* also a topic that was made anew under its old name */
    }
    return kci_subscription_count(&c->subscription, kci_assigned_is_revoking);
}

static void begin_reconcile(struct kci_consumer *c, int64_t now)
{
    struct kci_group *g = &c->group;
    bool comes, complete = kci_group_target_resolve(c, now);
    if (!kci_group_target_list(c, &g->assignment, &g->m.assignment_ids)) {
        kci_consumer_at(c, kci_consumer_retry_at(c, 0, now));
        return;
    }
    size_t going = compare(c, complete, &comes);
    if (!complete && !going && now < g->m.target_until) {
        kci_consumer_at(c, g->m.target_until);
        return;
    }
    g->m.target_due = !complete;
    if (!going && !comes && g->m.given) {
        kci_partition_list_free(c->alloc, &g->assignment);
        return;
    }
    g->taken = false;
    if (going && c->settings->enable_auto_commit) {
        kci_operations_auto_commit(c, false, now, now + (int64_t)c->settings->max_poll_interval_ms * KCI_MS);
        kci_group_enter(c, KCI_GROUP_PREPARING, now);
    } else {
        kci_group_enter(c, going ? KCI_GROUP_YIELDING : KCI_GROUP_ASSIGNING, now);
    }
    kci_consumer_tell(c);
}

void kci_group_modern_event_done(struct kci_consumer *c, int kind, int64_t now)
{
    struct kci_group *g = &c->group;
    if (kind == KCI_EVENT_ASSIGNED && g->state == KCI_GROUP_ASSIGNING) {
        kci_partition_list_free(c->alloc, &g->assignment);
        g->m.given = true;
        g->m.say_owned = true;
        g->heartbeat_at = now;
        kci_group_enter(c, g->generation < 0 ? KCI_GROUP_UNJOINED : KCI_GROUP_ACKNOWLEDGING, now);
    } else if (g->state == KCI_GROUP_REVOKING) {
        kci_group_enter(c, KCI_GROUP_UNJOINED, now); /* joins within the same poll */
    } else if (g->state == KCI_GROUP_YIELDING) {
        kci_group_enter(c, g->generation < 0 ? KCI_GROUP_UNJOINED : KCI_GROUP_ASSIGNING, now);
    } else if (g->state == KCI_GROUP_LEAVING_REVOKE) {
        kci_group_enter(c, KCI_GROUP_LEAVING_SEND, now);
    }
}

/* ---- the step ---- */

/* The membership ended: whoever runs no callback begins anew. */
static void follow_up(struct kci_consumer *c, int64_t now)
{
    struct kci_group *g = &c->group;
    bool over = g->generation < 0;
    bool told = g->state == KCI_GROUP_YIELDING || g->state == KCI_GROUP_ASSIGNING;
    if (over && (g->state == KCI_GROUP_STABLE || g->state == KCI_GROUP_ACKNOWLEDGING ||
                 g->state == KCI_GROUP_PREPARING || (told && !c->event_runs))) {
        kci_partition_list_free(c->alloc, &g->assignment);
        kci_group_enter(c, KCI_GROUP_UNJOINED, now);
        kci_consumer_tell(c);
    } else if (g->state == KCI_GROUP_PREPARING && !c->operations.automatic) {
        kci_group_enter(c, KCI_GROUP_YIELDING, now);
        kci_consumer_tell(c);
    }
}

void kci_group_modern_step(struct kci_consumer *c, int64_t now)
{
    struct kci_group *g = &c->group;
    kci_group_watch_poll(c, now);
    for (int before = -1; before != g->state;) {
        before = g->state;
        follow_up(c, now);
        bool polls = (c->in_poll || c->held_back) && !c->event_runs && c->subscription.by_group;
        if (g->state == KCI_GROUP_UNJOINED && polls) {
            if (c->subscription.pattern && !c->catalog.all_known)
                break;                                                      /* what matches is not known yet */
            if (g->not_before > now && c->subscription.assigned_count == 0) /* a loss is told without delay */
                kci_consumer_at(c, g->not_before);
            else
                begin_join(c, now);
        } else if (g->state == KCI_GROUP_STABLE && g->m.target_due && polls) {
            begin_reconcile(c, now);
        } else if (g->state >= KCI_GROUP_LEAVING_COMMIT && g->state <= KCI_GROUP_LEAVING_SEND) {
            kci_group_leave_step(c, now);
        }
        kci_group_modern_beat_step(c, now);
    }
}
