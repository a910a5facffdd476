/* The producer id: asked for once, from any broker, when the first topic is named.
 *
 *     +------+  a batch is there   +-------+  answer   +-------+
 *     | NONE | ------------------> | ASKED | --------> | READY |
 *     +------+                     +-------+           +-------+
 *        ^                           |   ^                 |
 *        |                     error |   | time is over    |  epochs used up, id forgotten
 *        |                           v   |                 |
 *        |                      BACKING_OFF                |
 *        +-------------------------------------------------+
 *
 * An error that does not pass by itself (CLUSTER_AUTHORIZATION_FAILED, no common version) fails the batches that wait;
 * the producer lives on and asks again for those that come later: permissions get granted and brokers get upgraded. */
#include "producer/internal.h"

#include "base/states.h"

#define BIT(state) (1u << KCI_IDENTITY_##state)

static bool has_id(const void *x)
{
    return ((const struct kci_identity *)x)->producer_id >= 0;
}

static const struct kci_state_table states = {
    "producer id",
    4,
    {
        [KCI_IDENTITY_NONE] = { "none", BIT(ASKED), NULL },
        [KCI_IDENTITY_ASKED] = { "asked", BIT(READY) | BIT(BACKING_OFF), NULL },
        [KCI_IDENTITY_READY] = { "ready", BIT(NONE), has_id },
        [KCI_IDENTITY_BACKING_OFF] = { "backing off", BIT(ASKED), NULL },
    },
};

static void move(struct kci_identity *identity, int state)
{
    kci_states_move(&states, &identity->state, state, identity);
}

void kci_identity_init(struct kci_producer *producer)
{
    producer->identity = (struct kci_identity){ .state = KCI_IDENTITY_NONE, .producer_id = -1 };
}

void kci_identity_renew(struct kci_producer *producer)
{
    struct kci_identity *identity = &producer->identity;
    if (identity->state != KCI_IDENTITY_READY)
        return; /* under way */
    identity->producer_id = -1;
    identity->attempts = 0;
    move(identity, KCI_IDENTITY_NONE);
}

static void refused(struct kci_producer *producer, kc_err code, bool retriable, struct kci_cause *cause, int64_t now)
{
    struct kci_identity *identity = &producer->identity;
    struct kci_backoff backoff = { producer->settings->retry_backoff_ms, producer->settings->retry_backoff_max_ms };
    identity->retry_at = now + kci_backoff_us(backoff, identity->attempts++, kci_prng_next(&producer->random));
    kci_cause_release(identity->cause);
    identity->cause = cause;
    atomic_store_explicit(&producer->health.id_refused, true, memory_order_relaxed);
    move(identity, KCI_IDENTITY_BACKING_OFF);
    if (!retriable)
        kci_lane_fail_all(producer, KC_PURGE_QUEUED | KC_PURGE_IN_FLIGHT, code, cause, now);
}

static void done(struct kci_call *call, const struct kci_reply *reply, int64_t now)
{
    struct kci_producer *producer = call->owner;
    struct kci_identity *identity = &producer->identity;
    const struct kci_init_producer_id_response *response = reply->response;
    if (reply->error == KC_ERR_CLOSED)
        return; /* the producer is being destroyed */
    if (reply->error) {
        refused(producer, reply->error,
                (kc_err_traits(reply->error) & KC_RETRIABLE) != 0 || reply->error == KC_ERR_MALFORMED,
                kci_cause_new(producer->alloc, now, "no producer id: %s",
                              reply->text ? reply->text : kc_err_name(reply->error)),
                now);
    } else if (response->error_code || response->producer_id < 0) {
        int16_t error = response->error_code;
        refused(producer, (kc_err)error, error == 0 || (kci_error_flags(error) & KCI_ERROR_RETRIABLE),
                kci_cause_new(producer->alloc, now, "broker %d gives no producer id: %s", (int)reply->node,
                              error ? kci_error_name(error) : "it answered with a negative one"),
                now);
    } else {
        identity->producer_id = response->producer_id;
        identity->producer_epoch = response->producer_epoch;
        identity->attempts = 0;
        kci_cause_release(identity->cause);
        identity->cause = NULL;
        atomic_store_explicit(&producer->health.id_refused, false, memory_order_relaxed);
        move(identity, KCI_IDENTITY_READY);
    }
}

bool kci_identity_ready(struct kci_producer *producer, int64_t now)
{
    struct kci_identity *identity = &producer->identity;
    if (!producer->idempotent || identity->state == KCI_IDENTITY_READY)
        return true;
    if (identity->state == KCI_IDENTITY_ASKED ||
        (identity->state == KCI_IDENTITY_BACKING_OFF && now < identity->retry_at))
        return false;
    kci_codec_init(&kci_init_producer_id_request_schema, &identity->request);
    identity->request.transactional_id = (struct kci_str){ NULL, 0 };
    identity->request.transaction_timeout_ms = INT32_MAX;
    identity->call = (struct kci_call){ .api = KCI_API_INIT_PRODUCER_ID,
                                        .version_min = 0,
                                        .version_max = 5,
                                        .request = &identity->request,
                                        .done = done,
                                        .owner = producer,
                                        .timeout_ms = producer->settings->request_timeout_ms };
    move(identity, KCI_IDENTITY_ASKED);
    kci_cluster_call(producer->cluster, KCI_NODE_ANY, &identity->call, now);
    return false;
}

int64_t kci_identity_deadline(const struct kci_producer *producer)
{
    const struct kci_identity *identity = &producer->identity;
    bool wanted = producer->idempotent && !kci_list_empty((struct kci_list *)(uintptr_t)&producer->topic_list);
    return wanted && identity->state == KCI_IDENTITY_BACKING_OFF ? identity->retry_at : KCI_NEVER;
}
