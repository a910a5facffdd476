/* What one client knows of its cluster, and how it talks to it: connections, versions, metadata, coordinators, routing.
 * Owned by one engine (producer, consumer or admin) and used on its I/O thread only.
 *
 *      producer / consumer / admin engine
 *            | kci_cluster_call(...)                 ^ call->done(...)
 *      struct kci_cluster: nodes -> connection machine (connect, ApiVersions, ready, closing), metadata, coordinators
 *            | struct kci_transport                  ^ kci_cluster_on_open / on_bytes / on_sent / on_close / on_resolved
 *
 * A call is memory of its owner; it is filled in, handed over, and comes back exactly once through `done`, never from
 * within kci_cluster_call itself.  When `done` runs, nothing of the call is in use any more: not by the socket either. */
#ifndef KCI_CLUSTER_CLUSTER_H
#define KCI_CLUSTER_CLUSTER_H

#include "base/engine.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/log.h"
#include "cluster/settings.h"
#include "protocol/error.h"
#include "protocol/frame.h"
#include "protocol/messages.h"

struct kci_cluster;
struct kci_node; /* node.h: only the cluster looks inside */

#define KCI_NODE_NONE       (-1)
#define KCI_NODE_ANY        (-2) /* the least loaded node, or a bootstrap server while none is known */
#define KCI_NODE_CONTROLLER (-3)

struct kci_call;

/* What came of a call. Views and pointers are borrowed for the duration of `done`, except `frame` (take a reference).
 */
struct kci_reply {
    kc_err
        error; /* KC_OK: `response` is decoded. Else KC_ERR_TRANSPORT, _TIMED_OUT, _MALFORMED, _NO_VERSION, _NOT_KAFKA,
                  _RESOLVE, _NO_MEMORY, _CLOSED. Error codes inside the response are the caller's business */
    bool maybe_applied; /* the request may have been carried out: all of its bytes were given to the socket (a broker
                           cannot act on a part of a frame) */
    const char *text;   /* chain of causes when error != KC_OK: "broker 2 (10.0.0.5:9092) closed the connection ..." */
    int16_t version;    /* of request and response */
    int32_t node;       /* who answered or was to answer; KCI_NODE_NONE if none was found */
    void *response;     /* struct kci_<api>_response, arena memory; NULL on error or for raw replies */
    struct kci_reader body;  /* the body bytes behind the response header (also for raw replies) */
    struct kci_frame *frame; /* the bytes that `response` has views into; NULL on error */
    int32_t throttle_ms;     /* 0: not throttled. The connection honours it by itself (KIP-219) */
};

struct kci_call {
    /* ---- filled in by the owner ---- */
    int16_t api;
    int16_t version_min, version_max; /* what the caller understands; the highest common version is used */
    const void *request;              /* struct kci_<api>_request; must live until done. NULL: `body` is sent */
    const struct kci_iov
        *body; /* raw body of exactly version_max (== version_min), body_count pieces; must live until done */
    size_t body_count;
    int32_t timeout_ms; /* from kci_cluster_call to `done`; at most this long, in every state */
    bool raw_reply;     /* do not decode: hand out `body` only (Fetch) */
    bool in_order;      /* lost with what was sent before it: it may not be the first on the next connection */
    bool no_reply;      /* acks=0: done as soon as all bytes are with the socket */
    /* Called right before the request is encoded, when the version is known: the place to fill fields that depend on it
     * (OffsetFetch: one group or several). Must not call the cluster. false: out of memory. NULL: nothing to do. */
    bool (*prepare)(struct kci_call *call, int16_t version);
    void (*done)(struct kci_call *call, const struct kci_reply *reply, int64_t now);
    void *owner;

    /* ---- the cluster's, zero on entry; zero again when `done` runs, so that the call can be handed over anew ---- */
    struct kci_list link;   /* in the waiting list, or in a node's queue or flight */
    struct kci_timer timer; /* its time-out */
    int64_t started_at;     /* microseconds */
    int64_t sent_at;        /* microseconds: its last byte was with the socket */
    struct kci_node *at;    /* the node whose queue or flight it is in */
    int32_t target;         /* as asked for: a node id, KCI_NODE_ANY or KCI_NODE_CONTROLLER */
    int32_t correlation;
    int16_t version;
    uint8_t stage;          /* 0 idle; others: see calls.h */
    struct kci_writer head; /* size prefix, header, encoded body */
};

struct kci_cluster_options {
    const struct kci_alloc *alloc;
    const struct kci_alloc *frames;      /* what answers are received into; NULL: alloc. Outlives all of them. */
    const struct kci_settings *settings; /* borrowed; outlives the cluster */
    struct kci_transport transport;
    struct kci_logger logger;
    uint64_t seed;         /* for back-off jitter and random choice */
    int32_t in_flight_max; /* requests per connection that await an answer */
    /* Metadata changed (a response arrived, a leader hint was taken). May be NULL. */
    void (*on_metadata)(void *owner, int64_t now);
    void *owner;
};

/* KC_ERR_CONFIG: bootstrap.servers cannot be parsed. KC_ERR_NO_MEMORY. */
kc_err kci_cluster_create(struct kci_cluster **out, const struct kci_cluster_options *options, kc_error *error);
/* Closes every connection; every call under way comes back with KC_ERR_CLOSED before this returns. */
void kci_cluster_destroy(struct kci_cluster *cluster, int64_t now);

/* ---- driven by the engine that owns it ---- */
void kci_cluster_step(struct kci_cluster *cluster, int64_t now);
int64_t kci_cluster_deadline(struct kci_cluster *cluster);
/* What happens to connections: the owner's struct kci_engine_ops names these as they are.  `engine` is not looked at,
 * since `user` is the node. */
void kci_cluster_on_open(void *engine, kci_conn conn, void *user, int64_t now);
void *kci_cluster_on_space(void *engine, kci_conn conn, void *user, size_t *size);
void kci_cluster_on_bytes(void *engine, kci_conn conn, void *user, size_t size, int64_t now);
void kci_cluster_on_sent(void *engine, kci_conn conn, void *user, int64_t now);
void kci_cluster_on_close(void *engine, kci_conn conn, void *user, const char *reason, int64_t now);
void kci_cluster_on_resolved(void *engine, void *user, const struct kci_address *addresses, size_t count,
                             const char *reason, int64_t now);

/* ---- calls ---- */
/* Hand over a call for a node id, KCI_NODE_ANY or KCI_NODE_CONTROLLER. Connects when needed, waits for the connection,
 * the versions, a free in-flight place and the end of throttling, all within timeout_ms. Not retried once its bytes are
 * sent. While a call was not sent: if it may go to any node the next one is tried; if it is for a particular one it
 * comes back as soon as an attempt to connect (to all addresses of that node) failed, since the leader or coordinator
 * may be elsewhere by now. Bytes leave in kci_cluster_step: call that last in one's own step, so that small requests
 * share a send. */
void kci_cluster_call(struct kci_cluster *cluster, int32_t node, struct kci_call *call, int64_t now);
/* Give up a call: `done` runs before this returns, with KC_ERR_CLOSED. If its bytes are partly sent the connection is
 * closed. */
void kci_cluster_cancel(struct kci_cluster *cluster, struct kci_call *call, int64_t now);
/* A second connection to the same broker, for what must not wait behind the answers of the first: its node id. The
 * broker's own when there is no memory for one, or no such broker. */
int32_t kci_cluster_lane(struct kci_cluster *cluster, int32_t node);
/* True if a call to this node would be sent at once: connected, versions known, in-flight place free, not throttled. If
 * not connected, begins to connect (within back-off). */
bool kci_cluster_node_ready(struct kci_cluster *cluster, int32_t node, int64_t now);
/* Highest common version of an API on a ready node, or -1 (not connected, or none in common). */
int16_t kci_cluster_node_version(const struct kci_cluster *cluster, int32_t node, int16_t api, int16_t min,
                                 int16_t max);
/* Why the node is not usable now, for error texts: "broker 2 (10.0.0.5:9092): connection refused 1.2 s ago". Borrowed
 * until the next call. */
const char *kci_cluster_node_why(const struct kci_cluster *cluster, int32_t node, int64_t now);
/* True while any connection is up and negotiated. */
bool kci_cluster_connected(const struct kci_cluster *cluster);
/* True once brokers are known, while any connection is up or none was refused since. *unreachable: known brokers to
 * which the last attempt to connect failed. */
bool kci_cluster_usable(const struct kci_cluster *cluster, size_t *unreachable);
/* The state of the whole in one line, for the text of time-outs: which brokers were tried, what each said. */
void kci_cluster_explain(const struct kci_cluster *cluster, char *text, size_t size, int64_t now);

/* ---- metadata ---- */
struct kci_partition_info {
    int32_t id;
    int32_t leader;                /* node id; KCI_NODE_NONE: none */
    int32_t leader_epoch;          /* -1: unknown */
    int16_t error;                 /* Kafka's code */
    const int32_t *replicas, *isr; /* owned by the cluster until the next metadata update */
    int32_t replica_count, isr_count;
};
struct kci_topic_info {
    const char *name;   /* NUL-terminated; owned by the cluster */
    struct kci_uuid id; /* zero: unknown */
    int16_t error; /* KCI_NONE: known. UNKNOWN_TOPIC_OR_PARTITION, INVALID_TOPIC_EXCEPTION, TOPIC_AUTHORIZATION_FAILED
                      ... */
    bool known;    /* at least one answer about this topic arrived */
    bool internal;
    const struct kci_partition_info
        *partitions; /* index = partition id; NULL while unknown. Keeps its last value over errors */
    int32_t partition_count;
    uint64_t generation; /* of the metadata update that last changed it */
};
/* Keep this topic in the metadata set (counted: as many forgets as wants). The info stays at its address until
 * forgotten. NULL: no memory. */
const struct kci_topic_info *kci_cluster_want_topic(struct kci_cluster *cluster, struct kci_str name, int64_t now);
void kci_cluster_forget_topic(struct kci_cluster *cluster, struct kci_str name);
/* The info of a wanted topic, or NULL. */
const struct kci_topic_info *kci_cluster_topic(const struct kci_cluster *cluster, struct kci_str name);
const struct kci_topic_info *kci_cluster_topic_by_id(const struct kci_cluster *cluster, const struct kci_uuid *id);
/* Ask for new metadata as soon as the back-off permits. `why` is logged. */
void kci_cluster_refresh(struct kci_cluster *cluster, const char *why, int64_t now);
/* Rises with each metadata update. */
uint64_t kci_cluster_generation(const struct kci_cluster *cluster);
/* Take a leader hint (KIP-951): ignored when its epoch is not newer than what is known, or when nobody said where that
 * broker is: give its address first. true: something changed. */
bool kci_cluster_leader_hint(struct kci_cluster *cluster, struct kci_str topic, int32_t partition, int32_t leader,
                             int32_t epoch, int64_t now);
/* Take a node's address from a response (KIP-951 node endpoints). */
void kci_cluster_node_hint(struct kci_cluster *cluster, int32_t node, struct kci_str host, int32_t port,
                           struct kci_str rack, int64_t now);
/* A node for texts, "broker 2 (10.0.0.5:9092)"; one that is not known: "the cluster". */
void kci_cluster_node_name(const struct kci_cluster *cluster, int32_t node, char *text, size_t size);
/* Address of a node for texts, "10.0.0.5:9092", or "?". */
const char *kci_cluster_node_text(const struct kci_cluster *cluster, int32_t node);
/* The rack that a broker runs in; "": not known. Valid until the next metadata update. */
const char *kci_cluster_node_rack(const struct kci_cluster *cluster, int32_t node);

/* ---- coordinators (groups and transactions) ---- */
struct kci_coordinator {
    struct kci_cluster *cluster;
    int8_t type;     /* 0 group, 1 transaction */
    const char *key; /* group id; borrowed, must outlive it */
    int32_t node; /* KCI_NODE_NONE: not known. A group's is not the broker's plain id: it names a connection of its own
                     to that broker, so that heartbeats do not wait behind a fetch. All functions here take it */
    int32_t broker;     /* its plain id, as of the last answer */
    int64_t not_before; /* microseconds: back-off of the lookup */
    int64_t found_at;   /* microseconds: when `node` became known */
    int32_t attempts;
    int16_t
        error; /* last Kafka error of the lookup: GROUP_AUTHORIZATION_FAILED is final (until kci_coordinator_lost) */
    struct kci_call call;
    struct kci_find_coordinator_request request;
    struct kci_str keys[1];
    bool looking;
};
void kci_coordinator_init(struct kci_coordinator *coordinator, struct kci_cluster *cluster, int8_t type,
                          const char *key);
/* The node, or KCI_NODE_NONE: then a lookup is under way (or waits for its back-off) and the caller asks again in its
 * next step. */
int32_t kci_coordinator_node(struct kci_coordinator *coordinator, int64_t now);
/* The node turned out not to be it, or was lost. */
void kci_coordinator_lost(struct kci_coordinator *coordinator, const char *why, int64_t now);
/* When kci_coordinator_node should be asked again; KCI_NEVER while an answer is awaited. */
int64_t kci_coordinator_deadline(const struct kci_coordinator *coordinator);
/* Cancel a lookup under way; call before freeing. */
void kci_coordinator_stop(struct kci_coordinator *coordinator, int64_t now);

/* ---- back-off (KIP-580) ---- */
struct kci_backoff {
    int32_t initial_ms, max_ms;
};
/* min(initial * 2^attempts, max) * uniform(0.8 .. 1.2), in microseconds; initial >= max: constant max without jitter.
 */
int64_t kci_backoff_us(struct kci_backoff backoff, uint32_t attempts, uint64_t random);

/* Fill an error (NULL is fine) with code, its own traits | extra, and a formatted text; returns code. */
kc_err kci_fail(kc_error *error, kc_err code, uint32_t extra_traits, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
