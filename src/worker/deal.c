/* Hands the records of polls to the threads: one look at each record, no copy of its bytes, no memory beyond a job from
 * the worker's stock.  When the stock is empty the rest of the lot waits, and kci_parts_update() pauses all partitions.
 *
 * The thread is chosen by a hash of the key that is not the partitioner's: with the same one, all keys of a partition
 * could have the same remainder and meet in one thread. */
#include "base/checksum.h"
#include "worker/internal.h"

#define KEY_SEED     0x6b636c69u /* any number that is not 0: the CRC then differs from that of a plain key */
#define SLACK_MAX_MS 100         /* records of a retry topic that are due so soon wait together */

bool kci_deal_add(kc_worker *worker, kc_records *records)
{
    struct kci_lot *lot = kci_alloc_zero(kci_heap_alloc(), 1, sizeof *lot);
    if (!lot)
        return false;
    lot->records = records;
    lot->number = ++worker->lot_number;
    atomic_init(&lot->users, 1);
    *worker->lots_end = lot;
    worker->lots_end = &lot->next;
    return true;
}

void kci_lot_leave(struct kci_lot *lot)
{
    if (atomic_fetch_sub_explicit(&lot->users, 1, memory_order_acq_rel) != 1)
        return;
    kc_records_release(lot->records);
    kci_alloc_free(kci_heap_alloc(), lot);
}

/* A record of a retry topic that is not due: its partition goes back to it, and rests until then. */
static bool is_due(kc_worker *worker, struct kci_part *part, const kc_record_view *view, int64_t now)
{
    int64_t at_ms = kci_past_retry_at(view), left_ms = at_ms ? at_ms - kci_clock_wall_ms() : 0;
    if (left_ms <= 0)
        return true;
    int64_t slack_ms = part->delay_ms / 10;
    if (left_ms > part->delay_ms) /* clocks that differ, or a number that nobody of us wrote */
        left_ms = part->delay_ms;
    left_ms += slack_ms < SLACK_MAX_MS ? slack_ms : SLACK_MAX_MS;
    part->due_us = now + left_ms * 1000;
    part->stale_through = worker->lot_number; /* it and what follows are fetched again */
    kc_consumer_seek(worker->consumer, part->topic, part->partition, view->offset, NULL);
    return false;
}

uint32_t kci_deal_choose(kc_bytes key, uint32_t threads)
{
    return (uint32_t)(((uint64_t)kci_crc32c(KEY_SEED, key.data, key.size) * threads) >> 32);
}

static struct kci_hand *hand_of(kc_worker *worker, kc_bytes key)
{
    uint32_t threads = worker->settings.threads;
    return &worker->hands[key.data ? kci_deal_choose(key, threads) : worker->spread++ % threads];
}

static void deal_record(kc_worker *worker, struct kci_lot *lot, struct kci_part *part, const kc_record_view *view)
{
    struct kci_job *job = worker->free_jobs;
    struct kci_hand *hand = hand_of(worker, view->key);
    worker->free_jobs = job->next;
    worker->free_count--;
    job->next = NULL;
    job->part = part;
    job->lot = lot;
    job->view = *view;
    atomic_fetch_add_explicit(&lot->users, 1, memory_order_relaxed);
    part->dealt_to = view->offset;
    kci_progress_begin(&part->progress, &job->mark, view->offset, view->leader_epoch);
    if (hand->dealt.last)
        hand->dealt.last->next = job;
    else
        hand->dealt.first = job;
    hand->dealt.last = job;
    hand->queued++;
}

/* false: no job is free, there may be more. */
static bool deal_lot(kc_worker *worker, struct kci_lot *lot, int64_t now)
{
    kc_record_view view;
    while (worker->free_jobs) {
        if (!kc_records_next(lot->records, &view))
            return true;
        struct kci_part *part = kci_part_find(worker, view.topic, view.partition);
        if (part && lot->number > part->stale_through && view.offset <= part->dealt_to)
            part = kci_part_restart(worker, part, lot->number);
        if (!part)
            kci_worker_count(worker, KCI_COUNT_DROPPED, 1); /* it is another member's */
        else if (lot->number > part->stale_through && (part->delay_ms < 0 || is_due(worker, part, &view, now)))
            deal_record(worker, lot, part, &view);
    }
    return false;
}

static void drop_first(kc_worker *worker)
{
    struct kci_lot *lot = worker->lots;
    worker->lots = lot->next;
    if (!worker->lots)
        worker->lots_end = &worker->lots;
    kci_lot_leave(lot);
}

void kci_deal(kc_worker *worker, int64_t now)
{
    while (worker->lots && deal_lot(worker, worker->lots, now))
        drop_first(worker);
    for (uint32_t i = 0; i < worker->settings.threads; i++)
        kci_hand_push(&worker->hands[i]);
}

void kci_deal_forget(kc_worker *worker)
{
    while (worker->lots)
        drop_first(worker);
}
