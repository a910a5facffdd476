/* One request on its way through the broker: decoded, handled, answered in the order of its connection.
 *
 *   connection cuts a frame -> header -> version check -> decode -> handler(request)
 *        handler answers at once, or keeps the request and answers in a later step (fetch waits, join waits, acks=all)
 *        -> the connection sends answers in request order, whatever order they were made in
 *
 * A request whose connection has gone stays valid until it is answered; its answer goes nowhere. */
#ifndef MB_CORE_REQUEST_H
#define MB_CORE_REQUEST_H

#include "base/engine.h"
#include "base/heap.h"
#include "base/list.h"
#include "protocol/error.h"
#include "protocol/frame.h"
#include "protocol/messages.h"
#include "protocol/records.h"

struct mb_cluster;
struct mb_connection;
struct mb_fault_plan;
struct mb_journal_entry;

struct mb_request {
    struct mb_cluster *cluster;
    int32_t broker; /* id of the broker that received it */
    struct mb_connection *connection;
    struct kci_request_header header;
    const struct kci_api *api;
    void *body;               /* struct kci_<api>_request, in the arena */
    struct kci_arena arena;   /* of the request; responses may be built in it, too */
    struct kci_frame *frame;  /* the bytes that body has views into; take a reference to keep them */
    char client_host[48];     /* "/127.0.0.1", as group descriptions show it */
    int32_t mutation_wait_ms; /* by the quota of controller mutations; quota.h */
    /* Set by a handler that keeps the request: its connection was closed. It may answer (into nothing) and so free the
     * request now. */
    void (*on_close)(struct mb_request *request, int64_t now);
    void *parked;                     /* the handler's, for on_close */
    struct mb_fault_plan *plan;       /* of the faults that it meets; NULL: none */
    struct mb_journal_entry *journal; /* to be completed; NULL: none */
};

/* Encode `response` (struct kci_<api>_response; its throttle time is set here, so it must
 * not be a constant), queue it, free the request. From a handler or from any later step. */
void mb_request_answer(struct mb_request *request, const void *response, int64_t now);
/* As above, with a body that is a rope and is not copied: Fetch. `pieces` (count of them, the whole body in order) and
 * the memory behind them live until `release(owner)`; what `owner` is, the caller knows. */
void mb_request_answer_rope(struct mb_request *request, const struct kci_iov *pieces, size_t count,
                            void (*release)(void *owner), void *owner, int64_t now);
/* acks=0: no answer; the next request may be handled. Frees the request. */
void mb_request_no_answer(struct mb_request *request, int64_t now);
/* Close the connection (what Kafka does with a request it cannot parse) and free the request. */
void mb_request_hang_up(struct mb_request *request, const char *why, int64_t now);
/* Go on with a request that was held before its handler saw it. */
void mb_request_handle(struct mb_request *request, int64_t now);
/* Who asks: the principal ("User:anna"), and its name. Of a connection that is not authenticated, User:ANONYMOUS. */
struct kci_str mb_request_principal(const struct mb_request *request);
struct kci_str mb_request_user(const struct mb_request *request);
/* True once its connection is closed: a parked request should be given up (answer it). */
bool mb_request_abandoned(const struct mb_request *request);

/* One row of the API table (api_table.c): what is not in it is not advertised. */
struct mb_api_row {
    int16_t key;
    int16_t version_min, version_max; /* advertised */
    void (*handle)(struct mb_request *request, int64_t now);
};

/* ---- handlers, one file each (handle_<api>.c), the coordinator's in group_*.c ---- */
void mb_handle_find_coordinator(struct mb_request *request, int64_t now);
void mb_handle_join_group(struct mb_request *request, int64_t now);
void mb_handle_sync_group(struct mb_request *request, int64_t now);
void mb_handle_heartbeat(struct mb_request *request, int64_t now);
void mb_handle_leave_group(struct mb_request *request, int64_t now);
void mb_handle_offset_commit(struct mb_request *request, int64_t now);
void mb_handle_offset_fetch(struct mb_request *request, int64_t now);
void mb_handle_list_groups(struct mb_request *request, int64_t now);
void mb_handle_describe_groups(struct mb_request *request, int64_t now);
void mb_handle_delete_groups(struct mb_request *request, int64_t now);
void mb_handle_consumer_group_heartbeat(struct mb_request *request, int64_t now);
void mb_handle_consumer_group_describe(struct mb_request *request, int64_t now);
void mb_handle_offset_delete(struct mb_request *request, int64_t now);

/* ---- services of the cluster for its coordinators (services.c) ---- */
struct mb_alarm { /* a timer of the cluster */
    struct kci_timer timer;
    struct kci_list late; /* of cluster->late: there was no memory to set it, so it fires with the next step */
    void (*fire)(void *owner, int64_t now);
    void *owner;
};
/* Never fires from within, so it may be set where its owner is in the middle of something. */
void mb_alarm_set(struct mb_cluster *cluster, struct mb_alarm *alarm, int64_t at);
void mb_alarm_stop(struct mb_cluster *cluster, struct mb_alarm *alarm);
const struct kci_alloc *mb_cluster_alloc(struct mb_cluster *cluster);
struct kci_prng *mb_cluster_prng(struct mb_cluster *cluster);
const struct kci_logger *mb_cluster_logger(struct mb_cluster *cluster);
int64_t mb_cluster_wall_ms(const struct mb_cluster *cluster, int64_t now);
/* A broker property ("group.initial.rebalance.delay.ms"): its configured value or Kafka's default. */
int64_t mb_cluster_property(const struct mb_cluster *cluster, const char *name);
/* Does the topic-partition exist? Partitions of a topic, -1 if there is no such topic. Name of a topic id or {NULL,0},
 * id of a name or zero. */
int32_t mb_cluster_topic_partitions(const struct mb_cluster *cluster, struct kci_str topic);
struct kci_str mb_cluster_topic_name(const struct mb_cluster *cluster, const struct kci_uuid *id);
struct kci_uuid mb_cluster_topic_id(const struct mb_cluster *cluster, struct kci_str topic);
/* Host and port that broker `id` advertises to this request's client; false: not running. */
bool mb_request_endpoint(const struct mb_request *request, int32_t id, struct kci_str *host, int32_t *port);

/* Internal topics ("__consumer_offsets", 50 partitions by default), made on first use. The broker that leads
 * `partition` is the coordinator of what hashes there; -1: none now. */
int32_t mb_internal_leader(struct mb_cluster *cluster, struct kci_str topic, int32_t partition, int64_t now);
/* Append records as one batch, in the name of the producer in `header` (NULL: of none); done(owner, error) once the
 * high watermark has passed it (error 0) or it cannot any more. May run at once. */
void mb_internal_append(struct mb_cluster *cluster, struct kci_str topic, int32_t partition,
                        const struct kci_batch_header *header, const struct kci_record *records, size_t count,
                        void (*done)(void *owner, int16_t error, int64_t now), void *owner, int64_t now);
/* Is all that its leader has committed? Also true of a partition without a leader, or that does not exist. */
bool mb_internal_settled(struct mb_cluster *cluster, struct kci_str topic, int32_t partition);
/* done(owner, error) once all that its leader has now is committed (error 0) or cannot be any more. May run at once. */
void mb_internal_settle(struct mb_cluster *cluster, struct kci_str topic, int32_t partition,
                        void (*done)(void *owner, int16_t error, int64_t now), void *owner, int64_t now);
/* Read all records of the partition from its start to the end of the leader's log, oldest first: what a
 * leader has will be committed, or it stops leading. false: no leader. */
bool mb_internal_replay(struct mb_cluster *cluster, struct kci_str topic, int32_t partition,
                        void (*each)(void *owner, const struct kci_batch_header *batch,
                                     const struct kci_record_view *record),
                        void *owner);

#define MB_OFFSETS_TOPIC      "__consumer_offsets"
#define MB_TRANSACTIONS_TOPIC "__transaction_state"

/* ---- the transaction coordinator, as the cluster sees it (txn_registry.c) ---- */
struct mb_txns;
struct mb_txns *mb_txns_create(struct mb_cluster *cluster); /* NULL: no memory */
void mb_txns_destroy(struct mb_txns *txns, int64_t now);
/* Leadership of a partition of __transaction_state moved to `broker` (-1: none). */
void mb_txns_on_leader(struct mb_txns *txns, int32_t partition, int32_t broker, int64_t now);
void mb_handle_add_partitions_to_txn(struct mb_request *request, int64_t now);
void mb_handle_add_offsets_to_txn(struct mb_request *request, int64_t now);
void mb_handle_end_txn(struct mb_request *request, int64_t now);
void mb_handle_txn_offset_commit(struct mb_request *request, int64_t now);
void mb_handle_describe_transactions(struct mb_request *request, int64_t now);
void mb_handle_list_transactions(struct mb_request *request, int64_t now);

/* ---- the group coordinator, as the cluster sees it (group.c) ---- */
struct mb_groups;
struct mb_groups *mb_groups_create(struct mb_cluster *cluster); /* NULL: no memory */
void mb_groups_destroy(struct mb_groups *groups, int64_t now);
struct mb_groups *mb_cluster_groups(struct mb_cluster *cluster);
/* Leadership of a partition of __consumer_offsets moved to `broker` (-1: none): unload what was there, load by replay.
 */
void mb_groups_on_leader(struct mb_groups *groups, int32_t partition, int32_t broker, int64_t now);
/* A topic was deleted: drop its offsets. */
void mb_groups_on_topic_deleted(struct mb_groups *groups, struct kci_str topic, int64_t now);

#endif
