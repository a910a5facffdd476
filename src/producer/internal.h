/* What the files of this folder share.  Who may touch what is said per group of fields:
 *   [lock]    the partition's lock           [any]     any thread, atomics
 *   [sender]  the sender alone               [fixed]   set at creation */
#ifndef KCI_PRODUCER_INTERNAL_H
#define KCI_PRODUCER_INTERNAL_H

#include "base/heap.h"
#include "base/map.h"
#include "base/prng.h"
#include "cluster/cluster.h"
#include "producer/batch.h"
#include "producer/counts.h"
#include "producer/producer.h"

#include <stdatomic.h>

#define KCI_TOPIC_CACHE         8    /* names remembered by the address of their text */
#define KCI_FLUSH_SLOTS         64   /* flushes that can be told apart at a time */
#define KCI_COMPRESSORS_MAX     8    /* threads that compress at the same time; others leave it to the sender */
#define KCI_REPORT_BATCH        256  /* deliveries per call of the delivery function */
#define KCI_LOCK_RUN            256  /* records appended under one hold of a partition's lock */
#define KCI_REQUEST_BATCHES_MAX 2048 /* partitions in one Produce request */
#define KCI_REQUEST_OVERHEAD    128  /* bytes of a Produce request around one batch, at least; topic name not counted */
#define KCI_RELIEVE_US          5000 /* who waits for memory is told of any room after this time */
#define KCI_TOPIC_NAME_MAX      249  /* Kafka's limit */
#define KCI_RATIO_ONE           1024 /* a compression ratio of 1: as large as before */

/* What the sender makes of a partition: derived from its batches by lane.c, after each event that may change it.
 *
 *   IDLE  nothing to send                LINGERING   an open batch waits for more, until `timer`
 *   READY in its leader's ready list     NO_LEADER   ready, but nobody leads it: waits for metadata
 *   BLOCKED  an answer must come first   BACKING_OFF a retry waits until `timer` */
enum kci_lane {
    KCI_LANE_IDLE,
    KCI_LANE_LINGERING,
    KCI_LANE_READY,
    KCI_LANE_NO_LEADER,
    KCI_LANE_BLOCKED,
    KCI_LANE_BACKING_OFF
};

/* A broker that leads some of our partitions. */
struct kci_target {
    struct kci_list link;  /* in producer->targets */
    struct kci_list ready; /* of partitions, by lane_link */
    int32_t node;
    bool avoided;        /* could not take what was ready for partitioner.availability.timeout.ms */
    int64_t stuck_since; /* microseconds: since when something is ready that cannot be sent; KCI_NEVER: nothing is */
};

struct kci_partition {
    /* [lock] the batch being filled; its numbers go into the batch when it is closed */
    struct kci_lock lock;
    struct kci_batch *open; /* NULL: none */
    uint8_t *at;            /* next free byte */
    uint8_t *stop;          /* fast appends end here: the chunk's end, or where the batch is full */
    int64_t base_timestamp_ms, max_timestamp_ms; /* of open */
    int32_t open_count;                          /* records in open */
    uint32_t open_before;                        /* bytes of open in the chunks before the last one */
    uint8_t *chunk_end;                          /* of open's last chunk */
    struct kci_list queue;                       /* batches closed and not yet taken by the sender, oldest first */
    uint32_t queued;                             /* how many */
    uint32_t sticky_epoch;                       /* of the topic's sticky choice that sticky_from belongs to */
    uint64_t bytes_closed;                       /* ever, of closed chunks and batches: measures the sticky stretch */
    uint64_t sticky_from;                        /* bytes_closed when this partition became the sticky one */

    /* [fixed] */
    struct kci_topic *topic;
    int32_t index;

    /* [any] */
    _Atomic(bool) announced;              /* is in producer->announced, or about to be */
    _Atomic(bool) available;              /* has a leader, and not one that is avoided */
    _Atomic(bool) near;                   /* and it is in our rack */
    _Atomic(uint64_t) backlog;            /* bytes closed and not yet taken by the sender; written under `lock` */
    struct kci_partition *announced_next; /* of whoever announced it, then [sender] */

    /* [sender] */
    enum kci_lane lane;
    struct kci_list lane_link; /* target->ready, or producer->lingering, or producer->leaderless */
    struct kci_target *target; /* leader; NULL: none known */
    int64_t leaderless_at;     /* microseconds: since when there is none */
    int32_t leader_epoch;
    struct kci_timer timer;      /* linger or back-off; always in producer->timers */
    struct kci_timer expiry;     /* when the oldest batch may have expired; always in producer->expiries */
    struct kci_list outstanding; /* batches taken and without reported fate, in the order of sending */
    int32_t in_flight, waiting;  /* of outstanding, by state */
    bool pipelined;              /* this leader acknowledged this id and epoch: several may be under way */
    bool gap;                    /* a sequence was given up: the broker may miss it */
    bool gap_unsure;             /* or get it yet: an attempt may still be on its way, on a connection that is gone */
    bool reset_wanted;           /* the broker refused a sequence: number afresh when nothing is in flight */
    int16_t
        reset_error;  /* if not 0: the refusal (Kafka's code) does not prove that unsure batches are not in the log */
    int32_t failures; /* in a row, for the back-off */
    int64_t producer_id; /* -1: none yet */
    int16_t producer_epoch;
    int32_t next_sequence;
    struct kci_partition *gather_next; /* while a request is built */
    struct kci_batch *gather_batch;    /* while a request is built */
};

struct kci_topic {
    struct kci_producer *producer; /* [fixed] */
    char *name;                    /* [fixed] NUL-terminated, owned */
    struct kci_topic *new_next;    /* stack of topics that the sender does not know yet */
    _Atomic(struct kci_partition **)
        partitions;                    /* [any] array of count or more; replaced by larger ones, never freed before */
    _Atomic(int32_t) count;            /* [any] partitions; 0: not known */
    _Atomic(int32_t) barred;           /* [any] Kafka's error that bars sending, 0: none */
    _Atomic(bool) asked;               /* [any] an append waits: refresh the metadata */
    _Atomic(uint64_t) sticky;          /* [any] epoch << 32 | partition */
    _Atomic(uint64_t) draws;           /* [any] random numbers drawn */
    _Atomic(int32_t) near_count;       /* [any] partitions whose leader is in our rack */
    _Atomic(int64_t) backlog_at;       /* [any] microseconds: when backlog_max was taken */
    _Atomic(uint64_t) backlog_max;     /* [any] the largest backlog of a partition */
    _Atomic(uint32_t) batch_bytes_max; /* [any] how far a batch may grow */
    _Atomic(uint32_t) ratio;           /* [any] compressed size of recent batches, in 1/1024 of the plain one */
    /* [sender] */
    const struct kci_topic_info *info;   /* NULL: not asked for yet */
    uint64_t generation;                 /* of info, as last looked at */
    int64_t used_at;                     /* microseconds: a batch of it was sent last */
    bool idle;                           /* dropped from the metadata: idle.c */
    int32_t leaderless;                  /* partitions without a known leader, of the `count` that there are */
    struct kci_list link;                /* producer->topic_list */
    int32_t capacity;                    /* of the partition array */
    struct kci_topic_counts counts;      /* written by the sender, read by any thread */
    struct kci_topic_counts *counted_as; /* counts, or the producer's "others" */
    void **blocks;                       /* what was allocated for partitions, to be freed */
    size_t block_count, block_capacity;
    struct kci_partition *gather_first, **gather_last; /* while a request is built */
    struct kci_topic *gather_next;
    int32_t gather_count;
};

struct kci_produce {
    struct kci_call call;
    struct kci_list link; /* producer->idle_requests or producer->requests */
    struct kci_producer *producer;
    struct kci_batch **batches; /* in wire order; owned array */
    size_t batch_count, batch_capacity;
    struct kci_iov *pieces; /* the body; owned array */
    size_t piece_count, piece_capacity;
    struct kci_writer frame; /* all bytes of the body that are not batches */
};

/* Producer id machine: identity.c. */
struct kci_identity {
    int state;
    int64_t producer_id;
    int16_t producer_epoch;
    uint32_t attempts;
    int64_t retry_at; /* microseconds */
    struct kci_call call;
    struct kci_init_producer_id_request request;
    struct kci_cause *cause; /* of the last failure */
};

struct kci_compressing {
    struct kci_lock lock;
    struct kci_compressor *idle[KCI_COMPRESSORS_MAX];
    struct kci_writer scratch[KCI_COMPRESSORS_MAX];
    int32_t idle_count, made;
};

struct kci_health {                               /* [any]; the sender writes */
    _Atomic(uint32_t) unreachable;                /* brokers to which the last attempt to connect failed */
    _Atomic(uint32_t) leaderless, topics_refused; /* of the topics that are in use */
    _Atomic(bool) id_refused;                     /* the last request for a producer id failed */
};

struct kci_counters {         /* [any]; those of the sender have one writer */
    _Atomic(uint64_t) queued; /* records appended */
    _Atomic(uint64_t) done;   /* records with a reported fate */
    _Atomic(uint64_t) delivered, failed, bytes_delivered, batches_sent, batches_retried, requests, leader_changes,
        duplicates;
};

struct kci_producer {
    /* [fixed] */
    const struct kci_alloc *alloc;
    const struct kci_settings *settings;
    struct kci_logger logger;
    const struct kci_lock_ops *lock_ops;
    void (*wake)(void *context);
    void (*notify)(void *context);
    void *context;
    enum kci_plant plant;
    uint64_t seed;
    bool idempotent;
    bool every_record;     /* all fates are told, to the delivery function or to interceptors */
    bool stamps;           /* records are compressed: timestamps of those that are reported must be remembered */
    bool stamps_every;     /* and all are reported */
    uint32_t batch_aim;    /* bytes, batch.size */
    uint32_t batch_max;    /* bytes, what one request can hold */
    int32_t in_flight_max; /* per partition */

    /* [any] */
    struct kci_pool pool;
    struct kci_lock topics_lock; /* guards topics */
    struct kci_map topics;       /* name -> struct kci_topic */
    _Atomic(struct kci_topic *) cache[KCI_TOPIC_CACHE];
    _Atomic(struct kci_partition *) announced; /* stack */
    _Atomic(struct kci_topic *) new_topics;    /* stack */
    _Atomic(int64_t) sleeping_until;           /* the sender runs again by then at the latest; KCI_NEVER: wake it */
    _Atomic(bool) attention;                   /* flush, close, starved, asked: look at them in the next step */
    _Atomic(bool) closing, abandoned, connected;
    _Atomic(uint32_t) purge; /* KC_PURGE_ flags of purges that the sender has not done yet */
    _Atomic(bool) dead;      /* `fatal` is set */
    kc_error fatal;
    _Atomic(uint64_t) flush_now;  /* the current generation of batches: flush.c */
    _Atomic(uint64_t) flush_upto; /* batches up to this generation do not linger */
    _Atomic(uint64_t) incomplete[KCI_FLUSH_SLOTS];
    _Atomic(uint64_t) backlog; /* bytes of all batches closed and not yet taken by the sender */
    struct kci_compressing compressing;
    struct kci_counters counters;
    struct kci_producer_counts counts; /* written by the sender */
    struct kci_health health;

    /* [sender] */
    struct kci_cluster *cluster;
    struct kci_prng random;
    struct kci_heap timers, expiries;
    size_t partition_count; /* of all topics */
    struct kci_list targets, lingering, leaderless, topic_list, done;
    struct kci_list requests, idle_requests;
    struct kci_identity identity;
    uint64_t flush_complete; /* all generations before it have their fate, as far as flushes ask */
    int64_t idle_at;         /* microseconds: when a topic may have been unused for long enough */
    int64_t avoid_at;        /* microseconds: when a broker has been stuck for long enough to be avoided */
    int64_t starved_at;      /* microseconds: since when somebody waits for memory; KCI_NEVER: nobody */
    bool refresh_leaders;    /* a ready partition has no leader */
    bool must_notify;        /* somebody may go on: tell at the end of the step */
    bool stirred;            /* calls came back: look for work once more */
    kc_delivery reports[KCI_REPORT_BATCH];
    char text[sizeof((kc_error *)0)->text];
};

/* ---- compressing.c ---- */
/* Compress a closed batch, if that makes it smaller. Any thread, no lock held. */
void kci_compressing_run(struct kci_producer *producer, struct kci_batch *batch);
void kci_compressing_destroy(struct kci_producer *producer);

/* ---- topic.c ---- */
struct kci_topic *kci_topic_find(struct kci_producer *producer,
                                 const char *name); /* any thread; makes it. NULL: no memory */
void kci_topic_take_new(struct kci_producer *producer, int64_t now);
void kci_topic_ask(struct kci_producer *producer, struct kci_topic *topic); /* any thread: metadata is missed */
void kci_topic_on_metadata(struct kci_producer *producer, int64_t now);
void kci_topic_destroy_all(struct kci_producer *producer);
static inline struct kci_partition *kci_topic_partition(const struct kci_topic *topic, int32_t index)
{
    return atomic_load_explicit(&topic->partitions, memory_order_acquire)[index];
}

/* ---- idle.c ---- */
/* The topic is used: it comes back if it was dropped. Sender. */
void kci_idle_used(struct kci_producer *producer, struct kci_topic *topic, int64_t now);
/* Drop topics that were not used for metadata.max.idle.ms. Sender. */
void kci_idle_run(struct kci_producer *producer, int64_t now);

/* ---- health.c ---- */
/* Publish what may have changed with the topics. Sender. */
void kci_health_topics(struct kci_producer *producer);

/* ---- partitioner.c ---- */
int32_t kci_partitioner_by_key(const kc_record *record, int32_t count);
/* Choose another one unless somebody did already. */
void kci_partitioner_switch(struct kci_producer *producer, struct kci_topic *topic, uint64_t seen, int64_t now);
/* A batch was closed into the partition's queue, or taken from it; the partition's lock is held. */
void kci_partitioner_queued(struct kci_partition *partition, struct kci_batch *batch);
void kci_partitioner_taken(struct kci_partition *partition, const struct kci_batch *batch);
/* The partition has a (new) leader. Sender. */
void kci_partitioner_rack(struct kci_producer *producer, struct kci_partition *partition, int32_t node);
/* The target could (not) be sent what is ready. Sender. Returns when to look again, KCI_NEVER: no need. */
int64_t kci_partitioner_stuck(struct kci_producer *producer, struct kci_target *target, bool stuck, int64_t now);

/* ---- lane.c ---- */
void kci_lane_update(struct kci_producer *producer, struct kci_partition *partition, int64_t now);
void kci_lane_take_announced(struct kci_producer *producer, int64_t now);
void kci_lane_run_timers(struct kci_producer *producer, int64_t now);
void kci_lane_unlinger(struct kci_producer *producer, int64_t now); /* look again at all that linger */
void kci_lane_leader(struct kci_producer *producer, struct kci_partition *partition, int32_t node, int32_t epoch,
                     int64_t now);
/* The partition's next batch to send if it has at most `room` bytes, moved to WAITING in `outstanding`; else NULL, and
 * *bytes is the size of the one that did not fit (0: there is none). */
struct kci_batch *kci_lane_take(struct kci_producer *producer, struct kci_partition *partition, size_t room,
                                size_t *bytes, int64_t now);
/* Give up what has no fate: KC_PURGE_QUEUED what was never sent, KC_PURGE_IN_FLIGHT what was. */
void kci_lane_fail_all(struct kci_producer *producer, uint32_t which, kc_err code, struct kci_cause *cause,
                       int64_t now);

/* ---- request.c ---- */
void kci_request_drain(struct kci_producer *producer, int64_t now);
void kci_request_destroy_all(struct kci_producer *producer);

/* ---- response.c ---- */
void kci_response_done(struct kci_call *call, const struct kci_reply *reply, int64_t now);

/* ---- fate.c ---- */
void kci_fate_success(struct kci_producer *producer, struct kci_batch *batch, int64_t base_offset,
                      int64_t log_append_ms);
/* The attempt failed: sends it again later if it may, else fails it. */
void kci_fate_attempt_failed(struct kci_producer *producer, struct kci_batch *batch, kc_err code, bool retriable,
                             struct kci_cause *cause, int64_t now);
void kci_fate_fail(struct kci_producer *producer, struct kci_batch *batch, kc_err code, struct kci_cause *cause);
void kci_fate_expire(struct kci_producer *producer, struct kci_batch *batch, int64_t now);
/* Move what is done, up to the first that is not, to the producer's done list. */
void kci_fate_settle(struct kci_producer *producer, struct kci_partition *partition);

/* ---- report.c ---- */
void kci_report_all(struct kci_producer *producer, int64_t now);

/* ---- sequence.c ---- */
/* Give the batch its id, epoch and sequence. */
void kci_sequence_assign(struct kci_producer *producer, struct kci_partition *partition, struct kci_batch *batch);
/* Number everything outstanding afresh under a new epoch, if that is wanted and nothing is in flight. */
void kci_sequence_reset(struct kci_producer *producer, struct kci_partition *partition);
static inline int32_t kci_sequence_add(int32_t sequence, int32_t count) /* 2^31-1 is followed by 0 */
{
    return (int32_t)(((uint32_t)sequence + (uint32_t)count) & INT32_MAX);
}

/* ---- split.c ---- */
/* Replace an outstanding batch by smaller ones in its place. false: cannot be split, or no memory. */
bool kci_split(struct kci_producer *producer, struct kci_batch *batch, struct kci_cause *cause);

/* ---- identity.c ---- */
enum { KCI_IDENTITY_NONE, KCI_IDENTITY_ASKED, KCI_IDENTITY_READY, KCI_IDENTITY_BACKING_OFF };
void kci_identity_init(struct kci_producer *producer);
/* True if batches can be sent; else asks for an id (if it is time) and says so by false. */
bool kci_identity_ready(struct kci_producer *producer, int64_t now);
void kci_identity_renew(struct kci_producer *producer); /* the epochs of this id are used up, or the broker forgot it */
int64_t kci_identity_deadline(const struct kci_producer *producer);

/* ---- flush.c ---- */
uint64_t kci_flush_enter(struct kci_producer *producer); /* a batch begins: its generation */
/* One more batch of a generation that is not complete: a piece of a batch that was split. */
void kci_flush_join(struct kci_producer *producer, uint64_t generation);
void kci_flush_leave(struct kci_producer *producer, uint64_t generation);
bool kci_flush_advance(struct kci_producer *producer); /* true: a flush is done that was not before */

static inline void kci_count(_Atomic(uint64_t) *counter, uint64_t n) /* one writer: no locked instruction */
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n, memory_order_relaxed);
}
/* Ask the next step to look at flags set before; wakes the sender. Any thread. */
static inline void kci_attention(struct kci_producer *producer)
{
    atomic_store(&producer->attention, true);
    producer->wake(producer->context);
}

#endif
