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
