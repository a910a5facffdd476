/* The public producer: one engine, one loop with its thread, one gate where application threads wait.  Here: its
 * beginning, its end, and the calls that wait or ask. Sending is in producer_send.c and producer_sync.c.
 *
 * Closing joins the sender; where that is impossible (called from a callback, or a callback does not return) a thread
 * of its own does it later, so that close always returns. */
#include "api/audit_sink.h"
#include "api/metrics.h"
#include "api/producer_handle.h"

#define CLOSE_GRACE_US 40000 /* after its time-out, close gives the sender this long to report what is given up */

static void wake(void *context)
{
    kci_loop_wake(((kc_producer *)context)->loop);
}

static void notify(void *context)
{
    kci_gate_open(((kc_producer *)context)->gate);
}

/* ---- creating and closing ---- */

/* Calls of other threads that wait while the producer is closed come back with KC_ERR_CLOSED; a call that begins after
 * the close is the caller's mistake. */
static void wait_for_waiters(kc_producer *producer)
{
    for (uint64_t seen; seen = kci_gate_now(producer->gate), atomic_load(&producer->waiters) > 0;)
        kci_gate_wait(producer->gate, seen, kci_clock_us() + 1000);
}

static void destroy(kc_producer *producer, bool was_created)
{
    if (producer->loop)
        kci_loop_stop(producer->loop);
    atomic_store(&producer->polled.closing, true);
    if (producer->gate) {
        kci_gate_open(producer->gate);
        wait_for_waiters(producer);
    }
    kci_producer_destroy(producer->engine, kci_clock_us());
    if (was_created)
        kci_plug_close(producer->settings);
    else
        kci_builtin_discard_producer(&producer->builtin, producer->settings);
    if (producer->loop)
        kci_loop_destroy(producer->loop);
    kci_gate_destroy(producer->gate);
    kci_polled_destroy(&producer->polled);
    kci_mock_cluster_leave(producer->mock);
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
    if (err == KC_OK)
        err = kci_mock_cluster_join(&producer->mock, producer->settings, error);
    if (err == KC_OK)
        err = kci_builtin_producer(&producer->builtin, producer->settings, config, error);
    if (err == KC_OK) {
        struct kci_settings *settings = producer->settings;
        producer->plugged = kci_plug_needed(settings);
        producer->logger = (struct kci_logger){ settings->log ? kci_config_write_log : NULL, settings,
                                                (enum kci_log_level)settings->log_level };
        producer->delivery = settings->delivery;
        producer->delivery_context = settings->delivery_context;
        settings->delivery_every_record =
            (settings->delivery || settings->delivery_polled) && settings->delivery_every_record;
        settings->delivery = kci_handle_deliver;
        settings->delivery_context = producer;
        if (settings->delivery_polled && !kci_polled_init(&producer->polled))
            err = kci_fail(error, KC_ERR_NO_MEMORY, 0, "out of memory for deliveries to be polled");
        else
            err = start(producer, error);
    }
    if (err) {
        destroy(producer, false);
        return err;
    }
    *out = producer;
    return KC_OK;
}

kc_err kci_handle_forked(const kc_producer *producer, kc_error *error)
{
    if (producer->generation == kci_process_generation())
        return KC_OK;
    return kci_fail(error, KC_ERR_FORKED, 0, "the producer belongs to the parent process: create one after fork()");
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
    if (producer->builtin.audit)
        kci_audit_sink_close_by(producer->builtin.audit, kci_handle_deadline(timeout_ms));
    kci_producer_close(producer->engine);
    bool all = in_callback ? false : wait_idle(producer, kci_handle_deadline(timeout_ms));
    bool clean = all || kci_producer_pending(producer->engine) == 0;
    if (!all)
        kci_producer_abandon(producer->engine);
    if (!in_callback && (all || wait_idle(producer, kci_clock_us() + CLOSE_GRACE_US)))
        reap(producer);
    else if (kci_process_spawn(reap, producer))
        kci_log(&producer->logger, KCI_LOG_ERROR, "producer", "no thread could be had to free the producer: it leaks");
    return clean ? KC_OK : KC_ERR_TIMED_OUT;
}

kc_err kc_producer_purge(kc_producer *producer, uint32_t flags)
{
    if (!producer || flags == 0 || (flags & ~(KC_PURGE_QUEUED | KC_PURGE_IN_FLIGHT)))
        return KC_ERR_ARGUMENT;
    kc_err err = kci_handle_forked(producer, NULL);
    if (err == KC_OK)
        kci_producer_purge(producer->engine, flags);
    return err;
}

/* ---- waiting and asking ---- */

static kc_err flush(kc_producer *producer, int32_t timeout_ms, kc_error *error)
{
    int64_t deadline = kci_handle_deadline(timeout_ms);
    uint64_t ticket = kci_producer_flush(producer->engine);
    for (;;) {
        uint64_t seen = kci_gate_now(producer->gate);
        if (kci_producer_flushed(producer->engine, ticket))
            return KC_OK;
        if (deadline != KCI_NEVER && kci_clock_us() >= deadline) {
            char text[KCI_EXPLAIN_TEXT_BYTES];
            kci_handle_explain(producer, NULL, text, sizeof text);
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
    kc_err err = kci_handle_forked(producer, error);
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
    kc_err err = kci_handle_forked(producer, error);
    int64_t deadline = kci_handle_deadline(timeout_ms);
    return err ? err : kci_handle_partitions(producer, topic, count, &deadline, error);
}

/* Until any broker has answered. */
static kc_err connected(kc_producer *producer, int32_t timeout_ms, kc_error *error)
{
    int64_t deadline = kci_handle_deadline(timeout_ms);
    for (;;) {
        uint64_t seen = kci_gate_now(producer->gate);
        if (kci_producer_connected(producer->engine))
            return KC_OK;
        kc_err refused = kci_producer_refuses(producer->engine, error);
        if (refused)
            return refused;
        if (kci_loop_on_thread(producer->loop))
            return kci_fail(error, KC_ERR_IN_CALLBACK, 0,
                            "kc_producer_ready would wait for the thread that it was called on");
        if (deadline != KCI_NEVER && kci_clock_us() >= deadline) {
            char text[KCI_EXPLAIN_TEXT_BYTES];
            kci_handle_explain(producer, NULL, text, sizeof text);
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
    kc_err err = kci_handle_forked(producer, error);
    int64_t deadline = kci_handle_deadline(timeout_ms);
    int32_t count;
    if (err)
        return err;
    if (topic && topic[0])
        return kci_handle_partitions(producer, topic, &count, &deadline, error);
    atomic_fetch_add(&producer->waiters, 1);
    err = connected(producer, timeout_ms, error);
    atomic_fetch_sub(&producer->waiters, 1);
    return err;
}

size_t kc_producer_pending(const kc_producer *producer)
{
    return producer && !kci_handle_forked(producer, NULL) ? kci_producer_pending(producer->engine) : 0;
}

void kc_producer_get_stats(const kc_producer *producer, kc_producer_stats *stats)
{
    if (producer && !kci_handle_forked(producer, NULL))
        kci_producer_stats(producer->engine, stats);
    else
        *stats = (kc_producer_stats){ 0 };
}

static void metrics_need(void *producer, struct kci_metrics_room *room)
{
    kci_producer_metrics_need(((kc_producer *)producer)->engine, room);
}

static void metrics_fill(void *context, kc_metrics *out, const struct kci_metrics_room *room, int64_t now)
{
    kc_producer *producer = context;
    kci_producer_metrics(producer->engine, out, room, now);
    out->buffer_exhausted = atomic_load(&producer->buffer_exhausted);
    out->buffer_wait_us = atomic_load(&producer->buffer_wait_us);
}

kc_err kc_producer_metrics(const kc_producer *producer, kc_metrics **out, kc_error *error)
{
    if (!producer || !out)
        return kci_fail(error, KC_ERR_ARGUMENT, 0, "producer and out must not be NULL");
    *out = NULL;
    kc_err err = kci_handle_forked(producer, error);
    if (err)
        return err;
    struct kci_metrics_source source = { "producer", producer->settings, (void *)(uintptr_t)producer, metrics_need,
                                         metrics_fill };
    return kci_metrics_snapshot(&source, out, error);
}
