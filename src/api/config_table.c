/* The one table of configuration keys: name, alias, who reads it, type, range, default, meaning.  Names and defaults
 * are the Java client's (PROTOCOL 2.1 and 3.1); docs/configuration.md is generated from here. */
#include "api/config.h"
#include "protocol/compress.h"

static const struct kci_config_choice acks_words[] = {
    { "all", -1 }, { "-1", -1 }, { "0", 0 }, { "1", 1 }, { NULL, 0 }
};
static const struct kci_config_choice codec_words[] = { { "none", KCI_CODEC_NONE },     { "gzip", KCI_CODEC_GZIP },
                                                        { "snappy", KCI_CODEC_SNAPPY }, { "lz4", KCI_CODEC_LZ4 },
                                                        { "zstd", KCI_CODEC_ZSTD },     { NULL, 0 } };
static const struct kci_config_choice reset_words[] = { { "latest", KCI_RESET_LATEST },
                                                        { "earliest", KCI_RESET_EARLIEST },
                                                        { "none", KCI_RESET_NONE },
                                                        { "largest", KCI_RESET_LATEST },
                                                        { "end", KCI_RESET_LATEST },
                                                        { "smallest", KCI_RESET_EARLIEST },
                                                        { "beginning", KCI_RESET_EARLIEST },
                                                        { "error", KCI_RESET_NONE },
                                                        { "by_duration:", KCI_RESET_BY_DURATION },
                                                        { NULL, 0 } };
static const struct kci_config_choice protocol_words[] = {
    { "classic", 0 }, { "consumer", 1 }, { "CLASSIC", 0 }, { "CONSUMER", 1 }, { NULL, 0 }
};
static const struct kci_config_choice isolation_words[] = { { "read_uncommitted", KCI_READ_UNCOMMITTED },
                                                            { "read_committed", KCI_READ_COMMITTED },
                                                            { NULL, 0 } };

#define JAVA_SERIALIZATION "org.apache.kafka.common.serialization."
#define JAVA_PRODUCER      "org.apache.kafka.clients.producer."
static const struct kci_config_choice serializer_words[] = {
    { "bytes", KCI_FORMAT_BYTES },
    { "string", KCI_FORMAT_STRING },
    { "short", KCI_FORMAT_SHORT },
    { "integer", KCI_FORMAT_INTEGER },
    { "int32", KCI_FORMAT_INTEGER },
    { "long", KCI_FORMAT_LONG },
    { "int64", KCI_FORMAT_LONG },
    { "float", KCI_FORMAT_FLOAT },
    { "double", KCI_FORMAT_DOUBLE },
    { "uuid", KCI_FORMAT_UUID },
    { JAVA_SERIALIZATION "ByteArraySerializer", KCI_FORMAT_BYTES },
    { JAVA_SERIALIZATION "ByteBufferSerializer", KCI_FORMAT_BYTES },
    { JAVA_SERIALIZATION "BytesSerializer", KCI_FORMAT_BYTES },
    { JAVA_SERIALIZATION "StringSerializer", KCI_FORMAT_STRING },
    { JAVA_SERIALIZATION "ShortSerializer", KCI_FORMAT_SHORT },
    { JAVA_SERIALIZATION "IntegerSerializer", KCI_FORMAT_INTEGER },
    { JAVA_SERIALIZATION "LongSerializer", KCI_FORMAT_LONG },
    { JAVA_SERIALIZATION "FloatSerializer", KCI_FORMAT_FLOAT },
    { JAVA_SERIALIZATION "DoubleSerializer", KCI_FORMAT_DOUBLE },
    { JAVA_SERIALIZATION "UUIDSerializer", KCI_FORMAT_UUID },
    { NULL, 0 }
};
static const struct kci_config_choice deserializer_words[] = {
    { "bytes", KCI_FORMAT_BYTES },
    { "string", KCI_FORMAT_STRING },
    { "short", KCI_FORMAT_SHORT },
    { "integer", KCI_FORMAT_INTEGER },
    { "int32", KCI_FORMAT_INTEGER },
    { "long", KCI_FORMAT_LONG },
    { "int64", KCI_FORMAT_LONG },
    { "float", KCI_FORMAT_FLOAT },
    { "double", KCI_FORMAT_DOUBLE },
    { "uuid", KCI_FORMAT_UUID },
    { JAVA_SERIALIZATION "ByteArrayDeserializer", KCI_FORMAT_BYTES },
    { JAVA_SERIALIZATION "ByteBufferDeserializer", KCI_FORMAT_BYTES },
    { JAVA_SERIALIZATION "BytesDeserializer", KCI_FORMAT_BYTES },
    { JAVA_SERIALIZATION "StringDeserializer", KCI_FORMAT_STRING },
    { JAVA_SERIALIZATION "ShortDeserializer", KCI_FORMAT_SHORT },
    { JAVA_SERIALIZATION "IntegerDeserializer", KCI_FORMAT_INTEGER },
    { JAVA_SERIALIZATION "LongDeserializer", KCI_FORMAT_LONG },
    { JAVA_SERIALIZATION "FloatDeserializer", KCI_FORMAT_FLOAT },
    { JAVA_SERIALIZATION "DoubleDeserializer", KCI_FORMAT_DOUBLE },
    { JAVA_SERIALIZATION "UUIDDeserializer", KCI_FORMAT_UUID },
    { NULL, 0 }
};
static const struct kci_config_choice partitioner_words[] = {
    { "default", KCI_PARTITIONER_DEFAULT },
    { "sticky", KCI_PARTITIONER_STICKY },
    { "roundrobin", KCI_PARTITIONER_ROUNDROBIN },
    { "random", KCI_PARTITIONER_RANDOM },
    { "consistent", KCI_PARTITIONER_CONSISTENT },
    { "consistent_random", KCI_PARTITIONER_CONSISTENT_RANDOM },
    { "murmur2", KCI_PARTITIONER_MURMUR2 },
    { "murmur2_random", KCI_PARTITIONER_MURMUR2_RANDOM },
    { "fnv1a", KCI_PARTITIONER_FNV1A },
    { "fnv1a_random", KCI_PARTITIONER_FNV1A_RANDOM },
    { "", KCI_PARTITIONER_DEFAULT },
    { JAVA_PRODUCER "internals.DefaultPartitioner", KCI_PARTITIONER_DEFAULT },
    { JAVA_PRODUCER "UniformStickyPartitioner", KCI_PARTITIONER_STICKY },
    { JAVA_PRODUCER "RoundRobinPartitioner", KCI_PARTITIONER_ROUNDROBIN },
    { NULL, 0 }
};
static const struct kci_config_choice interceptor_words[] = { { "latency", 0 }, { "audit", 0 }, { NULL, 0 } };

#define ALL       (KCI_ROLE_PRODUCER | KCI_ROLE_CONSUMER | KCI_ROLE_ADMIN)
#define P         KCI_ROLE_PRODUCER
#define C         KCI_ROLE_CONSUMER
#define AT(field) offsetof(struct kci_settings, field)
#define I32(key, alias, roles, field, min, max, def, meaning)                                                          \
    {                                                                                                                  \
        key, alias, roles, KCI_TYPE_INT32, AT(field), min, max, def, NULL, meaning                                     \
    }
#define I64(key, alias, roles, field, min, max, def, meaning)                                                          \
    {                                                                                                                  \
        key, alias, roles, KCI_TYPE_INT64, AT(field), min, max, def, NULL, meaning                                     \
    }
#define YES(key, alias, roles, field, def, meaning)                                                                    \
    {                                                                                                                  \
        key, alias, roles, KCI_TYPE_BOOL, AT(field), 0, 1, def, NULL, meaning                                          \
    }
#define STR(key, alias, roles, field, def, meaning)                                                                    \
    {                                                                                                                  \
        key, alias, roles, KCI_TYPE_TEXT, AT(field), 0, 0, def, NULL, meaning                                          \
    }
#define LIST(key, alias, roles, field, words, def, meaning)                                                            \
    {                                                                                                                  \
        key, alias, roles, KCI_TYPE_LIST, AT(field), 0, 0, def, words, meaning                                         \
    }
#define ONE(key, alias, roles, field, words, def, meaning)                                                             \
    {                                                                                                                  \
        key, alias, roles, KCI_TYPE_CHOICE, AT(field), 0, 0, def, words, meaning                                       \
    }

/* clang-format off */
const struct kci_config_row kci_config_rows[] = {
    STR("bootstrap.servers", "metadata.broker.list", ALL, bootstrap_servers, NULL,
        "Addresses to begin with, \"host:port\" separated by commas. Two or three are enough: the rest of the cluster is learned from them."),
    STR("client.id", NULL, ALL, client_id, "kclient", "Name of this client in the brokers' logs, metrics and quotas."),
    I32("request.timeout.ms", "socket.timeout.ms", ALL, request_timeout_ms, 1, 3600000, "30000",
        "How long a broker may take to answer a request. When it is over the connection is closed and the request counts as possibly applied."),
    I32("retry.backoff.ms", NULL, ALL, retry_backoff_ms, 0, 300000, "100",
        "Pause before the first retry of a request; doubles with each further one, with 20 % jitter."),
    I32("retry.backoff.max.ms", NULL, ALL, retry_backoff_max_ms, 0, 300000, "1000", "Ceiling of that pause."),
    I32("reconnect.backoff.ms", NULL, ALL, reconnect_backoff_ms, 0, 300000, "50",
        "Pause before a broker is connected to again; doubles with each failure, with 20 % jitter."),
    I32("reconnect.backoff.max.ms", NULL, ALL, reconnect_backoff_max_ms, 0, 300000, "1000", "Ceiling of that pause."),
    I32("socket.connection.setup.timeout.ms", NULL, ALL, socket_connection_setup_timeout_ms, 1, 3600000, "10000",
        "How long a TCP connection may take to come up; doubles with each failure."),
    I32("socket.connection.setup.timeout.max.ms", NULL, ALL, socket_connection_setup_timeout_max_ms, 1, 3600000, "30000", "Ceiling of that time."),
    I32("connections.max.idle.ms", NULL, ALL, connections_max_idle_ms, -1, INT32_MAX, "540000",
        "A connection without requests is closed after this time; -1: never."),
    I32("send.buffer.bytes", "socket.send.buffer.bytes", ALL, send_buffer_bytes, -1, 1 << 30, "-1", "SO_SNDBUF of each socket; -1: the system's."),
    I32("receive.buffer.bytes", "socket.receive.buffer.bytes", ALL, receive_buffer_bytes, -1, 1 << 30, "-1", "SO_RCVBUF of each socket; -1: the system's."),
    I32("metadata.max.age.ms", "topic.metadata.refresh.interval.ms", ALL, metadata_max_age_ms, 1, INT32_MAX, "300000",
        "Metadata is asked for again after this time even if nothing seems to have changed; new partitions are found by it."),
    I32("metadata.max.idle.ms", NULL, P, metadata_max_idle_ms, 5000, INT32_MAX, "300000",
        "A topic to which nothing was sent for this time is dropped from the metadata."),
    ONE("metadata.recovery.strategy", NULL, ALL, metadata_recovery_rebootstrap,
        ((const struct kci_config_choice[]){ { "rebootstrap", 1 }, { "none", 0 }, { NULL, 0 } }), "rebootstrap",
        "When no known broker can be reached: begin again with bootstrap.servers, or go on trying the known ones."),
    I32("metadata.recovery.rebootstrap.trigger.ms", NULL, ALL, metadata_recovery_rebootstrap_trigger_ms, 0, INT32_MAX, "300000",
        "Begin again with bootstrap.servers when metadata could not be had for this time."),
    YES("allow.auto.create.topics", NULL, C, allow_auto_create_topics, "true", "Whether a topic that is subscribed to may be created by the broker."),
    I32("default.api.timeout.ms", NULL, C | KCI_ROLE_ADMIN, default_api_timeout_ms, 0, INT32_MAX, "60000", "Time limit of calls that take none of their own."),
    I32("test.mock.num.brokers", NULL, ALL, test_mock_num_brokers, 0, 100, "0",
        "For tests: start a mockbroker cluster of so many brokers inside this process, and use it; bootstrap.servers is not read. It ends when the client is closed. "
        "Needs libmockbroker, see docs/mockbroker.md. 0: a true cluster."),
    STR("test.mock.cluster", NULL, ALL, test_mock_cluster, NULL,
        "Clients of one process that give the same name share one cluster, which ends with the last of them. Not set: each client has its own."),
    STR("test.mock.topics", NULL, ALL, test_mock_topics, NULL,
        "Topics to begin with, NAME[:PARTITIONS[:REPLICAS[:key=value,...]]] separated by blanks. Others are made when they are first used."),
    STR("test.mock.config", NULL, ALL, test_mock_config, NULL, "Broker properties key=value, separated by blanks."),

    ONE("acks", "request.required.acks", P, acks, acks_words, "all",
        "Whose word a delivery needs: all in-sync replicas, the leader (1), or nobody (0: the fate is unknown, the offset is -1)."),
    I32("retries", "message.send.max.retries", P, retries, 0, INT32_MAX, "2147483647",
        "How often a batch is sent again. Leave it and bound the time with delivery.timeout.ms."),
    I32("delivery.timeout.ms", "message.timeout.ms", P, delivery_timeout_ms, 1, INT32_MAX, "120000",
        "The fate of a record is known at the latest this long after its batch was begun. At least linger.ms + request.timeout.ms."),
    I32("linger.ms", "queue.buffering.max.ms", P, linger_ms, 0, 900000, "5",
        "How long a batch that is not full waits for more records. A batch also grows while the sender is behind."),
    I32("batch.size", NULL, P, batch_size, 0, 1 << 30, "16384", "Bytes that a batch is aimed at. 0: one record per batch."),
    I64("buffer.memory", NULL, P, buffer_memory, 1 << 16, INT64_C(1) << 40, "33554432",
        "Bytes of records that wait to be sent or acknowledged. When it is full, send waits up to max.block.ms."),
    I32("max.block.ms", NULL, P, max_block_ms, 0, INT32_MAX, "60000", "How long one send call may wait for metadata and memory."),
    I32("max.request.size", "message.max.bytes", P, max_request_size, 1024, 100 << 20, "1048576",
        "Ceiling of one produce request, and of one record before compression."),
    I32("max.in.flight.requests.per.connection", "max.in.flight", P, max_in_flight_requests_per_connection, 1, 1000, "5",
        "Requests that may await their answer on one connection. More than 5 excludes idempotence."),
    ONE("compression.type", "compression.codec", P, compression_type, codec_words, "none", "Codec of new batches."),
    I32("compression.level", NULL, P, compression_level, -131072, 22, NULL,
        "Level of the codec: gzip 1..9, lz4 1..17, zstd -131072..22. Not set: Kafka's default for the codec."),
    I32("compression.gzip.level", NULL, P, compression_gzip_level, -1, 9, "-1",
        "Level of gzip when compression.level is not set; -1: zlib's default level, 6, with shorter searches: twice as fast, for 1 to 12 percent more bytes."),
    I32("compression.lz4.level", NULL, P, compression_lz4_level, 1, 17, "9", "Level of lz4 when compression.level is not set."),
    I32("compression.zstd.level", NULL, P, compression_zstd_level, -131072, 22, "3", "Level of zstd when compression.level is not set."),
    YES("enable.idempotence", NULL, P, enable_idempotence, "true",
        "No record twice and none out of order, also across retries. Needs acks=all, retries > 0 and at most 5 in flight."),
    ONE("key.serializer", NULL, P, key_format, serializer_words, "bytes", "What keys are in memory, and so how they are written: Java's formats, see serializer.h."),
    ONE("value.serializer", NULL, P, value_format, serializer_words, "bytes", "The same for values."),
    ONE("partitioner.class", "partitioner", P, partitioner_class, partitioner_words, "default",
        "Chooses the partition of records that name none: Java's (murmur2 of the key, sticky without one), or those of librdkafka by its names. See docs/producer.md."),
    YES("partitioner.adaptive.partitioning.enable", NULL, P, partitioner_adaptive, "true",
        "Records without a key go more often to partitions whose queues are short, so that a slow broker gets less (KIP-794)."),
    I32("partitioner.availability.timeout.ms", NULL, P, partitioner_availability_timeout_ms, 0, INT32_MAX, "0",
        "Records without a key avoid the partitions of a broker that could not take what waits for it for this time; 0: never."),
    YES("partitioner.rack.aware", NULL, P, partitioner_rack_aware, "false",
        "Records without a key go to partitions whose leader is in client.rack, while there is one that can be sent to."),
    YES("partitioner.ignore.keys", NULL, P, partitioner_ignore_keys, "false", "Spread records with keys as if they had none."),

    YES("delivery.report.polled", NULL, P, delivery_polled, "false",
        "Keep the fates of records for kc_producer_poll_deliveries(), as kc_config_set_delivery_polled() does: for callers who have no function to set."),
    YES("delivery.report.every.record", NULL, P, delivery_every_record, "false",
        "Tell the fate of every record; false: of those with an opaque pointer, and of all that failed."),

    LIST("interceptor.classes", NULL, P | C, interceptor_classes, interceptor_words, "",
        "Interceptors, in order; those that are added as functions come behind them. latency: a header with the time of sending, and how old records are when they are consumed. "
        "audit: who sent what when, to audit.topic or the log."),
    STR("audit.topic", NULL, P, audit_topic, NULL, "The topic that the interceptor audit writes to, as JSON."),
    YES("audit.log", NULL, P, audit_log, "false", "Whether the interceptor audit writes to the log function, level 6 (info), facility \"audit\"."),

    STR("group.id", NULL, C, group_id, NULL, "The consumer group. Needed for subscribe and for commits."),
    STR("group.instance.id", NULL, C, group_instance_id, NULL,
        "Makes the member static: it may be away for session.timeout.ms without a rebalance. Unique in the group."),
    ONE("group.protocol", NULL, C, group_protocol_consumer, protocol_words, "classic",
        "How members of a group are assigned partitions: by one of themselves (classic), or by the coordinator (consumer: KIP-848, Kafka 4.0 and newer; "
        "rebalances touch only the partitions that move)."),
    STR("group.remote.assignor", NULL, C, group_remote_assignor, NULL,
        "The coordinator's assignor, uniform or range; not set: its choice. Only with group.protocol=consumer."),
    I32("session.timeout.ms", NULL, C, session_timeout_ms, 1, INT32_MAX, "45000",
        "The group drops a member that is not heard of for this time. Not with group.protocol=consumer: group.consumer.session.timeout.ms of the brokers."),
    I32("heartbeat.interval.ms", NULL, C, heartbeat_interval_ms, 1, INT32_MAX, "3000",
        "Pause between heartbeats; below a third of session.timeout.ms. Not with group.protocol=consumer: the brokers say it."),
    I32("max.poll.interval.ms", NULL, C, max_poll_interval_ms, 1, INT32_MAX, "300000",
        "The application must poll at least this often, or the member leaves the group. Also the time that a rebalance may take."),
    LIST("partition.assignment.strategy", NULL, C, partition_assignment_strategy, NULL,
        "range,cooperative-sticky",
        "Assignors that this member can run, best first: range, roundrobin, sticky, cooperative-sticky. Java's class "
        "names are accepted. Only with cooperative-sticky alone do members keep their partitions while they rejoin. Not with group.protocol=consumer."),
    I32("max.poll.records", NULL, C, max_poll_records, 1, INT32_MAX, "500", "Most records that one poll returns. They are views: more costs nothing."),
    YES("enable.auto.commit", NULL, C, enable_auto_commit, "true", "Commit in poll what earlier polls returned, every auto.commit.interval.ms."),
    I32("auto.commit.interval.ms", NULL, C, auto_commit_interval_ms, 0, INT32_MAX, "5000", "Pause between automatic commits."),
    ONE("acknowledgement.mode", NULL, C, acknowledge_explicitly,
        ((const struct kci_config_choice[]){ { "implicit", 0 }, { "explicit", 1 }, { NULL, 0 } }), "implicit",
        "implicit: what a poll returned counts as done when the next one begins. explicit: a record is done when kc_consumer_ack() says so, "
        "in any order and from any thread; automatic commits, and commits without a list, cover only what is done without a gap."),
    I32("max.unacknowledged.records", NULL, C, max_unacknowledged_records, 1, INT32_MAX, "100000",
        "With acknowledgement.mode=explicit: when so many records were returned and not acknowledged, poll returns no more until some are."),
    ONE("auto.offset.reset", NULL, C, auto_offset_reset, reset_words, "latest",
        "Where to begin when the group has no offset, or it is out of range. by_duration:PT2H begins two hours back (ISO 8601; KIP-1106). Every reset is told: kc_config_set_notice()."),
    ONE("isolation.level", NULL, C, isolation_level, isolation_words, "read_uncommitted", "Whether records of open and aborted transactions are seen."),
    I32("fetch.min.bytes", NULL, C, fetch_min_bytes, 0, INT32_MAX, "1", "A broker waits until it has this much, or fetch.max.wait.ms is over."),
    I32("fetch.max.bytes", NULL, C, fetch_max_bytes, 1024, INT32_MAX, "52428800", "Most bytes of one fetch response; a larger single batch still passes."),
    I32("fetch.max.wait.ms", "fetch.wait.max.ms", C, fetch_max_wait_ms, 0, INT32_MAX, "500", "How long a broker may hold a fetch that finds too little."),
    I32("max.partition.fetch.bytes", "fetch.message.max.bytes", C, max_partition_fetch_bytes, 1, INT32_MAX, "1048576",
        "Most bytes of one partition in a fetch response; a larger single batch still passes."),
    I64("fetch.memory.max", NULL, C, fetch_memory_max, 1 << 20, INT64_C(1) << 40, "134217728",
        "Ceiling of fetched bytes: on their way, decompressed, queued, and held by the application. Fetching pauses when it is reached."),
    YES("check.crcs", NULL, C, check_crcs, "true", "Check the CRC of every batch."),
    ONE("key.deserializer", NULL, C, key_read_as, deserializer_words, "bytes",
        "What keys were written as. Records stay views of bytes: read them with the functions of serializer.h. Types of your own: kc_config_set_key_deserializer()."),
    ONE("value.deserializer", NULL, C, value_read_as, deserializer_words, "bytes", "The same for values."),
    YES("exclude.internal.topics", NULL, C, exclude_internal_topics, "true",
        "A pattern that is matched here does not match __consumer_offsets and its like, even if it could. Subscribing to them by name always works."),
    STR("client.rack", NULL, P | C, client_rack, NULL, "Where this client runs: for fetching from the nearest replica, and for partitioner.rack.aware."),
};
/* clang-format on */
_Static_assert(sizeof kci_config_rows / sizeof kci_config_rows[0] <= KCI_CONFIG_ROWS_MAX, "a bit for each row");
const size_t kci_config_row_count = sizeof kci_config_rows / sizeof kci_config_rows[0];
