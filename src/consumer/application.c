/* What the application's functions do: change what is under the lock, or look at it.  None waits, none meets the
 * cluster.
 *
 * poll looks at four things, in this order: an event (revoke, assign, commit callbacks) that must run on the
 * application's thread; records; an error; nothing.  So no record of a new assignment can come before on_assigned, and
 * none of an old one after on_revoked. */
#include "consumer/internal.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- what to read ---- */

/* May it subscribe now? */
static kc_err may_subscribe(struct kci_consumer *c, kc_error *error)
{
    if (!c->settings->group_id)
        return kci_fail(error, KC_ERR_STATE, 0, "subscribe needs group.id; without a group, assign partitions");
    if (!c->subscription.by_group && c->subscription.assigned_count)
        return kci_fail(error, KC_ERR_STATE, 0, "partitions are assigned by hand: assign none before subscribing");
    if (c->group.state == KCI_GROUP_FAILED)
        return kci_fail(error, c->group.error, KC_FATAL, "another consumer has our group.instance.id: close this one");
    return KC_OK;
}

static kc_err subscribed(struct kci_consumer *c, kc_err result, int64_t now)
{
    if (result == KC_OK) {
        c->subscription.by_group = true;
        kci_group_subscribed(c, now);
        kci_consumer_want_step(c);
    }
    kci_consumer_unlock(c);
    return result;
}

kc_err kci_consumer_subscribe(struct kci_consumer *c, const char *const *topics, size_t count, int64_t now,
                              kc_error *error)
{
    for (size_t i = 0; i < count; i++)
        if (!topics[i] || !topics[i][0])
            return kci_fail(error, KC_ERR_ARGUMENT, 0, "topic %zu has no name", i);
    kci_consumer_lock(c);
    kc_err result = may_subscribe(c, error);
    if (result == KC_OK && !kci_subscription_set_topics(&c->subscription, topics, count))
        result = kci_fail(error, KC_ERR_NO_MEMORY, 0, "out of memory");
    return subscribed(c, result, now);
}

static kc_err set_pattern(struct kci_consumer *c, const char *text, kc_error *error)
{
    char why[200];
    struct kci_pattern *pattern = kci_pattern_compile(c->alloc, text, why, sizeof why);
    if (!pattern)
        return kci_fail(error, KC_ERR_ARGUMENT, 0, "the pattern \"%.200s\" cannot be used: %s", text, why);
    kci_subscription_set_pattern_take(&c->subscription, pattern);
    kci_catalog_restart(c);
    return KC_OK;
}

kc_err kci_consumer_subscribe_pattern(struct kci_consumer *c, const char *pattern, bool remote, int64_t now,
                                      kc_error *error)
{
    if (!pattern || !pattern[0])
        return kci_fail(error, KC_ERR_ARGUMENT, 0, "the pattern is empty");
    if (remote && !c->settings->group_protocol_consumer)
        return kci_fail(error, KC_ERR_STATE, 0,
                        "a pattern is matched by the brokers with group.protocol=consumer only: set it, or let it be "
                        "matched here");
    kci_consumer_lock(c);
    kc_err result = may_subscribe(c, error);
    if (result == KC_OK && !remote)
        result = set_pattern(c, pattern, error);
    else if (result == KC_OK && !kci_subscription_set_remote_pattern(&c->subscription, pattern))
        result = kci_fail(error, KC_ERR_NO_MEMORY, 0, "out of memory");
    return subscribed(c, result, now);
}

kc_err kci_consumer_assign(struct kci_consumer *c, const kc_topic_partition *items, size_t count, int64_t now,
                           kc_error *error)
{
    kc_err result = KC_OK;
    for (size_t i = 0; i < count; i++) {
        bool offset_ok = items[i].offset >= 0 || items[i].offset == KC_OFFSET_END ||
                         items[i].offset == KC_OFFSET_BEGINNING || items[i].offset == KC_OFFSET_NONE;
        if (!items[i].topic || !items[i].topic[0] || items[i].partition < 0 || !offset_ok)
            return kci_fail(error, KC_ERR_ARGUMENT, 0, "entry %zu: topic, partition or offset is not valid", i);
    }
    kci_consumer_lock(c);
    int32_t generation;
    bool commits = c->settings->enable_auto_commit && c->settings->group_id && c->subscription.assigned_count;
    if (c->subscription.by_group)
        result = kci_fail(error, KC_ERR_STATE, 0, "topics are subscribed: unsubscribe before assigning partitions");
    else if (commits && kci_group_commit_generation(c, &generation) == KC_OK) /* what is given up was worked on */
        kci_operations_auto_commit(c, true, now, now + (int64_t)c->settings->default_api_timeout_ms * KCI_MS);
    if (result == KC_OK && !kci_subscription_assign(&c->subscription, items, count, now))
        result = kci_fail(error, KC_ERR_NO_MEMORY, 0, "out of memory");
    kci_consumer_want_step(c);
    kci_consumer_unlock(c);
    return result;
}

static kc_err not_assigned(kc_error *error, const char *topic, int32_t partition)
{
    return kci_fail(error, KC_ERR_STATE, 0, "%s [%d] is not assigned to this consumer", topic ? topic : "(null)",
                    (int)partition);
}

kc_err kci_consumer_seek(struct kci_consumer *c, const char *topic, int32_t partition, int64_t offset, int64_t now,
                         kc_error *error)
{
    kc_err result = KC_OK;
    if (!topic || (offset < 0 && offset != KC_OFFSET_BEGINNING && offset != KC_OFFSET_END))
        return kci_fail(error, KC_ERR_ARGUMENT, 0, "offset %" PRId64 " is not one", offset);
    kci_consumer_lock(c);
    struct kci_assigned *a = kci_subscription_find_name(&c->subscription, topic, partition);
    if (!a)
        result = not_assigned(error, topic, partition);
    else
        kci_assigned_seek(&c->subscription, a, offset, -1, now);
    kci_consumer_want_step(c);
    kci_consumer_unlock(c);
    return result;
}

kc_err kci_consumer_pause(struct kci_consumer *c, const kc_topic_partition *items, size_t count, bool pause,
                          kc_error *error)
{
    kc_err result = KC_OK;
    kci_consumer_lock(c);
    for (size_t i = 0; i < count && result == KC_OK; i++)
        if (!items[i].topic || !kci_subscription_find_name(&c->subscription, items[i].topic, items[i].partition))
            result = not_assigned(error, items[i].topic, items[i].partition);
    for (size_t i = 0; i < count && result == KC_OK; i++)
        kci_subscription_find_name(&c->subscription, items[i].topic, items[i].partition)->paused = pause;
    kci_consumer_want_step(c);
    kci_consumer_unlock(c);
    return result;
}

kc_err kci_consumer_assignment(struct kci_consumer *c, struct kci_partition_list *out)
{
    kci_consumer_lock(c);
    bool ok = kci_subscription_list(&c->subscription, kci_assigned_is_any, out);
    kci_consumer_unlock(c);
    return ok ? KC_OK : KC_ERR_NO_MEMORY;
}

kc_err kci_consumer_position(struct kci_consumer *c, const char *topic, int32_t partition, int64_t *offset,
                             kc_error *error)
{
    kc_err result = KC_OK;
    kci_consumer_lock(c);
    const struct kci_assigned *a = topic ? kci_subscription_find_name(&c->subscription, topic, partition) : NULL;
    if (!a)
        result = not_assigned(error, topic, partition);
    else if (a->state == KCI_POSITION_FAILED && a->position < 0)
        result = kci_fail(error, a->error, 0, "%s", a->text);
    else
        *offset = a->position;
    kci_consumer_unlock(c);
    return result;
}

const char *kci_consumer_position_state(struct kci_consumer *c, const char *topic, int32_t partition, int64_t now,
                                        int64_t *for_us)
{
    kci_consumer_lock(c);
    const struct kci_assigned *a = kci_subscription_find_name(&c->subscription, topic, partition);
    const char *name = a ? kci_states_name(&kci_position_states, a->state) : NULL;
    if (a && for_us)
        *for_us = now - a->since;
    kci_consumer_unlock(c);
    return name;
}

void kci_consumer_state(struct kci_consumer *c, const char *topic, int32_t partition, int64_t now,
                        kc_consumer_state *state)
{
    memset(state, 0, sizeof *state);
    kci_consumer_lock(c);
    const struct kci_assigned *a = topic ? kci_subscription_find_name(&c->subscription, topic, partition) : NULL;
    if (a) {
        state->position = kci_states_name(&kci_position_states, a->state);
        state->position_for_ms = (now - a->since) / KCI_MS;
        state->paused = a->paused;
        state->revoking = a->revoking;
        state->ahead_bytes = a->queued_bytes + a->judging_bytes;
        state->unacknowledged = a->ledger.unacknowledged;
        state->stalled = a->stalled;
    }
    state->group = kci_states_name(c->group.states, c->group.state);
    state->group_for_ms = c->group.since ? (now - c->group.since) / KCI_MS : -1;
    state->since_poll_ms = c->in_poll && !c->event_runs ? 0 : c->last_poll ? (now - c->last_poll) / KCI_MS : -1;
    kci_consumer_unlock(c);
}

const char *kci_consumer_group_state(struct kci_consumer *c)
{
    kci_consumer_lock(c);
    const char *name = kci_states_name(c->group.states, c->group.state);
    kci_consumer_unlock(c);
    return name;
}

/* ---- events ---- */

bool kci_consumer_queue_event(struct kci_consumer *c, enum kci_consumer_event_kind kind,
                              struct kci_partition_list *partitions, kc_commit_fn fn, void *context, kc_err code)
{
    struct kci_event *event = kci_alloc_zero(c->alloc, 1, sizeof *event);
    if (!event) {
        kci_partition_list_free(c->alloc, partitions);
        return false;
    }
    event->face = (struct kci_consumer_event){
        .kind = kind, .partitions = *partitions, .commit = fn, .context = context, .code = code
    };
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
    int32_t epoch_before = a->epoch, previous_epoch = a->epoch;
    bool was_full = a->queued_bytes + a->judging_bytes >= quota;
    size_t count_before = records->count;
    bool ok = kci_records_take(records, run, room, &a->position, &a->epoch);
    for (size_t i = slices_before; c->subscription.explicit_acks && i < records->slice_count; i++) {
        kci_records_note(records, i, &a->ledger, epoch_before);
        epoch_before = records->slices[i].run->batches[records->slices[i].batch].leader_epoch;
    }
    kci_tally_returned(c, a->topic, records->count - count_before, run->next == run->count ? run->bytes : 0);
    if (run->next == run->count) {
        a->queued_bytes -= run->bytes;
        kci_list_remove(&run->link);
        kci_run_release(run);
        /* The others first, before its next run: none starves behind one that is filled as fast as it is read. */
        kci_list_remove(&a->ready_link);
        if (!kci_list_empty(&a->runs))
            kci_list_push(&c->subscription.ready, &a->ready_link);
    }
    if (a->position != before && a->moved_in_poll != c->subscription.polls) {
        a->moved_in_poll = c->subscription.polls;
        a->previous = before;
        a->previous_epoch = previous_epoch;
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
        if (!a->paused && !a->revoking)
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
        return kci_fail(error, c->group.error, KC_FATAL, "another consumer has our group.instance.id: close this one");
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

kc_err kci_consumer_enforce_rebalance(struct kci_consumer *c, const char *reason, kc_error *error)
{
    kc_err result = KC_OK;
    kci_consumer_lock(c);
    if (!c->subscription.by_group) {
        result = kci_fail(error, KC_ERR_STATE, 0, "not subscribed: there is no group to rebalance");
    } else if (c->group.state == KCI_GROUP_STABLE) { /* else it is at it, or joins anyway */
        snprintf(c->rejoin_reason, sizeof c->rejoin_reason, "%s",
                 reason && *reason ? reason : "the application wants it");
        kci_group_want_rejoin(c, c->rejoin_reason);
        kci_consumer_want_step(c);
    }
    kci_consumer_unlock(c);
    return result;
}

/* ---- acknowledgements ---- */

static kc_err stale_ack(kc_error *error, const char *topic, int32_t partition)
{
    return kci_fail(error, KC_ERR_STATE, 0,
                    "%s [%d] was given up, assigned anew or moved by a seek since the record was returned: it will be "
                    "read again",
                    topic ? topic : "(null)", (int)partition);
}

static kc_err not_explicit(const struct kci_consumer *c, kc_error *error)
{
    return c->subscription.explicit_acks
               ? KC_OK
               : kci_fail(error, KC_ERR_CONFIG, 0, "acknowledging records needs acknowledgement.mode=explicit");
}

/* After acknowledgements: whoever waits for room may poll again. */
static void acknowledged(struct kci_consumer *c)
{
    if (!c->acks_awaited)
        return;
    c->acks_awaited = false;
    kci_consumer_tell(c);
}

kc_err kci_consumer_ack(struct kci_consumer *c, const kc_record_view *views, size_t count, kc_error *error)
{
    kci_consumer_lock(c);
    kc_err mode = not_explicit(c, error), result = mode;
    for (size_t i = 0; mode == KC_OK && i < count; i++) {
        const kc_record_view *view = &views[i];
        struct kci_assigned *a =
            view->topic ? kci_subscription_find_name(&c->subscription, view->topic, view->partition) : NULL;
        kc_error *first = result == KC_OK ? error : NULL;
        kc_err code = KC_OK;
        if (!a || a->ticket != view->ticket)
            code = stale_ack(first, view->topic, view->partition);
        else if (view->offset < 0 || view->offset >= a->position)
            code = kci_fail(first, KC_ERR_ARGUMENT, 0, "entry %zu: no poll returned offset %" PRId64 " of %s [%d]", i,
                            view->offset, view->topic, (int)view->partition);
        else
            kci_ledger_acknowledge(&a->ledger, c->alloc, view->offset, view->offset + 1);
        result = result == KC_OK ? code : result;
    }
    acknowledged(c);
    kci_consumer_unlock(c);
    return result;
}

kc_err kci_consumer_ack_records(struct kci_consumer *c, const struct kc_records *records, kc_error *error)
{
    kci_consumer_lock(c);
    kc_err mode = not_explicit(c, error), result = mode;
    for (size_t i = 0; mode == KC_OK && i < records->slice_count; i++) {
        const struct kci_slice *slice = &records->slices[i];
        const struct kci_run *run = slice->run;
        struct kci_assigned *a = kci_subscription_find_name(&c->subscription, run->topic, run->partition);
        if (a && a->ticket == run->ticket)
            kci_ledger_acknowledge(&a->ledger, c->alloc, slice->from, slice->behind);
        else if (result == KC_OK)
            result = stale_ack(error, run->topic, run->partition);
    }
    acknowledged(c);
    kci_consumer_unlock(c);
    return result;
}

/* ---- operations ---- */

static kc_err begin(struct kci_consumer *c, struct kci_operation **out, enum kci_operation_kind kind,
                    const kc_topic_partition *items, size_t count, int64_t deadline, kc_error *error)
{
    *out = NULL;
    for (size_t i = 0; i < count; i++)
        if (!items[i].topic || !items[i].topic[0] || items[i].partition < 0 ||
            (kind <= KCI_OPERATION_COMMIT_ONCE && items[i].offset < 0))
            return kci_fail(error, KC_ERR_ARGUMENT, 0, "entry %zu: topic, partition or offset is not valid", i);
    if (kind != KCI_OPERATION_OFFSETS && !c->settings->group_id)
        return kci_fail(error, KC_ERR_STATE, 0, "committed offsets need group.id");
    *out = kci_operation_new(c, kind, items, count, deadline);
    kci_consumer_want_step(c);
    return *out ? KC_OK : kci_fail(error, KC_ERR_NO_MEMORY, 0, "out of memory");
}

/* A commit of these items, or of all that was returned. */
static kc_err begin_commit(struct kci_consumer *c, struct kci_operation **out, enum kci_operation_kind kind,
                           const kc_topic_partition *items, size_t count, int64_t deadline, kc_error *error)
{
    struct kci_partition_list all = { NULL, 0 };
    *out = NULL;
    if (!items) {
        if (!kci_operations_committable(c, true, &all))
            return kci_fail(error, KC_ERR_NO_MEMORY, 0, "out of memory");
        items = all.items;
        count = all.count;
    }
    kc_err result = count || !c->settings->group_id ? begin(c, out, kind, items, count, deadline, error) : KC_OK;
    kci_partition_list_free(c->alloc, &all);
    return result;
}

kc_err kci_consumer_begin_commit(struct kci_consumer *c, struct kci_operation **out, const kc_topic_partition *items,
                                 size_t count, int64_t now, int64_t until, kc_error *error)
{
    (void)now;
    kci_consumer_lock(c);
    kc_err result = begin_commit(c, out, KCI_OPERATION_COMMIT, items, count, until, error);
    kci_consumer_unlock(c);
    return result;
}

kc_err kci_consumer_commit_async(struct kci_consumer *c, const kc_topic_partition *items, size_t count, kc_commit_fn fn,
                                 void *context, int64_t now, kc_error *error)
{
    struct kci_operation *operation;
    int64_t until = now + (int64_t)c->settings->default_api_timeout_ms * KCI_MS;
    kci_consumer_lock(c);
    if (c->operations.once_count >= KCI_COMMITS_WAITING_MAX) {
        kci_consumer_unlock(c);
        return kci_fail(error, KC_ERR_QUEUE_FULL, KC_RETRIABLE,
                        "%u asynchronous commits wait for the coordinator: poll, so that their callbacks run",
                        KCI_COMMITS_WAITING_MAX);
    }
    kc_err result = begin_commit(c, &operation, KCI_OPERATION_COMMIT_ONCE, items, count, until, error);
    if (operation) {
        c->operations.once_count++;
        operation->counted = true;
        operation->fn = fn;
        operation->context = context;
    } else if (result == KC_OK && fn) { /* nothing to commit is a success */
        struct kci_partition_list none = { NULL, 0 };
        kci_consumer_queue_event(c, KCI_EVENT_COMMITTED, &none, fn, context, KC_OK);
    }
    kci_consumer_unlock(c);
    return result;
}

kc_err kci_consumer_begin_committed(struct kci_consumer *c, struct kci_operation **out, const kc_topic_partition *items,
                                    size_t count, int64_t now, int64_t until, kc_error *error)
{
    (void)now;
    kci_consumer_lock(c);
    kc_err result = begin(c, out, KCI_OPERATION_COMMITTED, items, count, until, error);
    kci_consumer_unlock(c);
    return result;
}

kc_err kci_consumer_begin_offsets(struct kci_consumer *c, struct kci_operation **out, const kc_topic_partition *items,
                                  size_t count, int64_t now, int64_t until, kc_error *error)
{
    (void)now;
    kci_consumer_lock(c);
    kc_err result = begin(c, out, KCI_OPERATION_OFFSETS, items, count, until, error);
    kci_consumer_unlock(c);
    return result;
}

bool kci_consumer_operation_done(struct kci_consumer *c, struct kci_operation *operation,
                                 const struct kci_partition_list **items, kc_err *code, kc_error *error)
{
    kci_consumer_lock(c);
    bool done = operation->done;
    if (done) {
        uint32_t extra = operation->code == KC_ERR_TIMED_OUT && operation->kind <= KCI_OPERATION_COMMIT_ONCE &&
                                 (operation->maybe_applied || operation->under_way)
                             ? KC_MAYBE_APPLIED
                             : 0;
        *code = operation->code;
        if (operation->code != KC_OK)
            kci_fail(error, operation->code, extra, "%s", operation->text);
        if (items)
            *items = &operation->items;
    }
    kci_consumer_unlock(c);
    return done;
}

void kci_consumer_operation_end(struct kci_consumer *c, struct kci_operation *operation)
{
    kci_consumer_lock(c);
    kci_operation_free(operation);
    kci_consumer_unlock(c);
}

/* ---- the end ---- */

void kci_consumer_begin_leave(struct kci_consumer *c, bool closing, int64_t now, int64_t until)
{
    kci_consumer_lock(c);
    if (closing) {
        kci_fetcher_begin_close(c, now, until);
        c->closing = true;
    }
    kci_group_begin_leave(c, now, until);
    kci_consumer_unlock(c);
}

bool kci_consumer_left(struct kci_consumer *c, kc_err *code)
{
    kci_consumer_lock(c);
    bool left = c->group.left && kci_list_empty(&c->events) && (!c->closing || c->fetcher.closed);
    if (left) {
        *code = c->group.left_code;
        KCI_LIST_EACH(link, &c->subscription.topics)
        { /* not subscribed to anything any more */
            struct kci_consumer_topic *topic = KCI_CONTAINER(link, struct kci_consumer_topic, link);
            if (topic->subscribed)
                kci_subscription_topic_done(&c->subscription, topic);
            topic->subscribed = false;
        }
        c->subscription.subscribed_count = 0;
        kci_subscription_set_pattern_take(&c->subscription, NULL);
    }
    kci_consumer_unlock(c);
    return left;
}

void kci_consumer_stats(struct kci_consumer *c, kc_consumer_stats *stats)
{
    kci_consumer_lock(c);
    *stats = c->stats;
    kci_consumer_unlock(c);
    stats->memory_used = (uint64_t)atomic_load(&c->shared->used);
    stats->memory_limit = (uint64_t)c->shared->limit;
}

void kci_consumer_explain(struct kci_consumer *c, char *text, size_t size)
{
    kci_consumer_lock(c);
    size_t length = strlen(c->why);
    if (size) {
        length = length < size ? length : size - 1;
        memcpy(text, c->why, length);
        text[length] = 0;
    }
    kci_consumer_unlock(c);
}
