/* One connection per node, made when somebody needs it.
 *
 *               demand           addresses         open          ApiVersions
 *      IDLE ------------> RESOLVING ----> CONNECTING ----> NEGOTIATING ----> READY
 *       ^ ^                   |            |   ^  |           |   |            |  |
 *       | |                   |            |   +--+ next      |   | next       |  |
 *       | |                   |            |   ^    address   |   | address,   |  |
 *       | |                   |            |   +--------------|---+ or v0      |  |
 *       | |     time over     v            v                  v                v  |
 *       | +---------------- BACKOFF <----------------------------------- broken   |
 *       +-------------------------------------------------------------- idle, new address
 *
 * A round of attempts resolves the name anew (a restarted pod has another address under the same name), then tries
 * every address, one after the other without a pause (client.dns.lookup=use_all_dns_ips; localhost is ::1 and
 * 127.0.0.1).  Only when all failed it backs off, and calls that can go nowhere else come back.  Each phase has the
 * time of KIP-601.
 *
 * ApiVersions is asked in v3; error 35 says which version to ask instead (KIP-511).  A peer that hangs up without a
 * word, or answers with bytes that are not an answer (librdkafka's mock cluster refuses v3 in a shape of its own), gets
 * a second chance with v0.
 *
 * READY is believed only when a request was answered (`proved`): a listener that wants SASL greets and then hangs up,
 * and must be backed off from like one that refuses.
 *
 * Invariants: conn != 0 exactly in CONNECTING, NEGOTIATING and READY; requests other than ApiVersions leave only in
 * READY; after READY ended nothing is in flight. */
#include "cluster/connection.h"

#include "cluster/casualties.h"
#include "cluster/internal.h"
#include "cluster/sniff.h"
#include "cluster/throttle.h"
#include <kclient/kclient.h>

#define HELLO_VERSION 3 /* v4 and v5 tell nothing that we use, and brokers before 3.9 would refuse them */
#define IDLE_ENOUGH_US                                                                                                 \
    ((int64_t)1000000) /* a connection unused for this long may be closed by the broker: no failure */

#define THROTTLE_MS_MAX (5 * 60 * 1000) /* quota windows are seconds long: more is a mistake of the peer */

#define BIT(state) (1u << KCI_CONNECTION_##state)

static bool has_conn(const void *x)
{
    return ((const struct kci_node *)x)->conn != 0;
}

static bool has_no_conn(const void *x)
{
    const struct kci_node *node = x;
    return node->conn == 0 && node->in_flight == 0;
}

const struct kci_state_table kci_connection_table = {
    "connection",
    KCI_CONNECTION_STATES,
    {
        [KCI_CONNECTION_IDLE] = { "IDLE", BIT(RESOLVING), has_no_conn },
        [KCI_CONNECTION_BACKOFF] = { "BACKOFF", BIT(IDLE), has_no_conn },
        [KCI_CONNECTION_RESOLVING] = { "RESOLVING", BIT(CONNECTING) | BIT(BACKOFF) | BIT(IDLE), has_no_conn },
        [KCI_CONNECTION_CONNECTING] = { "CONNECTING", BIT(CONNECTING) | BIT(NEGOTIATING) | BIT(BACKOFF) | BIT(IDLE),
                                        has_conn },
        [KCI_CONNECTION_NEGOTIATING] = { "NEGOTIATING", BIT(READY) | BIT(CONNECTING) | BIT(BACKOFF) | BIT(IDLE),
                                         has_conn },
        [KCI_CONNECTION_READY] = { "READY", BIT(IDLE) | BIT(BACKOFF), has_conn },
    },
};

static void move(struct kci_node *node, enum kci_connection_state state)
{
    kci_states_move(&kci_connection_table, &node->state, state, node);
}

static int64_t setup_timeout_us(struct kci_node *node)
{
    const struct kci_settings *s = node->cluster->settings;
    struct kci_backoff backoff = { s->socket_connection_setup_timeout_ms, s->socket_connection_setup_timeout_max_ms };
    return kci_backoff_us(backoff, node->failures, kci_prng_next(&node->cluster->prng));
}

/* ---- the end of a connection
 * ----------------------------------------------------------------------------------------- */

/* The socket and everything that was half done on it. */
static void drop(struct kci_node *node)
{
    if (node->counted)
        kci_metrics_connection(node, false);
    node->counted = false;
    if (node->conn)
        node->cluster->transport.close(node->cluster->transport.context, node->conn);
    node->conn = 0;
    node->blocked = node->broken = false;
    node->throttled_until = 0;
    kci_splitter_destroy(&node->splitter);
    kci_outbox_reset(node);
    if (node->hello.stage != KCI_CALL_IDLE)
        kci_calls_detach(&node->hello);
    node->hello.stage = KCI_CALL_IDLE;
    kci_outbox_release(node->cluster, &node->hello);
}

/* Remember a failure for texts to come. */
static void note(struct kci_node *node, kc_err error, const char *what, int64_t now)
{
    struct kci_text t = kci_text_of(node->why_text, sizeof node->why_text);
    kci_text_add(&t, "%s", what);
    node->why = error;
    node->why_at = now;
}

void kci_connection_answered(struct kci_node *node)
{
    node->proved = true;
    node->failures = 0;
    node->why = KC_OK;
}

static void report(struct kci_node *node, enum kci_log_level level, const char *text)
{
    /* a broker that stays away is news at the 1st, 2nd, 4th, 8th ... attempt */
    bool news = (node->failures & (node->failures - 1)) == 0;
    kci_log(&node->cluster->logger, news ? level : KCI_LOG_DEBUG, "conn", "%s", text);
}

/* Wait before the next round. */
static void back_off(struct kci_node *node, uint32_t failures, int64_t now)
{
    struct kci_cluster *cluster = node->cluster;
    struct kci_backoff backoff = { cluster->settings->reconnect_backoff_ms,
                                   cluster->settings->reconnect_backoff_max_ms };
    move(node, KCI_CONNECTION_BACKOFF);
    node->wanted = !kci_list_empty(&node->queue);
    kci_alarm_set(cluster, &node->alarm, now + kci_backoff_us(backoff, failures, kci_prng_next(&cluster->prng)));
    cluster->route_due = true;
}

/* ---- making it
 * --------------------------------------------------------------------------------------------------------- */

static void fail_round(struct kci_node *node, struct kci_call *culprit, kc_err error, const char *what, int64_t now)
{
    struct kci_cluster *cluster = node->cluster;
    bool unreachable = node->state != KCI_CONNECTION_READY || !node->proved;
    char text[KCI_EXPLAIN_BYTES];
    struct kci_text t = kci_text_of(text, sizeof text);
    kci_node_name(node, &t);
    kci_text_add(&t, " %s", what);
    note(node, error, what, now);
    kci_metrics_broken(node);
    node->failures += unreachable;
    if (unreachable && node->failures > 1)
        kci_text_add(&t, " (%u attempts)", node->failures);
    struct kci_casualties lost;
    kci_casualties_collect(node, unreachable, &lost);
    drop(node);
    back_off(node, unreachable ? node->failures - 1 : 0, now);
    report(node, KCI_LOG_WARN, text);
    if (node->broker >= 0)
        kci_metadata_refresh(cluster, "a connection failed", now);
    struct kci_verdict verdict = { culprit, error, KC_ERR_TRANSPORT, unreachable ? error : KC_ERR_TRANSPORT, text };
    kci_casualties_return(node, &lost, &verdict, now);
}

/* Try the remaining addresses in turn; false: none is left, `what` says what the last one did. */
static bool connect_next(struct kci_node *node, int64_t now)
{
    struct kci_cluster *cluster = node->cluster;
    while (node->address_next < node->address_count) {
        const struct kci_address *address = &node->addresses[node->address_next++];
        node->conn = cluster->transport.open(cluster->transport.context, address, node);
        if (node->conn) {
            kci_log(&cluster->logger, KCI_LOG_DEBUG, "conn", "%s: connecting to %s", node->text, address->text);
            move(node, KCI_CONNECTION_CONNECTING);
            kci_alarm_set(cluster, &node->alarm, now + setup_timeout_us(node));
            return true;
        }
        note(node, KC_ERR_TRANSPORT, "cannot be connected to: no socket to be had (descriptors or memory are used up)",
             now);
    }
    return false;
}

/* This address failed: the next one, or the end of the round. */
static void fail_address(struct kci_node *node, kc_err error, const char *what, int64_t now)
{
    drop(node);
    if (node->address_next < node->address_count) {
        kci_log(&node->cluster->logger, KCI_LOG_INFO, "conn", "%s %s; trying its next address", node->text, what);
        note(node, error, what, now);
        if (connect_next(node, now))
            return;
    }
    fail_round(node, NULL, error, what, now);
}

static void ask_resolver(struct kci_node *node)
{
    node->resolving = true;
    node->readdressed = false;
    node->cluster->transport.resolve(node->cluster->transport.context, node->host, node->port, node);
}

static void start(struct kci_node *node, int64_t now)
{
    node->wanted = node->moved = false;
    node->round_at = now;
    node->hello_version = HELLO_VERSION;
    kci_metrics_node(node);
    node->address_count = node->address_next = 0;
    move(node, KCI_CONNECTION_RESOLVING);
    kci_alarm_set(node->cluster, &node->alarm, now + setup_timeout_us(node));
    if (!node->resolving)
        ask_resolver(node);
}

void kci_connection_demand(struct kci_node *node, int64_t now)
{
    if (node->cluster->closing)
        return;
    if (node->state == KCI_CONNECTION_BACKOFF && node->alarm.timer.at <= now)
        move(node, KCI_CONNECTION_IDLE);
    if (node->state == KCI_CONNECTION_BACKOFF)
        node->wanted = true;
    if (node->state == KCI_CONNECTION_IDLE)
        start(node, now);
}

void kci_connection_resolved(struct kci_node *node, const struct kci_address *addresses, size_t count,
                             const char *reason, int64_t now)
{
    char what[KCI_NODE_WHY_BYTES];
    struct kci_text t = kci_text_of(what, sizeof what);
    node->resolving = false;
    if (node->state != KCI_CONNECTION_RESOLVING)
        return; /* that round was given up */
    if (node->readdressed) {
        ask_resolver(node);
        return;
    }
    if (count > KCI_ADDRESSES_MAX)
        count = KCI_ADDRESSES_MAX;
    if (count == 0) {
        kci_text_add(&t, "cannot be connected to: its name has no address: %s", reason ? reason : "none found");
        if (node->broker >= 0)
            kci_text_add(&t, " (it is the name that the broker gives of itself: advertised.listeners)");
        fail_round(node, NULL, KC_ERR_RESOLVE, what, now);
        return;
    }
    struct kci_address *copy = kci_alloc_resize(node->cluster->alloc, node->addresses, count * sizeof *copy);
    if (!copy) {
        fail_round(node, NULL, KC_ERR_NO_MEMORY, "cannot be connected to: out of memory", now);
        return;
    }
    memcpy(copy, addresses, count * sizeof *copy);
    node->addresses = copy;
    node->address_count = count;
    if (!connect_next(node, now)) {
        kci_text_add(&t, "%s", node->why_text);
        fail_round(node, NULL, node->why, what, now);
    }
}

static const char *address_text(const struct kci_node *node)
{
    return node->address_next ? node->addresses[node->address_next - 1].text : node->text;
}

/* ---- negotiation
 * ------------------------------------------------------------------------------------------------------- */

static void send_hello(struct kci_node *node, int64_t now)
{
    char what[KCI_NODE_WHY_BYTES];
    struct kci_text t = kci_text_of(what, sizeof what);
    struct kci_cluster *cluster = node->cluster;
    static const struct kci_api_versions_request request = {
        .client_software_name = { "kclient", sizeof "kclient" - 1 },
        .client_software_version = { KC_VERSION_TEXT, sizeof KC_VERSION_TEXT - 1 },
        .node_id = -1,
    };
    node->hello.api = KCI_API_API_VERSIONS;
    node->hello.request = &request;
    kc_err error = kci_outbox_encode(cluster, node, &node->hello, &t);
    if (error) {
        fail_address(node, error, what, now);
        return;
    }
    node->hello.at = node;
    node->hello.stage = KCI_CALL_QUEUED;
    kci_list_push_front(&node->queue, &node->hello.link);
    node->queued++;
    kci_outbox_mark(cluster, node);
}

void kci_connection_opened(struct kci_node *node, int64_t now)
{
    int64_t limit = (int64_t)node->cluster->settings->request_timeout_ms * 1000, setup = setup_timeout_us(node);
    move(node, KCI_CONNECTION_NEGOTIATING);
    kci_alarm_set(node->cluster, &node->alarm, now + (setup < limit ? setup : limit));
    node->splitter = kci_splitter_of(node->cluster->frames, KCI_FRAME_BYTES_MAX);
    node->next_correlation = 0;
    node->heard = false;
    node->last_used = now;
    send_hello(node, now);
}

static void ready(struct kci_node *node, const struct kci_api_versions_response *response, int64_t now)
{
    struct kci_cluster *cluster = node->cluster;
    int32_t idle_ms = cluster->settings->connections_max_idle_ms;
    kci_versions_set(&node->versions, response);
    kci_log(&cluster->logger, KCI_LOG_DEBUG, "conn", "%s: connected to %s, ApiVersions v%d", node->text,
            address_text(node), node->hello_version);
    move(node, KCI_CONNECTION_READY);
    node->proved = false;
    node->counted = true;
    kci_metrics_connection(node, true);
    kci_alarm_set(cluster, &node->alarm, idle_ms < 0 ? KCI_NEVER : now + (int64_t)idle_ms * 1000);
    if (node->moved)
        kci_connection_soon(node);
    kci_connection_throttle(node, kci_throttle_of(KCI_API_API_VERSIONS, response), now);
    kci_outbox_mark(cluster, node);
    cluster->route_due = true;
}

void kci_connection_hello(struct kci_node *node, struct kci_reader *body, int64_t now)
{
    struct kci_cluster *cluster = node->cluster;
    char what[KCI_NODE_WHY_BYTES];
    struct kci_text t = kci_text_of(what, sizeof what);
    struct kci_reader peek = *body;
    struct kci_api_versions_response response;
    const char *bad_field = NULL;
    int16_t error = kci_reader_i16(&peek);
    /* a broker that does not know the version answers in v0, whatever was asked */
    int16_t version = error == KCI_UNSUPPORTED_VERSION ? 0 : node->hello_version;
    kci_arena_reset(&cluster->arena);
    if (!kci_codec_decode(&kci_api_versions_response_schema, version, body, &cluster->arena, &response, &bad_field)) {
        if (node->hello_version > 0) { /* frames are in step all the same */
            kci_log(&cluster->logger, KCI_LOG_DEBUG, "conn", "%s: bad field %s in its answer to ApiVersions v%d; v0",
                    node->text, bad_field ? bad_field : "?", node->hello_version);
            node->hello_version = 0;
            send_hello(node, now);
            return;
        }
        kci_text_add(&t, "answered ApiVersions v%d with bytes that are not one: bad field %s; is it a Kafka broker?",
                     version, bad_field ? bad_field : "?");
        fail_address(node, KC_ERR_MALFORMED, what, now);
    } else if (error == KCI_NONE) {
        ready(node, &response, now);
    } else if (error == KCI_UNSUPPORTED_VERSION && node->hello_version > 0) {
        kci_versions_set(&node->versions, &response);
        version = kci_versions_common(&node->versions, KCI_API_API_VERSIONS, 0, (int16_t)(node->hello_version - 1));
        node->hello_version = version < 0 ? 0 : version;
        send_hello(node, now);
    } else {
        kci_text_add(&t, "refused ApiVersions v%d: %s", version, kci_error_name(error));
        fail_address(node, KC_ERR_TRANSPORT, what, now);
    }
}

/* ---- events
 * -------------------------------------------------------------------------------------------------------------- */

/* "closed the connection ...", and how much of an answer came before, if one had begun; false: none had. */
static bool tell_closed(const struct kci_node *node, const char *reason, struct kci_text *text)
{
    size_t there, total;
    bool begun = kci_splitter_partial(&node->splitter, &there, &total);
    if (begun)
        kci_text_add(text, "closed the connection in mid-response: %zu of %zu bytes came (%s)", there, total, reason);
    else
        kci_text_add(text, "closed the connection (%s)", reason);
    return begun;
}

/* The peer hung up before it said anything, or after something that is no frame. */
static void lost_in_negotiation(struct kci_node *node, const char *reason, int64_t now)
{
    char what[KCI_NODE_WHY_BYTES];
    struct kci_text t = kci_text_of(what, sizeof what);
    uint8_t bytes[KCI_SNIFF_BYTES];
    size_t size = kci_splitter_peek(&node->splitter, bytes, sizeof bytes);
    if (!node->heard && node->hello_version > 0) {
        kci_log(&node->cluster->logger, KCI_LOG_DEBUG, "conn", "%s hung up on ApiVersions v%d (%s); trying v0",
                node->text, node->hello_version, reason);
        drop(node);
        node->hello_version = 0;
        node->address_next--;
        if (!connect_next(node, now))
            fail_round(node, NULL, KC_ERR_TRANSPORT, "cannot be connected to: no socket to be had", now);
        return;
    }
    if (kci_sniff(bytes, size, &t)) {
        fail_address(node, KC_ERR_NOT_KAFKA, what, now);
        return;
    }
    if (size && tell_closed(node, reason, &t)) {
        fail_address(node, KC_ERR_TRANSPORT, what, now);
        return;
    }
    kci_text_add(
        &t,
        "accepted a connection at %s and closed it on the first request (%s): a TLS or SASL listener, a port that "
        "is not Kafka's, or a connection limit",
        address_text(node), reason);
    fail_address(node, KC_ERR_TRANSPORT, what, now);
}

void kci_connection_lost(struct kci_node *node, const char *reason, int64_t now)
{
    char what[KCI_NODE_WHY_BYTES];
    struct kci_text t = kci_text_of(what, sizeof what);
    node->conn = 0;
    reason = reason ? reason : "no reason given";
    if (node->state == KCI_CONNECTION_CONNECTING) {
        kci_text_add(&t, "cannot be connected to at %s: %s", address_text(node), reason);
        fail_address(node, KC_ERR_TRANSPORT, what, now);
    } else if (node->state == KCI_CONNECTION_NEGOTIATING) {
        lost_in_negotiation(node, reason, now);
    } else if (!node->in_flight && !node->queued && now - node->last_used >= IDLE_ENOUGH_US) {
        kci_connection_close(node, "closed the idle connection", now);
    } else {
        if (!tell_closed(node, reason, &t) && !node->proved && node->in_flight)
            kci_text_add(
                &t,
                " on the first request after ApiVersions: the listener may want SASL, which this build does not have");
        fail_round(node, NULL, KC_ERR_TRANSPORT, what, now);
    }
}

void kci_connection_fail(struct kci_node *node, struct kci_call *culprit, kc_err error, const char *what, int64_t now)
{
    if (node->state == KCI_CONNECTION_READY)
        fail_round(node, culprit, error, what, now);
    else
        fail_address(node, error, what, now);
}

void kci_connection_close(struct kci_node *node, const char *what, int64_t now)
{
    char text[KCI_EXPLAIN_BYTES];
    struct kci_text t = kci_text_of(text, sizeof text);
    kci_node_name(node, &t);
    kci_text_add(&t, " %s", what);
    kci_log(&node->cluster->logger, KCI_LOG_DEBUG, "conn", "%s", text);
    struct kci_casualties lost;
    kci_casualties_collect(node, false, &lost);
    drop(node);
    if (node->state != KCI_CONNECTION_IDLE)
        move(node, KCI_CONNECTION_IDLE);
    kci_alarm_set(node->cluster, &node->alarm, KCI_NEVER);
    if (!kci_list_empty(&node->queue) && !node->cluster->closing)
        start(node, now);
    node->cluster->route_due = true;
    struct kci_verdict verdict = { NULL, KC_OK, KC_ERR_TRANSPORT, KC_ERR_TRANSPORT, text };
    kci_casualties_return(node, &lost, &verdict, now);
}

void kci_connection_end(struct kci_node *node, int64_t now)
{
    struct kci_casualties lost;
    kci_casualties_collect(node, true, &lost);
    drop(node);
    struct kci_verdict verdict = { NULL, KC_OK, KC_ERR_CLOSED, KC_ERR_CLOSED, "the handle is being closed" };
    kci_casualties_return(node, &lost, &verdict, now);
}

/* Close what nobody used; the alarm is set once per idle time, not per request. */
static void check_idle(struct kci_node *node, int64_t now)
{
    int64_t idle = (int64_t)node->cluster->settings->connections_max_idle_ms * 1000;
    bool busy = node->in_flight || node->queued;
    if (!busy && now - node->last_used >= idle)
        kci_connection_close(node, "was not used for connections.max.idle.ms", now);
    else
        kci_alarm_set(node->cluster, &node->alarm, busy ? now + idle : node->last_used + idle);
}

static void rung(struct kci_alarm *alarm, int64_t now)
{
    struct kci_node *node = KCI_CONTAINER(alarm, struct kci_node, alarm);
    char what[KCI_NODE_WHY_BYTES];
    struct kci_text t = kci_text_of(what, sizeof what);
    kci_alarm_set(node->cluster, alarm, KCI_NEVER);
    if (node->moved) {
        bool again = node->wanted || (node->state != KCI_CONNECTION_READY && node->state != KCI_CONNECTION_BACKOFF);
        node->moved = false;
        kci_connection_close(node, "has a new address", now);
        if (again)
            kci_connection_demand(node, now);
        return;
    }
    if (node->broken) {
        kci_connection_fail(node, NULL, KC_ERR_NO_MEMORY, "was disconnected: no memory to receive into", now);
        return;
    }
    switch ((enum kci_connection_state)node->state) {
    case KCI_CONNECTION_BACKOFF:
        move(node, KCI_CONNECTION_IDLE);
        node->cluster->route_due = true;
        if (node->wanted || !kci_list_empty(&node->queue))
            start(node, now);
        break;
    case KCI_CONNECTION_RESOLVING:
        fail_round(node, NULL, KC_ERR_RESOLVE, "cannot be connected to: its name was not resolved in time", now);
        break;
    case KCI_CONNECTION_CONNECTING:
        kci_text_add(&t, "cannot be connected to at %s: no answer in time (socket.connection.setup.timeout.ms)",
                     address_text(node));
        fail_address(node, KC_ERR_TRANSPORT, what, now);
        break;
    case KCI_CONNECTION_NEGOTIATING:
        kci_text_add(
            &t,
            "accepted a connection at %s but did not answer ApiVersions in time: a TLS listener, a port that is not "
            "Kafka's, or an overloaded broker",
            address_text(node));
        fail_address(node, KC_ERR_TRANSPORT, what, now);
        break;
    case KCI_CONNECTION_READY:
        check_idle(node, now);
        break;
    case KCI_CONNECTION_IDLE:
    case KCI_CONNECTION_STATES:
        break;
    }
}

void kci_connection_quiet(struct kci_node *node, int64_t now)
{
    if (node->queued)
        kci_outbox_mark(node->cluster, node);
    else if (node->broker < 0 && !node->in_flight && node->state == KCI_CONNECTION_READY &&
             !node->cluster->metadata.bootstrapping)
        kci_connection_close(node, "is not needed any more: the brokers are known", now);
}

void kci_connection_soon(struct kci_node *node)
{
    kci_alarm_set(node->cluster, &node->alarm, 0);
}

/* ---- throttling
 * ---------------------------------------------------------------------------------------------------------- */

void kci_connection_throttle(struct kci_node *node, int32_t throttle_ms, int64_t now)
{
    if (throttle_ms <= 0)
        return;
    if (throttle_ms > THROTTLE_MS_MAX)
        throttle_ms = THROTTLE_MS_MAX;
    node->throttled_until = now + (int64_t)throttle_ms * 1000;
    kci_metrics_throttled(node, throttle_ms);
    kci_alarm_set(node->cluster, &node->throttle, node->throttled_until);
    kci_log(&node->cluster->logger, KCI_LOG_DEBUG, "conn", "%s throttles us for %d ms", node->text, throttle_ms);
}

static void throttle_over(struct kci_alarm *alarm, int64_t now)
{
    struct kci_node *node = KCI_CONTAINER(alarm, struct kci_node, throttle);
    (void)now;
    kci_alarm_set(node->cluster, alarm, KCI_NEVER);
    node->cluster->route_due = true;
    kci_outbox_mark(node->cluster, node);
}

bool kci_connection_init(struct kci_node *node)
{
    return kci_alarm_init(node->cluster, &node->alarm, rung) &&
           kci_alarm_init(node->cluster, &node->throttle, throttle_over);
}
