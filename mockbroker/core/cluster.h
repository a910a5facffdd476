/* The inside of the broker engine, for its own files: brokers, topics, partitions, replicas. */
#ifndef MB_CORE_CLUSTER_H
#define MB_CORE_CLUSTER_H

#include "base/list.h"
#include "base/prng.h"
#include "mockbroker/core/acl.h"
#include "mockbroker/core/broker.h"
#include "mockbroker/core/features.h"
#include "mockbroker/core/persona.h"
#include "mockbroker/core/producer_state.h"
#include "mockbroker/core/properties.h"
#include "mockbroker/core/replica_log.h"
#include "mockbroker/core/request.h"
#include "mockbroker/core/resource_config.h"
#include "mockbroker/core/scram_users.h"
#include "mockbroker/core/tokens.h"

#define MB_BROKERS_MAX             100
#define MB_PARTITIONS_MAX          10000              /* of one topic: Kafka's controller refuses more in one request */
#define MB_CLUSTER_PARTITIONS_MAX  200000             /* of all topics together */
#define MB_TOPIC_NAME_MAX          249                /* Kafka's Topic.MAX_NAME_LENGTH */
#define MB_REQUEST_ARENA_BYTES_MAX ((size_t)64 << 20) /* what decoding one request and building its answer may cost */
#define MB_RESPONSE_BYTES_MAX      ((size_t)256 << 20)
#define MB_DECOMPRESSED_BYTES_MAX  ((size_t)256 << 20) /* of one produced batch: beyond it the batch is a bomb */

#define MB_LOG_DIR_NAME_MAX 32
#define MB_API_ROWS_MAX     100 /* rows of api_table.c */

struct mb_fetch_sessions;
struct mb_faults;
struct mb_fault_storage;
struct mb_journal;
struct mb_quotas;
struct mb_telemetry;

struct mb_broker {
    struct mb_cluster *cluster; /* back pointer */
    int32_t id;                 /* 1 .. N */
    bool running;               /* registered and not fenced: may lead, is told of in Metadata */
    bool paused;                /* neither reads nor answers (pause.c) */
    struct mb_alarm fence;      /* it has been paused for broker.session.timeout.ms */
    bool killed;                /* and has not started since: its disk may lack the tail (elr.c) */
    bool unregistered;          /* it is down, and will not be told of until it starts again */
    bool leaving;               /* it takes no new replicas, and is gone when it holds none (members.c) */
    bool gone;                  /* for good; its id is not given again */
    struct mb_alarm leave;      /* it may hold none any more */
    char host[256];
    uint16_t port;
    struct mb_fetch_sessions *sessions; /* owned */
    int64_t accepting_at;               /* microseconds: the acceptor rests until then (acceptor.c) */
    char *dynamic[MB_PROPERTIES_MAX];   /* owned: properties altered for this broker alone; NULL: not altered */
};

struct mb_cluster {
    struct mb_options options; /* as given; config and text pointers are not kept */
    const struct kci_alloc *alloc;
    struct kci_logger logger;
    struct kci_prng prng;
    struct mb_properties properties;
    size_t persona;                          /* the release that is played (persona.h) */
    struct mb_api_row apis[MB_API_ROWS_MAX]; /* what is advertised */
    size_t api_count;
    int16_t feature_levels[MB_FEATURES];       /* finalized; 0: none */
    int64_t feature_epoch;                     /* rises with every change of a level */
    char id[24];                               /* cluster id: 22 characters of base64url */
    struct mb_broker *brokers[MB_BROKERS_MAX]; /* owned; of id i + 1, also those that are gone */
    int32_t broker_count;
    int32_t controller;       /* id of the running broker that answers for the controller; -1: none */
    int32_t controller_epoch; /* rises with every new controller */
    struct kci_list late;     /* struct mb_alarm that could not be put into the heap */
    struct kci_heap alarms;   /* struct mb_alarm */
    struct kci_map topics;    /* name -> struct mb_topic */
    struct kci_map topic_ids; /* 16 bytes -> struct mb_topic */
    int32_t partition_count;  /* of all topics */
    int64_t next_producer_id;
    struct kci_list connections; /* open ones */
    struct kci_list runnable;    /* connections that may go on with their next request */
    struct kci_list dirty;       /* connections with something to send */
    struct kci_list dead;        /* closed connections, freed at the end of a step */
    struct kci_list ready;       /* fetches whose wait is over (fetch_wait.c) */
    struct kci_compressor *compressor;
    struct mb_groups *groups;
    struct mb_txns *transactions;
    bool records_check_full;             /* mock.records.check=full */
    bool metadata_dirty;                 /* topics or leaders changed: write them at the end of the step */
    uint64_t metadata_version;           /* rises whenever they do: who remembers topics looks again */
    uint64_t topics_made;                /* rises with each new topic */
    int64_t now;                         /* of the latest call */
    struct mb_alarm upkeep;              /* retention */
    struct mb_alarm forget;              /* producer expiry */
    struct mb_alarm cleaner;             /* compaction */
    struct mb_alarm idle;                /* connections that do nothing */
    struct mb_alarm connections_altered; /* settings of brokers were: who is too many goes (acceptor.c) */
    struct mb_alarm balance;             /* leaders go back to their preferred replicas (balance.c) */
    size_t request_count;                /* alive, for tests of leaks */
    struct mb_faults *faults;            /* NULL: none was ever armed; fault.h */
    struct mb_fault_storage *disk;       /* in front of options.storage; NULL: in memory */
    struct mb_journal *journal;          /* NULL: off; journal.h */
    struct mb_acls acls;
    bool authorizer; /* authorizer.class.name is set: the ACLs are looked at */
    struct mb_scram_users scram_users;
    struct mb_tokens tokens;        /* delegation tokens */
    uint32_t sasl_enabled;          /* bit enum mb_sasl_mechanism; 0: nobody is asked who he is (sasl.h) */
    struct mb_resources resources;  /* settings of groups and client metrics */
    struct mb_telemetry *telemetry; /* NULL: no client asked for it yet; telemetry.h */
    struct mb_quotas *quotas;       /* NULL: none was ever set; quota.h */
};

struct mb_replica {
    struct mb_partition *partition;
    int32_t broker;
    bool in_isr;
    bool eligible;          /* not in the ISR, and yet it has all that is committed (elr.c) */
    bool adding;            /* by a reassignment: it becomes a member when all that are added are in sync */
    bool held_out;          /* of the ISR, by mb_cluster_set_isr(), however much it has */
    bool failed;            /* its storage gave an error: it is behind until a fetch succeeds */
    int32_t synced_epoch;   /* leader epoch in which its log was last compared with the leader's (truncation) */
    int64_t high_watermark; /* as this replica knows it */
    int64_t caught_up_at;   /* when its end last was the leader's end */
    struct mb_log log;
    struct mb_producers producers;
    struct mb_alarm fetch; /* its next fetch from the leader, with a replication delay */
};

/* Somebody who waits until the high watermark reaches an offset. */
struct mb_ack {
    struct kci_list link; /* of partition->acks, by rising offset */
    int64_t required;     /* done when the high watermark is >= this */
    void (*done)(struct mb_ack *ack, int16_t error, int64_t now);
};

struct mb_partition {
    struct mb_cluster *cluster;
    struct mb_topic *topic;
    int32_t index;
    int32_t leader; /* broker id; -1: none */
    int32_t leader_epoch;
    int32_t last_known_leader; /* who led when the ISR became empty; 0: it is not (elr.c) */
    int64_t epoch_start;       /* log end of the leader when it became leader */
    int32_t replica_count;
    struct mb_replica *replicas; /* owned; in the order of the assignment: the first is preferred */
    struct kci_list acks;        /* struct mb_ack */
    struct kci_list fetches;     /* struct mb_fetch_node: fetches that wait for more */
    struct mb_alarm lag;         /* somebody in the ISR may lag too long */
    int32_t *target;             /* owned: brokers that shall hold it; NULL: no reassignment (reassign.c) */
    int32_t target_count;
    struct mb_alarm settle; /* the reassignment may be complete */
    struct mb_alarm flush;  /* flush.ms after the first append that was not synced */
};

struct mb_topic {
    struct mb_cluster *cluster;
    char name[MB_TOPIC_NAME_MAX + 1];
    struct kci_uuid id;
    bool internal;
    int32_t partition_count;
    int16_t replication_factor;       /* of the first partition */
    struct mb_partition **partitions; /* owned, each its own block: pointers stay good when the topic grows */
    struct mb_topic_config config;
};

/* ---- cluster.c ---- */
struct mb_broker *mb_cluster_broker(const struct mb_cluster *cluster, int32_t id); /* NULL: no such id, or gone */
bool mb_cluster_is_running(const struct mb_cluster *cluster, int32_t id);
/* The one log directory of a broker, as clients are told. */
void mb_cluster_log_dir(const struct mb_cluster *cluster, int32_t broker, char name[MB_LOG_DIR_NAME_MAX]);

/* ---- topic.c: names, ids, life and death ---- */
bool mb_topic_name_ok(struct kci_str name, const char **why);
struct mb_topic *mb_topic_find(const struct mb_cluster *cluster, struct kci_str name);
struct mb_topic *mb_topic_find_id(const struct mb_cluster *cluster, const struct kci_uuid *id);
/* By name, or by id where the name is absent. *error is UNKNOWN_TOPIC_OR_PARTITION or UNKNOWN_TOPIC_ID when there is
 * none. */
struct mb_topic *mb_topic_resolve(const struct mb_cluster *cluster, struct kci_str name, const struct kci_uuid *id,
                                  int16_t *error);
struct mb_partition *mb_topic_partition(const struct mb_topic *topic, int32_t index); /* NULL: none */
/* What a new topic is to be. */
struct mb_topic_plan {
    struct kci_str name;
    const struct kci_uuid *id;        /* NULL: a new one */
    int32_t partitions;               /* -1: num.partitions */
    int16_t replication_factor;       /* -1: default.replication.factor */
    const int32_t *const *assignment; /* partitions x replication_factor broker ids, or NULL */
    struct mb_topic_config config;    /* taken over on success */
    bool internal;
};
/* Kafka's error code; text says why. On success *out (may be NULL) is the topic. Check-only when `dry`. */
int16_t mb_topic_create(struct mb_cluster *cluster, struct mb_topic_plan *plan, bool dry, struct mb_topic **out,
                        char *text, size_t text_size, int64_t now);
int16_t mb_topic_grow(struct mb_topic *topic, int32_t partitions, const int32_t *const *assignment, bool dry,
                      char *text, size_t text_size, int64_t now);
void mb_topic_delete(struct mb_topic *topic, int64_t now);
/* Free without any notice: destruction of the cluster. */
void mb_topic_free(struct mb_topic *topic);
struct mb_topic *mb_topic_next(const struct mb_cluster *cluster, size_t *at); /* in order of creation */

/* ---- partition.c: the leader's view ---- */
struct mb_replica *mb_partition_replica(const struct mb_partition *partition, int32_t broker); /* NULL: none */
struct mb_replica *mb_partition_leader(const struct mb_partition *partition);                  /* NULL: none */
int32_t mb_partition_isr_count(const struct mb_partition *partition);
/* min.insync.replicas, or how many replicas there are: the smaller. */
int32_t mb_partition_min_insync(const struct mb_partition *partition);
/* The replica that must answer on `broker`: error NOT_LEADER_OR_FOLLOWER, FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH or
 * 0. */
int16_t mb_partition_check(const struct mb_partition *partition, int32_t broker, int32_t current_leader_epoch);
int64_t mb_partition_last_stable(const struct mb_partition *partition); /* LSO of the leader; -1: no leader */
/* LSO: the first offset of an open transaction, or the high watermark. */
int64_t mb_replica_last_stable(const struct mb_replica *replica);
struct mb_append {
    struct kci_frame *frame; /* where the records lie; NULL: they will be copied */
    struct kci_bytes records;
    int16_t acks;
    int16_t version;         /* of Produce; INT16_MAX: our own */
    int32_t partition;       /* index, for the texts of errors */
    bool internal;           /* written by a coordinator */
    struct kci_arena *arena; /* for record errors */
    /* out */
    int16_t error;
    int64_t base_offset, last_offset, append_time_ms;
    int64_t log_start_offset; /* -1: what was sent did not get as far as the log */
    bool is_batch;            /* one whole batch was sent, `header` is its header */
    struct kci_batch_header header;
    struct mb_record_error *record_errors;
    int32_t record_error_count;
    const char *message; /* static or in the arena; NULL: none */
};
struct mb_record_error {
    int32_t index;
    const char *message; /* static or in the arena */
};
void mb_partition_append(struct mb_partition *partition, int32_t broker, struct mb_append *append, int64_t now);
/* As mb_internal_append(), to any partition: with the codec, attributes and producer of `header`. */
void mb_partition_write(struct mb_partition *partition, const struct kci_batch_header *header,
                        const struct kci_record *records, size_t count,
                        void (*done)(void *owner, int16_t error, int64_t now), void *owner, int64_t now);
/* Recompute the high watermark of the leader, wake who waited for it. */
void mb_partition_advance(struct mb_partition *partition, int64_t now);
void mb_partition_ack_add(struct mb_partition *partition, struct mb_ack *ack);
/* Nobody leads as before: who waits here is told. */
void mb_partition_fail_waiters(struct mb_partition *partition, int16_t error, int64_t now);
/* Compact the logs of its replicas, if that is their policy and it is worth it. */
void mb_partition_compact(struct mb_partition *partition, int64_t now);
/* Delete what retention no longer keeps. */
void mb_partition_retain(struct mb_partition *partition, int64_t now);
int16_t mb_partition_delete_records(struct mb_partition *partition, int64_t offset, int64_t *low_watermark,
                                    int64_t now);
bool mb_replica_init(struct mb_replica *replica, struct mb_partition *partition, int32_t broker);
void mb_replica_destroy(struct mb_replica *replica);
/* Everything below `offset` goes. */
void mb_replica_raise_start(struct mb_replica *replica, int64_t offset);
/* Producer state from the log, after truncation or at start. */
bool mb_replica_rebuild_producers(struct mb_replica *replica);
struct mb_log_roll mb_partition_roll(const struct mb_partition *partition);

/* ---- replication.c ---- */
/* The leader has appended: followers fetch now, or soon. */
void mb_replication_kick(struct mb_partition *partition, int64_t now);
/* One follower fetches from the leader, truncating first where they diverge. */
void mb_replication_fetch(struct mb_replica *follower, int64_t now);

/* ---- controller.c ---- */
/* Choose a leader among the living; the epoch rises when it changes. */
void mb_controller_elect(struct mb_partition *partition, int64_t now);
void mb_controller_lead(struct mb_partition *partition, struct mb_replica *replica, int64_t now);
void mb_controller_shrink(struct mb_replica *replica, int64_t now);
/* In one step all of which this says so, but the last one. */
void mb_controller_shrink_all(struct mb_partition *partition, bool (*leaves)(const struct mb_replica *, int64_t now),
                              int64_t now);
void mb_controller_expand(struct mb_replica *replica, int64_t now);
void mb_controller_changed(struct mb_cluster *cluster); /* topics, leaders or ISRs changed: to be stored */

/* If the controller does not run any more, another broker is it, in a new epoch. */
void mb_controller_choose(struct mb_cluster *cluster);
/* The broker is fenced, or registers again: leaders and ISRs follow. */
void mb_controller_leave(struct mb_cluster *cluster, int32_t broker, int64_t now);
void mb_controller_join(struct mb_cluster *cluster, int32_t broker, int64_t now);

/* ---- members.c: brokers come for the first time, and go for good ---- */
struct mb_broker *mb_member_new(struct mb_cluster *cluster); /* with the next id; NULL: out of memory */
void mb_member_free(struct mb_broker *broker);
/* The brokers that take new replicas, by rising id; how many they are. */
int32_t mb_member_homes(const struct mb_cluster *cluster, int32_t homes[MB_BROKERS_MAX]);
/* What a broker that is leaving holds still and, if that does not get on, why, and an error. */
int16_t mb_member_waits(const struct mb_cluster *cluster, int32_t broker, int32_t *held, char *text, size_t text_size);
/* A replica of the broker went: if it is leaving, that may have been the last. */
void mb_member_look(struct mb_cluster *cluster, int32_t broker);

/* ---- balance.c ---- */
void mb_balance_start(struct mb_cluster *cluster, int64_t now);

/* ---- pause.c: brokers that stall ---- */
bool mb_cluster_is_paused(const struct mb_cluster *cluster, int32_t id);
void mb_pause_forget(struct mb_broker *broker); /* it is stopped, or resumed */

/* ---- election.c: leaders by request (KIP-460) ---- */
int16_t mb_election_run(struct mb_partition *partition, bool unclean, int64_t now);

/* ---- reassign.c: which brokers hold a partition (KIP-455) ---- */
/* Can these brokers hold it? 0, or an error with a text. */
int16_t mb_reassign_check(const struct mb_partition *partition, const int32_t *brokers, int32_t count, char *text,
                          size_t text_size);
int16_t mb_reassign_begin(struct mb_partition *partition, const int32_t *brokers, int32_t count, char *text,
                          size_t text_size, int64_t now);
int16_t mb_reassign_cancel(struct mb_partition *partition, char *text, size_t text_size, int64_t now);
/* The ISR grew: the reassignment, if there is one, may be complete. */
void mb_reassign_look(struct mb_partition *partition, int64_t now);
/* At start, before there is a leader: what the file says. false: no such broker, or no memory. */
bool mb_reassign_load(struct mb_partition *partition, const int32_t *brokers, int32_t count, const int32_t *target,
                      int32_t target_count);
void mb_reassign_stop(struct mb_partition *partition); /* forget it: the partition goes */

/* ---- fetch_wait.c ---- */
/* So many bytes became readable in the partition, for readers of each isolation level. */
void mb_fetch_wait_bytes(struct mb_partition *partition, uint64_t uncommitted, uint64_t committed);
/* The replica on a broker that does not lead may be read further: who waits for it there looks again. */
void mb_fetch_wait_follower(struct mb_partition *partition, int32_t broker);
/* The partition has an error to tell. */
void mb_fetch_wait_break(struct mb_partition *partition);
/* Answer those whose wait is over. true: there were some. */
bool mb_fetch_wait_run(struct mb_cluster *cluster, int64_t now);

/* ---- connection.c ---- */
void *mb_connection_accept(struct mb_cluster *cluster, kci_conn conn, int32_t broker, const struct kci_address *peer,
                           const struct kci_address *local, int64_t now);
void *mb_connection_space(struct mb_connection *connection, size_t *size);
void mb_connection_bytes(struct mb_connection *connection, size_t size, int64_t now);
void mb_connection_sent(struct mb_connection *connection, int64_t now);
void mb_connection_closed(struct mb_connection *connection, int64_t now);                   /* by the peer */
void mb_connection_hang_up(struct mb_connection *connection, const char *why, int64_t now); /* by us */
void mb_connections_close_broker(struct mb_cluster *cluster, int32_t broker, int64_t now);  /* 0: of all brokers */
/* Close those that did nothing for connections.max.idle.ms; the time to look again, KCI_NEVER: idleness is allowed. */
int64_t mb_connections_close_idle(struct mb_cluster *cluster, int64_t now);
/* A broker goes on: it reads, and sends what it had not. */
void mb_connections_resume(struct mb_cluster *cluster, int32_t broker);
/* Those that were not read may be again. */
void mb_connections_wake(struct mb_cluster *cluster);
bool mb_connections_run(struct mb_cluster *cluster, int64_t now);
void mb_connections_flush(struct mb_cluster *cluster, int64_t now);
void mb_connections_reap(struct mb_cluster *cluster);

/* ---- api_table.c ---- */
const struct mb_api_row *mb_api_rows(size_t *count);
const struct mb_api_row *mb_api_row(int16_t key); /* NULL: not served */
/* Fill cluster->apis by the release that is played. */
void mb_cluster_advertise(struct mb_cluster *cluster);
/* NULL: not advertised. */
const struct mb_api_row *mb_cluster_api(const struct mb_cluster *cluster, int16_t key);

/* ---- handlers of this half (handle_<api>.c) ---- */
void mb_handle_produce(struct mb_request *request, int64_t now);
void mb_handle_fetch(struct mb_request *request, int64_t now);
void mb_handle_list_offsets(struct mb_request *request, int64_t now);
void mb_handle_metadata(struct mb_request *request, int64_t now);
void mb_handle_api_versions(struct mb_request *request, int64_t now);
void mb_handle_create_topics(struct mb_request *request, int64_t now);
void mb_handle_delete_topics(struct mb_request *request, int64_t now);
void mb_handle_delete_records(struct mb_request *request, int64_t now);
void mb_handle_init_producer_id(struct mb_request *request, int64_t now);
void mb_handle_offset_for_leader_epoch(struct mb_request *request, int64_t now);
void mb_handle_create_partitions(struct mb_request *request, int64_t now);
void mb_handle_describe_configs(struct mb_request *request, int64_t now);
void mb_handle_elect_leaders(struct mb_request *request, int64_t now);
void mb_handle_alter_partition_reassignments(struct mb_request *request, int64_t now);
void mb_handle_list_partition_reassignments(struct mb_request *request, int64_t now);
void mb_handle_describe_log_dirs(struct mb_request *request, int64_t now);
void mb_handle_list_config_resources(struct mb_request *request, int64_t now);
void mb_handle_alter_configs(struct mb_request *request, int64_t now);
void mb_handle_incremental_alter_configs(struct mb_request *request, int64_t now);
void mb_handle_describe_producers(struct mb_request *request, int64_t now);
void mb_handle_describe_quorum(struct mb_request *request, int64_t now);
void mb_handle_update_features(struct mb_request *request, int64_t now);
void mb_handle_unregister_broker(struct mb_request *request, int64_t now);
void mb_handle_alter_replica_log_dirs(struct mb_request *request, int64_t now);
void mb_handle_create_delegation_token(struct mb_request *request, int64_t now);
void mb_handle_renew_delegation_token(struct mb_request *request, int64_t now);
void mb_handle_expire_delegation_token(struct mb_request *request, int64_t now);
void mb_handle_describe_delegation_token(struct mb_request *request, int64_t now);
void mb_handle_sasl_handshake(struct mb_request *request, int64_t now);
void mb_handle_sasl_authenticate(struct mb_request *request, int64_t now);
void mb_handle_describe_acls(struct mb_request *request, int64_t now);
void mb_handle_create_acls(struct mb_request *request, int64_t now);
void mb_handle_delete_acls(struct mb_request *request, int64_t now);
void mb_handle_describe_user_scram_credentials(struct mb_request *request, int64_t now);
void mb_handle_alter_user_scram_credentials(struct mb_request *request, int64_t now);
void mb_handle_get_telemetry_subscriptions(struct mb_request *request, int64_t now);
void mb_handle_push_telemetry(struct mb_request *request, int64_t now);
void mb_handle_describe_client_quotas(struct mb_request *request, int64_t now);
void mb_handle_alter_client_quotas(struct mb_request *request, int64_t now);
void mb_handle_describe_cluster(struct mb_request *request, int64_t now);
void mb_handle_describe_topic_partitions(struct mb_request *request, int64_t now);

#endif
