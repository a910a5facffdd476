/* A thread that handles records.  It takes all that is queued at once and goes through it in order, so records of one
 * key, which all come here, are handled one after the other.
 *
 *      seen before? --yes--> finished
 *        | no
 *        v        DONE   -> remembered as seen ------------------------------------------> finished
 *      handle ->  RETRY  -> next step in place: wait, handle again
 *                           next step is a topic, or none is left and DEAD -> send -> delivered -> finished
 *                 STOP, or nowhere to send it -> the worker halts -------------------------> abandoned
 *
 * A record whose partition went away, or that waits when the worker halts, is abandoned: it is not committed and comes
 * again. When a mark is finished its job belongs to the polling thread again, so it is the last thing that is done. */
#include "worker/internal.h"

#include <stdio.h>

enum outcome { FINISHED, ABANDONED, SENT_ON };

static _Thread_local const kc_worker *here;

const kc_worker *kci_hand_here(void)
{
    return here;
}

/* A job was finished: somebody may wait for that. */
static void note(kc_worker *worker)
{
    if (atomic_load(&worker->draining))
        kci_gate_open(worker->gate);
    if (atomic_load_explicit(&worker->wake_in, memory_order_relaxed) > 0 && atomic_fetch_sub(&worker->wake_in, 1) == 1)
        kci_worker_wake(worker);
}

static bool is_gone(const struct kci_job *job, const kc_worker *worker)
{
    return atomic_load_explicit(&job->part->dropped, memory_order_relaxed) ||
           atomic_load_explicit(&worker->halted, memory_order_relaxed);
}

/* ---- on to another topic ---- */

static void fail_job(kc_worker *worker, const kc_record_view *view, kc_err code, const char *what, const char *why)
{
    char text[600];
    snprintf(text, sizeof text, "%s [%d] offset %lld: %s: %s", view->topic, view->partition, (long long)view->offset,
             what, why);
    kci_worker_fail(worker, code, text);
}

static enum outcome send_on(struct kci_hand *hand, struct kci_job *job, const char *topic, int64_t retry_at_ms)
{
    kc_worker *worker = hand->worker;
    kc_record record;
    kc_error error;
    hand->past.retry_at_ms = retry_at_ms;
    if (!kci_onward_build(&hand->onward, &record, topic, &job->view, &hand->past, hand->reason,
                          worker->settings.group)) {
        fail_job(worker, &job->view, KC_ERR_NO_MEMORY, "cannot be sent on", "out of memory");
        return ABANDONED;
    }
    record.opaque = job;
    /* the job may be delivered, and used anew, before send returns: what the text of an error needs is kept */
    kc_record_view view = job->view;
    if (kc_producer_send(worker->producer, &record, 1, NULL, &error) == KC_OK)
        return SENT_ON;
    fail_job(worker, &view, error.code, topic, error.text);
    return ABANDONED;
}

void kci_hand_delivered(const kc_delivery *deliveries, size_t count, void *context)
{
    kc_worker *worker = context;
    for (size_t i = 0; i < count; i++) {
        const kc_delivery *d = &deliveries[i];
        struct kci_job *job = d->opaque;
        if (!job)
            continue;
        if (d->code != KC_OK)
            fail_job(worker,
                     &(kc_record_view){ .topic = "a record", .partition = d->partition, .offset = job->mark.offset },
                     d->code, d->topic, d->text ? d->text : kc_err_text(d->code));
        else if (worker->settings.dead_topic && strcmp(d->topic, worker->settings.dead_topic) == 0)
            kci_worker_count(worker, KCI_COUNT_DEAD, 1);
        kci_progress_finish(&job->mark, d->code == KC_OK);
        note(worker);
    }
}

/* ---- seen ---- */

/* What makes the record the same one when it comes again. */
static bool find_id(const struct kci_worker_settings *s, const kc_record_view *view, kc_bytes *id)
{
    kc_bytes name;
    if (!s->seen.contains)
        return false;
    *id = view->key;
    if (!s->id_header)
        return id->data != NULL;
    for (uint32_t i = 0; i < view->header_count; i++)
        if (kc_record_view_header(view, i, &name, id) == KC_OK && name.size == strlen(s->id_header) &&
            memcmp(name.data, s->id_header, name.size) == 0)
            return id->data != NULL;
    return false;
}

/* ---- handling ---- */

/* One attempt. */
static kc_verdict attempt(struct kci_hand *hand, struct kci_job *job, bool *duplicate)
{
    kc_worker *worker = hand->worker;
    const struct kci_worker_settings *s = &worker->settings;
    kc_bytes id;
    bool known = find_id(s, &job->view, &id);
    int seen = known ? s->seen.contains(s->seen.context, id) : 0;
    hand->reason[0] = 0;
    if (seen < 0) {
        snprintf(hand->reason, sizeof hand->reason, "the store \"%s\" cannot tell whether the record was seen",
                 s->seen.name ? s->seen.name : "");
        kci_worker_count(worker, KCI_COUNT_SEEN_FAILURES, 1);
        return KC_WORK_RETRY;
    }
    if (seen) {
        *duplicate = true;
        return KC_WORK_DONE;
    }
    const struct kci_past *past = &hand->past;
    kc_work work = { &job->view,   past->attempts,     past->topic, past->partition,
                     past->offset, past->timestamp_ms, hand->reason };
    kc_verdict verdict = s->handle(s->context, &work);
    hand->reason[sizeof hand->reason - 1] = 0;
    if (verdict == KC_WORK_DONE && known && s->seen.add(s->seen.context, id) < 0)
        kci_worker_count(worker, KCI_COUNT_SEEN_FAILURES, 1);
    return verdict;
}

/* false: the job is gone meanwhile. */
static bool wait_in_place(struct kci_hand *hand, const struct kci_job *job, int32_t delay_ms)
{
    int64_t until = kci_clock_us() + (int64_t)delay_ms * 1000;
    for (;;) {
        uint64_t seen = kci_gate_now(hand->gate);
        if (is_gone(job, hand->worker))
            return false;
        if (kci_clock_us() >= until)
            return true;
        kci_gate_wait(hand->gate, seen, until);
    }
}

static enum outcome give_up(struct kci_hand *hand, struct kci_job *job)
{
    const struct kci_worker_settings *s = &hand->worker->settings;
    char why[KC_WORK_REASON_BYTES + 100];
    if (s->dead_topic)
        return send_on(hand, job, s->dead_topic, 0);
    snprintf(why, sizeof why, "%u attempts, and there is no dead_topic: %s", hand->past.attempts,
             hand->reason[0] ? hand->reason : "(no reason given)");
    fail_job(hand->worker, &job->view, KC_ERR_STATE, "failed", why);
    return ABANDONED;
}

static void recall_past(struct kci_hand *hand, const struct kci_job *job)
{
    kci_past_read(&hand->past, &job->view);
    if (job->part->delay_ms < 0) /* whoever puts a dead record back begins anew */
        hand->past.attempts = 0;
}

static enum outcome handle(struct kci_hand *hand, struct kci_job *job)
{
    kc_worker *worker = hand->worker;
    const struct kci_worker_settings *s = &worker->settings;
    if (is_gone(job, worker))
        return ABANDONED;
    recall_past(hand, job);
    for (;;) {
        bool duplicate = false;
        hand->past.attempts++;
        kc_verdict verdict = attempt(hand, job, &duplicate);
        if (verdict == KC_WORK_DONE) {
            kci_worker_count(worker, duplicate ? KCI_COUNT_DUPLICATES : KCI_COUNT_PROCESSED, 1);
            return FINISHED;
        }
        if (verdict == KC_WORK_STOP) {
            fail_job(worker, &job->view, KC_ERR_STATE, "the handler stops", hand->reason);
            return ABANDONED;
        }
        if (verdict != KC_WORK_RETRY || hand->past.attempts > s->retry_count)
            return give_up(hand, job);
        const kc_retry_step *step = &s->retries[hand->past.attempts - 1];
        kci_worker_count(worker, KCI_COUNT_RETRIED, 1);
        if (step->topic)
            return send_on(hand, job, step->topic, kci_clock_wall_ms() + step->delay_ms);
        if (!wait_in_place(hand, job, step->delay_ms))
            return ABANDONED;
    }
}

static void work_off(struct kci_hand *hand, struct kci_job *job)
{
    kc_worker *worker = hand->worker;
    while (job) {
        struct kci_job *next = job->next;
        struct kci_lot *lot = job->lot; /* a job that was sent on is not ours any more */
        enum outcome outcome = handle(hand, job);
        kci_lot_leave(lot);
        if (outcome == ABANDONED)
            kci_worker_count(worker, KCI_COUNT_DROPPED, 1);
        if (outcome != SENT_ON)
            kci_progress_finish(&job->mark, outcome == FINISHED);
        atomic_fetch_add_explicit(&hand->finished, 1, memory_order_relaxed);
        note(worker);
        job = next;
    }
}

void kci_hand_run(void *context)
{
    struct kci_hand *hand = context;
    kc_worker *worker = hand->worker;
    here = worker;
    for (;;) {
        uint64_t seen = kci_gate_now(hand->gate);
        kci_lock_take(&hand->lock);
        struct kci_job *job = hand->queue.first;
        hand->queue = (struct kci_job_queue){ NULL, NULL };
        kci_lock_release(&hand->lock);
        if (job)
            work_off(hand, job);
        else if (atomic_load(&worker->hands_stop))
            break;
        else
            kci_gate_wait(hand->gate, seen, KCI_NEVER);
    }
    here = NULL;
    atomic_fetch_add(&worker->hands_ended, 1);
    kci_gate_open(worker->gate);
}

void kci_hand_push(struct kci_hand *hand)
{
    if (!hand->dealt.first)
        return;
    kci_lock_take(&hand->lock);
    if (hand->queue.last)
        hand->queue.last->next = hand->dealt.first;
    else
        hand->queue.first = hand->dealt.first;
    hand->queue.last = hand->dealt.last;
    kci_lock_release(&hand->lock);
    hand->dealt = (struct kci_job_queue){ NULL, NULL };
    kci_gate_open(hand->gate);
}
