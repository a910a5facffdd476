/* The producing engine: everything of a producer except clock, sockets and threads.
 *
 *   application threads                          the sender (one thread, or the simulator)
 *     kci_producer_append  --- partition queues --->  step: announce -> lanes -> drain -> Produce requests
 *            ^  notify: room, metadata                    answers -> fates -> delivery function
 *
 * append, flush, pending, stats, close and the getters may be called from any thread and never wait: where one would
 * have to, it says for what, and the caller waits for the next `notify`. Everything else belongs to the sender. */
#ifndef KCI_PRODUCER_PRODUCER_H
#define KCI_PRODUCER_PRODUCER_H

#include "base/engine.h"
#include "base/lock.h"
#include "base/log.h"
#include "cluster/metrics.h"
#include "cluster/settings.h"
#include "producer/pool.h"
#include <kclient/producer.h>

struct kci_producer;

/* Defects that can be planted, to prove that the checks of the simulation see them. Production passes KCI_PLANT_NONE.
 */
enum kci_plant {
    KCI_PLANT_NONE = 0,
    KCI_PLANT_FRESH_SEQUENCE, /* a retry takes a new sequence number: a lost answer becomes a duplicate (P2) */
    KCI_PLANT_OVERTAKE, /* new batches are sent while an earlier one of the partition waits to be sent again (P3) */
    KCI_PLANT_ACK_BEFORE_SENT, /* a lost connection counts as success (P1) */
    KCI_PLANT_TWO_FATES,       /* the first record of a batch that failed is reported twice (P5) */
    KCI_PLANT_FORGET_EXPIRED,  /* what expires is not reported at all (P5) */
    KCI_PLANT_WRONG_OFFSET,    /* offsets in reports are one too high (P7) */
    KCI_PLANT_SURE_OF_TIMEOUT, /* an unanswered record is reported as surely not written (P4) */
    KCI_PLANT_FLUSHED_EARLY,   /* a flush is done as soon as it is asked for (P6) */
    KCI_PLANT_WRONG_HASH,      /* keys go to the neighbour of their partition (P8) */
    KCI_PLANT_CROSS_TALK,      /* a request names another partition for a batch (P9) */
    KCI_PLANT_IGNORE_RETRIES,  /* `retries` is no limit (P10) */
    KCI_PLANT_LATE_EXPIRY,     /* records expire after twice their time (L1) */
    KCI_PLANT_IGNORE_ABANDON,  /* who gives up waits for ever (L5) */
    KCI_PLANT_NO_BACKOFF,      /* a failed batch is sent again at once (L6) */
    KCI_PLANT_LEAK,            /* idle requests are not freed (R1) */
    KCI_PLANT_NO_CEILING,      /* buffer.memory is no limit (R2) */
    KCI_PLANT_REUSE_IN_FLIGHT, /* the bytes of an expired batch change while the connection has them (R3) */
};

struct kci_producer_options {
    const struct kci_alloc *alloc;
    const struct kci_settings *settings; /* borrowed; outlives the producer */
    struct kci_transport transport;
    struct kci_logger logger;
    uint64_t seed;
    const struct kci_lock_ops *lock_ops; /* NULL: one thread */
    /* The sender sleeps and must run: makes the shell call step. Any thread, cheap. */
    void (*wake)(void *context);
    /* Something that an append, a flush or a close waits for may have happened. Sender only, no lock held. */
    void (*notify)(void *context);
    void *context;
    enum kci_plant plant;
};

/* KC_ERR_CONFIG, KC_ERR_NO_MEMORY. */
kc_err kci_producer_create(struct kci_producer **out, const struct kci_producer_options *options, int64_t now,
                           kc_error *error);
/* Every record that has no fate yet fails with KC_ERR_CLOSED and is reported before this returns. NULL is fine. No
 * other call may be under way. */
void kci_producer_destroy(struct kci_producer *producer, int64_t now);
/* The face for the shell. */
struct kci_engine kci_producer_engine(struct kci_producer *producer);

/* ---- any thread ---- */

enum kci_wait_for { KCI_WAIT_NOTHING = 0, KCI_WAIT_MEMORY, KCI_WAIT_METADATA, KCI_WAIT_PARTITION };
/* Why an append stopped short of an error. */
struct kci_producer_wait {
    enum kci_wait_for what;
    int32_t partition;       /* KCI_WAIT_PARTITION: the one that the topic does not have */
    int32_t partition_count; /* KCI_WAIT_PARTITION: how many it has */
    const char *topic;       /* KCI_WAIT_METADATA, _PARTITION: borrowed from the record */
};
/* Queue records in order; *accepted says how many were taken. `now` is the engine's clock, wall_ms the time of records
 * that carry none.  KC_ERR_QUEUE_FULL with *why: wait for `notify`, then go on at records[*accepted].  Other errors are
 * those of kc_producer_send(), about records[*accepted]; why->what is then KCI_WAIT_NOTHING. */
kc_err kci_producer_append(struct kci_producer *producer, const kc_record *records, size_t count, size_t *accepted,
                           int64_t now, int64_t wall_ms, struct kci_producer_wait *why, kc_error *error);
/* The same for somebody who waits for memory and has a place in the line of those: kci_producer_line_enter. Who has
 * none, or is not the first there, leaves the memory that the first one waits for. */
kc_err kci_producer_append_in_turn(struct kci_producer *producer, const struct kci_pool_place *place,
                                   const kc_record *records, size_t count, size_t *accepted, int64_t now,
                                   int64_t wall_ms, struct kci_producer_wait *why, kc_error *error);
/* Stand in the line until kci_producer_line_leave, which says by true that the next one should be told to look. */
void kci_producer_line_enter(struct kci_producer *producer, struct kci_pool_place *place);
bool kci_producer_line_leave(struct kci_producer *producer, struct kci_pool_place *place);
/* Begin a flush: what was appended before is sent at once. The ticket is for kci_producer_flushed. */
uint64_t kci_producer_flush(struct kci_producer *producer);
/* True when every record appended before the ticket was drawn has its fate, and was reported. */
bool kci_producer_flushed(struct kci_producer *producer, uint64_t ticket);
/* Refuse records from now on (KC_ERR_CLOSED) and send at once what lingers. Done when kci_producer_pending() is 0. */
void kci_producer_close(struct kci_producer *producer);
/* Give up: the next step fails and reports everything that has no fate yet, with KC_ERR_CLOSED. */
void kci_producer_abandon(struct kci_producer *producer);
/* Give up, in the next step, what was never sent (KC_PURGE_QUEUED), what was (KC_PURGE_IN_FLIGHT), or both: reported
 * with KC_ERR_PURGED. */
void kci_producer_purge(struct kci_producer *producer, uint32_t which);
size_t kci_producer_pending(const struct kci_producer *producer);
/* How large the arrays of a snapshot must be: sets the capacities. */
void kci_producer_metrics_need(const struct kci_producer *producer, struct kci_metrics_room *room);
/* Fill a zeroed snapshot, but for role, client_id and what the application's side counts. */
void kci_producer_metrics(struct kci_producer *producer, kc_metrics *out, const struct kci_metrics_room *room,
                          int64_t now);
void kci_producer_stats(struct kci_producer *producer, kc_producer_stats *stats);
/* The number of partitions of a topic, known or wanted from now on: KC_OK, KC_ERR_QUEUE_FULL (wait for notify), or the
 * topic's error. */
kc_err kci_producer_partitions(struct kci_producer *producer, const char *topic, int32_t *count, kc_error *error);
/* `index`, or the next partition of the topic behind it that can be sent to; `index` when there is none. */
int32_t kci_producer_available(struct kci_producer *producer, const char *topic, int32_t index);
/* KC_OK, or why it takes no records any more: KC_ERR_CLOSED, or what killed it. */
kc_err kci_producer_refuses(struct kci_producer *producer, kc_error *error);
/* True once a broker answered; stays true until a connection to a broker is refused and no other is up. */
bool kci_producer_connected(const struct kci_producer *producer);

/* What can be told of the health at once: no names, no causes, no ages, no text. */
void kci_health_glance(struct kci_producer *producer, kc_health *out);

/* ---- sender only ---- */

/* How well it works now, in full. */
void kci_producer_health(struct kci_producer *producer, kc_health *out, int64_t now);

/* What stands in the way, for the text of a time-out: of the cluster, and of the topic if not NULL. */
void kci_producer_explain(struct kci_producer *producer, const char *topic, char *text, size_t size, int64_t now);

#endif
