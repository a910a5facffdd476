/* mockbroker: a Kafka cluster inside your test process.
 *
 *     kc_mock *cluster;
 *     kc_mock_options options = KC_MOCK_OPTIONS_INIT;
 *     options.brokers = 3;
 *     options.topics = "orders:12:3";
 *     if (kc_mock_start(&cluster, &options, text, sizeof text) != 0) ...
 *     ... bootstrap.servers = kc_mock_bootstrap(cluster) ...
 *     kc_mock_stop(cluster);
 *
 * Runs on one thread of its own; listens on free ports of 127.0.0.1; ready when kc_mock_start() returns. Every function may be
 * called from any thread (but not from the log callback), waits until the broker has done it, and returns 0 or a Kafka
 * error code (> 0) or -1. Several clusters may live in one process; they know nothing of each other.
 *
 * Broker properties have Kafka's names and defaults, but for one: group.initial.rebalance.delay.ms is 0 instead of 3000,
 * so that groups in tests form at once. */
#ifndef MOCKBROKER_MOCKBROKER_H
#define MOCKBROKER_MOCKBROKER_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define KC_MOCK_EXPORT __attribute__((visibility("default")))
#else
#define KC_MOCK_EXPORT
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kc_mock kc_mock;

typedef struct kc_mock_options {
    int32_t brokers;              /* 1 .. 100                                                                           */
    const char *listen;           /* "HOST:PORT" of the first broker, the others take the next ports; port 0: free ones */
    const char *topics;           /* NAME[:PARTITIONS[:RF[:key=value,...]]] separated by blanks; NULL: none             */
    const char *config;           /* broker properties key=value separated by blanks or newlines; NULL: Kafka's defaults */
    const char *data_dir;         /* NULL: in memory                                                                    */
    uint64_t seed;                /* of everything random: member ids, topic ids                                        */
    void (*log)(void *context, int level, const char *text); /* NULL: none */
    void *log_context;
    int log_level;                /* 3 error, 4 warning, 6 info, 7 debug                                                */
} kc_mock_options;
/* clang-format off */
#define KC_MOCK_OPTIONS_INIT { 1, "127.0.0.1:0", 0, 0, 0, 1, 0, 0, 4 }
/* clang-format on */

/* Start a cluster. `text` (may be NULL) receives the reason of a failure. */
KC_MOCK_EXPORT int kc_mock_start(kc_mock **out, const kc_mock_options *options, char *text, size_t text_size);
/* Stop, close all listeners and connections, free. NULL is fine. */
KC_MOCK_EXPORT void kc_mock_stop(kc_mock *cluster);
/* "127.0.0.1:9092,..." ; lives as long as the cluster. */
KC_MOCK_EXPORT const char *kc_mock_bootstrap(const kc_mock *cluster);
/* Create a topic. Kafka's error code. */
KC_MOCK_EXPORT int kc_mock_create_topic(kc_mock *cluster, const char *name, int32_t partitions, int16_t replication_factor);
/* Delete a topic. */
KC_MOCK_EXPORT int kc_mock_delete_topic(kc_mock *cluster, const char *name);
/* Stop a broker in an orderly way (leaders move first) or kill it (connections break, then leaders move). */
KC_MOCK_EXPORT int kc_mock_broker_stop(kc_mock *cluster, int32_t broker);
KC_MOCK_EXPORT int kc_mock_broker_kill(kc_mock *cluster, int32_t broker);
/* Start a stopped broker again: same id, same port, same logs. */
KC_MOCK_EXPORT int kc_mock_broker_start(kc_mock *cluster, int32_t broker);
/* Make a replica of the partition its leader. */
KC_MOCK_EXPORT int kc_mock_move_leader(kc_mock *cluster, const char *topic, int32_t partition, int32_t broker);
/* What a partition looks like now. */
typedef struct kc_mock_partition {
    int32_t leader, leader_epoch; /* leader -1: none */
    int32_t isr_count;
    int64_t log_start, high_watermark, log_end; /* offsets, of the leader */
} kc_mock_partition;
/* Look at a partition. */
KC_MOCK_EXPORT int kc_mock_describe(kc_mock *cluster, const char *topic, int32_t partition, kc_mock_partition *out);

#ifdef __cplusplus
}
#endif
#endif
