/* The public producer: one engine, one loop with its thread, one gate where application threads wait.
 *
 *   send: append; if it must wait, for the gate, up to max.block.ms; again
 *
 * The delivery function that the engine sees is ours: it passes on to the user's, and keeps what kc_producer_send_sync
 * waits for.  Closing joins the sender; where that is impossible (called from a callback, or a callback does not
 * return) a thread of its own does it later, so that close always returns. */
#include "producer/producer.h"
#include "api/config.h"
#include "base/list.h"
#include "cluster/cluster.h"
#include "producer/plug.h"
#include "runtime/runtime.h"

#include <stdio.h>

#define CLOSE_GRACE_US  40000  /* after its time-out, close gives the sender this long to report what is given up */
#define EXPLAIN_WAIT_US 100000 /* how long the text of an error may be waited for */
#define EXPLAIN_BYTES   400
#define WALL_REFRESH_US 1000 /* the wall clock is read at most once in this time */

struct kc_producer {
    struct kci_settings *settings; /* owned */
    struct kci_logger logger;
    struct kci_loop *loop;
    struct kci_gate *gate;
    struct kci_producer *engine;
    uint32_t generation;                           /* of the process, at creation */
    bool plugged;                                  /* user functions on the way of a record */
    _Atomic(int32_t) waiters;                      /* calls that wait: they are let go before anything is freed */
    _Atomic(int64_t) wall_offset_us, wall_read_at; /* wall clock = monotonic + offset, as of wall_read_at */

    kc_delivery_fn delivery; /* the user's; NULL: none */
    void *delivery_context;
    struct kci_lock sync_lock; /* guards syncs */
    struct kci_list syncs;     /* of struct sync */
    _Atomic(int32_t) sync_count;
};

/* One kc_producer_send_sync under way. */
struct sync {
    struct kci_list link;
    _Atomic(bool) done;
    bool left; /* the caller is gone: whoever reports frees it; under sync_lock */
    void *opaque;
    kc_delivery delivery;
    char text[sizeof((kc_error *)0)->text];
};

/* ---- what the engine calls ---- */

static void wake(void *context)
{
    kci_loop_wake(((kc_producer *)context)->loop);
}

static void notify(void *context)
{
    kci_gate_open(((kc_producer *)context)->gate);
}

/* If the delivery belongs to a send_sync, keep it there. */
static bool keep_sync(kc_producer *producer, const kc_delivery *delivery)
{
    bool kept = false, left = false;
    struct sync *sync = NULL;
    kci_lock_take(&producer->sync_lock);
    KCI_LIST_EACH(node, &producer->syncs)
    {
        sync = KCI_CONTAINER(node, struct sync, link);
        if (sync != delivery->opaque)
            continue;
        kci_list_remove(&sync->link);
        atomic_fetch_sub(&producer->sync_count, 1);
        sync->delivery = *delivery;
        snprintf(sync->text, sizeof sync->text, "%s", delivery->text ? delivery->text : "");
        left = sync->left;
        if (!left)
            atomic_store(&sync->done, true); /* from here on it is the caller's */
        kept = true;
        break;
    }
    kci_lock_release(&producer->sync_lock);
    if (!kept)
        return false;
    if (left)
        kci_alloc_free(kci_heap_alloc(), sync);
    else
        kci_gate_open(producer->gate);
    return true;
}

static void deliver(const kc_delivery *deliveries, size_t count, void *context)
{
    kc_producer *producer = context;
    if (atomic_load_explicit(&producer->sync_count, memory_order_acquire) == 0) {
        if (producer->delivery)
            producer->delivery(deliveries, count, producer->delivery_context);
        return;
    }
    size_t from = 0;
    for (size_t i = 0; i <= count; i++) { /* what lies between those that are waited for goes to the user as it is */
        if (i < count && !keep_sync(producer, &deliveries[i]))
            continue;
        if (i > from && producer->delivery)
            producer->delivery(deliveries + from, i - from, producer->delivery_context);
        from = i + 1;
    }
}

/* ---- creating and closing ---- */

/* Calls of other threads that wait while the producer is closed come back with KC_ERR_CLOSED; a call that begins after
 * the close is the caller's mistake. */
static void wait_for_waiters(kc_producer *producer)
{
    for (uint64_t seen; seen = kci_gate_now(producer->gate), atomic_load(&producer->waiters) > 0;)
        kci_gate_wait(producer->gate, seen, kci_clock_us() + 1000);
}

static void destroy(kc_producer *producer, bool close_plugs)
{
    if (producer->loop)
        kci_loop_stop(producer->loop);
    if (producer->gate) {
        kci_gate_open(producer->gate);
        wait_for_waiters(producer);
    }
    kci_producer_destroy(producer->engine, kci_clock_us());
    if (close_plugs)
        kci_plug_close(producer->settings);
    if (producer->loop)
        kci_loop_destroy(producer->loop);
    kci_gate_destroy(producer->gate);
    kci_config_settings_free(producer->settings);
    kci_alloc_free(kci_heap_alloc(), producer);
}

static kc_err start(kc_producer *producer, kc_error *error)
{
    const struct kci_alloc *alloc = kci_heap_alloc();
    struct kci_loop_options loop_options = { KCI_LOOP_BEST, producer->settings->send_buffer_bytes,
                                             producer->settings->receive_buffer_bytes };
    struct kci_producer_options options = { .alloc = alloc,
                                            .settings = producer->settings,
                                            .logger = producer->logger,
                                            .seed = kci_random_seed(),
                                            .lock_ops = kci_lock_system(),
                                            .wake = wake,
                                            .notify = notify,
                                            .context = producer };
    producer->gate = kci_gate_new(alloc);
    if (!producer->gate || kci_loop_create(&producer->loop, alloc, &loop_options))
        return kci_fail(error, KC_ERR_NO_MEMORY, 0, "memory or a descriptor for the producer could not be had");
    kci_loop_transport(producer->loop, &options.transport);
    kc_err err = kci_producer_create(&producer->engine, &options, kci_clock_us(), error);
    if (err)
        return err;
    struct kci_engine engine = kci_producer_engine(producer->engine);
    kci_loop_set_engine(producer->loop, &engine);
    if (kci_loop_start(producer->loop, "kc-producer"))
        return kci_fail(error, KC_ERR_NO_MEMORY, 0, "a thread for the producer could not be had");
    return KC_OK;
}

kc_err kc_producer_create(kc_producer **out, const kc_config *config, kc_error *error)
{
    if (!out)
        return kci_fail(error, KC_ERR_ARGUMENT, 0, "out must not be NULL");
    *out = NULL;
    kc_producer *producer = kci_alloc_zero(kci_heap_alloc(), 1, sizeof *producer);
    if (!producer)
        return kci_fail(error, KC_ERR_NO_MEMORY, 0, "out of memory for a producer");
    producer->generation = kci_process_generation();
    kci_lock_init(&producer->sync_lock, kci_lock_system());
    kci_list_init(&producer->syncs);
    kc_err err = kci_config_settings(config, KCI_ROLE_PRODUCER, &producer->settings, error);
    if (err == KC_OK) {
        struct kci_settings *settings = producer->settings;
        producer->plugged = kci_plug_needed(settings);
        producer->logger = (struct kci_logger){ settings->log ? kci_config_write_log : NULL, settings,
                                                (enum kci_log_level)settings->log_level };
        producer->delivery = settings->delivery;
        producer->delivery_context = settings->delivery_context;
        settings->delivery_every_record = settings->delivery && settings->delivery_every_record;
        settings->delivery = deliver;
        settings->delivery_context = producer;
        err = start(producer, error);
    }
    if (err) {
        destroy(producer, false);
        return err;
    }
    *out = producer;
    return KC_OK;
}

static kc_err forked(const kc_producer *producer, kc_error *error)
{
    if (producer->generation == kci_process_generation())
        return KC_OK;
    return kci_fail(error, KC_ERR_FORKED, 0, "the producer belongs to the parent process: create one after fork()");
}

static int64_t deadline_of(int32_t timeout_ms)
{
    return timeout_ms < 0 ? KCI_NEVER : kci_clock_us() + (int64_t)timeout_ms * 1000;
}

/* Wait until no record is without fate. */
static bool wait_idle(kc_producer *producer, int64_t deadline)
{
    for (;;) {
        uint64_t seen = kci_gate_now(producer->gate);
        if (kci_producer_pending(producer->engine) == 0)
            return true;
        if (deadline != KCI_NEVER && kci_clock_us() >= deadline)
            return false;
        kci_gate_wait(producer->gate, seen, deadline);
    }
}

static void reap(void *context)
{
    destroy(context, true);
}

kc_err kc_producer_close(kc_producer *producer, int32_t timeout_ms)
{
    if (!producer)
        return KC_OK;
    if (producer->generation != kci_process_generation())
        return KC_ERR_FORKED; /* its thread, sockets and locks are the parent's: nothing can be freed */
    bool in_callback = kci_loop_on_thread(producer->loop);
    kci_producer_close(producer->engine);
    bool all = in_callback ? false : wait_idle(producer, deadline_of(timeout_ms));
    bool clean = all || kci_producer_pending(producer->engine) == 0;
    if (!all)
        kci_producer_abandon(producer->engine);
    if (!in_callback && (all || wait_idle(producer, kci_clock_us() + CLOSE_GRACE_US)))
        reap(producer);
    else if (kci_process_spawn(reap, producer))
        kci_log(&producer->logger, KCI_LOG_ERROR, "producer", "no thread could be had to free the producer: it leaks");
    return clean ? KC_OK : KC_ERR_TIMED_OUT;
}

/* ---- texts of time-outs ---- */

struct question { /* asked of the sender; freed by the last of the two */
    _Atomic(int32_t) references;
    _Atomic(bool) answered;
    kc_producer *producer;
    char topic[256];
    char text[EXPLAIN_BYTES];
};

static void question_drop(struct question *question)
{
    if (atomic_fetch_sub(&question->references, 1) == 1)
        kci_alloc_free(kci_heap_alloc(), question);
}

static void answer(void *context, int64_t now)
{
    struct question *question = context;
    kci_producer_explain(question->producer->engine, question->topic[0] ? question->topic : NULL, question->text,
                         sizeof question->text, now);
    atomic_store(&question->answered, true);
    kci_gate_open(question->producer->gate);
    question_drop(question);
}

static void explain(kc_producer *producer, const char *topic, char *text, size_t size)
{
    struct question *question = kci_alloc_zero(kci_heap_alloc(), 1, sizeof *question);
    snprintf(text, size, "the sender is busy in a callback");
    if (!question)
        return;
    atomic_init(&question->references, 2);
    question->producer = producer;
    snprintf(question->topic, sizeof question->topic, "%s", topic ? topic : "");
    if (kci_loop_on_thread(producer->loop)) {
        answer(question, kci_clock_us());
    } else if (kci_loop_post(producer->loop, answer, question)) {
        question_drop(question);
    } else {
        int64_t until = kci_clock_us() + EXPLAIN_WAIT_US;
        for (uint64_t seen;
             seen = kci_gate_now(producer->gate), !atomic_load(&question->answered) && kci_clock_us() < until;)
            kci_gate_wait(producer->gate, seen, until);
    }
    if (atomic_load(&question->answered))
        snprintf(text, size, "%s", question->text);
    question_drop(question);
}

/* ---- sending ---- */

static int64_t wall_of(kc_producer *producer, int64_t now)
{
    int64_t read_at = atomic_load_explicit(&producer->wall_read_at, memory_order_acquire);
    if (read_at == 0 || now - read_at >= WALL_REFRESH_US || now < read_at) {
        atomic_store_explicit(&producer->wall_offset_us, kci_clock_wall_ms() * 1000 - now, memory_order_relaxed);
        atomic_store_explicit(&producer->wall_read_at, now, memory_order_release);
    }
    return (now + atomic_load_explicit(&producer->wall_offset_us, memory_order_relaxed)) / 1000;
}

/* max.block.ms is over, or nobody may wait: what to say. */
static kc_err gave_up(kc_producer *producer, const struct kci_producer_wait *why, bool in_callback, kc_error *error)
{
    char text[EXPLAIN_BYTES];
    double seconds = producer->settings->max_block_ms / 1000.0;
    if (in_callback)
        return kci_fail(error, KC_ERR_QUEUE_FULL, 0, "send would have to wait for %s, which a callback must not",
                        why->what == KCI_WAIT_MEMORY ? "memory" : "metadata");
    explain(producer, why->what == KCI_WAIT_MEMORY ? NULL : why->topic, text, sizeof text);
    switch (why->what) {
    case KCI_WAIT_MEMORY:
        return kci_fail(error, KC_ERR_QUEUE_FULL, 0, "buffer.memory (%lld bytes) stayed full for %.1f s: %s",
                        (long long)producer->settings->buffer_memory, seconds, text);
    case KCI_WAIT_PARTITION:
        return kci_fail(error, KC_ERR_TIMED_OUT, 0,
                        "topic %s has %d partitions, and no partition %d appeared within %.1f s: %s", why->topic,
                        (int)why->partition_count, (int)why->partition, seconds, text);
    default:
        return kci_fail(error, KC_ERR_TIMED_OUT, 0, "topic %s was not found in the cluster within %.1f s: %s",
                        why->topic, seconds, text);
    }
}

/* The rest of append: wait and try again, until *deadline (0: max.block.ms from now). */
static kc_err append_waiting(kc_producer *producer, const kc_record *records, size_t count, size_t *accepted,
                             int64_t *deadline, kc_error *error)
{
    struct kci_producer_wait why;
    bool in_callback = kci_loop_on_thread(producer->loop);
    for (;;) {
        size_t taken;
        uint64_t seen = kci_gate_now(producer->gate);
        int64_t now = kci_clock_us();
        kc_err err = kci_producer_append(producer->engine, records + *accepted, count - *accepted, &taken, now,
                                         wall_of(producer, now), &why, error);
        *accepted += taken;
        if (err == KC_OK || why.what == KCI_WAIT_NOTHING)
            return err;
        if (*deadline == 0)
            *deadline = now + (int64_t)producer->settings->max_block_ms * 1000;
        if (in_callback || now >= *deadline)
            return gave_up(producer, &why, in_callback, error);
        kci_gate_wait(producer->gate, seen, *deadline);
    }
}

/* Append, waiting up to max.block.ms in all: *deadline is 0 until the first wait. */
static kc_err append(kc_producer *producer, const kc_record *records, size_t count, size_t *accepted, int64_t *deadline,
                     kc_error *error)
{
    struct kci_producer_wait why;
    int64_t now = kci_clock_us();
    kc_err err =
        kci_producer_append(producer->engine, records, count, accepted, now, wall_of(producer, now), &why, error);
    if (err == KC_OK || why.what == KCI_WAIT_NOTHING)
        return err;
    atomic_fetch_add(&producer->waiters, 1);
    err = append_waiting(producer, records, count, accepted, deadline, error);
    atomic_fetch_sub(&producer->waiters, 1);
    return err;
}

/* The number of partitions, waited for until *deadline (0: max.block.ms from now). */
static kc_err partitions_waiting(kc_producer *producer, const char *topic, int32_t *count, int64_t *deadline,
                                 kc_error *error)
{
    for (;;) {
        uint64_t seen = kci_gate_now(producer->gate);
        kc_err err = kci_producer_partitions(producer->engine, topic, count, error);
        if (err != KC_ERR_QUEUE_FULL)
            return err;
        int64_t now = kci_clock_us();
        bool in_callback = kci_loop_on_thread(producer->loop);
        if (*deadline == 0)
            *deadline = now + (int64_t)producer->settings->max_block_ms * 1000;
        struct kci_producer_wait why = { .what = KCI_WAIT_METADATA, .topic = topic };
        if (in_callback || now >= *deadline)
            return gave_up(producer, &why, in_callback, error);
        kci_gate_wait(producer->gate, seen, *deadline);
    }
}

static kc_err partitions(kc_producer *producer, const char *topic, int32_t *count, int64_t *deadline, kc_error *error)
{
    atomic_fetch_add(&producer->waiters, 1);
    kc_err err = partitions_waiting(producer, topic, count, deadline, error);
    atomic_fetch_sub(&producer->waiters, 1);
    return err;
}

/* One record through the plugged-in functions. */
static kc_err send_plugged(kc_producer *producer, struct kci_plug *plug, const kc_record *record, int64_t *deadline,
                           kc_error *error)
{
    int32_t count = 0;
    size_t accepted;
    kci_plug_intercept(plug, record, &producer->logger);
    if (!plug->record.topic || !plug->record.topic[0])
        return kci_fail(error, KC_ERR_ARGUMENT, 0, "invalid record: the topic has no name");
    kc_err err = partitions(producer, plug->record.topic, &count, deadline, error);
    if (!err)
        err = kci_plug_serialize(plug, error);
    if (!err)
        err = kci_plug_partition(plug, count, error);
    return err ? err : append(producer, &plug->record, 1, &accepted, deadline, error);
}

kc_err kc_producer_send(kc_producer *producer, const kc_record *records, size_t count, size_t *accepted,
                        kc_error *error)
{
    size_t taken = 0, *out = accepted ? accepted : &taken;
    int64_t deadline = 0;
    *out = 0;
    if (!producer || (!records && count))
        return kci_fail(error, KC_ERR_ARGUMENT, 0, "producer and records must not be NULL");
    kc_err err = forked(producer, error);
    if (err)
        return err;
    if (!producer->plugged)
        return append(producer, records, count, out, &deadline, error);
    struct kci_plug plug = kci_plug_of(producer->settings, kci_heap_alloc());
    for (; err == KC_OK && *out < count; *out += err == KC_OK)
        err = send_plugged(producer, &plug, &records[*out], &deadline, error);
    kci_plug_destroy(&plug);
    return err;
}

kc_err kc_producer_send_sync(kc_producer *producer, const kc_record *record, kc_delivery *delivery, kc_error *error)
{
    if (!producer || !record)
        return kci_fail(error, KC_ERR_ARGUMENT, 0, "producer and record must not be NULL");
    kc_err err = forked(producer, error);
    if (err)
        return err;
    if (kci_loop_on_thread(producer->loop))
        return kci_fail(error, KC_ERR_IN_CALLBACK, 0,
                        "kc_producer_send_sync would wait for the thread that it was called on");
    struct sync *sync = kci_alloc_zero(kci_heap_alloc(), 1, sizeof *sync);
    if (!sync)
        return kci_fail(error, KC_ERR_NO_MEMORY, KC_RETRIABLE, "out of memory");
    kc_record copy = *record;
    copy.opaque = sync;
    kci_lock_take(&producer->sync_lock);
    kci_list_push(&producer->syncs, &sync->link);
    atomic_fetch_add(&producer->sync_count, 1);
    kci_lock_release(&producer->sync_lock);
    atomic_fetch_add(&producer->waiters, 1);
    err = kc_producer_send(producer, &copy, 1, NULL, error);
    int64_t until = deadline_of(producer->settings->delivery_timeout_ms) + 1000000;
    if (!err) {
        for (uint64_t seen; seen = kci_gate_now(producer->gate), !atomic_load(&sync->done) && kci_clock_us() < until;)
            kci_gate_wait(producer->gate, seen, until);
    }
    kci_lock_take(&producer->sync_lock);
    bool done = atomic_load(&sync->done);
    if (err) {
        kci_list_remove(&sync->link);
        atomic_fetch_sub(&producer->sync_count, 1);
    }
    sync->left = !err && !done;
    kci_lock_release(&producer->sync_lock);
    atomic_fetch_sub(&producer->waiters, 1);
    if (!err && !done)
        return kci_fail(error, KC_ERR_TIMED_OUT, KC_MAYBE_APPLIED,
                        "no fate after delivery.timeout.ms: the sender is held up in a callback");
    if (!err) {
        sync->delivery.opaque = record->opaque;
        sync->delivery.topic = sync->delivery.text = NULL;
        if (delivery)
            *delivery = sync->delivery;
        err = sync->delivery.code;
        if (err)
            kci_fail(error, err, sync->delivery.traits, "%s", sync->text);
    }
    kci_alloc_free(kci_heap_alloc(), sync);
    return err;
}

/* ---- waiting and asking ---- */

static kc_err flush(kc_producer *producer, int32_t timeout_ms, kc_error *error)
{
    int64_t deadline = deadline_of(timeout_ms);
    uint64_t ticket = kci_producer_flush(producer->engine);
    for (;;) {
        uint64_t seen = kci_gate_now(producer->gate);
        if (kci_producer_flushed(producer->engine, ticket))
            return KC_OK;
        if (deadline != KCI_NEVER && kci_clock_us() >= deadline) {
            char text[EXPLAIN_BYTES];
            explain(producer, NULL, text, sizeof text);
            return kci_fail(error, KC_ERR_TIMED_OUT, 0, "%zu records have no fate yet after %.1f s: %s",
                            kci_producer_pending(producer->engine), timeout_ms / 1000.0, text);
        }
        kci_gate_wait(producer->gate, seen, deadline);
    }
}

kc_err kc_producer_flush(kc_producer *producer, int32_t timeout_ms, kc_error *error)
{
    if (!producer)
        return kci_fail(error, KC_ERR_ARGUMENT, 0, "producer must not be NULL");
    kc_err err = forked(producer, error);
    if (err)
        return err;
    if (kci_loop_on_thread(producer->loop))
        return kci_fail(error, KC_ERR_IN_CALLBACK, 0,
                        "kc_producer_flush would wait for the thread that it was called on");
    atomic_fetch_add(&producer->waiters, 1);
    err = flush(producer, timeout_ms, error);
    atomic_fetch_sub(&producer->waiters, 1);
    return err;
}

kc_err kc_producer_partitions(kc_producer *producer, const char *topic, int32_t timeout_ms, int32_t *count,
                              kc_error *error)
{
    if (!producer || !topic || !topic[0] || !count)
        return kci_fail(error, KC_ERR_ARGUMENT, 0, "producer, topic and count must not be NULL");
    kc_err err = forked(producer, error);
    int64_t deadline = deadline_of(timeout_ms);
    return err ? err : partitions(producer, topic, count, &deadline, error);
}

/* Until any broker has answered. */
static kc_err connected(kc_producer *producer, int32_t timeout_ms, kc_error *error)
{
    int64_t deadline = deadline_of(timeout_ms);
    for (;;) {
        uint64_t seen = kci_gate_now(producer->gate);
        if (kci_producer_connected(producer->engine))
            return KC_OK;
        if (kci_loop_on_thread(producer->loop))
            return kci_fail(error, KC_ERR_IN_CALLBACK, 0,
                            "kc_producer_ready would wait for the thread that it was called on");
        if (deadline != KCI_NEVER && kci_clock_us() >= deadline) {
            char text[EXPLAIN_BYTES];
            explain(producer, NULL, text, sizeof text);
            return kci_fail(error, KC_ERR_TIMED_OUT, 0, "no broker answered within %.1f s: %s", timeout_ms / 1000.0,
                            text);
        }
        kci_gate_wait(producer->gate, seen, deadline);
    }
}

kc_err kc_producer_ready(kc_producer *producer, const char *topic, int32_t timeout_ms, kc_error *error)
{
    if (!producer)
        return kci_fail(error, KC_ERR_ARGUMENT, 0, "producer must not be NULL");
    kc_err err = forked(producer, error);
    int64_t deadline = deadline_of(timeout_ms);
    int32_t count;
    if (err)
        return err;
    if (topic && topic[0])
        return partitions(producer, topic, &count, &deadline, error);
    atomic_fetch_add(&producer->waiters, 1);
    err = connected(producer, timeout_ms, error);
    atomic_fetch_sub(&producer->waiters, 1);
    return err;
}

size_t kc_producer_pending(const kc_producer *producer)
{
    return producer ? kci_producer_pending(producer->engine) : 0;
}

void kc_producer_get_stats(const kc_producer *producer, kc_producer_stats *stats)
{
    if (producer)
        kci_producer_stats(producer->engine, stats);
    else
        *stats = (kc_producer_stats){ 0 };
}
