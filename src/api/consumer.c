/* Public functions of the consumer: check, wait, run callbacks, translate.
 *
 *    application thread ---- core functions (never wait) ----> struct kci_consumer <---- one I/O thread (runtime loop)
 *            ^------------- gate: "look again" -----------------------|
 *
 * A function that waits looks at the gate's counter, asks the core, and sleeps until the counter moves or its time is
 * over: nothing between looking and sleeping can be missed.  Callbacks run here, on the application's thread, with no
 * lock held. One thread at a time: a second one is refused with KC_ERR_STATE.  The address of a thread-local byte tells
 * threads apart. */
#include "consumer/consumer.h"
#include "api/builtin.h"
#include "api/config.h"
#include "api/metrics.h"
#include "api/mock_cluster.h"
#include "cluster/cluster.h"
#include "consumer/records.h"
#include "plugins/latency.h"
#include "runtime/runtime.h"

#include <unistd.h>

#define GRACE_US 50000 /* an I/O thread that is late by more than this is given up on: the call returns anyway */

struct kc_consumer {
    struct kci_consumer *core;
    struct kci_loop *loop;
    struct kci_gate *gate;
    struct kci_settings *settings;
    struct kci_builtin builtin;
    struct kci_mock_cluster *mock;        /* test.mock.num.brokers; NULL: none */
    kc_rebalance_listener listener;       /* of the last subscribe, or of the configuration */
    struct kci_partition_list assignment; /* behind the last kc_consumer_assignment() */
    kc_records *one;                      /* behind the last kc_consumer_poll_one(); owned */
    _Atomic uintptr_t owner;              /* the thread that is inside, 0: none */
    int depth;                            /* of calls; > 1 within a callback */
    bool in_callback;
    pid_t pid; /* of the process that created it */
};

/* ---- who is inside ---- */

static kc_err enter(kc_consumer *consumer, kc_error *error)
{
    static _Thread_local char token;
    uintptr_t me = (uintptr_t)&token, nobody = 0;
    if (!consumer)
        return kci_fail(error, KC_ERR_ARGUMENT, 0, "consumer is NULL");
    if (consumer->pid != getpid())
        return kci_fail(error, KC_ERR_FORKED, 0, "this consumer belongs to process %ld", (long)consumer->pid);
    if (atomic_load_explicit(&consumer->owner, memory_order_relaxed) != me &&
        !atomic_compare_exchange_strong(&consumer->owner, &nobody, me))
        return kci_fail(error, KC_ERR_STATE, 0, "another thread is inside this consumer: one at a time");
    consumer->depth++;
    return KC_OK;
}

static kc_err leave(kc_consumer *consumer, kc_err result)
{
    if (--consumer->depth == 0)
        atomic_store(&consumer->owner, 0);
    return result;
}

/* As enter, for functions that may wait for what only a later poll could bring. */
static kc_err enter_waiting(kc_consumer *consumer, const char *what, kc_error *error)
{
    kc_err result = enter(consumer, error);
    if (result == KC_OK && consumer->in_callback)
        return leave(consumer, kci_fail(error, KC_ERR_IN_CALLBACK, 0, "%s must not be called from a callback", what));
    return result;
}

static int64_t until(int64_t now, int32_t timeout_ms)
{
    return timeout_ms < 0 ? KCI_NEVER : now + (int64_t)timeout_ms * 1000;
}

/* ---- creation ---- */

static void wake_loop(void *context)
{
    kci_loop_wake(context);
}

static void open_gate(void *context)
{
    kci_gate_open(context);
}

static void close_plugins(const struct kci_settings *s)
{
    for (size_t i = 0; i < s->assignor_count; i++)
        if (s->assignors[i].close)
            s->assignors[i].close(s->assignors[i].context);
    for (size_t i = 0; i < s->consumer_interceptor_count; i++)
        if (s->consumer_interceptors[i].close)
            s->consumer_interceptors[i].close(s->consumer_interceptors[i].context);
}

static void destroy(kc_consumer *consumer)
{
    if (consumer->loop)
        kci_loop_stop(consumer->loop);
    kci_consumer_destroy(consumer->core, kci_clock_us());
    if (consumer->loop)
        kci_loop_destroy(consumer->loop);
    if (consumer->gate)
        kci_gate_destroy(consumer->gate);
    kci_partition_list_free(kci_heap_alloc(), &consumer->assignment);
    kci_records_release(consumer->one);
    kci_mock_cluster_leave(consumer->mock);
    kci_config_settings_free(consumer->settings);
    kci_alloc_free(kci_heap_alloc(), consumer);
}

static kc_err start(kc_consumer *consumer, kc_error *error)
{
    const struct kci_settings *s = consumer->settings;
    struct kci_loop_options loop = { KCI_LOOP_BEST, s->send_buffer_bytes, s->receive_buffer_bytes };
    struct kci_consumer_options options = {
        .alloc = kci_heap_alloc(),
        .settings = s,
        .seed = kci_random_seed(),
        .lock_ops = kci_lock_system(),
        .wake = wake_loop,
        .notify = open_gate,
        .wall_ms = kci_clock_wall_ms,
    };
    if (s->log)
        options.logger =
            (struct kci_logger){ kci_config_write_log, consumer->settings, (enum kci_log_level)s->log_level };
    consumer->gate = kci_gate_new(kci_heap_alloc());
    int failure = kci_loop_create(&consumer->loop, kci_heap_alloc(), &loop);
    if (!consumer->gate || failure)
        return kci_fail(error, KC_ERR_NO_MEMORY, 0, "no memory or descriptors for the I/O thread (errno %d)", failure);
    options.wake_context = consumer->loop;
    options.notify_context = consumer->gate;
    kci_loop_transport(consumer->loop, &options.transport);
    kc_err result = kci_consumer_create(&consumer->core, &options, error);
    if (result != KC_OK)
        return result;
    struct kci_engine engine = kci_consumer_engine(consumer->core);
    kci_loop_set_engine(consumer->loop, &engine);
    failure = kci_loop_start(consumer->loop, "kc-consumer");
    return failure ? kci_fail(error, KC_ERR_NO_MEMORY, 0, "the I/O thread cannot be started (errno %d)", failure)
                   : KC_OK;
}

kc_err kc_consumer_create(kc_consumer **out, const kc_config *config, kc_error *error)
{
    if (!out || !config)
        return kci_fail(error, KC_ERR_ARGUMENT, 0, "out or config is NULL");
    *out = NULL;
    kc_consumer *consumer = kci_alloc_zero(kci_heap_alloc(), 1, sizeof *consumer);
    if (!consumer)
        return kci_fail(error, KC_ERR_NO_MEMORY, 0, "out of memory");
    consumer->pid = getpid();
    kc_err result = kci_config_settings(config, KCI_ROLE_CONSUMER, &consumer->settings, error);
    if (result == KC_OK)
        result = kci_mock_cluster_join(&consumer->mock, consumer->settings, error);
    if (result == KC_OK)
        result = kci_builtin_consumer(&consumer->builtin, consumer->settings, config, error);
    if (result == KC_OK) {
        consumer->listener = consumer->settings->rebalance_listener;
        result = start(consumer, error);
    }
    if (result != KC_OK) {
        kci_builtin_discard_consumer(&consumer->builtin, consumer->settings);
        destroy(consumer);
        return result;
    }
    *out = consumer;
    return KC_OK;
}

/* ---- callbacks ---- */

static void tell_commit(kc_consumer *consumer, const kc_topic_partition *items, size_t count)
{
    const struct kci_settings *s = consumer->settings;
    for (size_t i = 0; i < s->consumer_interceptor_count; i++)
        if (s->consumer_interceptors[i].on_commit)
            s->consumer_interceptors[i].on_commit(s->consumer_interceptors[i].context, items, count);
}

static void run_event(kc_consumer *consumer, struct kci_consumer_event *event)
{
    const kc_rebalance_listener *l = &consumer->listener;
    const kc_topic_partition *items = event->partitions.items;
    size_t count = event->partitions.count;
    consumer->in_callback = true;
    if (event->kind == KCI_EVENT_ASSIGNED && l->on_assigned)
        l->on_assigned(l->context, items, count);
    else if (event->kind == KCI_EVENT_LOST && l->on_lost)
        l->on_lost(l->context, items, count);
    else if ((event->kind == KCI_EVENT_REVOKED || event->kind == KCI_EVENT_LOST) && l->on_revoked)
        l->on_revoked(l->context, items, count);
    else if (event->kind == KCI_EVENT_COMMITTED) {
        if (event->code == KC_OK)
            tell_commit(consumer, items, count);
        if (event->commit)
            event->commit(event->context, event->code, items, count);
    } else if (event->kind == KCI_EVENT_NOTICE && consumer->settings->notice) {
        consumer->settings->notice(consumer->settings->notice_context, &event->notice);
    }
    consumer->in_callback = false;
    kci_consumer_event_done(consumer->core, event, kci_clock_us());
}

/* Callbacks of commits that are due, in calls other than poll. */
static void run_commit_events(kc_consumer *consumer)
{
    struct kci_consumer_event event;
    while (!consumer->in_callback) {
        kci_consumer_next_event(consumer->core, &event, kci_clock_us());
        if (event.kind == KCI_EVENT_NONE)
            return;
        run_event(consumer, &event);
    }
}

/* ---- what to read ---- */

static kc_err leave_group(kc_consumer *consumer, bool closing, int64_t now, int64_t deadline)
{
    kc_err result = KC_ERR_TIMED_OUT;
    kci_consumer_begin_leave(consumer->core, closing, now, deadline);
    int64_t last = deadline == KCI_NEVER ? KCI_NEVER : deadline + GRACE_US;
    for (;;) {
        uint64_t seen = kci_gate_now(consumer->gate);
        run_commit_events(consumer);
        if (kci_consumer_left(consumer->core, &result) || kci_clock_us() >= last)
            return result;
        kci_gate_wait(consumer->gate, seen, last);
    }
}

kc_err kc_consumer_unsubscribe(kc_consumer *consumer, kc_error *error)
{
    kc_err result = enter_waiting(consumer, "unsubscribe", error);
    if (result != KC_OK)
        return result;
    int64_t now = kci_clock_us();
    result = leave_group(consumer, false, now, until(now, consumer->settings->default_api_timeout_ms));
    if (result != KC_OK)
        kci_fail(error, result, 0, "the last commit or the leave may not have reached the coordinator");
    return leave(consumer, result);
}

kc_err kc_consumer_subscribe(kc_consumer *consumer, const char *const *topics, size_t count,
                             const kc_rebalance_listener *listener, kc_error *error)
{
    if (count == 0)
        return kc_consumer_unsubscribe(consumer, error);
    kc_err result = enter(consumer, error);
    if (result != KC_OK)
        return result;
    if (!topics)
        return leave(consumer, kci_fail(error, KC_ERR_ARGUMENT, 0, "topics is NULL"));
    result = kci_consumer_subscribe(consumer->core, topics, count, kci_clock_us(), error);
    if (result == KC_OK)
        consumer->listener = listener ? *listener : consumer->settings->rebalance_listener;
    return leave(consumer, result);
}

kc_err kc_consumer_enforce_rebalance(kc_consumer *consumer, const char *reason, kc_error *error)
{
    kc_err result = enter(consumer, error);
    if (result != KC_OK)
        return result;
    return leave(consumer, kci_consumer_enforce_rebalance(consumer->core, reason, error));
}

static kc_err subscribe_pattern(kc_consumer *consumer, const char *pattern, bool remote,
                                const kc_rebalance_listener *listener, kc_error *error)
{
    kc_err result = enter(consumer, error);
    if (result != KC_OK)
        return result;
    result = kci_consumer_subscribe_pattern(consumer->core, pattern, remote, kci_clock_us(), error);
    if (result == KC_OK)
        consumer->listener = listener ? *listener : consumer->settings->rebalance_listener;
    return leave(consumer, result);
}

kc_err kc_consumer_subscribe_pattern(kc_consumer *consumer, const char *pattern, const kc_rebalance_listener *listener,
                                     kc_error *error)
{
    return subscribe_pattern(consumer, pattern, false, listener, error);
}

kc_err kc_consumer_subscribe_remote_pattern(kc_consumer *consumer, const char *pattern,
                                            const kc_rebalance_listener *listener, kc_error *error)
{
    return subscribe_pattern(consumer, pattern, true, listener, error);
}

kc_err kc_consumer_assign(kc_consumer *consumer, const kc_topic_partition *partitions, size_t count, kc_error *error)
{
    kc_err result = enter(consumer, error);
    if (result != KC_OK)
        return result;
    if (!partitions && count)
        result = kci_fail(error, KC_ERR_ARGUMENT, 0, "partitions is NULL");
    else
        result = kci_consumer_assign(consumer->core, partitions, count, kci_clock_us(), error);
    return leave(consumer, result);
}

kc_err kc_consumer_assignment(kc_consumer *consumer, kc_topic_partition *partitions, size_t capacity, size_t *count)
{
    kc_err result = enter(consumer, NULL);
    if (result != KC_OK)
        return result;
    if (!count || (!partitions && capacity))
        return leave(consumer, KC_ERR_ARGUMENT);
    kci_partition_list_free(kci_heap_alloc(), &consumer->assignment);
    result = kci_consumer_assignment(consumer->core, &consumer->assignment);
    *count = consumer->assignment.count;
    for (size_t i = 0; result == KC_OK && i < capacity && i < *count; i++)
        partitions[i] = consumer->assignment.items[i];
    return leave(consumer, result);
}

/* ---- reading ---- */

kc_err kc_consumer_poll(kc_consumer *consumer, kc_records **out, int32_t timeout_ms, kc_error *error)
{
    return kc_consumer_poll_up_to(consumer, out, 0, 0, timeout_ms, error);
}

kc_err kc_consumer_poll_one(kc_consumer *consumer, kc_record_view *view, int32_t timeout_ms, kc_error *error)
{
    kc_records *records = NULL;
    if (!view)
        return kci_fail(error, KC_ERR_ARGUMENT, 0, "view is NULL");
    view->topic = NULL;
    kc_err result = kc_consumer_poll_up_to(consumer, &records, 1, 0, timeout_ms, error);
    if (result == KC_OK && records) {
        consumer->one = records;
        kci_records_next(records, view);
    }
    return result;
}

kc_err kc_consumer_poll_up_to(kc_consumer *consumer, kc_records **out, size_t records_max, size_t bytes_max,
                              int32_t timeout_ms, kc_error *error)
{
    kc_err result = enter_waiting(consumer, "poll", error);
    if (result != KC_OK)
        return result;
    if (!out)
        return leave(consumer, kci_fail(error, KC_ERR_ARGUMENT, 0, "out is NULL"));
    struct kci_consumer_event event;
    int64_t now = kci_clock_us(), deadline = until(now, timeout_ms);
    *out = NULL;
    kci_records_release(consumer->one);
    consumer->one = NULL;
    kci_consumer_poll_enter(consumer->core, now);
    for (;;) {
        uint64_t seen = kci_gate_now(consumer->gate);
        if (kci_consumer_woken(consumer->core)) {
            result = kci_fail(error, KC_ERR_WOKEN, 0, "kc_consumer_wakeup() was called");
            break;
        }
        result = kci_consumer_poll_up_to(consumer->core, out, &event, records_max, bytes_max, now, error);
        if (event.kind != KCI_EVENT_NONE) {
            run_event(consumer, &event);
        } else {
            if (result != KC_OK || *out || now >= deadline)
                break;
            kci_gate_wait(consumer->gate, seen, deadline);
        }
        now = kci_clock_us();
    }
    kci_consumer_poll_leave(consumer->core, now);
    return leave(consumer, result);
}

void kc_consumer_wakeup(kc_consumer *consumer)
{
    if (consumer && consumer->pid == getpid())
        kci_consumer_wakeup(consumer->core);
}

/* ---- positions ---- */

kc_err kc_consumer_seek(kc_consumer *consumer, const char *topic, int32_t partition, int64_t offset, kc_error *error)
{
    kc_err result = enter(consumer, error);
    if (result != KC_OK)
        return result;
    return leave(consumer, kci_consumer_seek(consumer->core, topic, partition, offset, kci_clock_us(), error));
}

kc_err kc_consumer_position(kc_consumer *consumer, const char *topic, int32_t partition, int64_t *offset,
                            int32_t timeout_ms, kc_error *error)
{
    kc_err result = enter(consumer, error);
    if (result != KC_OK)
        return result;
    if (!offset)
        return leave(consumer, kci_fail(error, KC_ERR_ARGUMENT, 0, "offset is NULL"));
    int64_t deadline = until(kci_clock_us(), timeout_ms);
    for (;;) {
        uint64_t seen = kci_gate_now(consumer->gate);
        int64_t found = -1;
        char why[200];
        if (kci_consumer_woken(consumer->core)) {
            result = kci_fail(error, KC_ERR_WOKEN, 0, "kc_consumer_wakeup() was called");
            break;
        }
        result = kci_consumer_position(consumer->core, topic, partition, &found, error);
        if (result == KC_OK && found >= 0)
            *offset = found;
        if (result != KC_OK || found >= 0)
            break;
        if (kci_clock_us() >= deadline) {
            kci_consumer_explain(consumer->core, why, sizeof why);
            result = kci_fail(error, KC_ERR_TIMED_OUT, 0, "the position of %s [%d] is not known yet%s%s", topic,
                              (int)partition, why[0] ? ": " : "", why);
            break;
        }
        kci_gate_wait(consumer->gate, seen, deadline);
    }
    return leave(consumer, result);
}

static kc_err set_paused(kc_consumer *consumer, const kc_topic_partition *partitions, size_t count, bool pause,
                         kc_error *error)
{
    kc_err result = enter(consumer, error);
    if (result != KC_OK)
        return result;
    if (!partitions && count)
        result = kci_fail(error, KC_ERR_ARGUMENT, 0, "partitions is NULL");
    else
        result = kci_consumer_pause(consumer->core, partitions, count, pause, error);
    return leave(consumer, result);
}

kc_err kc_consumer_pause(kc_consumer *consumer, const kc_topic_partition *partitions, size_t count, kc_error *error)
{
    return set_paused(consumer, partitions, count, true, error);
}

kc_err kc_consumer_resume(kc_consumer *consumer, const kc_topic_partition *partitions, size_t count, kc_error *error)
{
    return set_paused(consumer, partitions, count, false, error);
}

/* Wait for an operation; *items is borrowed until it is ended. */
static kc_err wait_for(kc_consumer *consumer, struct kci_operation *operation, const struct kci_partition_list **items,
                       int64_t deadline, kc_error *error)
{
    kc_err code = KC_OK;
    int64_t last = deadline == KCI_NEVER ? KCI_NEVER : deadline + GRACE_US;
    for (;;) {
        uint64_t seen = kci_gate_now(consumer->gate);
        if (kci_consumer_operation_done(consumer->core, operation, items, &code, error))
            return code;
        if (kci_consumer_woken(consumer->core))
            return kci_fail(error, KC_ERR_WOKEN, KC_MAYBE_APPLIED, "kc_consumer_wakeup() was called");
        if (kci_clock_us() >= last)
            return kci_fail(error, KC_ERR_TIMED_OUT, KC_MAYBE_APPLIED, "no outcome in time");
        kci_gate_wait(consumer->gate, seen, last);
    }
}

kc_err kc_consumer_watermarks(kc_consumer *consumer, const char *topic, int32_t partition, int64_t *low, int64_t *high,
                              int32_t timeout_ms, kc_error *error)
{
    kc_err result = enter(consumer, error);
    if (result != KC_OK)
        return result;
    if (!topic || !low || !high)
        return leave(consumer, kci_fail(error, KC_ERR_ARGUMENT, 0, "topic, low or high is NULL"));
    int64_t now = kci_clock_us(), deadline = until(now, timeout_ms), found[2] = { -1, -1 };
    const int64_t questions[2] = { KC_OFFSET_BEGINNING, KC_OFFSET_END };
    struct kci_operation *operations[2] = { NULL, NULL };
    for (int i = 0; i < 2 && result == KC_OK; i++) { /* both at once */
        kc_topic_partition item = { topic, partition, questions[i], -1, NULL, KC_OK };
        result = kci_consumer_begin_offsets(consumer->core, &operations[i], &item, 1, now, deadline, error);
    }
    for (int i = 0; i < 2 && result == KC_OK; i++) {
        const struct kci_partition_list *answer = NULL;
        result = wait_for(consumer, operations[i], &answer, deadline, error);
        if (result == KC_OK)
            found[i] = answer->items[0].offset;
    }
    for (int i = 0; i < 2; i++)
        kci_consumer_operation_end(consumer->core, operations[i]);
    if (result == KC_OK) {
        *low = found[0];
        *high = found[1];
    }
    return leave(consumer, result);
}

/* Copy answers back into the caller's entries. */
static void take_answers(kc_topic_partition *to, const struct kci_partition_list *from)
{
    for (size_t i = 0; i < from->count; i++) {
        to[i].offset = from->items[i].offset;
        to[i].leader_epoch = from->items[i].leader_epoch;
        to[i].code = from->items[i].code;
    }
}

kc_err kc_consumer_offsets_for_times(kc_consumer *consumer, kc_topic_partition *partitions, size_t count,
                                     int32_t timeout_ms, kc_error *error)
{
    kc_err result = enter(consumer, error);
    if (result != KC_OK)
        return result;
    struct kci_operation *operation = NULL;
    const struct kci_partition_list *answer = NULL;
    int64_t now = kci_clock_us(), deadline = until(now, timeout_ms);
    if (!partitions && count)
        result = kci_fail(error, KC_ERR_ARGUMENT, 0, "partitions is NULL");
    for (size_t i = 0; result == KC_OK && i < count; i++)
        if (partitions[i].offset < 0)
            result = kci_fail(error, KC_ERR_ARGUMENT, 0, "entry %zu: a time before 1970", i);
    if (result == KC_OK && count)
        result = kci_consumer_begin_offsets(consumer->core, &operation, partitions, count, now, deadline, error);
    if (operation) {
        result = wait_for(consumer, operation, &answer, deadline, error);
        if (result == KC_OK)
            take_answers(partitions, answer);
        kci_consumer_operation_end(consumer->core, operation);
    }
    return leave(consumer, result);
}

/* ---- commits ---- */

kc_err kc_consumer_commit(kc_consumer *consumer, const kc_topic_partition *offsets, size_t count, int32_t timeout_ms,
                          kc_error *error)
{
    kc_err result = enter(consumer, error);
    if (result != KC_OK)
        return result;
    struct kci_operation *operation = NULL;
    const struct kci_partition_list *items = NULL;
    int64_t now = kci_clock_us(), deadline = until(now, timeout_ms);
    result = kci_consumer_begin_commit(consumer->core, &operation, offsets, count, now, deadline, error);
    if (operation) {
        result = wait_for(consumer, operation, &items, deadline, error);
        run_commit_events(consumer); /* earlier asynchronous ones ended before it */
        if (result == KC_OK)
            tell_commit(consumer, items->items, items->count);
        kci_consumer_operation_end(consumer->core, operation);
    }
    run_commit_events(consumer);
    return leave(consumer, result);
}

kc_err kc_consumer_commit_async(kc_consumer *consumer, const kc_topic_partition *offsets, size_t count, kc_commit_fn fn,
                                void *context, kc_error *error)
{
    kc_err result = enter(consumer, error);
    if (result != KC_OK)
        return result;
    return leave(consumer,
                 kci_consumer_commit_async(consumer->core, offsets, count, fn, context, kci_clock_us(), error));
}

kc_err kc_consumer_committed(kc_consumer *consumer, kc_topic_partition *partitions, size_t count, int32_t timeout_ms,
                             kc_error *error)
{
    kc_err result = enter(consumer, error);
    if (result != KC_OK)
        return result;
    struct kci_operation *operation = NULL;
    const struct kci_partition_list *answer = NULL;
    int64_t now = kci_clock_us(), deadline = until(now, timeout_ms);
    if (!partitions && count)
        result = kci_fail(error, KC_ERR_ARGUMENT, 0, "partitions is NULL");
    else if (count)
        result = kci_consumer_begin_committed(consumer->core, &operation, partitions, count, now, deadline, error);
    if (operation) {
        result = wait_for(consumer, operation, &answer, deadline, error);
        if (result == KC_OK)
            take_answers(partitions, answer);
        kci_consumer_operation_end(consumer->core, operation);
    }
    return leave(consumer, result);
}

/* ---- acknowledgements ---- */

/* Workers call these while the application's thread polls: they do not enter. */
static kc_err alive(const kc_consumer *consumer, const void *argument, kc_error *error)
{
    if (!consumer || !argument)
        return kci_fail(error, KC_ERR_ARGUMENT, 0, "consumer or records is NULL");
    if (consumer->pid != getpid())
        return kci_fail(error, KC_ERR_FORKED, 0, "this consumer belongs to process %ld", (long)consumer->pid);
    return KC_OK;
}

kc_err kc_consumer_ack(kc_consumer *consumer, const kc_record_view *views, size_t count, kc_error *error)
{
    kc_err result = alive(consumer, count ? (const void *)views : consumer, error);
    return result == KC_OK ? kci_consumer_ack(consumer->core, views, count, error) : result;
}

kc_err kc_consumer_ack_records(kc_consumer *consumer, const kc_records *records, kc_error *error)
{
    kc_err result = alive(consumer, records ? (const void *)records : consumer, error);
    return result == KC_OK && records ? kci_consumer_ack_records(consumer->core, records, error) : result;
}

/* ---- the end ---- */

kc_err kc_consumer_close(kc_consumer *consumer, int32_t timeout_ms)
{
    if (!consumer)
        return KC_OK;
    kc_err result = enter_waiting(consumer, "close", NULL);
    if (result != KC_OK)
        return result;
    int64_t now = kci_clock_us();
    /* "No limit" must not wait for a coordinator that is gone for good. */
    int64_t deadline = until(now, timeout_ms < 0 ? consumer->settings->default_api_timeout_ms : timeout_ms);
    result = leave_group(consumer, true, now, deadline);
    kci_loop_stop(consumer->loop);
    close_plugins(consumer->settings);
    destroy(consumer);
    return result;
}

void kc_consumer_get_state(const kc_consumer *consumer, const char *topic, int32_t partition, kc_consumer_state *state)
{
    if (consumer && state)
        kci_consumer_state(consumer->core, topic, partition, kci_clock_us(), state);
}

void kc_consumer_get_stats(const kc_consumer *consumer, kc_consumer_stats *stats)
{
    if (consumer && stats)
        kci_consumer_stats(consumer->core, stats);
}

kc_err kc_consumer_get_latency(const kc_consumer *consumer, kc_latency_stats *stats)
{
    if (!consumer || !stats)
        return KC_ERR_ARGUMENT;
    if (!consumer->builtin.latency)
        return KC_ERR_STATE;
    kci_latency_read(consumer->builtin.latency, stats);
    return KC_OK;
}

static void metrics_need(void *consumer, struct kci_metrics_room *room)
{
    kci_consumer_metrics_need(((kc_consumer *)consumer)->core, room);
}

static void metrics_fill(void *consumer, kc_metrics *out, const struct kci_metrics_room *room, int64_t now)
{
    kci_consumer_metrics(((kc_consumer *)consumer)->core, out, room, now);
}

kc_err kc_consumer_metrics(const kc_consumer *consumer, kc_metrics **out, kc_error *error)
{
    if (!consumer || !out)
        return kci_fail(error, KC_ERR_ARGUMENT, 0, "consumer and out must not be NULL");
    *out = NULL;
    if (consumer->pid != getpid())
        return kci_fail(error, KC_ERR_FORKED, 0, "this consumer belongs to process %ld", (long)consumer->pid);
    struct kci_metrics_source source = { "consumer", consumer->settings, (void *)(uintptr_t)consumer, metrics_need,
                                         metrics_fill };
    return kci_metrics_snapshot(&source, out, error);
}
