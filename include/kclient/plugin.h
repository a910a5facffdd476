/* What a user may plug in: small tables of functions. Each has a context pointer that is handed back, and an optional `close`
 * that is called once when the handle is closed.  All may be set on a kc_config; the table is copied, the context is not.
 * None of these functions may call a function that waits on the same handle. */
#ifndef KCLIENT_PLUGIN_H
#define KCLIENT_PLUGIN_H

#include <kclient/record.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Sees records before they are serialized, and their fate. KIP-42. */
typedef struct kc_producer_interceptor {
    const char *name; /* for logs */
    void *context;
    /* On the thread of send, before serialization. May change any field; what it points to must stay valid until
     * kc_producer_send() returns. An error is logged and the record goes on as it was. May be NULL. */
    kc_err (*on_send)(void *context, kc_record *record);
    /* On the sender thread, before the delivery function, for every record. May be NULL. */
    void (*on_acknowledgement)(void *context, const kc_delivery *delivery);
    void (*close)(void *context);
} kc_producer_interceptor;

/* Grows by kc_buffer_append(); owned by the library. */
typedef struct kc_buffer kc_buffer;
/* Append size bytes. KC_ERR_NO_MEMORY. Only inside serialize(). */
KC_EXPORT kc_err kc_buffer_append(kc_buffer *buffer, const void *data, size_t size);

/* Turns what the application passes as key or value into the bytes of the record. */
typedef struct kc_serializer {
    const char *name;
    void *context;
    /* On the thread of send. `object` is the key or value as given (never null: a null stays null). Appends the bytes to `out`.
     * An error fails the send with KC_ERR_SERIALIZATION. */
    kc_err (*serialize)(void *context, const char *topic, kc_bytes object, kc_buffer *out);
    void (*close)(void *context);
} kc_serializer;

/* Chooses the partition of a record that has none. */
typedef struct kc_partitioner {
    const char *name;
    void *context;
    /* On the thread of send. key and value are serialized. Return 0 .. partition_count-1, or KC_PARTITION_STICKY for the library's
     * own choice (uniform, one batch after the other, slow brokers less often); anything else fails the send with KC_ERR_ARGUMENT. */
    int32_t (*partition)(void *context, const kc_record *record, int32_t partition_count);
    void (*close)(void *context);
} kc_partitioner;

/* Told by poll, on its thread, what the group takes and gives. All may be NULL. PROTOCOL: revoke before assign. */
typedef struct kc_rebalance_listener {
    void *context;
    /* These partitions are ours now; kc_consumer_seek() may be called here. */
    void (*on_assigned)(void *context, const kc_topic_partition *partitions, size_t count);
    /* They are still ours during the call: commit here what is done. */
    void (*on_revoked)(void *context, const kc_topic_partition *partitions, size_t count);
    /* They are already somebody else's (session expired): a commit would fail. NULL: on_revoked is called instead. */
    void (*on_lost)(void *context, const kc_topic_partition *partitions, size_t count);
} kc_rebalance_listener;

/* Sees records as poll hands them out, and commits. */
typedef struct kc_consumer_interceptor {
    const char *name;
    void *context;
    /* On the thread of poll, for each record as it is visited by kc_records_next(). May be NULL. */
    void (*on_consume)(void *context, const kc_record_view *view);
    /* After a commit was answered. On the thread of poll or commit. May be NULL. */
    void (*on_commit)(void *context, const kc_topic_partition *offsets, size_t count);
    void (*close)(void *context);
} kc_consumer_interceptor;

#ifdef __cplusplus
}
#endif
#endif
