/* What a user may plug in: small tables of functions. Each has a context pointer that is handed back, and an optional
 * `close` that is called once when the handle is closed.  All may be set on a kc_config; the table is copied, the
 * context is not. None of these functions may call a function that waits on the same handle. */
#ifndef KCLIENT_PLUGIN_H
#define KCLIENT_PLUGIN_H

#include <kclient/record.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kc_config kc_config; /* config.h */

/* Sees records before they are serialized, and their fate. KIP-42.  Interceptors form a chain: first those that
 * interceptor.classes names, in its order, then those that were added, in theirs; every function is called in this
 * order. One that fails harms no other and no record.  None may take long: the caller of send, or the sender thread,
 * waits for it. */
typedef struct kc_producer_interceptor {
    const char *name; /* for logs */
    void *context;
    /* On the thread of send, before serialization. May change any field; what it points to must stay valid until
     * kc_producer_send() returns (kc_record_add_header() takes care of that). An error is logged and the record goes on
     * as it was. Sending to other producers is allowed; the same producer answers KC_ERR_IN_CALLBACK: it would never
     * end. May be NULL. */
    kc_err (*on_send)(void *context, kc_record *record);
    /* Once for every record that on_send saw, before the delivery function: on the sender thread, or for a record that
     * send refused on the thread of send (code is what send returns, offset -1). May send, which never waits here. May
     * be NULL. */
    void (*on_acknowledgement)(void *context, const kc_delivery *delivery);
    /* Once, when the producer is closed. May be NULL. */
    void (*close)(void *context);
    /* Once, by kc_producer_create(), in the order of the chain: read what is needed with kc_config_get(). An error
     * fails the creation; whose configure had succeeded until then is closed. May be NULL. */
    kc_err (*configure)(void *context, const kc_config *config);
} kc_producer_interceptor;

/* Append a header to the record that on_send was given; name and value are copied.  Only inside on_send.
 *   KC_ERR_STATE       elsewhere, or another record
 *   KC_ERR_ARGUMENT    a NULL, or a name that is not text
 *   KC_ERR_NO_MEMORY   also when all headers that were added to one record take more than max.request.size */
KC_EXPORT kc_err kc_record_add_header(kc_record *record, const char *name, kc_bytes value);

/* Grows by kc_buffer_append(); owned by the library. */
typedef struct kc_buffer kc_buffer;
/* Append size bytes, copied. Only inside serialize() and deserialize(), on their thread.
 *   KC_ERR_NO_MEMORY   also when a key or value would be larger than max.request.size (a producer's) or
 *                      fetch.memory.max (a consumer's); what is returned then counts as refused
 *   KC_ERR_ARGUMENT    buffer is NULL, or data is and size is not 0 */
KC_EXPORT kc_err kc_buffer_append(kc_buffer *buffer, const void *data, size_t size);

/* Turns what the application passes as key or value into the bytes of the record. */
typedef struct kc_serializer {
    const char *name;
    void *context;
    /* On the thread of send. `object` is the key or value as given (never null: a null stays null). Appends the bytes
     * to `out`. An error fails the send with KC_ERR_SERIALIZATION. */
    kc_err (*serialize)(void *context, const char *topic, kc_bytes object, kc_buffer *out);
    void (*close)(void *context);
} kc_serializer;

/* Turns the bytes of a key or value into what the application works with: the mirror of kc_serializer.
 *
 * Poll calls it once for every record that it is about to return, the key first, before interceptors see the record;
 * what it appends then stands in kc_record_view.key or .value, as long as the kc_records lives.  A null stays null.
 *
 * One that fails makes its partition stop at that record, like Kafka's RecordDeserializationException (KIP-334): the
 * records before it are returned, the position is its offset, KC_NOTICE_UNREADABLE says where, other partitions go on,
 * and when nothing else is left poll returns KC_ERR_SERIALIZATION.  kc_consumer_seek() to the offset behind it, in the
 * notice function or later, goes on; kc_consumer_failed() names the place.  Nothing is committed beyond it meanwhile. */
typedef struct kc_deserializer {
    const char *name; /* for texts; may be NULL */
    void *context;    /* handed back; yours, must live as long as the consumer */
    /* On the thread of poll, no lock held.  `record` has topic, partition, offset, timestamp and headers, and key and
     * value as bytes; `bytes` is the one of them that is asked for, never null.  Appends the object to `out`, where it
     * begins at an address that fits any type; appending nothing is an empty object.  Any error refuses the record.
     * Must not wait: all partitions wait for this poll, and no time-out ends it. Of the calls on the same consumer, those that are legal in a callback
     * are legal here. */
    kc_err (*deserialize)(void *context, const kc_record_view *record, kc_bytes bytes, kc_buffer *out);
    void (*close)(void *context); /* once, when the consumer is closed. May be NULL */
} kc_deserializer;

/* Chooses the partition of a record that has none. */
typedef struct kc_partitioner {
    const char *name;
    void *context;
    /* On the thread of send. key and value are serialized. Return 0 .. partition_count-1, or KC_PARTITION_STICKY for
     * the library's own choice (uniform, one batch after the other, slow brokers less often); anything else fails the
     * send with KC_ERR_ARGUMENT. */
    int32_t (*partition)(void *context, const kc_record *record, int32_t partition_count);
    void (*close)(void *context);
} kc_partitioner;

/* Told by poll, on its thread, what the group takes and gives: of one rebalance, first what is revoked, then what is
 * assigned (KIP-429).  All may be NULL. */
typedef struct kc_rebalance_listener {
    void *context;
    /* These partitions are ours now; kc_consumer_seek() may be called here. */
    void (*on_assigned)(void *context, const kc_topic_partition *partitions, size_t count);
    /* They are still ours during the call: commit here what is done. */
    void (*on_revoked)(void *context, const kc_topic_partition *partitions, size_t count);
    /* They are already somebody else's (session expired): a commit would fail. NULL: on_revoked is called instead. */
    void (*on_lost)(void *context, const kc_topic_partition *partitions, size_t count);
} kc_rebalance_listener;

/* Something that happened to a consumer that is no error. */
typedef enum kc_notice_kind {
    KC_NOTICE_RESET = 1,      /* a position jumped without the application's wish */
    KC_NOTICE_STALLED = 2,    /* no progress for some time, though the library tried what it can */
    KC_NOTICE_RECOVERED = 3,  /* that is over */
    KC_NOTICE_UNREADABLE = 4, /* a deserializer refused a record: its partition stops there until a seek */
    /* 80 % of max.poll.interval.ms are over without a poll. Logged at once; the function hears of it in the poll that
     * comes, if it comes in time or not */
    KC_NOTICE_POLL_LATE = 5,
} kc_notice_kind;

/* Texts are borrowed for the call. */
typedef struct kc_notice {
    kc_notice_kind kind;
    const char *topic; /* NULL: about the membership in the group */
    int32_t partition; /* -1: about the membership, or all of the topic */
    /* RESET                NO_OFFSET, OUT_OF_RANGE, TRUNCATED (the log was cut below the position), TOPIC_RECREATED
     * STALLED, RECOVERED   the state of the position or of the group, as in kc_consumer_state; of a topic that is
     *                      subscribed to and cannot be read (partition -1) Kafka's error, UNKNOWN_TOPIC_OR_PARTITION
     * UNREADABLE           SERIALIZATION
     * POLL_LATE            MAX_POLL_INTERVAL */
    const char *reason;
    int64_t from_offset; /* RESET: the position until now, KC_OFFSET_NONE: none. UNREADABLE: of the record */
    int32_t from_epoch;  /* leader epoch of the record before it, -1: unknown */
    int64_t to_offset;   /* RESET: the position from now on: records in between are repeated, or skipped, or gone */
    int32_t to_epoch;
    int64_t for_ms;   /* STALLED, RECOVERED: how long there was no progress. POLL_LATE: how long there was no poll */
    const char *text; /* all of it in a sentence */
} kc_notice;

/* Called by poll, commit, unsubscribe or close, on the application's thread, as the rebalance listener is; that of a
 * reset before the first record of the new position is returned.  A RESET or UNREADABLE that still waits when the
 * application seeks in that partition, or assigns anew, is not told any more: it is about a position that is given up. */
typedef void (*kc_notice_fn)(void *context, const kc_notice *notice);

/* A topic that somebody in the group reads. */
typedef struct kc_assignor_topic {
    const char *name;
    int32_t partition_count;
} kc_assignor_topic;

/* A member of the group, as its leader learns of it; all of it is the member's own word. */
typedef struct kc_assignor_member {
    const char *id;
    const char *instance_id;   /* NULL: dynamic */
    const char *rack;          /* its client.rack; NULL: not said */
    const char *const *topics; /* that it reads, sorted */
    size_t topic_count;
    const kc_topic_partition *owned; /* what it has had so far: topic and partition; neither need exist */
    size_t owned_count;
    int32_t generation; /* that owned is of; -1: not said */
    kc_bytes user_data; /* what its kc_assignor sent along */
} kc_assignor_member;

/* The plan that an assignor fills. */
typedef struct kc_assignment_plan kc_assignment_plan;
/* Give a partition of topics[topic] to members[member].  Only inside assign().
 *   KC_ERR_ARGUMENT    there is no such thing, the member does not read the topic, or the partition was given before
 *   KC_ERR_NO_MEMORY   it was not given: return the error */
KC_EXPORT kc_err kc_assignment_give(kc_assignment_plan *plan, size_t member, size_t topic, int32_t partition);

/* Decides who reads what, in the one member that the coordinator made the leader (classic protocol). All members of a
 * group must have an assignor in common. Added with kc_config_add_assignor(), chosen by its name in
 * partition.assignment.strategy. */
typedef struct kc_assignor {
    const char *name; /* as it goes over the wire: the same in all members; must stay valid, like the context */
    void *context;
    /* Members keep their partitions while they rejoin (KIP-429); takes effect when all assignors of the list are so.
     * Then a partition may only change hands in two steps: do not give it to anybody while another member owns it. */
    int cooperative;
    kc_bytes user_data; /* sent with our own subscription; must stay valid; may be null */
    /* On the I/O thread, no lock held: heartbeats wait for it. Topics are sorted by name. An error is reported by poll,
     * and the group tries again. */
    kc_err (*assign)(void *context, const kc_assignor_topic *topics, size_t topic_count,
                     const kc_assignor_member *members, size_t member_count, kc_assignment_plan *plan);
    void (*close)(void *context); /* once, when the consumer is closed. May be NULL */
} kc_assignor;

/* Sees records as poll hands them out, and commits. Chained like a producer's. */
typedef struct kc_consumer_interceptor {
    const char *name;
    void *context;
    /* On the thread of kc_records_next(), for each record that it visits; at the same time on several threads, when they
     * read different kc_records. No more once kc_consumer_close() has returned KC_OK. May be NULL. */
    void (*on_consume)(void *context, const kc_record_view *view);
    /* After a commit was answered. On the thread of poll or commit. May be NULL. */
    void (*on_commit)(void *context, const kc_topic_partition *offsets, size_t count);
    /* Once, when the consumer is closed, and no on_consume runs any more. May be NULL. */
    void (*close)(void *context);
    /* Once, by kc_consumer_create(): as for a producer's. May be NULL. */
    kc_err (*configure)(void *context, const kc_config *config);
} kc_consumer_interceptor;

#ifdef __cplusplus
}
#endif
#endif
