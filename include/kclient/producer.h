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

/* Start a producer.  `config` is copied and stays yours.  On success *out is yours and ends in kc_producer_close(); on
 * failure *out is NULL.  No connection is awaited: use kc_producer_ready() for that. KC_ERR_CONFIG      a key is
 * missing or two keys exclude each other; the text says which KC_ERR_NO_MEMORY   memory, a thread or a descriptor could
 * not be had */
KC_EXPORT kc_err kc_producer_create(kc_producer **out, const kc_config *config, kc_error *error);

/* Queue records, in order.  Bytes are copied: all memory is yours again on return.  Waits up to max.block.ms (for all
 * together) for metadata and memory.  Stops at the first record that it cannot take and stores in *accepted (may be
 * NULL) how many it took; exactly those, and no others, are reported, each exactly once.  Any thread. From a callback
 * it never waits: KC_ERR_QUEUE_FULL instead. KC_ERR_QUEUE_FULL        buffer.memory stayed full; retry from
 * records[*accepted] KC_ERR_TIMED_OUT         the topic was not found in the cluster within max.block.ms; the text says
 * what was tried KC_ERR_ARGUMENT          records[*accepted] is invalid KC_ERR_RECORD_TOO_LARGE  it is beyond
 * max.request.size or buffer.memory KC_ERR_SERIALIZATION     a serializer refused it KC_ERR_FENCED, KC_ERR_FATAL,
 * KC_ERR_CLOSED   the handle is dead */
KC_EXPORT kc_err kc_producer_send(kc_producer *producer, const kc_record *records, size_t count, size_t *accepted,
                                  kc_error *error);

/* Send one record and wait for its fate, up to delivery.timeout.ms. *delivery (may be NULL) has topic and text set to
 * NULL. KC_ERR_IN_CALLBACK, or what send or the delivery says. Any thread. */
KC_EXPORT kc_err kc_producer_send_sync(kc_producer *producer, const kc_record *record, kc_delivery *delivery,
                                       kc_error *error);

/* Wait until every record queued before the call has its fate. Sends at once what lingers. Any thread.
 * KC_ERR_TIMED_OUT: some have none yet (call again). KC_ERR_IN_CALLBACK. */
KC_EXPORT kc_err kc_producer_flush(kc_producer *producer, int32_t timeout_ms, kc_error *error);

/* Wait until a broker answered and, if topic is not NULL, its metadata is known. KC_ERR_TIMED_OUT: the text says which
 * step fails and why. Any thread. */
KC_EXPORT kc_err kc_producer_ready(kc_producer *producer, const char *topic, int32_t timeout_ms, kc_error *error);

/* The number of partitions of a topic; waits for its metadata. Errors as kc_producer_send(). Any thread. */
KC_EXPORT kc_err kc_producer_partitions(kc_producer *producer, const char *topic, int32_t timeout_ms, int32_t *count,
                                        kc_error *error);

#define KC_PURGE_QUEUED    1u /* records that were never put into a request                            */
#define KC_PURGE_IN_FLIGHT 2u /* records that were: an answer, or another attempt, is awaited          */
/* Give up records whose fate is open: each is reported with KC_ERR_PURGED, and with KC_MAYBE_APPLIED if an attempt may
 * have reached the log. Returns at once; the reports come soon after, in order, so that a queued record is reported
 * behind those in flight before it. What other threads send at the same time may be purged or not. flags:
 * KC_PURGE_QUEUED, KC_PURGE_IN_FLIGHT or both; else KC_ERR_ARGUMENT. Any thread, also from a callback. */
KC_EXPORT kc_err kc_producer_purge(kc_producer *producer, uint32_t flags);

/* Reports without a callback: take up to `capacity` deliveries from a queue inside the producer, in the order of a
 * delivery function. Waits up to timeout_ms until there is one. Returns how many were stored. Needs
 * kc_config_set_delivery_polled(); 0 without it. `topic` of a delivery lives as long as the producer, `text` until the
 * next call of this function. The queue holds 100,000 deliveries: while it is full no further records are taken
 * (kc_producer_send() waits, then says KC_ERR_QUEUE_FULL), so what comes on top are the fates of records that were
 * taken before. What is not taken before kc_producer_close() is lost: flush and poll first. One thread at a time. */
KC_EXPORT size_t kc_producer_poll_deliveries(kc_producer *producer, kc_delivery *out, size_t capacity,
                                             int32_t timeout_ms);

/* Many records in one block of bytes and one call, for callers to whom a call or a pointer is dear (cgo, JNI). The
 * records follow each other without gaps; numbers are in the byte order of the machine and need no alignment:
 *
 *   offset  size
 *        0     4  uint32 bytes of this record, these four included
 *        4     4  int32  partition, as in kc_record
 *        8     8  int64  timestamp_ms, as in kc_record
 *       16     8  uint64 opaque: comes back as kc_delivery.opaque
 *       24     4  int32  key size, -1: null
 *       28     4  int32  value size, -1: null
 *       32     4  uint32 number of headers, 256 at most
 *       36        key, value, then for each header: int32 name size (with its NUL), int32 value size (-1: null), name,
 * NUL, value
 *
 * All go to `topic`. *accepted, waiting and errors are those of kc_producer_send(); KC_ERR_ARGUMENT also where sizes do
 * not add up: the records before that place were taken. Any thread. */
KC_EXPORT kc_err kc_producer_send_packed(kc_producer *producer, const char *topic, const void *data, size_t size,
                                         size_t *accepted, kc_error *error);

/* Records whose fate is open. Any thread. */
KC_EXPORT size_t kc_producer_pending(const kc_producer *producer);

/* Stop taking records, wait for those under way, free everything.  Always frees, always returns by its time-out. NULL
 * is fine. From a callback it gives up what is under way at once, and frees when the callback has returned.
 * KC_ERR_TIMED_OUT: some records were given up; each was reported. */
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
/* Fill *stats. Any thread, never waits. */
KC_EXPORT void kc_producer_get_stats(const kc_producer *producer, kc_producer_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
