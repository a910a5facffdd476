/* Public functions of the consumer: check, wait, run callbacks, translate.
 *
 *    application thread ---- core functions (never wait) ----> struct kci_consumer <---- one I/O thread (runtime loop)
 *            ^------------- gate: "look again" -----------------------|
 *
 * A function that waits looks at the gate's counter, asks the core, and sleeps until the counter moves or its time is
 * over: nothing between looking and sleeping can be missed.  Callbacks run here, on the application's thread, with no
 * lock held. One thread at a time: a second one is refused with KC_ERR_STATE.  The address of a thread-local byte tells
 * threads apart. */
#include "api/consumer_handle.h"
#include "consumer/records.h"
#include "consumer/unreadable.h"

#define HUSH_LOOK_US 1000 /* between two looks at an interceptor that runs on another thread while we close */

/* ---- who is inside ---- */

kc_err kci_consumer_handle_forked(const kc_consumer *consumer, kc_error *error)
{
    if (consumer->generation == kci_process_generation())
        return KC_OK;
    return kci_fail(error, KC_ERR_FORKED, 0, "the consumer belongs to the parent process: create one after fork()");
}

kc_err kci_consumer_handle_enter(kc_consumer *consumer, kc_error *error)
{
    static _Thread_local char token;
    uintptr_t me = (uintptr_t)&token, nobody = 0;
    if (!consumer)
        return kci_fail(error, KC_ERR_ARGUMENT, 0, "consumer is NULL");
    kc_err forked = kci_consumer_handle_forked(consumer, error);
    if (forked != KC_OK)
        return forked;
    if (kci_config_is_logging() || (consumer->loop && kci_loop_on_thread(consumer->loop)))
        return kci_fail(error, KC_ERR_IN_CALLBACK, 0, "a log function or an assignor must not call the consumer");
    if (atomic_load_explicit(&consumer->owner, memory_order_relaxed) != me &&
        !atomic_compare_exchange_strong(&consumer->owner, &nobody, me))
        return kci_fail(error, KC_ERR_STATE, 0, "another thread is inside this consumer: one at a time");
    consumer->depth++;
    return KC_OK;
}

kc_err kci_consumer_handle_leave(kc_consumer *consumer, kc_err result)
{
    if (--consumer->depth == 0)
        atomic_store(&consumer->owner, 0);
    return result;
}

kc_err kci_consumer_handle_enter_waiting(kc_consumer *consumer, const char *what, kc_error *error)
{
    kc_err result = kci_consumer_handle_enter(consumer, error);
    if (result == KC_OK && consumer->in_callback)
        return kci_consumer_handle_leave(
            consumer, kci_fail(error, KC_ERR_IN_CALLBACK, 0, "%s must not be called from a callback", what));
    return result;
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

static void close_deserializer(const kc_deserializer *deserializer)
{
    if (deserializer->close)
        deserializer->close(deserializer->context);
}

static void close_plugins(const struct kci_settings *s)
{
    close_deserializer(&s->key_deserializer);
    close_deserializer(&s->value_deserializer);
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
    kci_partition_list_free(kci_heap_alloc(), &consumer->committed);
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
    consumer->generation = kci_process_generation();
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

void kci_consumer_handle_tell_commit(kc_consumer *consumer, const kc_topic_partition *items, size_t count)
{
    const struct kci_settings *s = consumer->settings;
    bool outer = consumer->in_callback; /* a commit may be waited for outside of every callback */
    consumer->in_callback = true;
    for (size_t i = 0; i < s->consumer_interceptor_count; i++)
        if (s->consumer_interceptors[i].on_commit)
            s->consumer_interceptors[i].on_commit(s->consumer_interceptors[i].context, items, count);
    consumer->in_callback = outer;
}

static void run_event(kc_consumer *consumer, struct kci_consumer_event *event)
{
    const kc_rebalance_listener *l = &consumer->listener;
    const kc_topic_partition *items = event->partitions.items;
    size_t count = event->partitions.count;
    consumer->in_callback = true;
    consumer->event = event;
    if (event->kind == KCI_EVENT_ASSIGNED && l->on_assigned)
        l->on_assigned(l->context, items, count);
    else if (event->kind == KCI_EVENT_LOST && l->on_lost)
        l->on_lost(l->context, items, count);
    else if ((event->kind == KCI_EVENT_REVOKED || event->kind == KCI_EVENT_LOST) && l->on_revoked)
        l->on_revoked(l->context, items, count);
    else if (event->kind == KCI_EVENT_COMMITTED) {
        if (event->code == KC_OK)
            kci_consumer_handle_tell_commit(consumer, items, count);
        if (event->commit)
            event->commit(event->context, event->code, items, count);
    } else if (event->kind == KCI_EVENT_NOTICE && consumer->settings->notice) {
        consumer->settings->notice(consumer->settings->notice_context, &event->notice);
    }
    consumer->in_callback = false;
    consumer->event = NULL;
    kci_consumer_event_done(consumer->core, event, kci_clock_us());
}

void kci_consumer_handle_run_events(kc_consumer *consumer)
{
    struct kci_consumer_event event;
    while (!consumer->in_callback) {
        kci_consumer_next_event(consumer->core, &event, kci_clock_us());
        if (event.kind == KCI_EVENT_NONE)
            return;
        run_event(consumer, &event);
    }
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
    kc_err result = kci_consumer_handle_enter_waiting(consumer, "poll", error);
    if (result != KC_OK)
        return result;
    result = kc_consumer_poll_up_to(consumer, &records, 1, 0, timeout_ms, error);
    if (result == KC_OK && records) {
        bool outer = consumer->in_callback;
        consumer->one = records;
        consumer->in_callback = true; /* on_consume: another poll would take the record away */
        kci_records_next(records, view);
        consumer->in_callback = outer;
    }
    return kci_consumer_handle_leave(consumer, result);
}

/* Records on their way through the user's deserializers. */
static kc_err deserialize(kc_consumer *consumer, kc_records **records, int64_t now, kc_error *error)
{
    bool outer = consumer->in_callback;
    consumer->in_callback = true;
    kc_err result = kci_consumer_deserialize(consumer->core, records, now, error);
    consumer->in_callback = outer;
    return result;
}

kc_err kc_consumer_poll_up_to(kc_consumer *consumer, kc_records **out, size_t records_max, size_t bytes_max,
                              int32_t timeout_ms, kc_error *error)
{
    kc_err result = kci_consumer_handle_enter_waiting(consumer, "poll", error);
    if (result != KC_OK)
        return result;
    if (!out)
        return kci_consumer_handle_leave(consumer, kci_fail(error, KC_ERR_ARGUMENT, 0, "out is NULL"));
    struct kci_consumer_event event;
    int64_t now = kci_clock_us(), deadline = kci_consumer_handle_deadline(now, timeout_ms);
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
        bool came = *out != NULL;
        if (came)
            result = deserialize(consumer, out, now, error);
        if (event.kind != KCI_EVENT_NONE) {
            run_event(consumer, &event);
        } else if (result == KC_OK && came && !*out) {
            /* all of them were refused: the next look tells */
        } else {
            if (result != KC_OK || *out || now >= deadline)
                break;
            kci_gate_wait(consumer->gate, seen, deadline);
        }
        now = kci_clock_us();
    }
    kci_consumer_poll_leave(consumer->core, now);
    return kci_consumer_handle_leave(consumer, result);
}

/* ---- leaving ---- */

static kc_err leave_group(kc_consumer *consumer, bool closing, int64_t now, int64_t deadline)
{
    kc_err result = KC_ERR_TIMED_OUT;
    kci_consumer_begin_leave(consumer->core, closing, now, deadline);
    int64_t last = deadline == KCI_NEVER ? KCI_NEVER : deadline + KCI_GRACE_US;
    for (;;) {
        uint64_t seen = kci_gate_now(consumer->gate);
        kci_consumer_handle_run_events(consumer);
        if (kci_consumer_left(consumer->core, &result) || kci_clock_us() >= last)
            return result;
        kci_gate_wait(consumer->gate, seen, last);
    }
}

kc_err kc_consumer_unsubscribe(kc_consumer *consumer, kc_error *error)
{
    kc_err result = kci_consumer_handle_enter_waiting(consumer, "unsubscribe", error);
    if (result != KC_OK)
        return result;
    int64_t now = kci_clock_us();
    result = leave_group(consumer, false, now,
                         kci_consumer_handle_deadline(now, consumer->settings->default_api_timeout_ms));
    if (result != KC_OK)
        kci_fail(error, result, 0, "the last commit or the leave may not have reached the coordinator");
    return kci_consumer_handle_leave(consumer, result);
}

/* Interceptors may run on threads that read records.  false: one did not return by `until`. */
static bool wait_for_interceptors(kc_consumer *consumer, int64_t until)
{
    while (!kci_consumer_hush(consumer->core)) {
        int64_t now = kci_clock_us();
        if (now >= until)
            return false;
        kci_gate_wait(consumer->gate, kci_gate_now(consumer->gate), now + HUSH_LOOK_US);
    }
    return true;
}

static void end(void *context)
{
    kc_consumer *consumer = context;
    wait_for_interceptors(consumer, KCI_NEVER);
    kci_door_wait(&consumer->door); /* a wakeup, say, that is what brought us here and has not returned yet */
    kci_loop_stop(consumer->loop);
    close_plugins(consumer->settings);
    destroy(consumer);
}

kc_err kc_consumer_close(kc_consumer *consumer, int32_t timeout_ms)
{
    return kc_consumer_close_as(consumer, KC_CLOSE_DEFAULT, timeout_ms);
}

kc_err kc_consumer_close_as(kc_consumer *consumer, kc_close_how how, int32_t timeout_ms)
{
    if (!consumer)
        return KC_OK;
    if (how < KC_CLOSE_DEFAULT || how > KC_CLOSE_REMAIN)
        return KC_ERR_ARGUMENT;
    kc_err result = kci_consumer_handle_enter_waiting(consumer, "close", NULL);
    if (result != KC_OK)
        return result;
    int64_t now = kci_clock_us();
    /* "No limit" must not wait for a coordinator that is gone for good. */
    int64_t deadline =
        kci_consumer_handle_deadline(now, timeout_ms < 0 ? consumer->settings->default_api_timeout_ms : timeout_ms);
    kci_consumer_leave_as(consumer->core, how);
    result = leave_group(consumer, true, now, deadline);
    if (wait_for_interceptors(consumer, deadline + KCI_GRACE_US)) {
        end(consumer);
        return result;
    }
    (void)kci_process_spawn(end, consumer); /* when it has returned; without a thread to do it, the memory stays */
    return KC_ERR_TIMED_OUT;
}
