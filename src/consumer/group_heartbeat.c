/* Heartbeats: sent by the I/O thread every heartbeat.interval.ms, whether or not the application polls (PROTOCOL 3.5).
 * The answer also says whether the group is being rebalanced, and whether we are still in it. */
#include "consumer/internal.h"

static bool beats(const struct kci_group *g)
{
    return g->generation >= 0 &&
           (g->state == KCI_GROUP_UNJOINED || g->state == KCI_GROUP_PREPARING || g->state == KCI_GROUP_REVOKING ||
            g->state == KCI_GROUP_LEADING || g->state == KCI_GROUP_YIELDING || g->state == KCI_GROUP_ASSIGNING ||
            g->state == KCI_GROUP_STABLE || g->state == KCI_GROUP_LEAVING_COMMIT ||
            g->state == KCI_GROUP_LEAVING_REVOKE);
}

static void heartbeat_answered(struct kci_consumer *c, const struct kci_reply *reply, int64_t now)
{
    struct kci_group *g = &c->group;
    const struct kci_heartbeat_response *r = reply->response;
    if (reply->error != KC_OK) {
        kci_group_coordinator_failed(c, reply->text, now);
        g->heartbeat_at = kci_consumer_retry_at(c, 0, now);
        return;
    }
    bool same = g->heartbeat.generation == g->generation && g->generation >= 0;
    if (r->error_code == KCI_NONE || r->error_code == KCI_REBALANCE_IN_PROGRESS)
        g->session_until = now + (int64_t)c->settings->session_timeout_ms * KCI_MS;
    switch (r->error_code) {
    case KCI_NONE:
        if (c->plant == KCI_PLANT_REJOIN_ALWAYS && g->state == KCI_GROUP_STABLE) /* planted defect */
            kci_group_want_rejoin(c, "why not");
        break;
    case KCI_REBALANCE_IN_PROGRESS:
        if (c->plant == KCI_PLANT_DEAF) /* planted defect */
            break;
        if (g->state == KCI_GROUP_STABLE || g->state == KCI_GROUP_ASSIGNING || g->state == KCI_GROUP_YIELDING)
            kci_group_want_rejoin(c, "the group is being rebalanced");
        break;
    case KCI_UNKNOWN_MEMBER_ID:
    case KCI_ILLEGAL_GENERATION:
        if (same)
            kci_group_reset(c, r->error_code == KCI_ILLEGAL_GENERATION, kci_error_name(r->error_code));
        break;
    case KCI_FENCED_INSTANCE_ID:
        if (same)
            kci_group_fence(c, now);
        break;
    case KCI_NOT_COORDINATOR:
    case KCI_COORDINATOR_NOT_AVAILABLE:
        kci_group_coordinator_failed(c, kci_error_name(r->error_code), now);
        g->heartbeat_at = kci_consumer_retry_at(c, 0, now);
        break;
    case KCI_GROUP_AUTHORIZATION_FAILED:
        kci_blame_raise(c, g->coordinator.broker, r->error_code, "heartbeat of group \"%s\"", c->settings->group_id);
        break;
    default:
        kci_log(&c->logger, KCI_LOG_WARN, "group", "heartbeat: %s", kci_error_name(r->error_code));
        break;
    }
}

void kci_group_heartbeat_step(struct kci_consumer *c, int64_t now)
{
    struct kci_group *g = &c->group;
    const struct kci_settings *s = c->settings;
    if (!beats(g))
        return;
    if (now >= g->session_until) { /* by now the coordinator has dropped us, or is gone: ask who it is */
        kci_group_coordinator_failed(c, "no heartbeat was answered for session.timeout.ms", now);
        if (g->heartbeat.in_flight)
            g->heartbeat.abandoned = true;
        g->session_until = now + (int64_t)s->session_timeout_ms * KCI_MS;
        g->heartbeat_at = now;
    }
    kci_consumer_at(c, g->session_until);
    if (g->heartbeat.in_flight)
        return;
    if (now < g->heartbeat_at) {
        kci_consumer_at(c, g->heartbeat_at);
        return;
    }
    int32_t node = kci_group_coordinator_node(c, now);
    if (node == KCI_NODE_NONE)
        return;
    kci_arena_reset(&g->heartbeat.arena);
    struct kci_heartbeat_request *r = kci_arena_take(&g->heartbeat.arena, sizeof *r);
    char *member = kci_arena_text(&g->heartbeat.arena, kci_group_member_id(g));
    g->heartbeat_at = now + (int64_t)s->heartbeat_interval_ms * KCI_MS;
    kci_consumer_at(c, g->heartbeat_at);
    if (!r || !member)
        return; /* the next one may have memory */
    r->group_id = kci_str_of(s->group_id);
    r->generation_id = g->generation;
    r->member_id = kci_str_of(member);
    r->group_instance_id = kci_str_of(s->group_instance_id);
    g->heartbeat.answered = heartbeat_answered;
    kci_group_send(c, &g->heartbeat, node, KCI_API_HEARTBEAT, s->group_instance_id ? 3 : 0, 4, r, NULL,
                   s->request_timeout_ms < s->session_timeout_ms ? s->request_timeout_ms : s->session_timeout_ms, now);
}
