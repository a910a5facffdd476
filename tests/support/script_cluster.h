/* A struct kci_cluster alone in a script_peer's world, with the settings' defaults, and calls that remember what came
 * of them. */
#ifndef TEST_SUPPORT_SCRIPT_CLUSTER_H
#define TEST_SUPPORT_SCRIPT_CLUSTER_H

#include "cluster/cluster.h"
#include "support/script_peer.h"

/* Kafka's defaults for every client; the parts of producer and consumer are zero. */
static inline struct kci_settings script_settings(void)
{
    return (struct kci_settings){
        .bootstrap_servers = "b1:9092",
        .client_id = "test",
        .request_timeout_ms = 30000,
        .retry_backoff_ms = 100,
        .retry_backoff_max_ms = 1000,
        .reconnect_backoff_ms = 50,
        .reconnect_backoff_max_ms = 1000,
        .socket_connection_setup_timeout_ms = 10000,
        .socket_connection_setup_timeout_max_ms = 30000,
        .connections_max_idle_ms = 540000,
        .send_buffer_bytes = -1,
        .receive_buffer_bytes = -1,
        .metadata_max_age_ms = 300000,
        .metadata_max_idle_ms = 300000,
        .metadata_recovery_rebootstrap = true,
        .metadata_recovery_rebootstrap_trigger_ms = 300000,
        .allow_auto_create_topics = true,
        .default_api_timeout_ms = 60000,
    };
}

struct script_cluster {
    struct script_peer *peer;
    struct kci_settings settings;
    struct kci_cluster *cluster;
    struct test_alloc memory;
    struct kci_alloc alloc; /* counts in `memory` */
    size_t metadata_events; /* calls of on_metadata */
};

static inline void script_c_step_(void *engine, int64_t now)
{
    kci_cluster_step(((struct script_cluster *)engine)->cluster, now);
}
static inline int64_t script_c_deadline_(void *engine)
{
    return kci_cluster_deadline(((struct script_cluster *)engine)->cluster);
}
static inline void script_c_on_metadata_(void *owner, int64_t now)
{
    (void)now;
    ((struct script_cluster *)owner)->metadata_events++;
}

static const struct kci_engine_ops script_c_ops_ = {
    .step = script_c_step_,
    .deadline = script_c_deadline_,
    .on_open = kci_cluster_on_open,
    .on_space = kci_cluster_on_space,
    .on_bytes = kci_cluster_on_bytes,
    .on_sent = kci_cluster_on_sent,
    .on_close = kci_cluster_on_close,
    .on_resolved = kci_cluster_on_resolved,
};

static inline void script_cluster_init(struct script_cluster *sc, struct script_peer *peer)
{
    memset(sc, 0, sizeof *sc);
    script_peer_init(peer);
    sc->peer = peer;
    sc->settings = script_settings();
    sc->alloc = test_alloc_counting(&sc->memory);
}

/* With sc->settings as they are now. */
static inline kc_err script_cluster_try(struct script_cluster *sc, kc_error *error)
{
    struct kci_cluster_options options = {
        .alloc = &sc->alloc,
        .settings = &sc->settings,
        .transport = script_peer_transport(sc->peer),
        .seed = 7,
        .in_flight_max = 5,
        .on_metadata = script_c_on_metadata_,
        .owner = sc,
    };
    script_peer_attach(sc->peer, (struct kci_engine){ sc, &script_c_ops_ });
    return kci_cluster_create(&sc->cluster, &options, error);
}

static inline void script_cluster_create(struct script_cluster *sc)
{
    kc_error error;
    if (script_cluster_try(sc, &error))
        fail_msg("%s", error.text);
}

/* Destroys both and checks that no memory is left. */
static inline void script_cluster_destroy(struct script_cluster *sc)
{
    kci_cluster_destroy(sc->cluster, sc->peer->now);
    script_peer_destroy(sc->peer);
    assert_int_equal(sc->memory.live_blocks, 0);
}

/* A call and what came of it. */
struct script_call {
    struct kci_call call;
    size_t done; /* times: 0 or 1 */
    kc_err error;
    bool maybe_applied;
    char text[600];
    int16_t version;
    int32_t node;
    int32_t throttle_ms;
    bool had_response;
    size_t body_size;
    int64_t at; /* microseconds */
    void (*then)(struct script_call *call, const struct kci_reply *reply,
                 int64_t now); /* runs inside `done`; may be NULL */
    void *context;             /* for it */
};

static inline void script_call_done_(struct kci_call *call, const struct kci_reply *reply, int64_t now)
{
    struct script_call *sc = call->owner;
    sc->done++;
    sc->error = reply->error;
    sc->maybe_applied = reply->maybe_applied;
    snprintf(sc->text, sizeof sc->text, "%s", reply->text ? reply->text : "");
    sc->version = reply->version;
    sc->node = reply->node;
    sc->throttle_ms = reply->throttle_ms;
    sc->had_response = reply->response != NULL;
    sc->body_size = kci_reader_left(&reply->body);
    sc->at = now;
    if (sc->then)
        sc->then(sc, reply, now);
}

/* Fill a call with a small request (Heartbeat of a group) that any broker takes, time-out 5 s. */
static inline void script_call_init(struct script_call *sc)
{
    static struct kci_heartbeat_request request;
    kci_codec_init(&kci_heartbeat_request_schema, &request);
    request.group_id = kci_str_of("g");
    memset(sc, 0, sizeof *sc);
    sc->call.api = KCI_API_HEARTBEAT;
    sc->call.version_min = 0;
    sc->call.version_max = 4;
    sc->call.request = &request;
    sc->call.timeout_ms = 5000;
    sc->call.done = script_call_done_;
    sc->call.owner = sc;
}

/* Hand it over and let things settle. */
static inline void script_call(struct script_cluster *c, int32_t node, struct script_call *sc)
{
    kci_cluster_call(c->cluster, node, &sc->call, c->peer->now);
    script_settle(c->peer);
}

/* Answer a heartbeat without an error. */
static inline void script_answer_heartbeat(struct script_peer *peer, struct script_request *r, int32_t throttle_ms)
{
    struct kci_heartbeat_response response;
    kci_codec_init(&kci_heartbeat_response_schema, &response);
    response.throttle_time_ms = throttle_ms;
    script_answer(peer, r, &response);
}

#endif
