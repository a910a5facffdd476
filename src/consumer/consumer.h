/* The consumer engine: pure, with time as an argument.  Driven by a runtime loop (threads, sockets) or by a simulator.
 *
 *    application thread                                          I/O thread
 *      kci_consumer_subscribe, _seek, _poll, _begin_... ---- lock ---- engine: step, on_bytes, on_open ...
 *      <---- notify: "look again" ----                       ---- wake: "step" ---->
 *
 * None of these functions ever waits.  Those of the application take the consumer's lock for a moment; what needs a
 * broker is begun, and its outcome asked for after `notify` (the simulator: in each turn). */
#ifndef KCI_CONSUMER_CONSUMER_H
#define KCI_CONSUMER_CONSUMER_H

#include "base/engine.h"
#include "base/lock.h"
#include "base/log.h"
#include "cluster/metrics.h"
#include "cluster/settings.h"
#include "consumer/assignor.h"
#include "consumer/partition_list.h"
#include <kclient/consumer.h>

struct kci_consumer;
struct kci_operation;

/* Defects that a simulation plants in order to see its checks find them. */
enum kci_consumer_plant {
    KCI_CONSUMER_PLANT_NONE,
    KCI_PLANT_COMMIT_AHEAD,      /* commits what was fetched, not what was returned (G2, G3) */
    KCI_PLANT_STALE_FETCH,       /* a fetch from before a seek or rebalance is returned (F6) */
    KCI_PLANT_COMMIT_AFTER_LOST, /* commits in a new generation what was read in an old one (G2, G4) */
    KCI_PLANT_RESET_EASILY,      /* a leader that moved counts as an offset that is gone (F5) */
    KCI_PLANT_SESSION_STALE,     /* a fetch session is not told of a new position (F7) */
    KCI_PLANT_KEEP_REVOKED,      /* partitions that were given back are read on (G1) */
    KCI_PLANT_LOST_IS_REVOKED,   /* who lost its membership is told to give back in an orderly way (G4) */
    KCI_PLANT_ALL_ASSIGNED,      /* told what it has, not what is new (G5) */
    KCI_PLANT_REJOIN_ALWAYS,     /* each heartbeat that is answered begins a rebalance (G7) */
    KCI_PLANT_LEADER_FORGOTTEN,  /* a moved leader is not looked for (L2) */
    KCI_PLANT_DEAF,              /* heartbeats do not say that the group is being rebalanced (L3) */
    KCI_PLANT_LEAVE_PATIENTLY,   /* leaving has no deadline (L5) */
    KCI_PLANT_IMPATIENT,         /* fetches do not wait at the broker (L6) */
    KCI_PLANT_ANY_HISTORY,       /* a log that was truncated is read on (F4) */
    KCI_PLANT_NO_LIMIT,          /* fetch.memory.max is no limit (R2) */
    KCI_PLANT_SKIP_ONE,          /* the next fetch begins one offset too far (F1) */
    KCI_PLANT_SCRIBBLE,          /* bytes of a batch change behind its CRC check (F2) */
    KCI_PLANT_SILENT_RESET,      /* nobody is told of a reset (F5) */
    KCI_PLANT_DEAF_PAUSE,        /* partitions that are paused are returned (F6) */
    KCI_PLANT_ANY_ABORTED,       /* the list of aborted transactions is not looked at (F3) */
    KCI_PLANT_CONTROL_RETURNED,  /* markers are returned as records (F3) */
    KCI_PLANT_MARKER_UNSEEN,     /* an abort marker does not end what is left out of its producer (F3) */
    KCI_PLANT_FORSAKEN,          /* a member that cannot reach the coordinator at last looks for it no more (L3) */
    KCI_PLANT_LOITER,            /* who hears that it is out when it reaches the coordinator again reads on (G1, G5) */
};

struct kci_consumer_options {
    const struct kci_alloc *alloc;
    const struct kci_settings *settings; /* borrowed; outlives the consumer */
    struct kci_transport transport;
    struct kci_logger logger;
    uint64_t seed;
    const struct kci_lock_ops *lock_ops; /* NULL: one thread */
    void (*wake)(void *context);         /* the engine wants to be stepped; any thread */
    void *wake_context;
    void (*notify)(
        void *context); /* something came for the application: it should poll, or look at its operation; I/O thread */
    void *notify_context;
    int64_t (*wall_ms)(
        void); /* milliseconds since 1970, for auto.offset.reset=by_duration; NULL: `now` is since 1970 */
    enum kci_consumer_plant plant;
};

/* KC_ERR_CONFIG, KC_ERR_NO_MEMORY. */
kc_err kci_consumer_create(struct kci_consumer **out, const struct kci_consumer_options *options, kc_error *error);
struct kci_engine kci_consumer_engine(struct kci_consumer *consumer);
/* The I/O thread has ended (or is the caller). Drops everything; kc_records live on. */
void kci_consumer_destroy(struct kci_consumer *consumer, int64_t now);
/* Call no interceptor any more. true: and none runs, but those that the caller is inside of. */
bool kci_consumer_hush(struct kci_consumer *consumer);

/* ---- what to read ---- */
kc_err kci_consumer_subscribe(struct kci_consumer *c, const char *const *topics, size_t count, int64_t now,
                              kc_error *error);
/* Instead of a list: what matches. remote: the coordinator matches it (KIP-848). KC_ERR_ARGUMENT: it cannot be used. */
kc_err kci_consumer_subscribe_pattern(struct kci_consumer *c, const char *pattern, bool remote, int64_t now,
                                      kc_error *error);
/* Hand assignment. Ends nothing of a group: KC_ERR_STATE while subscribed. */
kc_err kci_consumer_assign(struct kci_consumer *c, const kc_topic_partition *items, size_t count, int64_t now,
                           kc_error *error);
kc_err kci_consumer_seek(struct kci_consumer *c, const char *topic, int32_t partition, int64_t offset, int64_t now,
                         kc_error *error);
kc_err kci_consumer_pause(struct kci_consumer *c, const kc_topic_partition *items, size_t count, bool pause,
                          kc_error *error);
/* A copy of the assignment with positions; yours. */
kc_err kci_consumer_assignment(struct kci_consumer *c, struct kci_partition_list *out);
/* *offset = -1: not known yet, ask again after notify. */
kc_err kci_consumer_position(struct kci_consumer *c, const char *topic, int32_t partition, int64_t *offset,
                             kc_error *error);

/* ---- reading ---- */
enum kci_consumer_event_kind {
    KCI_EVENT_NONE,
    KCI_EVENT_ASSIGNED,  /* on_assigned(partitions): they are the assignment already */
    KCI_EVENT_REVOKED,   /* on_revoked(partitions): they are dropped when the event is done */
    KCI_EVENT_LOST,      /* on_lost(partitions) */
    KCI_EVENT_COMMITTED, /* commit(code, partitions) */
    KCI_EVENT_NOTICE,    /* settings' notice(notice) */
};
/* Something that must run on the application's thread, without any lock. */
struct kci_consumer_event {
    enum kci_consumer_event_kind kind;
    struct kci_partition_list partitions; /* borrowed until kci_consumer_event_done */
    kc_commit_fn commit;                  /* of KCI_EVENT_COMMITTED; may be NULL */
    void *context;
    kc_err code;      /* of KCI_EVENT_COMMITTED, as all above; its text is `texts`, NULL: none */
    uint32_t traits;  /* beyond those that the code has by itself */
    kc_notice notice; /* of KCI_EVENT_NOTICE */
    char *texts;      /* also that notice points to; freed by kci_consumer_event_done */
};
/* A poll begins: everything that earlier polls returned counts as worked on from now on. */
void kci_consumer_poll_enter(struct kci_consumer *c, int64_t now);
/* Look for something: an event (event->kind; run it, then call _event_done), else records (*out), else an error, else
 * nothing. KC_ERR_WOKEN, and those of kc_consumer_poll(). */
kc_err kci_consumer_poll(struct kci_consumer *c, struct kc_records **out, struct kci_consumer_event *event, int64_t now,
                         kc_error *error);
/* As kci_consumer_poll, with at most so many records (0: max.poll.records) and bytes of them (0: no limit). */
kc_err kci_consumer_poll_up_to(struct kci_consumer *c, struct kc_records **out, struct kci_consumer_event *event,
                               size_t records_max, size_t bytes_max, int64_t now, kc_error *error);
/* acknowledgement.mode=explicit: these records are done. All that count are taken; the first one that does not makes
 * the result. Any thread. KC_ERR_CONFIG: another mode. KC_ERR_STATE: the partition was given up or its position moved.
 * KC_ERR_ARGUMENT: no poll returned it. */
kc_err kci_consumer_ack(struct kci_consumer *c, const kc_record_view *views, size_t count, kc_error *error);
kc_err kci_consumer_ack_records(struct kci_consumer *c, const struct kc_records *records, kc_error *error);
void kci_consumer_event_done(struct kci_consumer *c, struct kci_consumer_event *event, int64_t now);
/* Outside poll (commit, close): only an event of a commit or of closing, never records. */
void kci_consumer_next_event(struct kci_consumer *c, struct kci_consumer_event *event, int64_t now);
/* The poll is over; max.poll.interval.ms begins to run. */
void kci_consumer_poll_leave(struct kci_consumer *c, int64_t now);
/* The application is at work: max.poll.interval.ms begins anew. KC_ERR_REBALANCE_IN_PROGRESS, KC_ERR_STATE. Any thread.
 */
kc_err kci_consumer_keepalive(struct kci_consumer *c, int64_t now, kc_error *error);
void kci_consumer_wakeup(struct kci_consumer *c); /* any thread */
/* Take the wish to wake: true once after each kci_consumer_wakeup(). */
bool kci_consumer_woken(struct kci_consumer *c);

/* A member joins anew with its next poll. KC_ERR_STATE: not subscribed. */
kc_err kci_consumer_enforce_rebalance(struct kci_consumer *c, const char *reason, kc_error *error);

/* ---- operations: begun, looked at, ended ---- */
/* items NULL: everything that polls returned. *out NULL with KC_OK: there is nothing to commit. */
kc_err kci_consumer_begin_commit(struct kci_consumer *c, struct kci_operation **out, const kc_topic_partition *items,
                                 size_t count, int64_t deadline, kc_error *error);
/* Sent once; its end comes as KCI_EVENT_COMMITTED. */
kc_err kci_consumer_commit_async(struct kci_consumer *c, const kc_topic_partition *items, size_t count, kc_commit_fn fn,
                                 void *context, int64_t now, kc_error *error);
kc_err kci_consumer_begin_committed(struct kci_consumer *c, struct kci_operation **out, const kc_topic_partition *items,
                                    size_t count, int64_t deadline, kc_error *error);
/* items[].offset: a timestamp in ms, or KC_OFFSET_BEGINNING, KC_OFFSET_END. No partition twice. */
kc_err kci_consumer_begin_offsets(struct kci_consumer *c, struct kci_operation **out, const kc_topic_partition *items,
                                  size_t count, int64_t deadline, kc_error *error);
/* true: it has ended; *code, *error, and its partitions (borrowed until _operation_end) are valid. */
bool kci_consumer_operation_done(struct kci_consumer *c, struct kci_operation *operation,
                                 const struct kci_partition_list **items, kc_err *code, kc_error *error);
/* Free it, or give it up when it has not ended. NULL is fine. */
void kci_consumer_operation_end(struct kci_consumer *c, struct kci_operation *operation);

/* Begin to leave: commit what was returned (enable.auto.commit), revoke, leave the group; `closing`: fetch nothing any
 * more. Every step ends by `deadline`. Go on with kci_consumer_next_event and _left. */
void kci_consumer_begin_leave(struct kci_consumer *c, bool closing, int64_t now, int64_t deadline);
/* true: done. *code: KC_OK, or KC_ERR_TIMED_OUT when the last commit or the leave may not have arrived. */
bool kci_consumer_left(struct kci_consumer *c, kc_err *code);

void kci_consumer_stats(struct kci_consumer *c, kc_consumer_stats *stats); /* any thread */
/* How large the arrays of a snapshot must be: sets the capacities. Any thread. */
void kci_consumer_metrics_need(struct kci_consumer *c, struct kci_metrics_room *room);
/* Fill a zeroed snapshot, but for role and client_id. Any thread. */
void kci_consumer_metrics(struct kci_consumer *c, kc_metrics *out, const struct kci_metrics_room *room, int64_t now);
/* The state of one partition's position and for how many microseconds: why it makes no progress. NULL: not assigned. */
const char *kci_consumer_position_state(struct kci_consumer *c, const char *topic, int32_t partition, int64_t now,
                                        int64_t *for_us);
/* All that kc_consumer_get_state tells. Any thread. */
void kci_consumer_state(struct kci_consumer *c, const char *topic, int32_t partition, int64_t now,
                        kc_consumer_state *state);
/* What becomes of the membership when the leave comes that is a close (KIP-1092). */
void kci_consumer_leave_as(struct kci_consumer *c, kc_close_how how);
/* State of the membership, as in group.c. */
const char *kci_consumer_group_state(struct kci_consumer *c);
/* Why nothing comes of a partition, for the texts of time-outs: there is no such partition, or the cluster's account of
 * itself as it was noted last. Any thread. */
void kci_consumer_explain(struct kci_consumer *c, const char *topic, int32_t partition, char *text, size_t size);

#endif
