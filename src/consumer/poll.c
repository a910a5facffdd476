/* What a poll returns.  It looks at four things, in this order: an event (revoke, assign, commit callbacks) that must
 * run on the application's thread; records; an error; nothing.  So no record of a new assignment can come before
 * on_assigned, and none of an old one after on_revoked.
 *
 * All of it is under the lock and never waits: the caller sleeps until `notify` between two looks. */
#include "consumer/internal.h"
#include "consumer/objects.h"

/* ---- events ---- */

bool kci_consumer_queue_event(struct kci_consumer *c, struct kci_consumer_event face)
{
    struct kci_event *event = kci_alloc_zero(c->alloc, 1, sizeof *event);
    if (!event) {
        kci_partition_list_free(c->alloc, &face.partitions);
        kci_alloc_free(c->alloc, face.texts);
        return false;
    }
    event->face = face;
    kci_list_push(&c->events, &event->link);
    kci_consumer_tell(c);
    return true;
}

static bool take_event(struct kci_consumer *c, struct kci_consumer_event *out, int64_t now, bool leaving_only)
{
    if (c->event_runs)
        return false;
    if (kci_list_empty(&c->events))
        kci_group_poll_event(c, now, leaving_only);
    struct kci_list *link = kci_list_pop(&c->events);
    if (!link)
        return false;
    struct kci_event *event = KCI_CONTAINER(link, struct kci_event, link);
    *out = event->face;
    kci_alloc_free(c->alloc, event);
    c->notices -= out->kind == KCI_EVENT_NOTICE;
    c->event_runs = true;
    c->last_poll = now; /* a callback has max.poll.interval.ms, like the work on records */
    return true;
}

void kci_consumer_next_event(struct kci_consumer *c, struct kci_consumer_event *event, int64_t now)
{
    event->kind = KCI_EVENT_NONE;
    kci_consumer_lock(c);
    take_event(c, event, now, true);
    kci_consumer_unlock(c);
}

void kci_consumer_event_done(struct kci_consumer *c, struct kci_consumer_event *event, int64_t now)
{
    kci_consumer_lock(c);
    c->event_runs = false;
    c->last_poll = now;
    if (event->kind != KCI_EVENT_COMMITTED && event->kind != KCI_EVENT_NOTICE)
        kci_group_event_done(c, event->kind, now);
    kci_partition_list_free(c->alloc, &event->partitions);
    kci_alloc_free(c->alloc, event->texts);
    event->texts = NULL;
    event->kind = KCI_EVENT_NONE;
    kci_consumer_unlock(c);
}

/* ---- poll ---- */

void kci_consumer_poll_enter(struct kci_consumer *c, int64_t now)
{
    kci_consumer_lock(c);
    c->subscription.polls++;
    c->in_poll = true;
    c->last_poll = now;
    c->stats.polls++;
    kci_tally_poll_begins(c, now);
    c->step_due = kci_group_wants_poll(c);
    if (c->step_due)
        kci_consumer_want_step(c);
    kci_consumer_unlock(c);
}

void kci_consumer_poll_leave(struct kci_consumer *c, int64_t now)
{
    kci_consumer_lock(c);
    c->in_poll = false;
    c->last_poll = now;
    kci_tally_poll_ends(c, now);
    kci_consumer_unlock(c);
}

kc_err kci_consumer_keepalive(struct kci_consumer *c, int64_t now, kc_error *error)
{
    kc_err result = KC_OK;
    kci_consumer_lock(c);
    const struct kci_group *g = &c->group;
    if (g->generation < 0)
        result = kci_fail(error, KC_ERR_STATE, 0, "not a member of the group: a poll joins it");
    else if (!c->event_runs &&
             ((g->state != KCI_GROUP_STABLE && g->state != KCI_GROUP_ACKNOWLEDGING) || kci_group_wants_poll(c)))
        result = kci_fail(error, KC_ERR_REBALANCE_IN_PROGRESS, KC_RETRIABLE, "the group waits for this member to poll");
    else
        c->last_poll = now;
    kci_consumer_unlock(c);
    return result;
}

void kci_consumer_wakeup(struct kci_consumer *c)
{
    atomic_store(&c->woken, true);
    if (c->notify)
        c->notify(c->notify_context);
}

bool kci_consumer_woken(struct kci_consumer *c)
{
    return atomic_load_explicit(&c->woken, memory_order_relaxed) && atomic_exchange(&c->woken, false);
}

/* How much one poll may return. */
struct limits {
    size_t records; /* >= 1 */
    size_t bytes;   /* of the records as they are encoded; one larger record passes. SIZE_MAX: no limit */
    size_t used;    /* bytes so far; only with a limit */
};

/* Note what was taken of a partition, slice `i` and those behind it. What there is no memory to note goes back to where
 * it was, and is fetched again: whatever is out can be acknowledged. false: so it was. */
static bool note(struct kci_consumer *c, struct kci_assigned *a, struct kc_records *records, size_t i)
{
    for (; i < records->slice_count; i++) {
        int64_t from = records->slices[i].from;
        int32_t epoch = records->slices[i].epoch_before;
        if (kci_records_note(records, i, &a->ledger))
            continue;
        kci_records_cut(records, i, 0, from);
        kci_assigned_again(&c->subscription, a, from, epoch, c->last_poll);
        kci_consumer_want_step(c);
        return false;
    }
    return true;
}

/* The first move of a partition in this poll: a commit may go up to where it was before. */
static void moved(const struct kci_consumer *c, struct kci_assigned *a, int64_t before, int32_t epoch)
{
    if (a->position == before || a->moved_in_poll == c->subscription.polls)
        return;
    a->moved_in_poll = c->subscription.polls;
    a->previous = before;
    a->previous_epoch = epoch;
}

/* Take records from the oldest run of a partition, within the limits of the whole set. false: out of memory. */
static bool take_run(struct kci_consumer *c, struct kci_assigned *a, struct kc_records *records, struct limits *limits)
{
    struct kci_run *run = KCI_CONTAINER(kci_list_first(&a->runs), struct kci_run, link);
    size_t slices_before = records->slice_count, room = limits->records - records->count;
    if (limits->bytes != SIZE_MAX) {
        bool full = false;
        size_t fit = kci_records_within(run, room, limits->bytes, &limits->used, &full);
        if (full) { /* nothing more fits: not even of another partition */
            room = fit;
            limits->records = records->count + fit;
        }
        if (room == 0)
            return true;
    }
    int64_t before = a->position, quota = c->settings->max_partition_fetch_bytes;
    int32_t previous_epoch = a->epoch;
    bool was_full = a->queued_bytes + a->judging_bytes >= quota;
    size_t count_before = records->count;
    bool ok = kci_records_take(records, run, room, &a->position, &a->epoch);
    bool noted = !c->subscription.explicit_acks || note(c, a, records, slices_before);
    bool read = noted && run->next == run->count;
    if (!kci_objects_needed(c->settings)) /* else when it is known how many have objects */
        kci_tally_records(c, a->topic, records->count - count_before);
    moved(c, a, before, previous_epoch);
    if (!noted)
        return false;
    if (read) {
        kci_tally_bytes(c, a->topic, run->bytes);
        a->queued_bytes -= run->bytes;
        kci_list_remove(&run->link);
        kci_run_release(run);
        /* The others first, before its next run: none starves behind one that is filled as fast as it is read. */
        kci_list_remove(&a->ready_link);
        if (!kci_list_empty(&a->runs))
            kci_list_push(&c->subscription.ready, &a->ready_link);
        else if (c->fetcher.alone.state == KCI_ALONE_WAITS)
            kci_consumer_want_step(c);
    }
    if (was_full && a->queued_bytes + a->judging_bytes < quota) {
        c->fetcher.drained = true;
        kci_consumer_want_step(c);
    }
    return ok;
}

/* The partition whose turn it is to return records, or NULL. */
static struct kci_assigned *next_ready(struct kci_consumer *c)
{
    KCI_LIST_EACH(link, &c->subscription.ready)
    {
        struct kci_assigned *a = KCI_CONTAINER(link, struct kci_assigned, ready_link);
        bool paused = a->paused && c->plant != KCI_PLANT_DEAF_PAUSE; /* planted defect */
        if (!paused && !a->revoking)
            return a;
    }
    return NULL;
}

/* Records that were returned and are not acknowledged. */
static uint64_t unacknowledged(const struct kci_consumer *c)
{
    uint64_t sum = 0;
    KCI_LIST_EACH(link, &c->subscription.assigned)
    sum += KCI_CONTAINER(link, struct kci_assigned, link)->ledger.unacknowledged;
    return sum;
}

/* Collect records from the partitions that have some, run by run, in turns. */
static kc_err collect(struct kci_consumer *c, struct limits *limits, struct kc_records **out)
{
    struct kc_records *records = NULL;
    struct kci_assigned *a = next_ready(c);
    bool ok = true;
    if (a && c->subscription.explicit_acks) {
        uint64_t waiting = unacknowledged(c), most = (uint64_t)c->settings->max_unacknowledged_records;
        c->acks_awaited = waiting >= most;
        if (c->acks_awaited)
            return KC_OK;
        limits->records = limits->records < most - waiting ? limits->records : (size_t)(most - waiting);
    }
    if (a && !(records = kci_records_new(c->shared)))
        return KC_ERR_NO_MEMORY;
    for (; ok && a && records->count < limits->records; a = next_ready(c))
        ok = take_run(c, a, records, limits);
    if (records && records->count) {
        c->stats.records_returned += records->count;
        *out = records;
        return KC_OK;
    }
    kci_records_release(records); /* only positions moved */
    return ok ? KC_OK : KC_ERR_NO_MEMORY;
}

/* Errors that poll reports: a partition that cannot go on (each time, until a seek), or what was raised (once). */
static kc_err find_error(struct kci_consumer *c, kc_error *error)
{
    if (c->pending_error != KC_OK) {
        kc_err code = kci_fail(error, c->pending_error, 0, "%s", c->pending_text);
        c->pending_error = KC_OK;
        return code;
    }
    if (c->group.state == KCI_GROUP_FAILED)
        return kci_fail(error, c->group.error, KC_FATAL, "%s", c->group.text);
    KCI_LIST_EACH(link, &c->subscription.assigned)
    {
        const struct kci_assigned *a = KCI_CONTAINER(link, struct kci_assigned, link);
        if (a->state == KCI_POSITION_FAILED && kci_list_empty(&a->runs) && !a->paused && !a->revoking)
            return kci_fail(error, a->error, 0, "%s", a->text);
    }
    return KC_OK;
}

kc_err kci_consumer_poll(struct kci_consumer *c, struct kc_records **out, struct kci_consumer_event *event, int64_t now,
                         kc_error *error)
{
    return kci_consumer_poll_up_to(c, out, event, 0, 0, now, error);
}

kc_err kci_consumer_poll_up_to(struct kci_consumer *c, struct kc_records **out, struct kci_consumer_event *event,
                               size_t records_max, size_t bytes_max, int64_t now, kc_error *error)
{
    size_t most = (size_t)c->settings->max_poll_records;
    struct limits limits = { records_max && records_max < most ? records_max : most, bytes_max ? bytes_max : SIZE_MAX,
                             0 };
    kc_err result = KC_OK;
    *out = NULL;
    event->kind = KCI_EVENT_NONE;
    kci_consumer_lock(c);
    if (!c->subscription.by_group && c->subscription.assigned_count == 0) {
        result = kci_fail(error, KC_ERR_STATE, 0, "neither subscribed nor assigned: there is nothing to poll");
    } else if (!take_event(c, event, now, false)) {
        /* With records always at hand a poll would be over before the engine sees it, and a rebalance never begin. */
        c->held_back = c->step_due;
        if (!c->step_due)
            result = collect(c, &limits, out);
        if (result != KC_OK)
            result = kci_fail(error, result, 0, "out of memory");
        else if (!*out)
            result = find_error(c, error);
    }
    kci_consumer_unlock(c);
    return result;
}
