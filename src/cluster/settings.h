/* Every configuration key as a typed value.  One struct for producer, consumer and admin: a key that a handle does not
 * use is simply not read.  The table of names, types, ranges, defaults and meanings is api/config_table.c; it fills
 * this struct and generates docs/configuration.md.  Times in milliseconds, sizes in bytes, as in Kafka's names. */
#ifndef KCI_CLUSTER_SETTINGS_H
#define KCI_CLUSTER_SETTINGS_H

#include "base/bytes.h"
#include <kclient/config.h>

enum kci_offset_reset { KCI_RESET_LATEST, KCI_RESET_EARLIEST, KCI_RESET_NONE, KCI_RESET_BY_DURATION };
/* What key.serializer and value.serializer name, and their deserializers. */
enum kci_format {
    KCI_FORMAT_BYTES,
    KCI_FORMAT_STRING,
    KCI_FORMAT_SHORT,
    KCI_FORMAT_INTEGER,
    KCI_FORMAT_LONG,
    KCI_FORMAT_FLOAT,
    KCI_FORMAT_DOUBLE,
    KCI_FORMAT_UUID
};
/* What partitioner.class names. */
enum kci_partitioner {
    KCI_PARTITIONER_DEFAULT,
    KCI_PARTITIONER_STICKY,
    KCI_PARTITIONER_ROUNDROBIN,
    KCI_PARTITIONER_RANDOM,
    KCI_PARTITIONER_CONSISTENT,
    KCI_PARTITIONER_CONSISTENT_RANDOM,
    KCI_PARTITIONER_MURMUR2,
    KCI_PARTITIONER_MURMUR2_RANDOM,
    KCI_PARTITIONER_FNV1A,
    KCI_PARTITIONER_FNV1A_RANDOM
};
enum kci_isolation { KCI_READ_UNCOMMITTED, KCI_READ_COMMITTED };

struct kci_settings {
    /* every client; text is NUL-terminated and owned by the settings */
    const char *bootstrap_servers;
    const char *client_id;
    int32_t request_timeout_ms;
    int32_t retry_backoff_ms, retry_backoff_max_ms;
    int32_t reconnect_backoff_ms, reconnect_backoff_max_ms;
    int32_t socket_connection_setup_timeout_ms, socket_connection_setup_timeout_max_ms;
    int32_t connections_max_idle_ms;                 /* -1: never */
    int32_t send_buffer_bytes, receive_buffer_bytes; /* -1: the system's */
    int32_t metadata_max_age_ms;
    int32_t metadata_max_idle_ms;
    int32_t metadata_recovery_rebootstrap; /* metadata.recovery.strategy: 1 rebootstrap, 0 none */
    int32_t metadata_recovery_rebootstrap_trigger_ms;
    bool allow_auto_create_topics;
    int32_t default_api_timeout_ms;
    int32_t test_mock_num_brokers; /* 0: a true cluster */
    const char *test_mock_cluster; /* name of a shared one; NULL: private to the client */
    const char *test_mock_topics;  /* of the one that is started; NULL: none */
    const char *test_mock_config;  /* broker properties of the one that is started; NULL: the defaults */

    /* producer */
    int32_t acks; /* -1 all, 0, 1 */
    int32_t retries;
    int32_t delivery_timeout_ms;
    int32_t linger_ms;
    int32_t batch_size;
    int64_t buffer_memory;
    int32_t max_block_ms;
    int32_t max_request_size;
    int32_t max_in_flight_requests_per_connection;
    int32_t compression_type;  /* enum kci_codec */
    int32_t compression_level; /* of compression_type; KCI_LEVEL_DEFAULT */
    int32_t compression_gzip_level, compression_lz4_level,
        compression_zstd_level; /* taken when the one above is not set */
    bool enable_idempotence;
    bool partitioner_ignore_keys;
    int32_t partitioner_class;                   /* enum kci_partitioner; a function set by the user comes first */
    bool partitioner_adaptive;                   /* partitioner.adaptive.partitioning.enable */
    int32_t partitioner_availability_timeout_ms; /* 0: never */
    bool partitioner_rack_aware;
    int32_t key_format, value_format; /* key.serializer, value.serializer: enum kci_format; functions come first */
    const char *interceptor_classes;  /* comma list of names; of producer and consumer */
    const char *audit_topic;          /* NULL: none */
    bool audit_log;

    /* consumer */
    const char *group_id;              /* NULL: none */
    const char *group_instance_id;     /* NULL: dynamic member */
    int32_t group_protocol_consumer;   /* group.protocol: 1 consumer (KIP-848), 0 classic */
    const char *group_remote_assignor; /* NULL: the coordinator's choice */
    int32_t session_timeout_ms, heartbeat_interval_ms, max_poll_interval_ms;
    const char *partition_assignment_strategy; /* comma list of assignor names, first preferred */
    int32_t max_poll_records;
    bool enable_auto_commit;
    int32_t auto_commit_interval_ms;
    int32_t acknowledge_explicitly;     /* acknowledgement.mode: 1 explicit, 0 implicit */
    int32_t max_unacknowledged_records; /* explicit only */
    int32_t auto_offset_reset;          /* enum kci_offset_reset */
    int64_t auto_offset_reset_by_ms;    /* KCI_RESET_BY_DURATION: how far back */
    int32_t isolation_level;            /* enum kci_isolation */
    int32_t fetch_min_bytes, fetch_max_bytes, fetch_max_wait_ms, max_partition_fetch_bytes;
    int64_t fetch_memory_max; /* ceiling of in-flight, decompressed and queued bytes */
    bool check_crcs;
    bool exclude_internal_topics;       /* of the topics that a pattern matches here */
    int32_t key_read_as, value_read_as; /* key.deserializer, value.deserializer: enum kci_format */
    const char *client_rack;            /* NULL: none */

    /* plugged-in functions; the arrays are owned by the settings, the contexts by the user */
    kc_delivery_fn delivery;
    void *delivery_context;
    bool delivery_every_record;
    bool delivery_polled; /* kept for kc_producer_poll_deliveries() instead of called back */
    kc_log_fn log;
    void *log_context;
    int log_level;
    kc_producer_interceptor *producer_interceptors;
    size_t producer_interceptor_count;
    kc_consumer_interceptor *consumer_interceptors;
    size_t consumer_interceptor_count;
    kc_serializer key_serializer, value_serializer;       /* serialize NULL: none */
    kc_deserializer key_deserializer, value_deserializer; /* deserialize NULL: none */
    kc_partitioner partitioner;                           /* partition NULL: Kafka's default */
    kc_rebalance_listener rebalance_listener;             /* all NULL: none */
    kc_notice_fn notice;                                  /* NULL: none */
    void *notice_context;
    kc_assignor *assignors; /* the user's; owned array */
    size_t assignor_count;
};

#endif
