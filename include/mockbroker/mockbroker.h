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
 * Runs on one thread of its own; listens on free ports of 127.0.0.1; ready when kc_mock_start() returns. Every function
 * may be called from any thread (but not from the log callback), waits until the broker has done it, and returns 0 or a
 * Kafka error code (> 0) or -1. Several clusters may live in one process; they know nothing of each other.
 *
 * Broker properties have Kafka's names and defaults, but for one: group.initial.rebalance.delay.ms is 0 instead of
 * 3000, so that groups in tests form at once. */
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
    int32_t brokers;      /* 1 .. 100                                                                           */
    const char *listen;   /* "HOST:PORT" of the first broker, the others take the next ports; port 0: free ones */
    const char *topics;   /* NAME[:PARTITIONS[:RF[:key=value,...]]] separated by blanks; NULL: none             */
    const char *config;   /* broker properties key=value separated by blanks or newlines; NULL: Kafka's defaults */
    const char *data_dir; /* NULL: in memory                                                                    */
    uint64_t seed;        /* of everything random: member ids, topic ids                                        */
    void (*log)(void *context, int level, const char *text); /* NULL: none */
    void *log_context;
    int log_level;        /* 3 error, 4 warning, 6 info, 7 debug                                                */
    const char *faults;   /* JSON, as for kc_mock_fault_add(); NULL: none                                       */
    size_t journal_bytes; /* as for kc_mock_journal(); 0: no journal                                            */
} kc_mock_options;
/* clang-format off */
#define KC_MOCK_OPTIONS_INIT { 1, "127.0.0.1:0", 0, 0, 0, 1, 0, 0, 4, 0, 0 }
/* clang-format on */

/* Start a cluster. `text` (may be NULL) receives the reason of a failure. */
KC_MOCK_EXPORT int kc_mock_start(kc_mock **out, const kc_mock_options *options, char *text, size_t text_size);
/* Stop, close all listeners and connections, free. NULL is fine. */
KC_MOCK_EXPORT void kc_mock_stop(kc_mock *cluster);
/* "127.0.0.1:9092,...": the brokers of the start; lives as long as the cluster. */
KC_MOCK_EXPORT const char *kc_mock_bootstrap(const kc_mock *cluster);
/* Create a topic. Kafka's error code. */
KC_MOCK_EXPORT int kc_mock_create_topic(kc_mock *cluster, const char *name, int32_t partitions,
                                        int16_t replication_factor);
/* Delete a topic. */
KC_MOCK_EXPORT int kc_mock_delete_topic(kc_mock *cluster, const char *name);
/* Stop a broker in an orderly way (leaders move first) or kill it (connections break, then leaders move). */
KC_MOCK_EXPORT int kc_mock_broker_stop(kc_mock *cluster, int32_t broker);
KC_MOCK_EXPORT int kc_mock_broker_kill(kc_mock *cluster, int32_t broker);
/* Start a stopped broker again: same id, same port, same logs. */
KC_MOCK_EXPORT int kc_mock_broker_start(kc_mock *cluster, int32_t broker);
/* The same on another port (0: a free one), as a container that comes back elsewhere: the brokers' metadata tells it, the
 * text of kc_mock_bootstrap() stays. -1: the port is taken, and the broker stays down. */
KC_MOCK_EXPORT int kc_mock_broker_start_at(kc_mock *cluster, int32_t broker, uint16_t port);
/* Let a broker stall: its connections stay open and silent, and after broker.session.timeout.ms (9 s) others lead what
 * it led. resume: it goes on with what has come meanwhile. Pausing what is stopped is BROKER_NOT_AVAILABLE (8). */
KC_MOCK_EXPORT int kc_mock_broker_pause(kc_mock *cluster, int32_t broker);
KC_MOCK_EXPORT int kc_mock_broker_resume(kc_mock *cluster, int32_t broker);
/* One more broker, with the next id and a port of its own; *broker (may be NULL) is its id. It holds nothing until topics
 * are made on it or partitions are reassigned to it. POLICY_VIOLATION (44): there are 100. -1: no memory, or no port. */
KC_MOCK_EXPORT int kc_mock_broker_add(kc_mock *cluster, int32_t *broker);
/* A broker goes for good, as soon as it holds no replica; its id is not used again. `move`: what it holds is reassigned to
 * the others, which clients see as leaders that move; without it a broker that holds any is refused with POLICY_VIOLATION
 * (44), as is the last broker. INVALID_REPLICATION_FACTOR (38): no other broker is left for a replica.
 * REASSIGNMENT_IN_PROGRESS (60): a partition is being moved to it. LEADER_NOT_AVAILABLE (5), BROKER_NOT_AVAILABLE (8): a
 * partition cannot be copied since nobody leads it, or since who is to hold it is stopped; text names the broker to start.
 * Ask again while it is leaving, and these say what it waits for. BROKER_ID_NOT_REGISTERED (102): there is none. The reason
 * is in text (may be NULL). */
KC_MOCK_EXPORT int kc_mock_broker_decommission(kc_mock *cluster, int32_t broker, int move, char *text,
                                               size_t text_size);
/* Make a replica of the partition its leader. */
KC_MOCK_EXPORT int kc_mock_move_leader(kc_mock *cluster, const char *topic, int32_t partition, int32_t broker);
/* Elect the preferred replica; unclean: any live one when nobody leads, which may lose records. */
KC_MOCK_EXPORT int kc_mock_elect(kc_mock *cluster, const char *topic, int32_t partition, int unclean);
/* Let these brokers (1 .. 100) hold the partition, the first one preferred; done when all of them are in sync. */
KC_MOCK_EXPORT int kc_mock_reassign(kc_mock *cluster, const char *topic, int32_t partition, const int32_t *brokers,
                                    int32_t count);
/* Only these replicas are in sync, until they are named again; the leader must be among them. */
KC_MOCK_EXPORT int kc_mock_set_isr(kc_mock *cluster, const char *topic, int32_t partition, const int32_t *brokers,
                                   int32_t count);
/* The replica on a broker loses its records from offset on, as if its disk had. */
KC_MOCK_EXPORT int kc_mock_truncate(kc_mock *cluster, const char *topic, int32_t partition, int32_t broker,
                                    int64_t offset);
/* Make a group rebalance as if there were a reason; throw a member out as if it had been silent. */
KC_MOCK_EXPORT int kc_mock_group_rebalance(kc_mock *cluster, const char *group);
KC_MOCK_EXPORT int kc_mock_group_kick(kc_mock *cluster, const char *group, const char *member_id);
/* What a partition looks like now. */
typedef struct kc_mock_partition {
    int32_t leader, leader_epoch; /* leader -1: none */
    int32_t isr_count;
    int64_t log_start, high_watermark, log_end; /* offsets, of the leader */
} kc_mock_partition;
/* Look at a partition. */
KC_MOCK_EXPORT int kc_mock_describe(kc_mock *cluster, const char *topic, int32_t partition, kc_mock_partition *out);

/* ---- faults: what goes wrong on purpose; docs/mockbroker.md has the grammar of the JSON, as in HTTP and --faults ---- */

/* Arm a fault, or an array of them (all or none): {"match": {"api": "Produce"}, "count": 1, "action": "disconnect"}.
 * *id (may be NULL) is that of the first, the others follow. -1 with what is wrong with the JSON in text. */
KC_MOCK_EXPORT int kc_mock_fault_add(kc_mock *cluster, const char *json, int32_t *id, char *text, size_t text_size);
/* Remove a fault; what it holds goes on. id 0: all. -1: there is none. */
KC_MOCK_EXPORT int kc_mock_fault_remove(kc_mock *cluster, int32_t id);
/* Let go what a barrier holds, oldest first, at most count requests (-1: all); how many those were. -1: no such
 * barrier. */
KC_MOCK_EXPORT int kc_mock_fault_release(kc_mock *cluster, int32_t id, int32_t count);
/* Switch a fault off (it stays with its counts; what it holds goes on) or on (count and duration begin again). -1: no
 * such fault. */
KC_MOCK_EXPORT int kc_mock_fault_switch(kc_mock *cluster, int32_t id, int on);
/* How often a fault has happened; how many requests its barrier holds. -1: no such fault. */
KC_MOCK_EXPORT int64_t kc_mock_fault_hits(kc_mock *cluster, int32_t id);
KC_MOCK_EXPORT int64_t kc_mock_fault_held(kc_mock *cluster, int32_t id);
/* A fault with its counts as JSON; id 0: all, and the ids of those that never fired. Yours; NULL: no such fault, or no
 * memory. */
KC_MOCK_EXPORT char *kc_mock_faults(kc_mock *cluster, int32_t id);
/* Free a text that is yours. NULL is fine. */
KC_MOCK_EXPORT void kc_mock_text_free(char *text);

/* ---- the clock: everything that the brokers time follows it ---- */

/* Stop time. */
KC_MOCK_EXPORT int kc_mock_clock_freeze(kc_mock *cluster);
/* Let so many milliseconds pass at once, frozen or not; all that is due meanwhile has happened on return. */
KC_MOCK_EXPORT int kc_mock_clock_advance(kc_mock *cluster, int64_t ms);
/* Run at another speed than the world, 0.001 to 100000. -1: another number. */
KC_MOCK_EXPORT int kc_mock_clock_rate(kc_mock *cluster, double rate);
/* Run on as the world does, from where the clock is. */
KC_MOCK_EXPORT int kc_mock_clock_resume(kc_mock *cluster);
/* What the cluster takes for the time of day; ms since 1970. */
KC_MOCK_EXPORT int64_t kc_mock_clock_now_ms(kc_mock *cluster);

/* ---- the journal: requests and answers, decoded ---- */

/* Keep the latest so many bytes (64 KiB to 4 GiB) of requests and answers; 0: stop. It costs time: off unless asked
 * for. */
KC_MOCK_EXPORT int kc_mock_journal(kc_mock *cluster, int64_t bytes);
/* Entries that match ({"api": "Fetch", "client_id": "c"}; NULL: all), one line of JSON each. Yours. NULL with the
 * reason in text. */
KC_MOCK_EXPORT char *kc_mock_requests(kc_mock *cluster, const char *match, char *text, size_t text_size);
/* Ask the journal: {"match": {...}, "count": 3}.
 *    0   it is so
 *    1   it is not: text has the difference as JSON
 *   -1   the question is wrong, or the journal is off (text says so) */
KC_MOCK_EXPORT int kc_mock_verify(kc_mock *cluster, const char *question, char *text, size_t text_size);
/* For the next test: no topics, no groups, no faults, an empty journal. */
KC_MOCK_EXPORT int kc_mock_reset(kc_mock *cluster);

#ifdef __cplusplus
}
#endif
#endif
