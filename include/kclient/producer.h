/* The producer: thread-safe, owns one sender thread.
 *
 *   send -> interceptors -> metadata -> serializers -> partitioner -> accumulator (batch.size, linger.ms)
 *                                                         -> sender thread -> broker -> delivery function */
#ifndef KCLIENT_PRODUCER_H
#define KCLIENT_PRODUCER_H

#include <kclient/config.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kc_producer kc_producer;

/* Start a producer.
 *   out      receives the producer: yours until kc_producer_close(); NULL on failure
 *   config   copied; stays yours; NULL is refused
 *   error    may be NULL; filled on failure
 * Starts one thread and returns: no connection is awaited, kc_producer_ready() does that.  Any thread.
 *   KC_ERR_CONFIG      a key is missing or two keys exclude each other: the text says which
 *   KC_ERR_NO_MEMORY   memory, a thread or a descriptor could not be had
 *   KC_ERR_ARGUMENT    a NULL */
KC_EXPORT kc_err kc_producer_create(kc_producer **out, const kc_config *config, kc_error *error);

/* Queue records, in order.  Bytes are copied: all memory is yours again on return.
 *   records    `count` of them
 *   accepted   may be NULL; receives how many were taken: exactly those, and no others, are reported, each exactly once
 * Stops at the first record that it cannot take.  Waits up to max.block.ms (for all together) for metadata and memory.
 * Any thread; from a callback it never waits: KC_ERR_QUEUE_FULL instead.
 *   KC_ERR_QUEUE_FULL        buffer.memory stayed full: go on later from records[*accepted]
 *   KC_ERR_TIMED_OUT         the topic was not found in the cluster within max.block.ms: the text says what was tried
 *   KC_ERR_ARGUMENT          records[*accepted] is invalid: correct it
 *   KC_ERR_RECORD_TOO_LARGE  it is beyond max.request.size or buffer.memory: raise them, or send less
 *   KC_ERR_SERIALIZATION     a serializer refused it
 *   KC_ERR_FENCED, KC_ERR_FATAL, KC_ERR_CLOSED   the handle is dead: close it
 * Source: send() of the Java producer; KIP-679 for the defaults. */
KC_EXPORT kc_err kc_producer_send(kc_producer *producer, const kc_record *records, size_t count, size_t *accepted,
                                  kc_error *error);

/* Send one record and wait for its fate, up to delivery.timeout.ms.
 *   delivery   may be NULL; receives the fate, with topic and text set to NULL
 * Any thread, not from a callback.
 *   KC_ERR_IN_CALLBACK   it would wait for itself
 *   otherwise            what kc_producer_send() or the delivery says */
KC_EXPORT kc_err kc_producer_send_sync(kc_producer *producer, const kc_record *record, kc_delivery *delivery,
                                       kc_error *error);

/* Wait until every record queued before the call has its fate; sends at once what lingers.
 *   timeout_ms   milliseconds; -1: as long as it takes, which delivery.timeout.ms bounds
 * Any thread, not from a callback.
 *   KC_ERR_TIMED_OUT     some have none yet: call again
 *   KC_ERR_IN_CALLBACK   it would wait for itself */
KC_EXPORT kc_err kc_producer_flush(kc_producer *producer, int32_t timeout_ms, kc_error *error);

/* Wait until a broker has answered and, if topic is not NULL, its metadata is known: for the start of a service.
 *   timeout_ms   milliseconds; -1: without end
 * Any thread.
 *   KC_ERR_TIMED_OUT   the text says which step fails (name, connection, versions, metadata) and why
 *   KC_ERR_CLOSED      another thread closes the producer meanwhile */
KC_EXPORT kc_err kc_producer_ready(kc_producer *producer, const char *topic, int32_t timeout_ms, kc_error *error);

/* kc_health.state */
#define KC_HEALTH_USABLE      0 /* every record can go its way             */
#define KC_HEALTH_DEGRADED    1 /* some cannot, or soon may not            */
#define KC_HEALTH_UNAVAILABLE 2 /* none can, until a reason of those passes */
/* kc_health.reasons: those that stop every record */
#define KC_HEALTH_NO_BROKER      1u /* no broker has answered yet, or none can be reached any more               */
#define KC_HEALTH_NO_PRODUCER_ID 2u /* the brokers give no producer id, which idempotence needs                  */
#define KC_HEALTH_DEAD           4u /* a fatal error, or kc_producer_close() was called: create a new producer   */
/* and those that stop or delay some */
#define KC_HEALTH_BROKER_AWAY   16u  /* the last attempt to connect to a broker failed                            */
#define KC_HEALTH_NO_LEADER     32u  /* a partition of a topic in use has no leader: its records wait              */
#define KC_HEALTH_TOPIC_REFUSED 64u  /* the brokers refuse a topic in use: no permission, not valid, ...            */
#define KC_HEALTH_MEMORY        128u /* nine tenths of buffer.memory are in use: send waits, or soon will           */
#define KC_HEALTH_LATE          256u /* a record has waited for more than half of delivery.timeout.ms               */
#define KC_HEALTH_BUSY          512u /* the sender did not look up within 0.1 s: a callback keeps it, or the machine */

typedef struct kc_health {
    int32_t state;    /* KC_HEALTH_USABLE, _DEGRADED, _UNAVAILABLE                       */
    uint32_t reasons; /* bits of those above; 0: usable                                 */
    uint64_t brokers_unreachable;
    uint64_t partitions, partitions_leaderless; /* of the topics in use                  */
    uint64_t memory_used, memory_limit;         /* bytes of buffer.memory                */
    int64_t oldest_record_ms; /* how long the oldest record without a fate has waited; 0: there is none */
    char text[500];           /* every reason with its cause, for people; empty while usable            */
} kc_health;

/* How well the producer can do its work now, for probes and for pages that people look at.  A connection that was
 * closed because it was idle is no reason.  A probe that restarts processes should ask for KC_HEALTH_DEAD only: the
 * other reasons pass by themselves, and a restart loses what waits.
 *   out   filled; with KC_HEALTH_BUSY partitions, oldest_record_ms and most of the text are not known
 * Any thread, also from a callback; asks the sender and waits 0.1 s for it at most.
 *   KC_ERR_ARGUMENT   a NULL
 *   KC_ERR_FORKED     the handle is the parent process's: create one */
KC_EXPORT kc_err kc_producer_health(kc_producer *producer, kc_health *out, kc_error *error);

/* The number of partitions of a topic, into *count; waits up to timeout_ms for its metadata.  Any thread.  Errors as
 * kc_producer_send(). */
KC_EXPORT kc_err kc_producer_partitions(kc_producer *producer, const char *topic, int32_t timeout_ms, int32_t *count,
                                        kc_error *error);

#define KC_PURGE_QUEUED    1u /* records that were never put into a request                            */
#define KC_PURGE_IN_FLIGHT 2u /* records that were: an answer, or another attempt, is awaited          */
/* Give up records whose fate is open: each is reported with KC_ERR_PURGED, and with KC_MAYBE_APPLIED if an attempt may
 * have reached the log.
 *   flags   KC_PURGE_QUEUED, KC_PURGE_IN_FLIGHT or both; else KC_ERR_ARGUMENT
 * Returns at once; the reports come soon after, in order, so that a queued record is reported behind those in flight
 * before it.  What other threads send at the same time may be purged or not.  Any thread, also from a callback. */
KC_EXPORT kc_err kc_producer_purge(kc_producer *producer, uint32_t flags);

/* Reports without a callback: take deliveries from a queue inside the producer, in the order of a delivery function.
 *   out          room for `capacity` deliveries: `topic` lives as long as the producer, `text` until the next call
 *   timeout_ms   milliseconds to wait until there is one; -1: without end
 * Returns how many were stored; 0 without kc_config_set_delivery_polled().  One thread at a time.
 * The queue holds 100,000 deliveries: while it is full no further records are taken (kc_producer_send() waits, then
 * says KC_ERR_QUEUE_FULL), so what comes on top are the fates of records that were taken before.  What is not taken
 * before kc_producer_close() is lost: flush and poll first. */
KC_EXPORT size_t kc_producer_poll_deliveries(kc_producer *producer, kc_delivery *out, size_t capacity,
                                             int32_t timeout_ms);

/* Many records in one block of bytes and one call, for callers to whom a call or a pointer is dear (cgo, JNI).  All go
 * to `topic`.  The records follow each other without gaps; numbers are in the byte order of the machine and need no
 * alignment:
 *
 *   offset  size
 *        0     4  uint32 bytes of this record, these four included
 *        4     4  int32  partition, as in kc_record
 *        8     8  int64  timestamp_ms, as in kc_record
 *       16     8  uint64 opaque: comes back as kc_delivery.opaque
 *       24     4  int32  key size, -1: null
 *       28     4  int32  value size, -1: null
 *       32     4  uint32 number of headers, 256 at most
 *       36        key, value, then for each header:
 *                 int32 name size (with its NUL), int32 value size (-1: null), name, NUL, value
 *
 * *accepted, waiting and errors are those of kc_producer_send(); KC_ERR_ARGUMENT also where sizes do not add up: the
 * records before that place were taken.  Any thread. */
KC_EXPORT kc_err kc_producer_send_packed(kc_producer *producer, const char *topic, const void *data, size_t size,
                                         size_t *accepted, kc_error *error);

/* Records whose fate is open.  Any thread, never waits; 0 in a child of the process that created the producer. */
KC_EXPORT size_t kc_producer_pending(const kc_producer *producer);

/* Stop taking records, wait for those under way, free everything.  Always frees, always returns by its time-out.
 *   producer     NULL is fine
 *   timeout_ms   milliseconds; what has no fate by then is given up; -1: delivery.timeout.ms bounds it
 * One thread, once.  Calls of other threads that wait meanwhile come back with KC_ERR_CLOSED (a flush: when all have
 * their fate); apart from those no call may be under way, and none may begin.  From a callback it gives up what is under way at once, and frees when the callback has returned.
 *   KC_ERR_TIMED_OUT   some records were given up: each was reported */
KC_EXPORT kc_err kc_producer_close(kc_producer *producer, int32_t timeout_ms);

/* A snapshot of what the producer does; all counters since its creation. */
typedef struct kc_producer_stats {
    uint64_t records_queued, records_delivered, records_failed;
    uint64_t bytes_delivered; /* of batches, as sent                     */
    uint64_t batches_sent, batches_retried, requests_sent;
    uint64_t leader_changes;            /* partitions that moved                    */
    uint64_t duplicates;                /* answered DUPLICATE_SEQUENCE_NUMBER       */
    uint64_t memory_used, memory_limit; /* bytes of buffer.memory        */
} kc_producer_stats;
/* Fill *stats. Any thread, never waits; all zero in a child of the process that created the producer. */
KC_EXPORT void kc_producer_get_stats(const kc_producer *producer, kc_producer_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
