/* Metrics: what a client has done since its creation and what it does now, as numbers and as Prometheus text.
 *
 * A snapshot is one block of memory that is yours: it does not change and outlives its client. Taking one costs some
 * microseconds; the client counts per request and per batch, never per record, so nothing is switched on or off. The
 * numbers of one snapshot are read one after the other while the client works: each is right, sums may differ by what
 * happened in between.
 *
 * Names, units and meanings of all of them, with Java's names: docs/metrics.md, which kc_metrics_describe() makes. */
#ifndef KCLIENT_METRICS_H
#define KCLIENT_METRICS_H

#include <kclient/admin.h>
#include <kclient/consumer.h>
#include <kclient/producer.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KC_BROKER_BOOTSTRAP (-1) /* kc_broker_metrics.id: all bootstrap servers, whose ids are not known */
#define KC_BROKER_OTHERS    (-2) /* those that came when 128 were counted by themselves */

/* A distribution of times. Quantiles are within 3 %, sum and maximum are exact. All 0 while nothing was measured. */
typedef struct kc_times {
    uint64_t count;
    uint64_t sum_us;                          /* microseconds, like all below */
    uint64_t p50_us, p99_us, p999_us, max_us; /* since the creation           */
} kc_times;

/* One broker that was connected to. A consumer's connections to a group coordinator count for the broker, too. */
typedef struct kc_broker_metrics {
    int32_t id;                                                         /* or KC_BROKER_BOOTSTRAP, KC_BROKER_OTHERS */
    uint64_t connections, requests_in_flight;                           /* now                                      */
    uint64_t connections_made, connections_closed, connection_failures; /* a failure: none came about, or it broke  */
    uint64_t requests, responses, request_failures;                     /* a failure: sent and not answered         */
    uint64_t bytes_out, bytes_in;                                       /* on the wire                              */
    uint64_t throttled_us;                                              /* how long the broker held us back         */
    double request_rate, byte_out_rate, byte_in_rate;                   /* per second, of the last 30 to 60 seconds */
    kc_times request_latency;                                           /* from the last byte out to the answer     */
} kc_broker_metrics;

/* One kind of request, over all brokers. Those that the client had to do with. */
typedef struct kc_api_metrics {
    const char *api;                     /* Kafka's name of it, such as "Produce"; static                 */
    uint64_t requests, request_failures; /* sent; not answered, or not sent in time                       */
    kc_times latency;                    /* from the last byte out to the answer; a fetch waits for data */
} kc_api_metrics;

/* One topic that was sent to, or that is assigned (the numbers of a consumer begin anew when it is assigned anew). */
typedef struct kc_topic_metrics {
    const char *topic;       /* in the snapshot; "": those that came when 1,000 were counted by themselves */
    uint64_t records, bytes; /* producer: delivered, as sent; consumer: returned by poll, and of the fetched batches */
    double record_rate, byte_rate; /* per second, of the last 30 to 60 seconds                 */
    uint64_t records_failed;       /* producer: reported with an error                         */
    uint64_t records_retried;      /* producer: sent again, counted each time                  */
    uint64_t batches, batch_bytes; /* producer: of first attempts, as sent                     */
    uint64_t batch_bytes_plain;    /* producer: the same before compression                    */
} kc_topic_metrics;

/* One assigned partition of a consumer. */
typedef struct kc_partition_metrics {
    const char *topic; /* in the snapshot */
    int32_t partition;
    int64_t position;   /* next offset that poll returns; -1: not known yet */
    int64_t end_offset; /* behind the last record that may be read, as of the last fetch; -1: not known yet */
    int64_t lag;        /* records between the two; -1: not known yet */
} kc_partition_metrics;

typedef struct kc_metrics {
    const char *role;      /* "producer", "consumer" or "admin" */
    const char *client_id; /* in the snapshot */

    /* every client: the sum of its brokers, those beyond the 128 included */
    kc_broker_metrics all;
    uint64_t metadata_updates; /* answers that were taken */

    /* producer */
    uint64_t records_queued, records_sent, records_failed, records_retried;
    uint64_t records_pending;                         /* without fate, now */
    uint64_t bytes_sent;                              /* of delivered batches, as sent */
    double record_send_rate, byte_send_rate;          /* per second, of the last 30 to 60 seconds */
    uint64_t batches, batches_retried, batches_split; /* batches: of first attempts */
    uint64_t batch_bytes, batch_bytes_plain;          /* of those, as sent and before compression */
    uint64_t batch_bytes_max;                         /* the largest one, as sent */
    uint64_t produce_requests, produce_records;       /* records: in all of these requests, retries included */
    double batch_size_avg, records_per_request_avg,
        compression_rate_avg;            /* compression: bytes as sent / before; 1: none */
    kc_times queue_time;                 /* of batches, from their first record to the first request */
    uint64_t leader_changes, duplicates; /* duplicates: batches that the broker had already */
    uint64_t health;                     /* KC_HEALTH_USABLE, _DEGRADED, _UNAVAILABLE; why: kc_producer_health() */
    uint64_t brokers_unreachable, partitions_leaderless; /* now */
    uint64_t buffer_exhausted,
        buffer_wait_us; /* sends that found no memory within max.block.ms; waited for memory in all */

    /* consumer */
    uint64_t records_consumed, bytes_consumed; /* returned by poll; of fetch responses */
    double records_consumed_rate, bytes_consumed_rate;
    uint64_t fetches, fetch_bytes_max;
    double fetch_size_avg;
    kc_times fetch_latency; /* from the request's last byte to the answer, the broker's wait for data included */
    uint64_t polls;
    kc_times poll_gap;       /* from the end of a poll to the beginning of the next: the application's own time */
    int64_t since_poll_us;   /* since the last poll ended; 0 within one; -1: there was none */
    kc_times commit_latency; /* of those that succeeded: from their beginning to their end, retries included */
    uint64_t commits, commit_failures, rebalances, heartbeats, heartbeat_failures;
    int64_t lag_max; /* the largest lag of an assigned partition; -1: none is known */
    uint64_t assigned_partitions;

    /* producer: of buffer.memory; consumer: of fetch.memory.max */
    uint64_t memory_used, memory_limit;

    const kc_broker_metrics *brokers;
    size_t broker_count;
    const kc_topic_metrics *topics;
    size_t topic_count;
    const kc_partition_metrics *partitions;
    size_t partition_count;
    const kc_api_metrics *apis; /* in the order of Kafka's numbers */
    size_t api_count;
} kc_metrics;

/* Take a snapshot; *out is yours, until kc_metrics_release(). Any thread, also from a callback; never waits for the
 * client's thread.  On failure *out is NULL.
 *   KC_ERR_NO_MEMORY   none for the snapshot
 *   KC_ERR_ARGUMENT    a NULL
 *   KC_ERR_FORKED      the handle is the parent process's */
KC_EXPORT kc_err kc_producer_metrics(const kc_producer *producer, kc_metrics **out, kc_error *error);
/* The same of a consumer. Any thread, though the consumer's other functions are for one. */
KC_EXPORT kc_err kc_consumer_metrics(const kc_consumer *consumer, kc_metrics **out, kc_error *error);
/* The same of an admin client. */
KC_EXPORT kc_err kc_admin_metrics(const kc_admin *admin, kc_metrics **out, kc_error *error);
/* Free; NULL is fine. */
KC_EXPORT void kc_metrics_release(kc_metrics *metrics);

/* Write a snapshot as Prometheus text (exposition format 0.0.4) into text[0 .. size), NUL-terminated and cut if it is
 * too long; returns the length that it has in full. text NULL with size 0: only the length. Clients of one process are
 * told apart by client.id: give each its own before their texts are served together. */
KC_EXPORT size_t kc_metrics_text(const kc_metrics *metrics, char *text, size_t size);
/* The table of all metrics in Markdown: docs/metrics.md. As kc_metrics_text(). */
KC_EXPORT size_t kc_metrics_describe(char *text, size_t size);

#ifdef __cplusplus
}
#endif
#endif
