/* The consumer: one thread at a time, but for the functions that say "any thread". Owns one I/O thread, which
 * fetches ahead, sends heartbeats and talks to the group coordinator whether or not poll is called.
 *
 * Calls of other threads may be under way when kc_consumer_close() is called, which waits for them before it frees
 * anything: so whoever was woken by kc_consumer_wakeup() may close at once. None may begin once close was called. */
#ifndef KCLIENT_CONSUMER_H
#define KCLIENT_CONSUMER_H

#include <kclient/config.h>

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kc_consumer kc_consumer;
typedef struct kc_records kc_records; /* what one poll returned: views into the fetched bytes */

/* Start a consumer.
 *   out      receives the consumer: yours until kc_consumer_close(); NULL on failure
 *   config   copied; stays yours
 *   error    may be NULL; filled on failure
 * Starts one thread and returns: no connection is awaited.  Any thread.
 *   KC_ERR_CONFIG      a key is missing or two keys exclude each other: the text says which
 *   KC_ERR_NO_MEMORY   memory, a thread or a descriptor could not be had
 *   KC_ERR_ARGUMENT    a NULL */
KC_EXPORT kc_err kc_consumer_create(kc_consumer **out, const kc_config *config, kc_error *error);

/* ---- what to read ---- */

/* Read these topics as a member of group.id; replaces the former list.  Never waits: it takes effect in the next poll.
 *   topics     `count` names; copied; 0: as kc_consumer_unsubscribe()
 *   listener   copied; NULL: that of the configuration
 *   KC_ERR_STATE      partitions are assigned by hand (unsubscribe first), or group.id is not set
 *   KC_ERR_ARGUMENT   an empty name */
KC_EXPORT kc_err kc_consumer_subscribe(kc_consumer *consumer, const char *const *topics, size_t count,
                                       const kc_rebalance_listener *listener, kc_error *error);
/* Read all topics whose whole names match `pattern`, as they come and go: the list is made anew when the metadata is
 * (metadata.max.age.ms, and when something seems to have changed).  Internal topics are left out
 * (exclude.internal.topics).  Both group protocols, all brokers: the client asks for the names of all topics.  Replaces
 * the former subscription; listener as above.  Never waits.
 *   pattern   the common ground of Java and RE2, matched in linear time: . [a-z] [^a-z] \d \w \s ( | ) (?:) * + ?
 *             {2,5} ^ $, \ before what means something, (?i) in front
 *   KC_ERR_ARGUMENT   the text says where it cannot be understood; look-around and back references are not supported
 *   KC_ERR_STATE      as above */
KC_EXPORT kc_err kc_consumer_subscribe_pattern(kc_consumer *consumer, const char *pattern,
                                               const kc_rebalance_listener *listener, kc_error *error);
/* The same, but the coordinator matches: it sees new topics without being asked, and all members agree on what matches.
 * Needs Kafka 4.0 or newer and group.protocol=consumer.  Source: KIP-848.
 *   pattern   RE2 syntax; one that the coordinator cannot read is reported by poll, KC_ERR_INVALID_REGULAR_EXPRESSION
 *   KC_ERR_STATE   as above, also with group.protocol=classic */
KC_EXPORT kc_err kc_consumer_subscribe_remote_pattern(kc_consumer *consumer, const char *pattern,
                                                      const kc_rebalance_listener *listener, kc_error *error);
/* Leave the group or drop the assignment.  Calls the listener.  Waits up to default.api.timeout.ms. */
KC_EXPORT kc_err kc_consumer_unsubscribe(kc_consumer *consumer, kc_error *error);
/* Have the group assign its partitions anew, beginning with the next poll: when something that an assignor looks at has
 * changed.  Nothing happens while a rebalance is under way.  With group.protocol=consumer the coordinator decides: it
 * is only told everything once more.  Never waits.  Source: KIP-568.
 *   reason   for the logs of both sides; NULL: none
 *   KC_ERR_STATE   not subscribed */
KC_EXPORT kc_err kc_consumer_enforce_rebalance(kc_consumer *consumer, const char *reason, kc_error *error);
/* Read exactly these partitions, without a group; replaces the former list.  Those that are in both lists stay paused if
 * they were, and begin where their entry says.  Never waits.
 *   partitions   `count` of them; copied; each `offset` is >= 0, KC_OFFSET_BEGINNING, KC_OFFSET_END, or
 *                KC_OFFSET_NONE: the committed one, else auto.offset.reset
 *   KC_ERR_STATE   subscribed: unsubscribe first */
KC_EXPORT kc_err kc_consumer_assign(kc_consumer *consumer, const kc_topic_partition *partitions, size_t count,
                                    kc_error *error);
/* What is assigned now, by the group or by hand.  Never waits.
 *   partitions   room for `capacity` entries; `topic` is borrowed until the next call on the consumer, `offset` is the
 *                position or KC_OFFSET_NONE
 *   count        receives the full number, which may be more than capacity */
KC_EXPORT kc_err kc_consumer_assignment(kc_consumer *consumer, kc_topic_partition *partitions, size_t capacity,
                                        size_t *count);
/* The assigned partitions that stand still until a kc_consumer_seek(), because poll has reported an error about them or
 * is about to: a damaged or too large batch, a record that a deserializer refused, no offset with
 * auto.offset.reset=none.  Arguments as kc_consumer_assignment(); `offset` is where the partition stands, which is that
 * of the refused record (go on with offset + 1), and `code` is the error. Never waits. */
KC_EXPORT kc_err kc_consumer_failed(kc_consumer *consumer, kc_topic_partition *partitions, size_t capacity,
                                    size_t *count);

/* ---- reading ---- */

/* Wait for records.  Runs rebalance listeners and commit callbacks.  Must be called at least every
 * max.poll.interval.ms, or the group takes the partitions away.
 *   out          NULL when none came, which is no error; else yours until kc_records_release(): it owns its bytes and
 *                outlives later polls, rebalances, even the consumer
 *   timeout_ms   milliseconds; 0: what is there; -1: without end
 *   KC_ERR_STATE              neither subscribed nor assigned
 *   KC_ERR_NO_OFFSET          a partition has no offset and auto.offset.reset=none: seek, then go on
 *   KC_ERR_CORRUPT            a batch is damaged: the text and kc_consumer_failed() say where; seek past it
 *   KC_ERR_SERIALIZATION      a deserializer refused a record (plugin.h); likewise
 *   KC_ERR_RECORD_TOO_LARGE   a batch does not fit into fetch.memory.max when decompressed: raise that, or
 *                             seek past it
 *   KC_ERR_WOKEN              kc_consumer_wakeup()
 *   Kafka's own               authorization, an instance id that another one has, protocols that do not fit: the text
 *                             says which broker refused what, and what to do. With KC_FATAL each poll says so from now
 *                             on: unsubscribe, or close */
KC_EXPORT kc_err kc_consumer_poll(kc_consumer *consumer, kc_records **out, int32_t timeout_ms, kc_error *error);
/* As kc_consumer_poll(), for less.
 *   records_max   most records; 0: max.poll.records, which is the most in any case
 *   bytes_max     most bytes of them, as they are encoded; 0: no limit; one larger record passes */
KC_EXPORT kc_err kc_consumer_poll_up_to(kc_consumer *consumer, kc_records **out, size_t records_max, size_t bytes_max,
                                        int32_t timeout_ms, kc_error *error);
/* One record at a time, for programs that are simple rather than fast.  Otherwise as kc_consumer_poll(); each call is a
 * poll, so automatic commits cover the records of the calls before.
 *   view   receives the next record, valid until the next poll of any kind or the close; view->topic is NULL when none
 *          came within timeout_ms */
KC_EXPORT kc_err kc_consumer_poll_one(kc_consumer *consumer, kc_record_view *view, int32_t timeout_ms, kc_error *error);
/* The next record, or 0 at the end (and for NULL: nothing came).  Decodes in place; offsets rise within each partition.
 * One thread at a time, any thread. */
KC_EXPORT int kc_records_next(kc_records *records, kc_record_view *view);
/* How many records it holds in all. */
KC_EXPORT size_t kc_records_count(const kc_records *records);
/* Start again before the first record. */
KC_EXPORT void kc_records_rewind(kc_records *records);
/* Give the bytes back; views into them die.  NULL is fine.  Any thread. */
KC_EXPORT void kc_records_release(kc_records *records);
/* End a poll that waits, or the next one, with KC_ERR_WOKEN.  Any thread; not from a signal handler. */
KC_EXPORT void kc_consumer_wakeup(kc_consumer *consumer);

/* The application is at work and its next poll will be late: max.poll.interval.ms begins anew.  Any thread, never
 * waits.  No substitute for poll: a rebalance goes on only there.
 *   KC_ERR_REBALANCE_IN_PROGRESS   the group waits for a poll of this member; nothing was changed: come to an end
 *   KC_ERR_STATE                   not a member of a group, or not any more: kc_consumer_poll() joins (again) */
KC_EXPORT kc_err kc_consumer_keepalive(kc_consumer *consumer, kc_error *error);

/* ---- positions ---- */

/* Move the position of an assigned partition.  No record from before is returned after the call.  Never waits.
 *   offset   >= 0, KC_OFFSET_BEGINNING or KC_OFFSET_END
 *   KC_ERR_STATE   not assigned */
KC_EXPORT kc_err kc_consumer_seek(kc_consumer *consumer, const char *topic, int32_t partition, int64_t offset,
                                  kc_error *error);
/* The offset of the next record that poll will return, into *offset.  Waits up to timeout_ms if it is not known yet.
 *   KC_ERR_STATE       not assigned
 *   KC_ERR_TIMED_OUT   kc_consumer_get_state() says what it waits for */
KC_EXPORT kc_err kc_consumer_position(kc_consumer *consumer, const char *topic, int32_t partition, int64_t *offset,
                                      int32_t timeout_ms, kc_error *error);
/* Return no more records of these partitions until kc_consumer_resume(); they stay assigned.  It lasts as long as the
 * partition stays here without a break: over a seek, over a kc_consumer_assign() that names it again, over a rebalance
 * that leaves it (cooperative, KIP-848), not over one that takes all back first (eager).  Never waits.
 *   KC_ERR_STATE   one is not assigned: none was changed */
KC_EXPORT kc_err kc_consumer_pause(kc_consumer *consumer, const kc_topic_partition *partitions, size_t count,
                                   kc_error *error);
/* See kc_consumer_pause(). */
KC_EXPORT kc_err kc_consumer_resume(kc_consumer *consumer, const kc_topic_partition *partitions, size_t count,
                                    kc_error *error);
/* The first offset and the one behind the last visible record, asked from the leader; the partition need not be
 * assigned.  Waits up to timeout_ms.
 *   KC_ERR_TIMED_OUT   the leader could not be asked */
KC_EXPORT kc_err kc_consumer_watermarks(kc_consumer *consumer, const char *topic, int32_t partition, int64_t *low,
                                        int64_t *high, int32_t timeout_ms, kc_error *error);
/* For each entry, the first offset whose timestamp is not before a time, or the first or last of all; the partitions
 * need not be assigned, and all leaders are asked at once.  Waits up to timeout_ms.
 *   partitions   in: `offset` is the time, milliseconds since 1970, or KC_OFFSET_BEGINNING, or KC_OFFSET_END (the one
 *                behind the last visible record); out: the offset, KC_OFFSET_END if there is none
 *   KC_ERR_TIMED_OUT   a leader could not be asked */
KC_EXPORT kc_err kc_consumer_offsets_for_times(kc_consumer *consumer, kc_topic_partition *partitions, size_t count,
                                               int32_t timeout_ms, kc_error *error);

/* ---- commits ---- */

/* Commit offsets.  Retries until timeout_ms.
 *   offsets   the next to be read, last processed + 1; NULL: the positions of all assigned partitions, that is, all
 *             that poll returned (with acknowledgement.mode=explicit: all that is done without a gap)
 *   KC_ERR_REBALANCE_IN_PROGRESS   poll, then commit again
 *   KC_ERR_UNKNOWN_MEMBER_ID, KC_ERR_ILLEGAL_GENERATION
 *                                  the group went on without us; the new owner reads the records again
 *   KC_ERR_TIMED_OUT               may be applied */
KC_EXPORT kc_err kc_consumer_commit(kc_consumer *consumer, const kc_topic_partition *offsets, size_t count,
                                    int32_t timeout_ms, kc_error *error);
/* Called by a later poll, commit or close, on its thread, in the order of the commits; kc_consumer_commit_why() tells
 * more than the code. */
typedef void (*kc_commit_fn)(void *context, kc_err code, const kc_topic_partition *offsets, size_t count);
/* Send a commit and do not wait; never retried (a later commit would be overtaken).  While none can be sent they queue.
 *   offsets   as above
 *   fn        may be NULL; learns the errors of kc_consumer_commit()
 *   KC_ERR_QUEUE_FULL   10,000 are waiting: poll */
KC_EXPORT kc_err kc_consumer_commit_async(kc_consumer *consumer, const kc_topic_partition *offsets, size_t count,
                                          kc_commit_fn fn, void *context, kc_error *error);
/* In a kc_commit_fn: why its commit came to what the code says.  Never waits.
 *   why   receives the code, its traits (KC_MAYBE_APPLIED of a commit without an answer), and as text what
 *         kc_consumer_commit() would say: which partition, which broker answered what, what to do
 *   KC_ERR_STATE   not in a kc_commit_fn; KC_ERR_ARGUMENT: a NULL */
KC_EXPORT kc_err kc_consumer_commit_why(kc_consumer *consumer, kc_error *why);
/* The committed offsets of the group.  Waits up to timeout_ms.
 *   partitions   receives offset, leader_epoch, metadata and code of each entry; KC_OFFSET_NONE: nothing is committed.
 *                `metadata` is the text of the commit, NULL: none; borrowed until the next kc_consumer_committed()
 *   KC_ERR_TIMED_OUT   the coordinator could not be asked */
KC_EXPORT kc_err kc_consumer_committed(kc_consumer *consumer, kc_topic_partition *partitions, size_t count,
                                       int32_t timeout_ms, kc_error *error);

/* ---- acknowledgements: commit only what is done (acknowledgement.mode=explicit) ---- */

/* These records are done.  Automatic commits and commits without a list go up to the first record of each partition
 * that is not done, so nothing is lost when several threads work on one partition.  Any thread, never waits.
 *   views   `count` of them as kc_records_next() gave them, or copies (topic, partition, offset and ticket are looked
 *           at), in any order, also twice
 * All entries that count are taken; the result is that of the first one that does not.
 *   KC_ERR_STATE      the partition was given up, assigned anew or moved by a seek: the record will be read again
 *   KC_ERR_ARGUMENT   no poll returned this record
 *   KC_ERR_CONFIG     acknowledgement.mode is not explicit */
KC_EXPORT kc_err kc_consumer_ack(kc_consumer *consumer, const kc_record_view *views, size_t count, kc_error *error);
/* All records of one poll are done, visited or not.  Otherwise as kc_consumer_ack(); before kc_records_release(). */
KC_EXPORT kc_err kc_consumer_ack_records(kc_consumer *consumer, const kc_records *records, kc_error *error);

/* ---- why is there nothing to read? ---- */

/* What an assigned partition is waiting for, and the membership that it came from. */
typedef struct kc_consumer_state {
    /* NULL: the partition is not assigned.
     *   COMMITTED    looking for the committed offset
     *   RESET        looking for the offset that auto.offset.reset, a seek or an assignment names
     *   VALIDATING   has the log been cut below the position?
     *   READY        fetching
     *   FAILED       poll has reported an error; a seek ends it */
    const char *position;
    int64_t position_for_ms; /* how long it has been so                                              */
    bool paused;             /* by the application                                                   */
    bool revoking;           /* the group is taking it away: nothing more of it is returned          */
    int64_t ahead_bytes;     /* fetched and not yet returned: if there is something, poll more often */
    /* IDLE            no subscription
     * UNJOINED        waits for a poll
     * PREPARING       commits before it joins or gives up partitions
     * REVOKING, YIELDING, ASSIGNING   wait for a poll to run a callback
     * JOINING         waits for the other members (group.protocol=consumer: for the coordinator)
     * SYNCING         waits for the leader's plan
     * LEADING         waits for metadata, to make the plan
     * ACKNOWLEDGING   waits for the coordinator to hear of what is owned
     * STABLE          reading
     * LEAVING_...     on the way out
     * FAILED          another consumer has our group.instance.id */
    const char *group;
    int64_t group_for_ms;  /* how long it has been so; -1: since the creation                                       */
    int64_t since_poll_ms; /* since the last poll ended or a callback began; 0 within a poll; -1: there was none yet */
    /* Returned and not acknowledged (acknowledgement.mode=explicit); at max.unacknowledged.records, poll returns no
     * more. */
    uint64_t unacknowledged;
    bool stalled; /* a KC_NOTICE_STALLED was due, and that is not over */
} kc_consumer_state;
/* Fill *state for one partition; topic NULL: the group only. Texts are constants. Any thread, never waits; all zero in a
 * log function, and in a child of the process that created the consumer. */
KC_EXPORT void kc_consumer_get_state(const kc_consumer *consumer, const char *topic, int32_t partition,
                                     kc_consumer_state *state);

/* ---- the end ---- */

/* Commit (if enable.auto.commit), revoke, leave the group, free everything.  Always frees, always returns by its
 * time-out.
 *   consumer     NULL is fine
 *   timeout_ms   milliseconds; -1: default.api.timeout.ms, because a coordinator can be gone for good
 *   KC_ERR_TIMED_OUT   the last commit or the leave may not have reached the broker: the group notices by its session
 *                      time-out. Or an interceptor that runs on another thread did not return: memory is freed, and
 *                      `close` of the plugins called, when it does */
KC_EXPORT kc_err kc_consumer_close(kc_consumer *consumer, int32_t timeout_ms);

/* What a close means for the membership in the group. */
typedef enum kc_close_how {
    KC_CLOSE_DEFAULT =
        0,              /* a dynamic member leaves; a static one keeps its place for session.timeout.ms, to come back */
    KC_CLOSE_LEAVE = 1, /* it leaves, also a static one: others get its partitions at once, as when fewer are needed */
    /* It does not leave: others get its partitions when its session has timed out. For a static member that is back
     * before then, nothing is rebalanced. A dynamic one comes back as a new member, which the group waits for anyway:
     * only when all of it goes down at once is something saved. */
    KC_CLOSE_REMAIN = 2,
} kc_close_how;
/* kc_consumer_close() with a choice; that one is KC_CLOSE_DEFAULT.  Everything else, and all errors, as there. Source:
 * KIP-1092.
 *   KC_ERR_ARGUMENT   there is no such `how`: nothing was done */
KC_EXPORT kc_err kc_consumer_close_as(kc_consumer *consumer, kc_close_how how, int32_t timeout_ms);

typedef struct kc_consumer_stats {
    uint64_t records_returned, bytes_fetched; /* bytes of fetch responses                    */
    uint64_t fetches, polls, commits, commit_failures;
    uint64_t rebalances;                /* assignments received                            */
    uint64_t memory_used, memory_limit; /* bytes of fetched data held or kept, the ceiling */
} kc_consumer_stats;
/* Fill *stats. Any thread, never waits; all zero as above. */
KC_EXPORT void kc_consumer_get_stats(const kc_consumer *consumer, kc_consumer_stats *stats);

/* How old records were when they were visited, since the creation: what interceptor.classes=latency measures, here and
 * in the producer. Wall clocks: of two machines, it is as exact as their clocks agree. */
typedef struct kc_latency_stats {
    uint64_t measured;                        /* records with a stamp                          */
    uint64_t unstamped;                       /* records without                               */
    uint64_t early;                           /* of measured: from the future, counted as 0 us */
    uint64_t mean_us;                         /* microseconds, like all below                  */
    uint64_t p50_us, p99_us, p999_us, max_us; /* quantiles within 3 %; the maximum is exact */
} kc_latency_stats;
/* Fill *stats. Any thread, never waits. KC_ERR_STATE: the consumer has no interceptor "latency". KC_ERR_ARGUMENT: a
 * NULL. */
KC_EXPORT kc_err kc_consumer_get_latency(const kc_consumer *consumer, kc_latency_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
