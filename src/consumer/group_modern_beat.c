/* ConsumerGroupHeartbeat: the one request of a KIP-848 member.
 *
 *   epoch  0    join: everything is said, and that nothing is owned
 *   epoch  n    stay: only what changed since the last one - or everything, if its answer did not come
 *   epoch -1    leave;  -2: leave, but keep the partitions for the one who comes back with our group.instance.id
 *
 * The answer brings the member epoch, the interval to the next one, and a target when it changed.  One is under way at
 * most.  Changes do not wait for the interval.  The member id is made here (KIP-1082, version 1); for version 0 the
 * coordinator makes it. */
#include "consumer/internal.h"

#include <stdio.h>
#include <stdlib.h>

#define ALL_AGAIN_US    (30000 * KCI_MS) /* at the latest; see look_at_age() */
#define TARGET_NAMES_US (1000 * KCI_MS)  /* what is only added waits so long for all of its topics' names */

enum { JOIN_EPOCH = 0, LEAVE_EPOCH = -1, LEAVE_STATIC_EPOCH = -2 };

/* Both are in the arena of the call. */
struct beat_shapes {
    struct kci_consumer_group_heartbeat_request request;
    struct kci_str own_id; /* what version 1 says; version 0 says nothing when it is not the coordinator's */
};

static bool choose_id(struct kci_call *call, int16_t version)
{
    struct kci_group_call *owner = call->owner;
    struct beat_shapes *shapes = owner->shapes;
    bool unknown = version == 0 && owner->consumer->group.m.id_is_ours;
    shapes->request.member_id = unknown ? kci_str_of("") : shapes->own_id;
    return true;
}

/* A random UUID (version 4). */
bool kci_group_modern_make_id(struct kci_consumer *c)
{
    uint64_t high = (kci_prng_next(&c->prng) & ~UINT64_C(0xf000)) | 0x4000;
    uint64_t low = (kci_prng_next(&c->prng) & ~(UINT64_C(3) << 62)) | UINT64_C(1) << 63;
    struct kci_uuid id;
    char text[KCI_UUID_TEXT_SIZE];
    if (c->group.member_id)
        return true;
    kci_put64(id.b, high);
    kci_put64(id.b + 8, low);
    kci_uuid_print(text, &id);
    c->group.m.id_is_ours = kci_group_take_member_id(c, kci_str_of(text));
    return c->group.m.id_is_ours;
}

void kci_group_modern_beat_now(struct kci_consumer *c)
{
    c->group.m.say_all = true;
    c->group.heartbeat_at = 0;
    c->next_at = 0;
}

/* ---- asking ---- */

static int by_id(const void *a, const void *b)
{
    const struct kci_assigned *x = *(struct kci_assigned *const *)a, *y = *(struct kci_assigned *const *)b;
    int order = memcmp(x->topic_id.b, y->topic_id.b, sizeof x->topic_id.b);
    return order ? order : (x->partition > y->partition) - (x->partition < y->partition);
}

/* What we own, by topic id. */
static bool fill_owned(struct kci_consumer *c, struct kci_consumer_group_heartbeat_request *r)
{
    struct kci_arena *arena = &c->group.heartbeat.arena;
    size_t count = c->subscription.assigned_count, n = 0;
    const struct kci_assigned **sorted = kci_arena_array(arena, count, sizeof *sorted);
    int32_t *numbers = kci_arena_array(arena, count, sizeof *numbers);
    r->topic_partitions = kci_arena_array(arena, count, sizeof *r->topic_partitions);
    r->topic_partitions_count = 0;
    if (!sorted || !numbers || !r->topic_partitions)
        return false;
    KCI_LIST_EACH(link, &c->subscription.assigned)
    sorted[n++] = KCI_CONTAINER(link, struct kci_assigned, link);
    qsort(sorted, n, sizeof *sorted, by_id);
    for (size_t i = 0; i < n; i++) {
        numbers[i] = sorted[i]->partition;
        if (i == 0 || !kci_uuid_equal(&sorted[i]->topic_id, &sorted[i - 1]->topic_id)) {
            r->topic_partitions[r->topic_partitions_count].topic_id = sorted[i]->topic_id;
            r->topic_partitions[r->topic_partitions_count++].partitions = &numbers[i];
        }
        r->topic_partitions[r->topic_partitions_count - 1].partitions_count++;
    }
    return true;
}

static bool fill_topics(struct kci_consumer *c, struct kci_consumer_group_heartbeat_request *r)
{
    const struct kci_subscription *s = &c->subscription;
    r->subscribed_topic_names = kci_arena_array(&c->group.heartbeat.arena, s->subscribed_count, sizeof(struct kci_str));
    r->subscribed_topic_names_count = 0;
    if (!r->subscribed_topic_names)
        return false;
    KCI_LIST_EACH(link, &s->topics)
    {
        const struct kci_consumer_topic *topic = KCI_CONTAINER(link, struct kci_consumer_topic, link);
        if (topic->subscribed) {
            const char *copy = kci_arena_text(&c->group.heartbeat.arena, topic->name);
            if (!copy)
                return false;
            r->subscribed_topic_names[r->subscribed_topic_names_count++] = kci_str_of(copy);
        }
    }
    /* An empty pattern takes an earlier one back; version 0 has no patterns. */
    if (!s->remote_pattern && !c->group.m.said_regex)
        return true;
    r->subscribed_topic_regex =
        kci_str_of(kci_arena_text(&c->group.heartbeat.arena, kci_str_of(s->remote_pattern ? s->remote_pattern : "")));
    return r->subscribed_topic_regex.data; /* null would say that nothing changed */
}

/* false: out of memory. */
static bool fill(struct kci_consumer *c, struct kci_consumer_group_heartbeat_request *r, bool joins)
{
    const struct kci_settings *s = c->settings;
    struct kci_group_modern *m = &c->group.m;
    bool all = joins || m->say_all;
    kci_codec_init(&kci_consumer_group_heartbeat_request_schema, r);
    r->group_id = kci_str_of(s->group_id);
    r->member_epoch = joins ? JOIN_EPOCH : c->group.generation;
    r->instance_id = kci_str_of(s->group_instance_id);
    if (all) {
        r->rack_id = kci_str_of(s->client_rack && s->client_rack[0] ? s->client_rack : NULL);
        r->rebalance_timeout_ms = s->max_poll_interval_ms;
        r->server_assignor =
            kci_str_of(s->group_remote_assignor && s->group_remote_assignor[0] ? s->group_remote_assignor : NULL);
    }
    m->topics_said = all || m->say_topics;
    if (m->topics_said && !fill_topics(c, r))
        return false;
    if (joins) {
        r->topic_partitions = kci_arena_array(&c->group.heartbeat.arena, 1, sizeof *r->topic_partitions);
        r->topic_partitions_count = 0;
        return r->topic_partitions;
    }
    return !(all || m->say_owned) || fill_owned(c, r);
}

/* ---- answers ---- */

/* PROTOCOL 3.6: asking again would not help, or would disturb another member.  Java's member is inert from then on; what
 * is not in this list, a pattern that cannot be read among it, is told and tried again with the next poll, where Java
 * takes it for fatal, too: another pattern makes it good. */
static bool is_fatal(int16_t error)
{
    return error == KCI_GROUP_AUTHORIZATION_FAILED || error == KCI_INVALID_REQUEST ||
           error == KCI_GROUP_MAX_SIZE_REACHED || error == KCI_UNSUPPORTED_ASSIGNOR ||
           error == KCI_UNSUPPORTED_VERSION || error == KCI_UNRELEASED_INSTANCE_ID;
}

static void explain(struct kci_consumer *c, char *why, size_t size, int16_t error, struct kci_str text)
{
    const char *id = c->settings->group_instance_id;
    if (error == KCI_UNSUPPORTED_VERSION && c->subscription.remote_pattern)
        snprintf(why, size,
                 "group \"%s\": the brokers have no patterns matched by the broker: use Kafka 4.0 or newer with the "
                 "feature group.version=1, or let kc_consumer_subscribe_pattern() match here",
                 c->settings->group_id);
    else if (error == KCI_UNSUPPORTED_VERSION)
        snprintf(why, size,
                 "group \"%s\": the brokers do not speak the protocol of group.protocol=consumer: set "
                 "group.protocol=classic, or use Kafka 4.0 or newer with the feature group.version=1",
                 c->settings->group_id);
    else if (error == KCI_INVALID_REGULAR_EXPRESSION)
        snprintf(why, size,
                 "group \"%s\": the coordinator cannot read the pattern \"%.100s\": %.*s Subscribe with one of the RE2 "
                 "syntax, which has no look-around and no back references",
                 c->settings->group_id, c->subscription.remote_pattern ? c->subscription.remote_pattern : "",
                 (int)(text.size < 200 ? text.size : 200), text.data ? text.data : "");
    else
        kci_blame(c, why, size, c->group.coordinator.broker, error, "heartbeat of group \"%s\"%s%s%s%s%.*s%s",
                  c->settings->group_id, id ? ", group.instance.id \"" : "", id ? id : "", id ? "\"" : "",
                  text.size ? " (\"" : "", (int)(text.size < 150 ? text.size : 150), text.data ? text.data : "",
                  text.size ? "\")" : "");
}

/* What only the user can repair. */
static void refused(struct kci_consumer *c, int16_t error, struct kci_str text, int64_t now)
{
    struct kci_group *g = &c->group;
    char why[KCI_WHY_BYTES];
    explain(c, why, sizeof why, error, text);
    if (is_fatal(error)) {
        g->m.introduced = false; /* no farewell either */
        kci_group_fail(c, (kc_err)error, why, now);
        return;
    }
    kci_consumer_raise(c, (kc_err)error, "%s", why);
    kci_group_backoff(c, now);
    g->generation = -1;
    g->lost = c->subscription.assigned_count > 0;
    if (g->state == KCI_GROUP_JOINING)
        kci_group_enter(c, KCI_GROUP_UNJOINED, now);
}

/* Again after a pause, with everything: nobody knows what the coordinator has heard. */
static void again(struct kci_consumer *c, int64_t now)
{
    struct kci_group *g = &c->group;
    g->m.say_all = true;
    g->heartbeat_at = kci_consumer_retry_at(c, g->attempts++, now);
}

static void take(struct kci_consumer *c, const struct kci_consumer_group_heartbeat_response *r, int64_t now)
{
    struct kci_group *g = &c->group;
    bool joins = g->state == KCI_GROUP_JOINING;
    if (r->member_epoch <= 0 || !(r->member_id.size == 0 || kci_group_take_member_id(c, r->member_id))) {
        again(c, now);
        return;
    }
    g->m.id_is_ours = g->m.id_is_ours && r->member_id.size == 0;
    g->attempts = 0;
    g->generation = r->member_epoch;
    int32_t interval_ms = r->heartbeat_interval_ms > 0 ? r->heartbeat_interval_ms : c->settings->heartbeat_interval_ms;
    g->m.interval_us = (int64_t)interval_ms * KCI_MS;
    if (!g->m.say_all && !g->m.say_topics && !g->m.say_owned)
        g->heartbeat_at = g->heartbeat.sent_at + g->m.interval_us;
    if (joins) {
        g->m.life++;
        g->m.target_due = true; /* also an empty one is told */
        g->m.target_until = now + TARGET_NAMES_US;
        kci_group_enter(c, KCI_GROUP_STABLE, now);
    }
    if (r->assignment && kci_group_target_take(c, r->assignment)) {
        g->m.target_due = true;
        g->m.target_until = now + TARGET_NAMES_US;
    } else if (r->assignment) {
        g->m.say_all = true; /* then it says so once more */
        g->heartbeat_at = kci_consumer_retry_at(c, 0, now);
    }
    kci_consumer_tell(c);
}

static void fenced(struct kci_consumer *c, int16_t error, int64_t now)
{
    if (c->group.state == KCI_GROUP_JOINING) {
        again(c, now);
        return;
    }
    kci_group_reset(c, true, kci_error_name(error));
    c->group.m.introduced = false; /* there is no member to take leave of */
}

static void heartbeat_answered(struct kci_consumer *c, const struct kci_reply *reply, int64_t now)
{
    struct kci_group *g = &c->group;
    const struct kci_consumer_group_heartbeat_response *r = reply->response;
    bool joined = g->heartbeat.generation >= 0;
    char why[KCI_WHY_BYTES];
    if (joined ? g->generation < 0 : g->state != KCI_GROUP_JOINING)
        return; /* of a membership that is over by now */
    if (reply->error == KC_ERR_NO_VERSION || (reply->error == KC_OK && r->error_code == KCI_UNSUPPORTED_VERSION)) {
        refused(c, KCI_UNSUPPORTED_VERSION, (struct kci_str){ 0 }, now);
        return;
    }
    if (reply->error != KC_OK) {
        kci_group_coordinator_failed(c, reply->text, now);
        again(c, now);
        return;
    }
    switch (r->error_code) {
    case KCI_NONE:
        take(c, r, now);
        break;
    case KCI_FENCED_MEMBER_EPOCH:
    case KCI_UNKNOWN_MEMBER_ID:
        fenced(c, r->error_code, now);
        break;
    case KCI_FENCED_INSTANCE_ID:
        kci_group_fence(c, now);
        g->m.introduced = false;
        break;
    case KCI_NOT_COORDINATOR:
    case KCI_COORDINATOR_NOT_AVAILABLE:
        kci_group_coordinator_failed(c, kci_error_name(r->error_code), now);
        again(c, now);
        break;
    case KCI_GROUP_ID_NOT_FOUND: /* of a member: its group is gone, or became a classic one when this one was away */
        if (g->generation >= 0)
            fenced(c, r->error_code, now);
        else
            refused(c, r->error_code, r->error_message, now);
        break;
    case KCI_TOPIC_AUTHORIZATION_FAILED: /* of a topic that is subscribed: the others are read */
        explain(c, why, sizeof why, r->error_code, r->error_message);
        kci_consumer_raise(c, KC_ERR_TOPIC_AUTHORIZATION_FAILED, "%s", why);
        again(c, now);
        break;
    default:
        if (kci_error_flags(r->error_code) & KCI_ERROR_RETRIABLE)
            again(c, now);
        else
            refused(c, r->error_code, r->error_message, now);
        break;
    }
}

/* ---- when ---- */

static bool beats(const struct kci_group *g)
{
    return g->state == KCI_GROUP_JOINING ||
           (g->generation >= 0 && g->state >= KCI_GROUP_UNJOINED && g->state <= KCI_GROUP_LEAVING_REVOKE);
}

/* A coordinator tells a member what it is to have when that changes, and whenever the member tells everything.  A request
 * that was given up may yet come to it, on a connection that is closed here, and be told what changed: then both
 * believe that the member knows.  So everything is told now and then. */
static void look_at_age(struct kci_consumer *c, bool joins, int64_t now)
{
    struct kci_group_modern *m = &c->group.m;
    int64_t poll_us = (int64_t)c->settings->max_poll_interval_ms * KCI_MS;
    m->say_all = m->say_all || (!joins && now >= m->all_again_at);
    if (m->say_all || joins)
        m->all_again_at = now + (poll_us < ALL_AGAIN_US ? poll_us : ALL_AGAIN_US);
}

void kci_group_modern_beat_step(struct kci_consumer *c, int64_t now)
{
    struct kci_group *g = &c->group;
    bool joins = g->state == KCI_GROUP_JOINING;
    if (!beats(g) || g->heartbeat.in_flight || (joins && g->call.in_flight))
        return;
    if (now < g->heartbeat_at) {
        kci_consumer_at(c, g->heartbeat_at);
        return;
    }
    int32_t node = kci_group_coordinator_node(c, now);
    if (node == KCI_NODE_NONE)
        return;
    look_at_age(c, joins, now);
    kci_arena_reset(&g->heartbeat.arena);
    struct beat_shapes *shapes = kci_arena_take(&g->heartbeat.arena, sizeof *shapes);
    char *id = kci_arena_text(&g->heartbeat.arena, kci_group_member_id(g));
    if (!shapes || !id || !fill(c, &shapes->request, joins)) {
        again(c, now);
        kci_consumer_at(c, g->heartbeat_at);
        return;
    }
    shapes->own_id = kci_str_of(id);
    g->m.said_regex = g->m.topics_said ? c->subscription.remote_pattern != NULL : g->m.said_regex;
    g->m.say_all = g->m.say_topics = g->m.say_owned = false;
    g->m.introduced = true;
    g->heartbeat_at =
        now + (g->m.interval_us ? g->m.interval_us : (int64_t)c->settings->heartbeat_interval_ms * KCI_MS);
    g->heartbeat.shapes = shapes;
    g->heartbeat.answered = heartbeat_answered;
    kci_group_send(c, &g->heartbeat, node, KCI_API_CONSUMER_GROUP_HEARTBEAT, c->subscription.remote_pattern ? 1 : 0, 1,
                   &shapes->request, choose_id, c->settings->request_timeout_ms, now);
    if (g->state == KCI_GROUP_ACKNOWLEDGING)
        kci_group_enter(c, KCI_GROUP_STABLE, now);
}

/* ---- leaving ---- */

/* The application did not poll for too long: nothing hangs on the answer. */
static void left_unasked(struct kci_consumer *c, const struct kci_reply *reply, int64_t now)
{
    (void)reply;
    kci_consumer_at(c, now);
}

void kci_group_modern_send_leave(struct kci_consumer *c, int32_t timeout_ms, int64_t now)
{
    struct kci_group *g = &c->group;
    int32_t node = g->m.introduced ? kci_group_coordinator_node(c, now) : KCI_NODE_NONE;
    if (node == KCI_NODE_NONE)
        return;
    kci_arena_reset(&g->call.arena);
    struct beat_shapes *shapes = kci_arena_take(&g->call.arena, sizeof *shapes);
    char *id = kci_arena_text(&g->call.arena, kci_group_member_id(g));
    if (!shapes || !id)
        return;
    kci_codec_init(&kci_consumer_group_heartbeat_request_schema, &shapes->request);
    shapes->request.group_id = kci_str_of(c->settings->group_id);
    bool keeps_its_place = c->settings->group_instance_id && g->exit != KC_CLOSE_LEAVE;
    shapes->request.member_epoch = keeps_its_place ? LEAVE_STATIC_EPOCH : LEAVE_EPOCH;
    shapes->request.instance_id = kci_str_of(c->settings->group_instance_id);
    shapes->own_id = kci_str_of(id);
    g->m.introduced = false;
    if (g->state != KCI_GROUP_LEAVING_SEND)
        g->call.answered = left_unasked;
    g->call.shapes = shapes;
    kci_group_send(c, &g->call, node, KCI_API_CONSUMER_GROUP_HEARTBEAT, 0, 1, &shapes->request, choose_id, timeout_ms,
                   now);
}
