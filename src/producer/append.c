/* The application's side: records into the open batches of partitions.  This is the hot path.
 *
 *   kci_producer_append     topic by topic: looked up once per run of records with the same topic text
 *     append_run            one partition: one lock for up to KCI_LOCK_RUN records in a row that go there
 *       fill                one record: encode at the cursor; nothing else, as long as it surely fits
 *         add_slow          begins, closes and extends batches (open.c); large records and headers; all checks and errors
 *
 * The sender hears of a partition at most twice per batch: when its first record lingers from now on, and when it is
 * full (announce). It is woken only if it would sleep beyond the time at which it has to act.
 *
 * The thread that fills a batch compresses it, after the lock is released: the batch keeps its place in the queue as
 * CLOSING. */
#include "producer/open.h"

struct appending { /* one call of kci_producer_append, or one run in it */
    struct kci_producer *producer;
    struct kci_topic *topic;
    int32_t partition_count; /* of topic, as seen by this run */
    int32_t index;           /* of the partition that this run goes to */
    bool sticky;             /* the run is of records without key and partition */
    uint64_t sticky_seen;    /* topic->sticky when it was chosen */
    int32_t next_index;      /* where the record behind the run goes, if its key was hashed already; else -1 */
    int64_t now;             /* microseconds */
    int64_t wall_ms;
    int64_t announce_by;        /* microseconds; KCI_NEVER: no need */
    struct kci_batch *compress; /* closed by this run */
    enum kci_pool_right right;  /* to memory */
    struct kci_producer_wait *why;
    kc_error *error;
};

enum added { ADDED, ADDED_NOT, RUN_ENDS }; /* ADDED_NOT: an error; RUN_ENDS: take up the same record in a new run */

/* Put the partition on the stack of those that the sender must look at, by `by` at the latest; wakes it if need be. */
static void announce(struct kci_producer *producer, struct kci_partition *partition, int64_t by)
{
    if (!atomic_exchange(&partition->announced, true)) {
        struct kci_partition *head = atomic_load_explicit(&producer->announced, memory_order_relaxed);
        do
            partition->announced_next = head;
        while (!atomic_compare_exchange_weak(&producer->announced, &head, partition));
    }
    if (atomic_load(&producer->sleeping_until) > by)
        producer->wake(producer->context);
}

/* ---- one record, any case ---- */

static enum added fail_record(struct appending *a, const kc_record *record, size_t size)
{
    const struct kci_settings *settings = a->producer->settings;
    if (size == SIZE_MAX || size > (size_t)settings->max_request_size)
        kci_fail(a->error, KC_ERR_RECORD_TOO_LARGE, 0,
                 "the record for topic %s may take %zu bytes: max.request.size is %d", record->topic,
                 size == SIZE_MAX ? (size_t)INT32_MAX : size, (int)settings->max_request_size);
    else
        kci_fail(a->error, KC_ERR_RECORD_TOO_LARGE, 0,
                 "the record for topic %s may take %zu bytes: buffer.memory is %lld", record->topic, size,
                 (long long)settings->buffer_memory);
    return ADDED_NOT;
}

static enum added fail_argument(struct appending *a, const char *text)
{
    kci_fail(a->error, KC_ERR_ARGUMENT, 0, "invalid record: %s", text);
    return ADDED_NOT;
}

static enum added fail_memory(struct appending *a, enum kci_pool_result result)
{
    if (result == KCI_POOL_NO_MEMORY) {
        kci_fail(a->error, KC_ERR_NO_MEMORY, KC_RETRIABLE, "out of memory for a batch");
        return ADDED_NOT;
    }
    a->why->what = KCI_WAIT_MEMORY;
    kci_fail(a->error, KC_ERR_QUEUE_FULL, 0, "buffer.memory of %lld bytes is full: the brokers take less than is sent",
             (long long)a->producer->settings->buffer_memory);
    return ADDED_NOT;
}

static const char *check_record(const kc_record *record)
{
    if (record->partition < KC_PARTITION_STICKY)
        return "the partition is negative";
    if (record->timestamp_ms < KC_TIMESTAMP_NOW)
        return "the timestamp is negative";
    if (!record->key.data && record->key.size)
        return "the key has a size and no data";
    if (!record->value.data && record->value.size)
        return "the value has a size and no data";
    if (record->header_count && !record->headers)
        return "header_count is set and headers is NULL";
    for (size_t i = 0; i < record->header_count; i++)
        if (!record->headers[i].name || (!record->headers[i].value.data && record->headers[i].value.size))
            return "a header has no name, or a size and no data";
    return NULL;
}

/* KIP-794: after batch.size bytes, once the batch there is full (or twice that in any case), records without a key go
 * elsewhere. Looked at only here, that is at least once per chunk.  While the sender is behind they stay, until it
 * takes the batch or a request holds no more: a broker's work is by batch, so that many small ones would keep it
 * behind. */
static bool sticky_is_over(struct appending *a, struct kci_partition *partition, size_t record_size)
{
    uint32_t aim = kci_open_aim(a->producer, a->topic), open = partition->open ? kci_open_bytes(partition) : 0;
    uint64_t bytes = partition->bytes_closed + open;
    if (partition->sticky_epoch != (uint32_t)(a->sticky_seen >> 32)) {
        partition->sticky_epoch = (uint32_t)(a->sticky_seen >> 32);
        partition->sticky_from = bytes;
        return false;
    }
    uint64_t stretch = bytes - partition->sticky_from;
    if (stretch + record_size <= aim || (open && kci_open_behind(a->producer)))
        return false;
    return open + record_size > aim || !open || stretch > 2 * (uint64_t)aim;
}

static void close_full(struct appending *a, struct kci_partition *partition)
{
    struct kci_batch *batch = kci_open_close(a->producer, partition);
    if (batch->state == KCI_BATCH_CLOSING)
        a->compress = batch;
    else if (partition->queued == 1)
        a->announce_by = a->now;
}

/* A batch that grows on because the sender is behind: is it time to say that it can be taken? */
static void offer(struct appending *a, struct kci_partition *partition)
{
    struct kci_batch *open = partition->open;
    if (open->offered || partition->queued || a->producer->stamps ||
        kci_open_bytes(partition) < kci_open_aim(a->producer, a->topic))
        return;
    open->offered = true;
    a->announce_by = a->now;
}

/* Room for the record in the open batch, which is begun if there is none. */
static enum kci_pool_result make_room(struct appending *a, struct kci_partition *partition, const kc_record *record,
                                      int64_t timestamp)
{
    struct kci_producer *producer = a->producer;
    if (partition->open) {
        size_t size = kci_encode_size(record, timestamp - partition->base_timestamp_ms, partition->open_count);
        enum kci_pool_result result = KCI_POOL_OK;
        if (kci_open_remembers(producer, partition->open, record))
            result = kci_open_reserve(producer, partition->open, a->right);
        return result ? result : kci_open_extend(producer, partition, size, a->right);
    }
    int64_t by = a->now + (int64_t)producer->settings->linger_ms * 1000;
    enum kci_pool_result result = kci_open_begin(producer, partition, kci_encode_size(record, 0, 0), a->right, a->now);
    if (result == KCI_POOL_OK && partition->queued == 0 && by < a->announce_by)
        a->announce_by = by;
    return result;
}

static enum added add_slow(struct appending *a, struct kci_partition *partition, const kc_record *record)
{
    struct kci_producer *producer = a->producer;
    const char *wrong = check_record(record);
    if (wrong)
        return fail_argument(a, wrong);
    size_t bound = kci_encode_bound(record);
    size_t whole = bound == SIZE_MAX ? bound : bound + KCI_BATCH_HEADER_BYTES;
    size_t memory = (producer->pool.limit - 1) * kci_pool_chunk_data(&producer->pool); /* a side may take one */
    if (whole > (size_t)producer->settings->max_request_size || whole + sizeof(struct kci_batch) > memory)
        return fail_record(a, record, whole);
    if (partition->open && (kci_open_bytes(partition) + bound > kci_open_limit(producer, partition) ||
                            partition->open_count == INT32_MAX)) {
        close_full(a, partition);
        if (a->compress)
            return RUN_ENDS;
    }
    if (a->sticky && sticky_is_over(a, partition, bound)) {
        kci_partitioner_switch(producer, a->topic, a->sticky_seen, a->now);
        return RUN_ENDS;
    }
    int64_t timestamp = record->timestamp_ms == KC_TIMESTAMP_NOW ? a->wall_ms : record->timestamp_ms;
    enum kci_pool_result result = make_room(a, partition, record, timestamp);
    if (result)
        return fail_memory(a, result);
    kci_open_write(producer, partition, record, timestamp);
    offer(a, partition);
    return ADDED;
}

/* ---- runs ---- */

/* Does the record go where the run goes? */
static inline bool in_run(struct appending *a, const kc_record *first, const kc_record *record)
{
    if (record->topic != first->topic)
        return false;
    if (record->partition != KC_PARTITION_ANY)
        return record->partition == a->index || (record->partition == KC_PARTITION_STICKY && a->sticky);
    if (!record->key.data || a->producer->settings->partitioner_ignore_keys)
        return a->sticky;
    int32_t index = kci_partitioner_by_key(record, a->partition_count);
    if (index == a->index && !a->sticky)
        return true;
    a->next_index = index;
    return false;
}

/* Append to one partition, its lock held, as long as records go there. */
static size_t fill(struct appending *a, struct kci_partition *partition, const kc_record *records, size_t count,
                   enum added *result)
{
    struct kci_producer *producer = a->producer;
    uint8_t *at = partition->at, *stop = partition->stop;
    int64_t base = partition->base_timestamp_ms, max = partition->max_timestamp_ms;
    int32_t index = partition->open_count;
    size_t i = 0;
    for (; i < count; i++) {
        const kc_record *record = &records[i];
        if (i && !in_run(a, records, record))
            break;
        int64_t timestamp = record->timestamp_ms == KC_TIMESTAMP_NOW ? a->wall_ms : record->timestamp_ms;
        if (kci_encode_fits(record, (size_t)(stop - at)) && timestamp >= 0 &&
            (!kci_open_remembers(producer, partition->open, record) ||
             kci_open_reserve(producer, partition->open, a->right) == KCI_POOL_OK)) {
            if (kci_open_remembers(producer, partition->open, record))
                kci_open_remember(producer, partition->open, record, index, timestamp, base);
            at = kci_encode_fast(at, record, timestamp - base, index);
            max = timestamp > max ? timestamp : max;
            index++;
            continue;
        }
        partition->at = at;
        partition->open_count = index;
        partition->max_timestamp_ms = max;
        *result = add_slow(a, partition, record);
        at = partition->at;
        stop = partition->stop;
        base = partition->base_timestamp_ms;
        max = partition->max_timestamp_ms;
        index = partition->open_count;
        if (*result != ADDED)
            break;
    }
    partition->at = at;
    partition->open_count = index;
    partition->max_timestamp_ms = max;
    return i;
}

/* Where does the first record of the run go? */
static bool choose(struct appending *a, const kc_record *record)
{
    a->sticky = false;
    if (record->partition != KC_PARTITION_ANY && record->partition != KC_PARTITION_STICKY) {
        a->index = record->partition;
    } else if (record->partition == KC_PARTITION_ANY && record->key.data &&
               !a->producer->settings->partitioner_ignore_keys) {
        a->index = a->next_index >= 0 ? a->next_index : kci_partitioner_by_key(record, a->partition_count);
        if (a->producer->plant == KCI_PLANT_WRONG_HASH) /* planted defect */
            a->index = (a->index + 1) % a->partition_count;
    } else {
        a->sticky = true;
        a->sticky_seen = atomic_load_explicit(&a->topic->sticky, memory_order_relaxed);
        a->index = (int32_t)(uint32_t)a->sticky_seen;
    }
    a->next_index = -1;
    if (a->index < 0)
        return fail_argument(a, "the partition is negative") == ADDED;
    if (a->index >= a->partition_count) {
        *a->why = (struct kci_producer_wait){ KCI_WAIT_PARTITION, a->index, a->partition_count, record->topic };
        kci_topic_ask(a->producer, a->topic);
        kci_fail(a->error, KC_ERR_QUEUE_FULL, 0, "topic %s has %d partitions: there is no partition %d", record->topic,
                 (int)a->partition_count, (int)a->index);
        return false;
    }
    return true;
}

/* Append records that go to the partition of the first one; returns how many. */
static size_t append_run(struct appending *a, const kc_record *records, size_t count, enum added *result)
{
    struct kci_producer *producer = a->producer;
    *result = ADDED_NOT;
    if (!choose(a, records))
        return 0;
    struct kci_partition *partition = kci_topic_partition(a->topic, a->index);
    a->announce_by = KCI_NEVER;
    a->compress = NULL;
    *result = ADDED;
    kci_lock_take(&partition->lock);
    size_t taken = fill(a, partition, records, count < KCI_LOCK_RUN ? count : KCI_LOCK_RUN, result);
    if (taken)
        atomic_fetch_add_explicit(&producer->counters.queued, taken, memory_order_relaxed);
    kci_lock_release(&partition->lock);
    if (a->compress) {
        kci_compressing_run(producer, a->compress);
        kci_lock_take(&partition->lock);
        kci_batch_move(a->compress, KCI_BATCH_SEALED);
        kci_lock_release(&partition->lock);
        a->announce_by = a->now;
    }
    if (a->announce_by != KCI_NEVER)
        announce(producer, partition, a->announce_by);
    return taken;
}

/* ---- the call ---- */

static struct kci_topic *topic_of(struct kci_producer *producer, const char *name)
{
    _Atomic(struct kci_topic *) *slot = &producer->cache[((uintptr_t)name >> 4) % KCI_TOPIC_CACHE];
    struct kci_topic *topic = atomic_load_explicit(slot, memory_order_acquire);
    if (topic && strcmp(topic->name, name) == 0)
        return topic;
    topic = kci_topic_find(producer, name);
    if (topic)
        atomic_store_explicit(slot, topic, memory_order_release);
    return topic;
}

/* Is the topic usable? Sets a->topic and a->partition_count. */
static bool find_topic(struct appending *a, const char *name)
{
    size_t size = name ? strnlen(name, KCI_TOPIC_NAME_MAX + 1) : 0;
    if (size == 0 || size > KCI_TOPIC_NAME_MAX)
        return fail_argument(a, "the topic has no name, or one of more than 249 bytes") == ADDED;
    a->topic = topic_of(a->producer, name);
    if (!a->topic)
        return kci_fail(a->error, KC_ERR_NO_MEMORY, KC_RETRIABLE, "out of memory for topic %s", name) == KC_OK;
    a->partition_count = atomic_load_explicit(&a->topic->count, memory_order_acquire);
    if (a->partition_count)
        return true;
    int32_t barred = atomic_load(&a->topic->barred);
    kci_topic_ask(a->producer, a->topic);
    if (barred)
        return kci_fail(a->error, (kc_err)barred, 0, "topic %s: %s", name, kci_error_name((int16_t)barred)) == KC_OK;
    *a->why = (struct kci_producer_wait){ KCI_WAIT_METADATA, -1, 0, name };
    return kci_fail(a->error, KC_ERR_QUEUE_FULL, 0, "topic %s is not known yet", name) == KC_OK;
}

kc_err kci_producer_append(struct kci_producer *producer, const kc_record *records, size_t count, size_t *accepted,
                           int64_t now, int64_t wall_ms, struct kci_producer_wait *why, kc_error *error)
{
    return kci_producer_append_in_turn(producer, NULL, records, count, accepted, now, wall_ms, why, error);
}

kc_err kci_producer_append_in_turn(struct kci_producer *producer, const struct kci_pool_place *place,
                                   const kc_record *records, size_t count, size_t *accepted, int64_t now,
                                   int64_t wall_ms, struct kci_producer_wait *why, kc_error *error)
{
    kc_error own;
    struct appending a = { .producer = producer,
                           .next_index = -1,
                           .now = now,
                           .wall_ms = wall_ms,
                           .why = why,
                           .right = kci_pool_right(&producer->pool, place),
                           .error = error ? error : &own };
    const char *name = NULL;
    size_t i = 0;
    why->what = KCI_WAIT_NOTHING;
    *accepted = 0;
    if (atomic_load_explicit(&producer->closing, memory_order_relaxed) ||
        atomic_load_explicit(&producer->dead, memory_order_relaxed))
        return kci_producer_refuses(producer, error);
    while (i < count) {
        enum added result;
        if (!name || records[i].topic != name) {
            if (!find_topic(&a, records[i].topic))
                return a.error->code;
            name = records[i].topic;
        }
        size_t taken = append_run(&a, records + i, count - i, &result);
        i += taken;
        *accepted = i;
        if (result == ADDED_NOT) {
            if (why->what == KCI_WAIT_MEMORY)
                kci_attention(producer);
            return a.error->code;
        }
    }
    return KC_OK;
}
