/* Workers: the records of a group's partitions, handled by several threads, without losing the order that matters and
 * without losing a record.
 *
 *   poll thread ---- by the hash of the key ----> thread 1 .. N: handle(record) ----> done
 *        ^  partitions are paused while too much       |                              |
 *        |  of them is open                            | retry                        | commit: per partition, up to the
 *        |                                             v                              v first record that is not done
 *   topics, retry topics  <---- after a delay ---- retry topic        else ----> dead-letter topic, with the cause
 *
 * Promises: records of one key are handled one after the other, in the order of their offsets (those that went to a
 * retry topic come later); a record without a key has no order. Nothing is committed before it and all before it in its
 * partition are done, that is, handled, or written to a retry topic or to the dead-letter topic: after a crash records
 * come again, none is skipped. So a handler must bear a record twice; `seen` helps. A slow handler does not cost the
 * membership: another thread polls. docs/worker.md answers the usual questions. */
#ifndef KCLIENT_WORKER_H
#define KCLIENT_WORKER_H

#include <kclient/consumer.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kc_worker kc_worker;

/* What a handler says of a record. */
typedef enum kc_verdict {
    KC_WORK_DONE = 0, /* handled: never again                                                                    */
    KC_WORK_RETRY,    /* not now: by the next of `retries`; behind the last of them as KC_WORK_DEAD               */
    KC_WORK_DEAD,     /* never: to the dead-letter topic; without one the worker stops as with KC_WORK_STOP       */
    KC_WORK_STOP,     /* handle nothing more: this record and all that are open come again after the next start   */
} kc_verdict;

#define KC_WORK_REASON_BYTES 256

/* One record, as its handler gets it; borrowed for the call. */
typedef struct kc_work {
    const kc_record_view *record; /* as it was fetched, perhaps from a retry topic                            */
    uint32_t attempt;             /* 1: for the first time                                                    */
    const char *topic;            /* where the record was first: for records of a retry topic, what its       */
    int32_t partition;            /* headers say; else as in `record`                                         */
    int64_t offset, timestamp_ms;
    char *reason; /* KC_WORK_REASON_BYTES, empty: write here why it failed, NUL-terminated UTF-8; goes into a header */
} kc_work;

/* Called on one of the threads, with no lock held; for different keys at the same time. May take as long as it likes,
 * and may call every function but kc_worker_close() and kc_worker_wait() of its own worker. */
typedef kc_verdict (*kc_handler_fn)(void *context, kc_work *work);

/* One attempt more, some time later. */
typedef struct kc_retry_step {
    /* NULL: on the same thread, which handles nothing else meanwhile, so that the order of the key is kept. Else a
     * topic: the record is written there, and read again by this group's workers, which subscribe to it; its key's
     * later records overtake it. Each topic has one delay: a shorter one would wait behind a longer one. */
    const char *topic;
    int32_t delay_ms; /* 0 .. 7 days */
} kc_retry_step;

/* Remembers what was handled, so that a record that comes twice is handled once. Functions are called on the threads,
 * for different records at the same time, but never at the same time for two with one key. docs/worker.md says how a
 * database does this in the transaction of the effect, which is the only way that survives a crash in between. */
typedef struct kc_seen_store {
    const char *name; /* for texts */
    void *context;
    /* 1: `id` was handled before, 0: it was not, -1: cannot be told now, which is an attempt that failed. */
    int (*contains)(void *context, kc_bytes id);
    /* It is handled now. -1 is counted and else ignored: the record may be handled twice. */
    int (*add)(void *context, kc_bytes id);
    /* Once, when the worker is freed. May be NULL. */
    void (*close)(void *context);
} kc_seen_store;

/* A store in memory that keeps the `capacity` (1 to 10,000,000) ids used last; *store is filled in, and freed by its
 * close. It does not outlive the process and is not shared between processes.
 *   KC_ERR_ARGUMENT    store is NULL, or the capacity is out of range
 *   KC_ERR_NO_MEMORY   nothing to close */
KC_EXPORT kc_err kc_seen_in_memory(kc_seen_store *store, size_t capacity);

/* Begin with KC_WORKER_OPTIONS_INIT. Everything is copied. */
typedef struct kc_worker_options {
    /* bootstrap.servers, group.id and what else the consumer needs; enable.auto.commit is set to false and
       acknowledgement.mode to implicit: the worker itself knows what is done. Serializers and deserializers of both
       configurations are not used: a handler gets the bytes of the record and judges those that it cannot read */
    const kc_config *config;
    const kc_config *producer_config; /* of retry and dead-letter topics; NULL: `config`. Never needed without such  */
    const char *const *topics;
    size_t topic_count;    /* 1 .. 10,000                                                                       */
    uint32_t threads;      /* 1 .. 256                                                                          */
    uint32_t open_records; /* fetched and not done, in all; 1 .. 1,000,000. More are not fetched: partitions with more
                              than their part of it are paused. About 150 bytes each, and what the consumer's memory
                              limit allows for the bytes that they point to                                         */
    kc_handler_fn handle;
    void *context;                /* of handle; must live until kc_worker_close() has returned KC_OK                */
    const kc_retry_step *retries; /* in this order; retry_count of them, at most 100                               */
    size_t retry_count;
    const char *dead_topic;     /* NULL: none; none of the topics that are read     */
    const kc_seen_store *seen;  /* NULL: none. The worker closes it, also if kc_worker_start() fails               */
    const char *id_header;      /* the header that says what makes a record the same one; NULL: its key. A record
                                   without it is always handled                                                     */
    int32_t commit_interval_ms; /* 0 .. 1 hour                                                                     */
    int32_t drain_ms; /* when partitions go to another member, open records are handled to the end for this long; then
                         those that no thread has begun are left to their new owner. Below max.poll.interval.ms       */
} kc_worker_options;

/* clang-format off */
#define KC_WORKER_OPTIONS_INIT { 0, 0, 0, 0, 4, 10000, 0, 0, 0, 0, 0, 0, 0, 1000, 10000 }
/* clang-format on */

/* Headers of a record in a retry or dead-letter topic, besides its own; all values are text. A record keeps its key,
 * its value and, in KC_HEADER_TIMESTAMP, its time. */
#define KC_HEADER_TOPIC     "kc-original-topic"
#define KC_HEADER_PARTITION "kc-original-partition"
#define KC_HEADER_OFFSET    "kc-original-offset"
#define KC_HEADER_TIMESTAMP "kc-original-timestamp" /* ms since 1970                              */
#define KC_HEADER_ATTEMPTS  "kc-attempts"           /* how often it was tried                     */
#define KC_HEADER_CAUSE     "kc-cause"              /* what the handler wrote into kc_work.reason  */
#define KC_HEADER_GROUP     "kc-group"              /* group.id of the workers                    */
#define KC_HEADER_RETRY_AT  "kc-retry-at"           /* not before, ms since 1970; retry topics only */

/* Start N threads and one that polls.  No connection is awaited.
 *   out       receives the worker: yours until kc_worker_close(); NULL on failure
 *   options   copied
 *   error     may be NULL; filled on failure
 *   KC_ERR_ARGUMENT                    the text says which field of the options
 *   KC_ERR_CONFIG, KC_ERR_NO_MEMORY    as kc_consumer_create() */
KC_EXPORT kc_err kc_worker_start(kc_worker **out, const kc_worker_options *options, kc_error *error);
/* Wait until the worker has stopped by itself. Any thread but a handler's, also while another one closes it. KC_ERR_TIMED_OUT: it runs. KC_ERR_STATE: a
 * handler said KC_WORK_STOP, or a record failed that has nowhere to go; else what the consumer or the producer failed
 * with. The text says which record, and why. What was done is committed. */
KC_EXPORT kc_err kc_worker_wait(kc_worker *worker, int32_t timeout_ms, kc_error *error);
/* Fetch nothing more, handle what is open while there is time, commit what is done, leave the group, free everything.
 * Always returns by its time-out; -1 is a minute. NULL is fine. KC_ERR_TIMED_OUT: some records were left, or the last
 * commit failed, so records will come again; if a handler still runs, memory is freed when it returns, and `context`
 * must live so long. KC_ERR_IN_CALLBACK: called by a handler; nothing was done. Of other threads' calls only
 * kc_worker_wait() may be under way; it comes back. None may begin. KC_ERR_FORKED: in a child of the process that started
 * it; nothing was done. */
KC_EXPORT kc_err kc_worker_close(kc_worker *worker, int32_t timeout_ms);

/* Counters since the start, and what is so now. */
typedef struct kc_worker_stats {
    uint64_t processed;  /* handled, KC_WORK_DONE                                                               */
    uint64_t retried;    /* attempts that are repeated: in place or by a topic                                  */
    uint64_t dead;       /* written to the dead-letter topic                                                    */
    uint64_t duplicates; /* not handled because `seen` knew them                                                */
    uint64_t dropped;    /* fetched and left to another member, or to the next start                            */
    uint64_t seen_failures;
    uint64_t commits, commit_failures; /* requests                                                              */
    uint64_t open;                     /* fetched and not yet to be committed: the depth of the queues; at most
                                          open_records                                                          */
    uint64_t partitions, paused;       /* ours now; of these not read at the moment, for back-pressure or a delay */
    int64_t stuck_ms;                  /* the longest that a thread with work has finished nothing, to about 1 s  */
} kc_worker_stats;
/* Fill *stats. Any thread, never waits. */
KC_EXPORT void kc_worker_get_stats(const kc_worker *worker, kc_worker_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
