/* The records of __transaction_state, as Apache Kafka writes them (TransactionLogKey, TransactionLogValue).  All
 * integers big-endian.
 *
 *   key    int16 version 0 | transactionalId: int16 length, UTF-8
 *   value  int16 version 0 or 1 | producerId int64 | producerEpoch int16 | transactionTimeoutMs int32
 *          | transactionStatus int8 | partitions: count (null: none), each: topic string, count, partition int32 ...
 *          | lastUpdateTimestampMs int64 | startTimestampMs int64
 *          0  counts int32 (-1: null), strings with int16 length
 *          1  compact counts and strings, and tags behind every struct: 0 previousProducerId int64, 1 nextProducerId
 *             int64, 2 clientTransactionVersion int16; each left out where it is -1, -1, 0
 *   a null value deletes the key
 *
 * Version 1 is written where transaction.version is 2, as Kafka does.  Neighbours of one topic share its name; a topic
 * may come twice, which every reader understands. */
#include "mockbroker/core/txn_records.h"

#include "mockbroker/core/cluster.h"

enum { TAG_PREVIOUS_ID = 0, TAG_NEXT_ID = 1, TAG_CLIENT_VERSION = 2, CLIENT_VERSION = 2 };

/* ---- writing
 * --------------------------------------------------------------------------------------------------------- */

void mb_txn_record_key(struct kci_writer *w, struct kci_str id)
{
    kci_writer_i16(w, 0);
    if (id.size > INT16_MAX)
        w->failed = true;
    kci_writer_i16(w, (int16_t)id.size);
    kci_writer_bytes(w, id.data, id.size);
}

struct parts { /* of a transaction, and those that are added */
    const struct mb_txn *txn;
    const struct mb_txn_change *change;
    size_t at, added;
};

static const struct mb_txn_part *next_part(struct parts *parts)
{
    const struct mb_txn_part *part = parts->change->clear ? NULL : mb_txn_next_part(parts->txn, &parts->at);
    if (!part && parts->added < parts->change->added_count)
        part = parts->change->added[parts->added++];
    return part;
}

static void put_count(struct kci_writer *w, bool flexible, size_t count)
{
    if (flexible)
        kci_writer_uvarint(w, (uint32_t)count + 1);
    else
        kci_writer_i32(w, (int32_t)count);
}

static void put_topic(struct kci_writer *w, bool flexible, struct kci_str topic, struct parts from, size_t count)
{
    if (flexible)
        kci_writer_uvarint(w, (uint32_t)topic.size + 1);
    else
        kci_writer_i16(w, (int16_t)topic.size);
    kci_writer_bytes(w, topic.data, topic.size);
    put_count(w, flexible, count);
    for (size_t i = 0; i < count; i++)
        kci_writer_i32(w, next_part(&from)->partition);
    if (flexible)
        kci_writer_uvarint(w, 0);
}

/* Runs of one topic: how many there are, and with w, each of them. */
static size_t put_runs(struct kci_writer *w, bool flexible, struct parts parts)
{
    size_t runs = 0;
    struct parts from = parts, before = parts;
    const struct mb_txn_part *part = next_part(&parts);
    while (part) {
        struct kci_str topic = part->topic;
        size_t count = 0;
        for (; part && kci_str_equal(part->topic, topic); part = next_part(&parts), count++)
            before = parts; /* behind the last of this run */
        if (w)
            put_topic(w, flexible, topic, from, count);
        from = before;
        runs++;
    }
    return runs;
}

static void put_partitions(struct kci_writer *w, bool flexible, const struct mb_txn *txn,
                           const struct mb_txn_change *change)
{
    struct parts parts = { txn, change, 0, 0 };
    if (change->state == MB_TXN_EMPTY) {
        if (flexible)
            kci_writer_uvarint(w, 0);
        else
            kci_writer_i32(w, -1);
        return;
    }
    put_count(w, flexible, put_runs(NULL, flexible, parts));
    put_runs(w, flexible, parts);
}

static void put_tags(struct kci_writer *w, const struct mb_txn_meta *meta)
{
    kci_writer_uvarint(w, (uint32_t)((meta->previous_id >= 0) + (meta->next_id >= 0) + meta->bumps));
    if (meta->previous_id >= 0) {
        kci_writer_uvarint(w, TAG_PREVIOUS_ID);
        kci_writer_uvarint(w, 8);
        kci_writer_i64(w, meta->previous_id);
    }
    if (meta->next_id >= 0) {
        kci_writer_uvarint(w, TAG_NEXT_ID);
        kci_writer_uvarint(w, 8);
        kci_writer_i64(w, meta->next_id);
    }
    if (meta->bumps) {
        kci_writer_uvarint(w, TAG_CLIENT_VERSION);
        kci_writer_uvarint(w, 2);
        kci_writer_i16(w, CLIENT_VERSION);
    }
}

size_t mb_txn_record_write(struct kci_writer *w, const struct mb_txn *txn, const struct mb_txn_change *change)
{
    bool flexible = mb_feature_level(txn->owner->cluster, MB_FEATURE_TRANSACTION) >= 2;
    const struct mb_txn_meta *meta = &change->meta;
    mb_txn_record_key(w, txn->id);
    size_t key_size = w->size;
    kci_writer_i16(w, flexible ? 1 : 0);
    kci_writer_i64(w, meta->producer_id);
    kci_writer_i16(w, meta->epoch);
    kci_writer_i32(w, meta->timeout_ms);
    kci_writer_i8(w, (int8_t)change->state);
    put_partitions(w, flexible, txn, change);
    kci_writer_i64(w, meta->updated_ms);
    kci_writer_i64(w, meta->started_ms);
    if (flexible)
        put_tags(w, meta);
    return key_size;
}

/* ---- reading
 * --------------------------------------------------------------------------------------------------------- */

static struct kci_str get_str(struct kci_reader *r, bool flexible)
{
    int64_t size = flexible ? (int64_t)kci_reader_uvarint(r) - 1 : kci_reader_i16(r);
    const uint8_t *data = size < 0 ? NULL : kci_reader_take(r, (size_t)size);
    r->failed |= size < 0;
    return (struct kci_str){ (const char *)data, data ? (size_t)size : 0 };
}

/* -1: null. More than there are bytes for is a failure. */
static int32_t get_count(struct kci_reader *r, bool flexible)
{
    int64_t count = flexible ? (int64_t)kci_reader_uvarint(r) - 1 : kci_reader_i32(r);
    if (count > (int64_t)kci_reader_left(r))
        r->failed = true;
    return r->failed ? 0 : (int32_t)count;
}

static void skip_tags(struct kci_reader *r)
{
    for (uint32_t left = kci_reader_uvarint(r); left && !r->failed; left--) {
        kci_reader_uvarint(r);
        kci_reader_take(r, kci_reader_uvarint(r));
    }
}

static void get_tags(struct kci_reader *r, struct mb_txn_meta *meta)
{
    for (uint32_t left = kci_reader_uvarint(r); left && !r->failed; left--) {
        uint32_t tag = kci_reader_uvarint(r);
        uint32_t size = kci_reader_uvarint(r);
        const uint8_t *data = kci_reader_take(r, size);
        if (data && tag == TAG_PREVIOUS_ID && size == 8)
            meta->previous_id = (int64_t)kci_be64(data);
        if (data && tag == TAG_NEXT_ID && size == 8)
            meta->next_id = (int64_t)kci_be64(data);
        if (data && tag == TAG_CLIENT_VERSION && size == 2)
            meta->bumps = kci_be16(data) >= CLIENT_VERSION;
    }
}

static bool walk(struct kci_reader *r, bool flexible, int32_t topics,
                 bool (*each)(void *owner, struct kci_str topic, int32_t partition), void *owner)
{
    for (int32_t t = 0; t < topics && !r->failed; t++) {
        struct kci_str topic = get_str(r, flexible);
        int32_t count = get_count(r, flexible);
        for (int32_t p = 0; p < count && !r->failed; p++) {
            int32_t partition = kci_reader_i32(r);
            if (!r->failed && each && !each(owner, topic, partition))
                return false;
        }
        if (flexible)
            skip_tags(r);
    }
    return !r->failed;
}

bool mb_txn_record_read(const struct kci_record_view *view, struct mb_txn_record *out)
{
    struct kci_reader key = kci_reader_of(view->key.data, view->key.size);
    struct kci_reader r = kci_reader_of(view->value.data, view->value.size);
    *out = (struct mb_txn_record){ .tombstone = view->value.data == NULL };
    int16_t version = kci_reader_i16(&key);
    out->id = get_str(&key, false);
    if (key.failed || version != 0 || out->tombstone)
        return !key.failed && version == 0;
    version = kci_reader_i16(&r);
    if (version < 0 || version > 1)
        return false;
    out->flexible = version == 1;
    out->meta = (struct mb_txn_meta){ .previous_id = -1, .next_id = -1, .last_epoch = -1 };
    out->meta.producer_id = kci_reader_i64(&r);
    out->meta.epoch = kci_reader_i16(&r);
    out->meta.timeout_ms = kci_reader_i32(&r);
    out->state = kci_reader_i8(&r);
    out->topic_count = get_count(&r, out->flexible);
    out->topics = r;
    walk(&r, out->flexible, out->topic_count, NULL, NULL);
    out->meta.updated_ms = kci_reader_i64(&r);
    out->meta.started_ms = kci_reader_i64(&r);
    if (out->flexible)
        get_tags(&r, &out->meta);
    bool sane = out->state >= MB_TXN_EMPTY && out->state < MB_TXN_STATES && out->meta.producer_id >= 0;
    return !r.failed && sane;
}

bool mb_txn_record_parts(struct mb_txn_record *record,
                         bool (*each)(void *owner, struct kci_str topic, int32_t partition), void *owner)
{
    return walk(&record->topics, record->flexible, record->topic_count, each, owner);
}
