/* Records, and what becomes of them. */
#ifndef KCLIENT_RECORD_H
#define KCLIENT_RECORD_H

#include <kclient/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Borrowed bytes.  data == NULL is Kafka's null (as a value: a tombstone); size == 0 with data != NULL is empty. */
typedef struct kc_bytes {
    const void *data;
    size_t size; /* bytes */
} kc_bytes;

typedef struct kc_header {
    const char *name; /* NUL-terminated UTF-8, not NULL */
    kc_bytes value;   /* may be null                    */
} kc_header;

#define KC_PARTITION_ANY    (-1) /* the partitioner chooses                                        */
#define KC_PARTITION_STICKY (-2) /* as for a record without a key, whatever its key: KIP-794       */
#define KC_TIMESTAMP_NOW    (-1)

/* One record to send. Begin with KC_RECORD_INIT. */
typedef struct kc_record {
    const char *topic;    /* NUL-terminated                                                        */
    int32_t partition;    /* 0 and up, or KC_PARTITION_ANY, or KC_PARTITION_STICKY                 */
    int64_t timestamp_ms; /* since 1970; KC_TIMESTAMP_NOW: the time of the send                    */
    kc_bytes key, value;
    const kc_header *headers; /* header_count of them; NULL if none                                */
    size_t header_count;
    void *opaque; /* comes back in the delivery; never looked at                                   */
} kc_record;

/* clang-format off */
#define KC_RECORD_INIT { 0, KC_PARTITION_ANY, KC_TIMESTAMP_NOW, {0, 0}, {0, 0}, 0, 0, 0 }
/* clang-format on */

/* The fate of one record. */
typedef struct kc_delivery {
    void *opaque;         /* of the record                                                         */
    const char *topic;    /* borrowed for the call                                                 */
    int32_t partition;    /* -1: none was chosen yet                                               */
    int64_t offset;       /* -1 unless code is KC_OK and acks is not 0                             */
    int64_t timestamp_ms; /* the broker's if the topic stamps on append                            */
    kc_err code;
    uint32_t traits;  /* KC_MAYBE_APPLIED: the record may be in the log all the same               */
    const char *text; /* borrowed for the call; NULL when code is KC_OK                            */
} kc_delivery;

/* Deliveries of records with an opaque pointer, and all that failed (see kc_config_set_delivery). Called on the sender
 * thread, no lock held, in send order within a partition.  Must not wait: while it runs, nothing is sent. */
typedef void (*kc_delivery_fn)(const kc_delivery *deliveries, size_t count, void *context);

/* One partition, with what a call needs or answers. */
typedef struct kc_topic_partition {
    const char *topic; /* NUL-terminated */
    int32_t partition;
    int64_t offset;       /* KC_OFFSET_* or >= 0                                                   */
    int32_t leader_epoch; /* of the record before `offset`; -1: unknown                            */
    const char *metadata; /* text stored with a commit; may be NULL                                */
    kc_err code;          /* answers only: what happened to this partition                         */
} kc_topic_partition;

#define KC_OFFSET_END       (-1)    /* behind the last record                                         */
#define KC_OFFSET_BEGINNING (-2)    /* the first record that is still there                           */
#define KC_OFFSET_NONE      (-1001) /* no offset: none committed, none known                          */

/* One record as it was fetched: views into the bytes of its kc_records. */
typedef struct kc_record_view {
    const char *topic; /* NUL-terminated                                                           */
    int32_t partition, leader_epoch;
    int64_t offset, timestamp_ms;
    kc_bytes key, value;
    uint32_t header_count; /* read them with kc_record_view_header()                           */
    const void *headers;   /* encoded headers; for the library                                 */
    size_t headers_size;   /* bytes                                                            */
    uint64_t ticket;       /* for kc_consumer_ack(): under which assignment and seek it was returned */
} kc_record_view;

/* Header i of a view, 0 <= i < header_count.  `name` is not NUL-terminated: it is a kc_bytes.  Any thread, as long as the
 * kc_records lives.
 *   KC_ERR_ARGUMENT   no such header */
KC_EXPORT kc_err kc_record_view_header(const kc_record_view *view, uint32_t i, kc_bytes *name, kc_bytes *value);

/* A copy of one record in memory of its own, with topic, key, value and headers: for keeping a record without keeping
 * the whole kc_records.  *out is yours until kc_record_view_free().  Any thread.
 *   KC_ERR_NO_MEMORY   *out is NULL
 *   KC_ERR_ARGUMENT    a NULL */
KC_EXPORT kc_err kc_record_view_detach(const kc_record_view *view, kc_record_view **out);
/* Free a detached record; NULL is fine. Any thread. */
KC_EXPORT void kc_record_view_free(kc_record_view *detached);

#ifdef __cplusplus
}
#endif
#endif
