/* Finds the coordinator of a group or of a transactional id, and finds it again when it moved.
 *
 *      unknown --lookup--> looking --answer--> known --lost--> unknown ...
 *         ^                   |
 *         +--- back-off ------+ error          final errors (authorization, bad id) stay until kci_coordinator_lost
 *
 * Lookups back off like everything else; one that held for a while counts as a success, so a coordinator that is found
 * and lost in turns does not make a storm. */
#include "cluster/internal.h"

#define LOOKUP_VERSION_MAX 6
#define BATCHED_FROM       4                  /* keys in an array */
#define HELD_US            ((int64_t)1000000) /* a coordinator that was good for this long was found rightly */

static void done(struct kci_call *call, const struct kci_reply *reply, int64_t now);

/* Before v4 there is one key, from then on a list. */
static bool prepare(struct kci_call *call, int16_t version)
{
    struct kci_coordinator *c = call->owner;
    kci_codec_init(&kci_find_coordinator_request_schema, &c->request);
    c->request.key_type = c->type;
    c->keys[0] = kci_str_of(c->key);
    if (version < BATCHED_FROM) {
        c->request.key = c->keys[0];
    } else {
        c->request.coordinator_keys = c->keys;
        c->request.coordinator_keys_count = 1;
    }
    return true;
}

void kci_coordinator_init(struct kci_coordinator *coordinator, struct kci_cluster *cluster, int8_t type,
                          const char *key)
{
    memset(coordinator, 0, sizeof *coordinator);
    coordinator->cluster = cluster;
    coordinator->type = type;
    coordinator->key = key;
    coordinator->node = KCI_NODE_NONE;
    coordinator->call.api = KCI_API_FIND_COORDINATOR;
    coordinator->call.version_min = type == 0 ? 0 : 1; /* v0 knows groups only */
    coordinator->call.version_max = LOOKUP_VERSION_MAX;
    coordinator->call.request = &coordinator->request;
    coordinator->call.timeout_ms = cluster->settings->request_timeout_ms;
    coordinator->call.prepare = prepare;
    coordinator->call.done = done;
    coordinator->call.owner = coordinator;
}

static bool is_final(int16_t error)
{
    return error != KCI_NONE && kci_error_flags(error) == 0 && error != KCI_UNKNOWN_SERVER_ERROR;
}

int32_t kci_coordinator_node(struct kci_coordinator *c, int64_t now)
{
    if (c->node != KCI_NODE_NONE || c->looking || is_final(c->error) || now < c->not_before)
        return c->node;
    c->looking = true;
    kci_cluster_call(c->cluster, KCI_NODE_ANY, &c->call, now);
    return KCI_NODE_NONE;
}

static void back_off(struct kci_coordinator *c, int64_t now)
{
    const struct kci_settings *s = c->cluster->settings;
    struct kci_backoff backoff = { s->retry_backoff_ms, s->retry_backoff_max_ms };
    c->not_before = now + kci_backoff_us(backoff, (uint32_t)c->attempts, kci_prng_next(&c->cluster->prng));
    c->attempts++;
}

/* The answer's one coordinator, in the shape of both versions. */
static const struct kci_find_coordinator_response__coordinator *
answer_of(const struct kci_find_coordinator_response *response, int16_t version,
          struct kci_find_coordinator_response__coordinator *old)
{
    if (version >= BATCHED_FROM)
        return response->coordinators_count > 0 ? &response->coordinators[0] : NULL;
    old->node_id = response->node_id;
    old->host = response->host;
    old->port = response->port;
    old->error_code = response->error_code;
    return old;
}

static void done(struct kci_call *call, const struct kci_reply *reply, int64_t now)
{
    struct kci_coordinator *c = call->owner;
    struct kci_find_coordinator_response__coordinator old = { 0 };
    c->looking = false;
    back_off(c, now);
    if (reply->error) {
        kci_log(&c->cluster->logger, KCI_LOG_INFO, "coord", "coordinator of %s not found: %s", c->key, reply->text);
        c->error = reply->error == KC_ERR_NO_VERSION ? KCI_UNSUPPORTED_VERSION : c->error;
        return;
    }
    const struct kci_find_coordinator_response__coordinator *answer = answer_of(reply->response, reply->version, &old);
    c->error = answer ? answer->error_code : KCI_COORDINATOR_NOT_AVAILABLE;
    if (c->error != KCI_NONE) {
        kci_log(&c->cluster->logger, KCI_LOG_INFO, "coord", "coordinator of %s not found: %s", c->key,
                kci_error_name(c->error));
        return;
    }
    if (answer->node_id < 0 || KCI_NODE_IS_LANE(answer->node_id) ||
        !kci_node_put(c->cluster, answer->node_id, answer->host, answer->port)) {
        c->error = KCI_COORDINATOR_NOT_AVAILABLE;
        return;
    }
    c->node = c->type == 0 ? kci_node_lane(c->cluster, answer->node_id) : answer->node_id;
    c->broker = answer->node_id;
    c->found_at = now;
    kci_log(&c->cluster->logger, KCI_LOG_DEBUG, "coord", "coordinator of %s is broker %d", c->key,
            (int)answer->node_id);
}

void kci_coordinator_lost(struct kci_coordinator *c, const char *why, int64_t now)
{
    if (c->node != KCI_NODE_NONE) {
        kci_log(&c->cluster->logger, KCI_LOG_INFO, "coord", "coordinator of %s lost: %s", c->key, why);
        if (now - c->found_at >= HELD_US) {
            c->attempts = 0;
            c->not_before = now;
        }
    }
    c->node = KCI_NODE_NONE;
    c->error = KCI_NONE;
}

int64_t kci_coordinator_deadline(const struct kci_coordinator *c)
{
    return c->node != KCI_NODE_NONE || c->looking || is_final(c->error) ? KCI_NEVER : c->not_before;
}

void kci_coordinator_stop(struct kci_coordinator *c, int64_t now)
{
    if (c->looking)
        kci_cluster_cancel(c->cluster, &c->call, now);
    c->node = KCI_NODE_NONE;
}
