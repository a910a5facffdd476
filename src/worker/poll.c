/* The polling thread: the only one that uses the consumer.
 *
 *      turn:  collect finished jobs -> deal what is fetched -> pause and resume -> commit, if it is time -> poll
 *      end:   poll, paused, until nothing is open -> commit -> close the consumer     (closed, or halted by a failure)
 *
 * It never runs a handler, so it polls in time whatever the handlers do. It sleeps in poll; hands wake it only when it
 * waits for room. */
#include "worker/internal.h"

#include <stdio.h>

#define IDLE_POLL_US    1000000  /* nothing to do: one turn in a second                                      */
#define CROWDED_POLL_US 20000    /* room is awaited and nobody woke us: the wake comes every few jobs only   */
#define ERROR_PAUSE_US  100000   /* after an error of poll that may pass                                     */
#define END_POLL_MS     20       /* while the last records are finished                                      */
#define HALT_CLOSE_US   10000000 /* for commit and leave after a failure, besides drain_ms                  */

/* ---- commits ---- */

static void committed(void *context, kc_err code, const kc_topic_partition *offsets, size_t count)
{
    kc_worker *worker = context;
    if (code == KC_OK)
        return;
    kci_worker_count(worker, KCI_COUNT_COMMIT_FAILURES, 1);
    for (size_t i = 0; i < count; i++) { /* the next commit says it again */
        struct kci_part *part = kci_part_find(worker, offsets[i].topic, offsets[i].partition);
        if (part)
            part->committed = -1;
    }
}

static bool has_news(const struct kci_part *part, bool all)
{
    return part->progress.position >= 0 && (all || part->progress.position != part->committed);
}

bool kci_poll_gather(const struct kci_alloc *alloc, struct kci_list *parts, bool all, kc_topic_partition **out,
                     size_t *count)
{
    size_t moved = 0;
    *out = NULL;
    KCI_LIST_EACH(node, parts)
    moved += has_news(KCI_CONTAINER(node, struct kci_part, link), all);
    *count = 0;
    kc_topic_partition *offsets = moved ? kci_alloc_zero(alloc, moved, sizeof *offsets) : NULL;
    if (!offsets)
        return moved == 0;
    KCI_LIST_EACH(node, parts)
    {
        struct kci_part *part = KCI_CONTAINER(node, struct kci_part, link);
        const struct kci_progress *progress = &part->progress;
        if (!has_news(part, all))
            continue;
        part->committed = progress->position;
        offsets[(*count)++] = (kc_topic_partition){ .topic = part->topic,
                                                    .partition = part->partition,
                                                    .offset = progress->position,
                                                    .leader_epoch = progress->leader_epoch };
    }
    *out = offsets;
    return true;
}

static int32_t left_ms(int64_t until)
{
    int64_t left = (until - kci_clock_us()) / 1000;
    return left < 0 ? 0 : left < INT32_MAX ? (int32_t)left : INT32_MAX;
}

kc_err kci_poll_commit_now(kc_worker *worker, struct kci_list *parts, int64_t until)
{
    size_t count;
    kc_topic_partition *offsets;
    bool gathered = kci_poll_gather(kci_heap_alloc(), parts, true, &offsets, &count);
    if (gathered && !offsets)
        return KC_OK;
    kc_err result = gathered ? KC_ERR_WOKEN : KC_ERR_NO_MEMORY; /* what was done is not committed, and that is told */
    while (result == KC_ERR_WOKEN) /* a wakeup is for poll; here it would let partitions go that another member then
                                      begins where nothing is done */
        result = kc_consumer_commit(worker->consumer, offsets, count, left_ms(until), NULL);
    kci_worker_count(worker, result == KC_OK ? KCI_COUNT_COMMITS : KCI_COUNT_COMMIT_FAILURES, 1);
    kci_alloc_free(kci_heap_alloc(), offsets);
    return result;
}

static void commit_if_due(kc_worker *worker, int64_t now)
{
    if (now < worker->commit_at)
        return;
    size_t count;
    kc_topic_partition *offsets;
    if (!kci_poll_gather(kci_heap_alloc(), &worker->parts, false, &offsets, &count))
        kci_worker_count(worker, KCI_COUNT_COMMIT_FAILURES, 1); /* the next commit says it */
    worker->commit_at = now + (int64_t)worker->settings.commit_interval_ms * 1000;
    if (!offsets)
        return;
    kci_worker_count(worker, KCI_COUNT_COMMITS, 1);
    kc_err result = kc_consumer_commit_async(worker->consumer, offsets, count, committed, worker, NULL);
    if (result != KC_OK)
        committed(worker, result, offsets, count);
    kci_alloc_free(kci_heap_alloc(), offsets);
}

/* ---- a turn ---- */

/* How long a hand with work has finished nothing. */
static void look_at_hands(kc_worker *worker, int64_t now)
{
    int64_t longest = 0;
    for (uint32_t i = 0; i < worker->settings.threads; i++) {
        struct kci_hand *hand = &worker->hands[i];
        uint64_t finished = atomic_load_explicit(&hand->finished, memory_order_relaxed);
        if (finished == hand->queued)
            hand->busy_since = 0;
        else if (!hand->busy_since || finished != hand->finished_at_look)
            hand->busy_since = now;
        hand->finished_at_look = finished;
        if (hand->busy_since && now - hand->busy_since > longest)
            longest = now - hand->busy_since;
    }
    atomic_store_explicit(&worker->stuck_ms, longest / 1000, memory_order_relaxed);
    atomic_store_explicit(&worker->open_now, worker->settings.open_records - worker->free_count, memory_order_relaxed);
}

static bool is_crowded(const kc_worker *worker)
{
    if (worker->lots)
        return true;
    KCI_LIST_EACH(node, &worker->parts)
    if (KCI_CONTAINER(node, struct kci_part, link)->crowded)
        return true;
    return false;
}

/* When the next turn is due although nothing was fetched. */
static int64_t next_turn(kc_worker *worker, int64_t now, bool crowded)
{
    int64_t at = now + (crowded ? CROWDED_POLL_US : IDLE_POLL_US), due = kci_parts_deadline(worker);
    if (due < at)
        at = due;
    if (worker->free_count < worker->settings.open_records && worker->commit_at < at)
        at = worker->commit_at;
    return at;
}

static void on_error(kc_worker *worker, const kc_error *error)
{
    if (error->code == KC_ERR_WOKEN)
        return;
    if (error->traits & KC_RETRIABLE)
        kci_gate_wait(worker->gate, kci_gate_now(worker->gate), kci_clock_us() + ERROR_PAUSE_US);
    else
        kci_worker_fail(worker, error->code, error->text);
}

static void turn(kc_worker *worker)
{
    kc_records *records = NULL;
    kc_error error;
    int64_t now = kci_clock_us();
    kci_parts_collect(worker);
    kci_deal(worker, now);
    kci_parts_update(worker, now);
    commit_if_due(worker, now);
    look_at_hands(worker, now);
    bool crowded = is_crowded(worker);
    size_t share = worker->settings.open_records / (worker->part_count ? worker->part_count : 1);
    atomic_store(&worker->wake_in, crowded ? (int)(share / 4 + 1) : 0);
    int64_t at = next_turn(worker, now, crowded);
    int32_t wait_ms = at <= now ? 0 : (int32_t)((at - now + 999) / 1000);
    if (kc_consumer_poll(worker->consumer, &records, wait_ms, &error) != KC_OK)
        on_error(worker, &error);
    atomic_store(&worker->wake_in, 0);
    if (records && !kci_deal_add(worker, records)) {
        kc_records_release(records);
        kci_worker_fail(worker, KC_ERR_NO_MEMORY, "out of memory for what was fetched");
    }
}

/* ---- the end ---- */

/* The time at which what is open is given up, and at which the consumer must be closed. */
static void end_limits(const kc_worker *worker, int64_t began, int64_t *give_up, int64_t *last)
{
    *give_up = began + (int64_t)worker->settings.drain_ms * 1000;
    *last = *give_up + HALT_CLOSE_US;
    if (atomic_load(&worker->closing)) { /* a quarter of the time is for the commit and the leave */
        *last = atomic_load(&worker->close_at);
        *give_up = began + (*last - began) / 4 * 3;
    }
}

/* One look: is everything finished that will be? Then it is committed. In the middle of a rebalance a commit is
 * refused, and polling brings the rebalance to its end. */
static bool wind_up(kc_worker *worker, int64_t give_up, int64_t last, kc_err *committed_all)
{
    int64_t now = kci_clock_us();
    if (kci_parts_collect(worker) > 0 && now < give_up)
        return false;
    *committed_all = kci_poll_commit_now(worker, &worker->parts, last - (last - now) / 4);
    return *committed_all != KC_ERR_REBALANCE_IN_PROGRESS || now >= give_up;
}

static void end(kc_worker *worker)
{
    int64_t began = kci_clock_us(), give_up, last;
    kc_err committed_all;
    worker->ending = true;
    for (;;) {
        kc_records *records = NULL;
        end_limits(worker, began, &give_up, &last);
        kci_deal_forget(worker);
        if (wind_up(worker, give_up, last, &committed_all))
            break;
        kci_parts_update(worker, kci_clock_us());
        atomic_store(&worker->wake_in, 1);
        if (kc_consumer_poll(worker->consumer, &records, END_POLL_MS, NULL) != KC_OK)
            kci_gate_wait(worker->gate, kci_gate_now(worker->gate), kci_clock_us() + END_POLL_MS * 1000);
        atomic_store(&worker->wake_in, 0);
        kc_records_release(records); /* those of partitions that came just now */
    }
    kci_parts_release_all(worker);
    kci_lock_take(&worker->consumer_lock);
    worker->consumer_awake = false;
    kci_lock_release(&worker->consumer_lock);
    worker->close_result = kc_consumer_close(worker->consumer, left_ms(last));
    worker->consumer = NULL;
    if (committed_all != KC_OK && worker->close_result == KC_OK)
        worker->close_result = KC_ERR_TIMED_OUT;
}

void kci_poll_run(void *context)
{
    kc_worker *worker = context;
    while (!atomic_load(&worker->closing) && !atomic_load(&worker->halted))
        turn(worker);
    end(worker);
    look_at_hands(worker, kci_clock_us());
    atomic_store(&worker->poll_ended, true);
    kci_gate_open(worker->gate);
}
