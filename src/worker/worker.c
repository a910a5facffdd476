/* The public functions of workers: start, wait, close.
 *
 * The end in two ways: all threads come to theirs in time, and close joins them and frees everything; or a handler, or
 * a wait for a broker, takes longer, and close leaves that to a thread which does it whenever it can: so close returns
 * by its time-out whatever user code does. */
#include "worker/internal.h"

#include <stdio.h>

#define CLOSE_MS_MAX    60000  /* what -1 means: a coordinator can be gone for good */
#define GRACE_US        100000 /* a polling thread that is late by more than this is left to itself */
#define PENDING_LOOK_US 1000   /* between two looks at what the producer has to report */

void kci_worker_wake(kc_worker *worker)
{
    kci_lock_take(&worker->consumer_lock);
    if (worker->consumer_awake)
        kc_consumer_wakeup(worker->consumer);
    kci_lock_release(&worker->consumer_lock);
}

static void wake_hands(kc_worker *worker)
{
    for (uint32_t i = 0; worker->hands && i < worker->settings.threads; i++)
        if (worker->hands[i].gate)
            kci_gate_open(worker->hands[i].gate);
}

void kci_worker_fail(kc_worker *worker, kc_err code, const char *text)
{
    kci_lock_take(&worker->failure_lock);
    if (worker->failure.code == KC_OK)
        kci_fail(&worker->failure, code, 0, "%s", text);
    kci_lock_release(&worker->failure_lock);
    atomic_store(&worker->halted, true);
    wake_hands(worker);
    kci_gate_open(worker->gate);
    kci_worker_wake(worker);
}

/* ---- start ---- */

static void join_and_free(void *context)
{
    kc_worker *worker = context;
    kci_thread_join(worker->poll_thread);
    kci_door_wait(&worker->door); /* who waited for that thread is on its way out */
    atomic_store(&worker->hands_stop, true);
    wake_hands(worker);
    for (uint32_t i = 0; worker->hands && i < worker->settings.threads; i++)
        kci_thread_join(worker->hands[i].thread);
    /* What is under way is given up, and reported to jobs before they are freed: a close with a time-out may return
     * before that. */
    if (worker->producer)
        kc_producer_purge(worker->producer, KC_PURGE_QUEUED | KC_PURGE_IN_FLIGHT);
    kc_producer_close(worker->producer, -1);
    kc_consumer_close(worker->consumer, 0); /* left over from a start that failed */
    for (uint32_t i = 0; worker->hands && i < worker->settings.threads; i++) {
        kci_gate_destroy(worker->hands[i].gate);
        kci_onward_free(&worker->hands[i].onward);
    }
    kci_deal_forget(worker);
    kci_parts_free(worker);
    kci_gate_destroy(worker->gate);
    kci_alloc_free(kci_heap_alloc(), worker->hands);
    kci_alloc_free(kci_heap_alloc(), worker->jobs);
    kci_worker_settings_free(&worker->settings);
    kci_alloc_free(kci_heap_alloc(), worker);
}

static bool make_stock(kc_worker *worker)
{
    const struct kci_alloc *heap = kci_heap_alloc();
    const struct kci_worker_settings *s = &worker->settings;
    worker->gate = kci_gate_new(heap);
    worker->jobs = kci_alloc_zero(heap, s->open_records, sizeof *worker->jobs);
    worker->hands = kci_alloc_zero(heap, s->threads, sizeof *worker->hands);
    if (!worker->gate || !worker->jobs || !worker->hands)
        return false;
    for (size_t i = s->open_records; i-- > 0; worker->free_jobs = &worker->jobs[i])
        worker->jobs[i].next = worker->free_jobs;
    worker->free_count = s->open_records;
    for (uint32_t i = 0; i < s->threads; i++) {
        struct kci_hand *hand = &worker->hands[i];
        hand->worker = worker;
        hand->gate = kci_gate_new(heap);
        hand->onward.alloc = heap;
        kci_lock_init(&hand->lock, kci_lock_system());
        if (!hand->gate)
            return false;
    }
    return true;
}

static kc_err make_clients(kc_worker *worker, kc_error *error)
{
    struct kci_worker_settings *s = &worker->settings;
    kc_rebalance_listener listener = kci_parts_listener(worker);
    kc_err result = KC_OK;
    if (s->producer_config) {
        kc_config_set_delivery(s->producer_config, kci_hand_delivered, worker, 0);
        result = kc_producer_create(&worker->producer, s->producer_config, error);
    }
    if (result == KC_OK)
        result = kc_consumer_create(&worker->consumer, s->consumer_config, error);
    if (result == KC_OK)
        result = kc_consumer_subscribe(worker->consumer, s->topics, s->topic_count, &listener, error);
    worker->consumer_awake = result == KC_OK;
    return result;
}

static kc_err start_threads(kc_worker *worker, kc_error *error)
{
    int failure = 0;
    for (uint32_t i = 0; i < worker->settings.threads && !failure; i++)
        failure = kci_thread_start(&worker->hands[i].thread, kci_hand_run, &worker->hands[i]);
    if (!failure)
        failure = kci_thread_start(&worker->poll_thread, kci_poll_run, worker);
    return failure ? kci_fail(error, KC_ERR_NO_MEMORY, 0, "a thread cannot be started (errno %d)", failure) : KC_OK;
}

kc_err kc_worker_start(kc_worker **out, const kc_worker_options *options, kc_error *error)
{
    kc_worker *worker = kci_alloc_zero(kci_heap_alloc(), 1, sizeof *worker);
    if (out)
        *out = NULL;
    if (!worker) {
        if (options && options->seen && options->seen->close)
            options->seen->close(options->seen->context);
        return kci_fail(error, KC_ERR_NO_MEMORY, 0, "out of memory");
    }
    worker->generation = kci_process_generation();
    worker->lots_end = &worker->lots;
    kci_list_init(&worker->parts);
    kci_list_init(&worker->leaving);
    worker->by_name = kci_map_of(kci_heap_alloc(), kci_random_seed());
    kci_lock_init(&worker->consumer_lock, kci_lock_system());
    kci_lock_init(&worker->failure_lock, kci_lock_system());
    kc_err result = kci_worker_settings_copy(&worker->settings, options, error);
    if (result == KC_OK && !out)
        result = kci_fail(error, KC_ERR_ARGUMENT, 0, "out must not be NULL");
    if (result == KC_OK && !make_stock(worker))
        result = kci_fail(error, KC_ERR_NO_MEMORY, 0, "out of memory for %u records", worker->settings.open_records);
    if (result == KC_OK)
        result = make_clients(worker, error);
    if (result == KC_OK)
        result = start_threads(worker, error);
    if (result != KC_OK) {
        join_and_free(worker);
        return result;
    }
    *out = worker;
    return KC_OK;
}

/* ---- wait and close ---- */

/* Wait until a condition holds; false: the time was over. */
static bool wait_for(kc_worker *worker, bool (*holds)(const kc_worker *worker), int64_t until)
{
    for (;;) {
        uint64_t seen = kci_gate_now(worker->gate);
        if (holds(worker))
            return true;
        if (kci_clock_us() >= until)
            return false;
        kci_gate_wait(worker->gate, seen, until);
    }
}

static bool poll_has_ended(const kc_worker *worker)
{
    return atomic_load(&worker->poll_ended);
}

static bool hands_have_ended(const kc_worker *worker)
{
    return atomic_load(&worker->hands_ended) == worker->settings.threads;
}

kc_err kc_worker_wait(kc_worker *worker, int32_t timeout_ms, kc_error *error)
{
    if (!worker)
        return kci_fail(error, KC_ERR_ARGUMENT, 0, "worker is NULL");
    if (kci_hand_here() == worker)
        return kci_fail(error, KC_ERR_IN_CALLBACK, 0, "a handler cannot wait for its own worker");
    if (worker->generation != kci_process_generation())
        return kci_fail(error, KC_ERR_FORKED, 0, "the worker belongs to the parent process: start one after fork()");
    int64_t until = timeout_ms < 0 ? KCI_NEVER : kci_clock_us() + (int64_t)timeout_ms * 1000;
    if (!kci_door_enter(&worker->door))
        return kci_fail(error, KC_ERR_CLOSED, 0, "the worker was closed");
    bool ended = wait_for(worker, poll_has_ended, until);
    kci_lock_take(&worker->failure_lock);
    kc_error failure = worker->failure;
    kci_lock_release(&worker->failure_lock);
    kci_door_leave(&worker->door);
    if (!ended)
        return kci_fail(error, KC_ERR_TIMED_OUT, 0, "the worker runs");
    if (error)
        *error = failure;
    return failure.code;
}

/* What is still being sent on is given up; its reports are waited for. */
static bool nothing_is_sent_on(kc_worker *worker, int64_t until)
{
    if (!worker->producer)
        return true;
    kc_producer_purge(worker->producer, KC_PURGE_QUEUED | KC_PURGE_IN_FLIGHT);
    for (int64_t now; kc_producer_pending(worker->producer) > 0;
         kci_gate_wait(worker->gate, kci_gate_now(worker->gate), now + PENDING_LOOK_US))
        if ((now = kci_clock_us()) >= until)
            return false;
    return true;
}

kc_err kc_worker_close(kc_worker *worker, int32_t timeout_ms)
{
    if (!worker)
        return KC_OK;
    if (worker->generation != kci_process_generation())
        return KC_ERR_FORKED; /* its threads are the parent's: nothing can be freed */
    if (kci_hand_here() == worker)
        return KC_ERR_IN_CALLBACK;
    int64_t until = kci_clock_us() + (int64_t)(timeout_ms < 0 ? CLOSE_MS_MAX : timeout_ms) * 1000;
    atomic_store(&worker->close_at, until);
    atomic_store(&worker->closing, true);
    kci_gate_open(worker->gate);
    kci_worker_wake(worker);
    bool in_time = wait_for(worker, poll_has_ended, until + GRACE_US);
    kc_err result = in_time ? worker->close_result : KC_ERR_TIMED_OUT;
    if (in_time) {
        if (worker->free_count < worker->settings.open_records && !atomic_load(&worker->halted))
            result = KC_ERR_TIMED_OUT;
        atomic_store(&worker->hands_stop, true);
        wake_hands(worker);
        in_time = wait_for(worker, hands_have_ended, until + GRACE_US) && nothing_is_sent_on(worker, until + GRACE_US);
    }
    if (in_time) {
        join_and_free(worker);
        return result;
    }
    if (kci_process_spawn(join_and_free, worker) != 0)
        return KC_ERR_TIMED_OUT; /* without a thread to do it, the memory stays */
    return KC_ERR_TIMED_OUT;
}

void kc_worker_get_stats(const kc_worker *worker, kc_worker_stats *stats)
{
    if (!stats)
        return;
    *stats = (kc_worker_stats){ 0 };
    if (!worker)
        return;
    uint64_t counts[KCI_COUNTS];
    for (int i = 0; i < KCI_COUNTS; i++)
        counts[i] = atomic_load_explicit(&worker->counts[i], memory_order_relaxed);
    stats->processed = counts[KCI_COUNT_PROCESSED];
    stats->retried = counts[KCI_COUNT_RETRIED];
    stats->dead = counts[KCI_COUNT_DEAD];
    stats->duplicates = counts[KCI_COUNT_DUPLICATES];
    stats->dropped = counts[KCI_COUNT_DROPPED];
    stats->seen_failures = counts[KCI_COUNT_SEEN_FAILURES];
    stats->commits = counts[KCI_COUNT_COMMITS];
    stats->commit_failures = counts[KCI_COUNT_COMMIT_FAILURES];
    stats->open = atomic_load_explicit(&worker->open_now, memory_order_relaxed);
    stats->partitions = atomic_load_explicit(&worker->parts_now, memory_order_relaxed);
    stats->paused = atomic_load_explicit(&worker->paused_now, memory_order_relaxed);
    stats->stuck_ms = atomic_load_explicit(&worker->stuck_ms, memory_order_relaxed);
}
