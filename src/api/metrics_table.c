/* The one table of metrics: name, Java's name, whose they are, type, place in the snapshot, meaning. The text for
 * Prometheus and docs/metrics.md are made from it.
 *
 * Names: kc_, then client (sums and what every client has), broker, or the role with the scope; base units (seconds,
 * bytes); _total for what only rises. */
#include "api/config.h"
#include "api/metrics.h"

#define P   KCI_ROLE_PRODUCER
#define C   KCI_ROLE_CONSUMER
#define ANY (KCI_ROLE_PRODUCER | KCI_ROLE_CONSUMER | KCI_ROLE_ADMIN)

/* clang-format off */
#define ROW(name, java, scope, roles, type, at, help) { name, java, KCI_SCOPE_##scope, roles, KCI_METRIC_##type, at, help }
#define OF(field)        offsetof(kc_metrics, field)
#define OF_API(field)    offsetof(kc_api_metrics, field)
#define OF_TOPIC(field)  offsetof(kc_topic_metrics, field)
#define OF_PART(field)   offsetof(kc_partition_metrics, field)
/* Of each broker, and of all of them together. */
#define BROKER(name, java, type, field, help) \
    ROW("kc_client_" name, java, CLIENT, ANY, type, offsetof(kc_metrics, all) + offsetof(kc_broker_metrics, field), help), \
    ROW("kc_broker_" name, java, BROKER, ANY, type, offsetof(kc_broker_metrics, field), help)

const struct kci_metrics_row kci_metrics_rows[] = {
    BROKER("connections", "connection-count", GAUGE, connections, "Connections that are up."),
    BROKER("connections_made_total", "connection-creation-total", COUNTER, connections_made, "Connections that came about: TCP and ApiVersions."),
    BROKER("connections_closed_total", "connection-close-total", COUNTER, connections_closed, "Of these, the ones that ended, in whatever way."),
    BROKER("connection_failures_total", NULL, COUNTER, connection_failures, "Attempts to connect that failed at all addresses, and connections that broke."),
    BROKER("requests_total", "request-total", COUNTER, requests, "Requests sent."),
    BROKER("requests_rate", "request-rate", GAUGE_REAL, request_rate, "Requests per second, of the last 30 to 60 seconds."),
    BROKER("responses_total", "response-total", COUNTER, responses, "Responses received."),
    BROKER("request_failures_total", NULL, COUNTER, request_failures, "Requests that were not answered, or could not be sent in time."),
    BROKER("requests_in_flight", "requests-in-flight", GAUGE, requests_in_flight, "Requests that await their response."),
    BROKER("outgoing_bytes_total", "outgoing-byte-total", COUNTER, bytes_out, "Bytes sent."),
    BROKER("outgoing_bytes_rate", "outgoing-byte-rate", GAUGE_REAL, byte_out_rate, "Bytes sent per second, of the last 30 to 60 seconds."),
    BROKER("incoming_bytes_total", "incoming-byte-total", COUNTER, bytes_in, "Bytes received."),
    BROKER("incoming_bytes_rate", "incoming-byte-rate", GAUGE_REAL, byte_in_rate, "Bytes received per second, of the last 30 to 60 seconds."),
    BROKER("throttle_seconds_total", "produce-throttle-time, fetch-throttle-time", COUNTER_SECONDS, throttled_us, "Time for which quotas of the broker forbade to send."),
    BROKER("request_latency_seconds", "request-latency", TIMES, request_latency, "From the last byte of a request to its response; a fetch waits at the broker for data."),
    ROW("kc_api_requests_total", NULL, API, ANY, COUNTER, OF_API(requests), "Requests of this kind sent."),
    ROW("kc_api_request_failures_total", NULL, API, ANY, COUNTER, OF_API(request_failures), "Requests of this kind that were not answered, or could not be sent in time."),
    ROW("kc_api_request_latency_seconds", "request-latency", API, ANY, TIMES, OF_API(latency), "From the last byte of a request of this kind to its response; a fetch waits at the broker for data."),
    ROW("kc_client_metadata_updates_total", NULL, CLIENT, ANY, COUNTER, OF(metadata_updates), "Metadata responses taken."),
    ROW("kc_client_memory_bytes", NULL, CLIENT, P | C, GAUGE, OF(memory_used), "Memory in use, of buffer.memory or fetch.memory.max."),
    ROW("kc_client_memory_limit_bytes", "buffer-total-bytes", CLIENT, P | C, GAUGE, OF(memory_limit), "That ceiling."),

    ROW("kc_producer_records_queued_total", NULL, CLIENT, P, COUNTER, OF(records_queued), "Records that send took."),
    ROW("kc_producer_records_pending", NULL, CLIENT, P, GAUGE, OF(records_pending), "Records without a reported fate."),
    ROW("kc_producer_records_sent_total", "record-send-total", CLIENT, P, COUNTER, OF(records_sent), "Records delivered."),
    ROW("kc_producer_records_sent_rate", "record-send-rate", CLIENT, P, GAUGE_REAL, OF(record_send_rate), "Records delivered per second, of the last 30 to 60 seconds."),
    ROW("kc_producer_records_failed_total", "record-error-total", CLIENT, P, COUNTER, OF(records_failed), "Records reported with an error."),
    ROW("kc_producer_records_retried_total", "record-retry-total", CLIENT, P, COUNTER, OF(records_retried), "Records sent again, each time counted."),
    ROW("kc_producer_sent_bytes_total", "outgoing-byte-total", CLIENT, P, COUNTER, OF(bytes_sent), "Bytes of delivered batches, as sent."),
    ROW("kc_producer_sent_bytes_rate", "outgoing-byte-rate", CLIENT, P, GAUGE_REAL, OF(byte_send_rate), "The same per second, of the last 30 to 60 seconds."),
    ROW("kc_producer_batches_total", NULL, CLIENT, P, COUNTER, OF(batches), "Batches sent, retries not counted."),
    ROW("kc_producer_batches_retried_total", NULL, CLIENT, P, COUNTER, OF(batches_retried), "Batches whose attempt failed and that are sent again."),
    ROW("kc_producer_batches_split_total", "batch-split-total", CLIENT, P, COUNTER, OF(batches_split), "Batches that the broker found too large, and that were split."),
    ROW("kc_producer_batch_bytes_total", NULL, CLIENT, P, COUNTER, OF(batch_bytes), "Bytes of batches, as sent, retries not counted."),
    ROW("kc_producer_batch_plain_bytes_total", NULL, CLIENT, P, COUNTER, OF(batch_bytes_plain), "Bytes of the same batches before compression."),
    ROW("kc_producer_batch_size_avg_bytes", "batch-size-avg", CLIENT, P, GAUGE_REAL, OF(batch_size_avg), "Mean size of a batch, as sent."),
    ROW("kc_producer_batch_size_max_bytes", "batch-size-max", CLIENT, P, GAUGE, OF(batch_bytes_max), "The largest batch, as sent."),
    ROW("kc_producer_compression_rate_avg", "compression-rate-avg", CLIENT, P, GAUGE_REAL, OF(compression_rate_avg), "Bytes of batches as sent by bytes before compression; 1: not compressed."),
    ROW("kc_producer_requests_total", NULL, CLIENT, P, COUNTER, OF(produce_requests), "Produce requests."),
    ROW("kc_producer_request_records_total", NULL, CLIENT, P, COUNTER, OF(produce_records), "Records in them, retries included."),
    ROW("kc_producer_records_per_request_avg", "records-per-request-avg", CLIENT, P, GAUGE_REAL, OF(records_per_request_avg), "Mean number of records in a Produce request."),
    ROW("kc_producer_queue_time_seconds", "record-queue-time", CLIENT, P, TIMES, OF(queue_time), "From the first record of a batch to its first request."),
    ROW("kc_producer_leader_changes_total", NULL, CLIENT, P, COUNTER, OF(leader_changes), "Partitions that got another leader."),
    ROW("kc_producer_duplicates_total", NULL, CLIENT, P, COUNTER, OF(duplicates), "Batches of which the broker said that it has them already: delivered."),
    ROW("kc_producer_buffer_exhausted_total", "buffer-exhausted-total", CLIENT, P, COUNTER, OF(buffer_exhausted), "Calls of send that found no memory within max.block.ms."),
    ROW("kc_producer_buffer_wait_seconds_total", "bufferpool-wait-time-ns-total", CLIENT, P, COUNTER_SECONDS, OF(buffer_wait_us), "Time that calls of send waited for memory, all together."),

    ROW("kc_producer_health", NULL, CLIENT, P, GAUGE, OF(health), "0 usable, 1 degraded, 2 unavailable; kc_producer_health() says why."),
    ROW("kc_producer_brokers_unreachable", NULL, CLIENT, P, GAUGE, OF(brokers_unreachable), "Brokers to which the last attempt to connect failed."),
    ROW("kc_producer_partitions_leaderless", NULL, CLIENT, P, GAUGE, OF(partitions_leaderless), "Partitions without a leader, of the topics in use."),

    ROW("kc_producer_topic_records_sent_total", "record-send-total", TOPIC, P, COUNTER, OF_TOPIC(records), "Records delivered."),
    ROW("kc_producer_topic_records_sent_rate", "record-send-rate", TOPIC, P, GAUGE_REAL, OF_TOPIC(record_rate), "The same per second, of the last 30 to 60 seconds."),
    ROW("kc_producer_topic_sent_bytes_total", "byte-total", TOPIC, P, COUNTER, OF_TOPIC(bytes), "Bytes of delivered batches, as sent."),
    ROW("kc_producer_topic_sent_bytes_rate", "byte-rate", TOPIC, P, GAUGE_REAL, OF_TOPIC(byte_rate), "The same per second, of the last 30 to 60 seconds."),
    ROW("kc_producer_topic_records_failed_total", "record-error-total", TOPIC, P, COUNTER, OF_TOPIC(records_failed), "Records reported with an error."),
    ROW("kc_producer_topic_records_retried_total", "record-retry-total", TOPIC, P, COUNTER, OF_TOPIC(records_retried), "Records sent again, each time counted."),
    ROW("kc_producer_topic_batches_total", NULL, TOPIC, P, COUNTER, OF_TOPIC(batches), "Batches sent, retries not counted."),
    ROW("kc_producer_topic_batch_bytes_total", NULL, TOPIC, P, COUNTER, OF_TOPIC(batch_bytes), "Their bytes, as sent."),
    ROW("kc_producer_topic_batch_plain_bytes_total", NULL, TOPIC, P, COUNTER, OF_TOPIC(batch_bytes_plain), "Their bytes before compression."),

    ROW("kc_consumer_records_total", "records-consumed-total", CLIENT, C, COUNTER, OF(records_consumed), "Records that poll returned."),
    ROW("kc_consumer_records_rate", "records-consumed-rate", CLIENT, C, GAUGE_REAL, OF(records_consumed_rate), "The same per second, of the last 30 to 60 seconds."),
    ROW("kc_consumer_fetched_bytes_total", "bytes-consumed-total", CLIENT, C, COUNTER, OF(bytes_consumed), "Bytes of fetch responses."),
    ROW("kc_consumer_fetched_bytes_rate", "bytes-consumed-rate", CLIENT, C, GAUGE_REAL, OF(bytes_consumed_rate), "The same per second, of the last 30 to 60 seconds."),
    ROW("kc_consumer_fetches_total", "fetch-total", CLIENT, C, COUNTER, OF(fetches), "Fetch requests."),
    ROW("kc_consumer_fetch_size_avg_bytes", "fetch-size-avg", CLIENT, C, GAUGE_REAL, OF(fetch_size_avg), "Mean size of a fetch response."),
    ROW("kc_consumer_fetch_size_max_bytes", "fetch-size-max", CLIENT, C, GAUGE, OF(fetch_bytes_max), "The largest fetch response."),
    ROW("kc_consumer_fetch_latency_seconds", "fetch-latency", CLIENT, C, TIMES, OF(fetch_latency), "From the last byte of a fetch to its response, the broker's wait for data included."),
    ROW("kc_consumer_polls_total", NULL, CLIENT, C, COUNTER, OF(polls), "Calls of poll."),
    ROW("kc_consumer_poll_gap_seconds", "time-between-poll", CLIENT, C, TIMES, OF(poll_gap), "From the end of a poll to the beginning of the next: the application's own work."),
    ROW("kc_consumer_since_poll_seconds", "last-poll-seconds-ago", CLIENT, C, GAUGE_SECONDS, OF(since_poll_us), "Since the last poll ended; 0 within one."),
    ROW("kc_consumer_commit_latency_seconds", "commit-latency", CLIENT, C, TIMES, OF(commit_latency), "Of commits that succeeded: from their beginning to their end, retries included."),
    ROW("kc_consumer_commits_total", "commit-total", CLIENT, C, COUNTER, OF(commits), "Commits that succeeded."),
    ROW("kc_consumer_commit_failures_total", NULL, CLIENT, C, COUNTER, OF(commit_failures), "Commits that failed."),
    ROW("kc_consumer_rebalances_total", "rebalance-total", CLIENT, C, COUNTER, OF(rebalances), "Assignments received from the group."),
    ROW("kc_consumer_heartbeats_total", "heartbeat-total", CLIENT, C, COUNTER, OF(heartbeats), "Heartbeats sent."),
    ROW("kc_consumer_heartbeat_failures_total", NULL, CLIENT, C, COUNTER, OF(heartbeat_failures), "Heartbeats that were not answered."),
    ROW("kc_consumer_assigned_partitions", "assigned-partitions", CLIENT, C, GAUGE, OF(assigned_partitions), "Partitions assigned."),
    ROW("kc_consumer_lag_max_records", "records-lag-max", CLIENT, C, GAUGE_KNOWN, OF(lag_max), "The largest lag of an assigned partition."),

    ROW("kc_consumer_topic_records_total", "records-consumed-total", TOPIC, C, COUNTER, OF_TOPIC(records), "Records that poll returned, since the topic was assigned."),
    ROW("kc_consumer_topic_records_rate", "records-consumed-rate", TOPIC, C, GAUGE_REAL, OF_TOPIC(record_rate), "The same per second, of the last 30 to 60 seconds."),
    ROW("kc_consumer_topic_bytes_total", "bytes-consumed-total", TOPIC, C, COUNTER, OF_TOPIC(bytes), "Bytes of the batches that they came in."),
    ROW("kc_consumer_topic_bytes_rate", "bytes-consumed-rate", TOPIC, C, GAUGE_REAL, OF_TOPIC(byte_rate), "The same per second, of the last 30 to 60 seconds."),

    ROW("kc_consumer_partition_position", NULL, PARTITION, C, GAUGE_KNOWN, OF_PART(position), "Offset of the next record that poll returns."),
    ROW("kc_consumer_partition_end_offset", NULL, PARTITION, C, GAUGE_KNOWN, OF_PART(end_offset), "Offset behind the last record that may be read, as the last fetch said."),
    ROW("kc_consumer_partition_lag_records", "records-lag", PARTITION, C, GAUGE_KNOWN, OF_PART(lag), "Records between the two."),
};
/* clang-format on */
const size_t kci_metrics_row_count = sizeof kci_metrics_rows / sizeof kci_metrics_rows[0];
