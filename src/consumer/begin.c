/* What needs a broker, as the application begins it and looks at it: commits, committed offsets, offsets by time, and
 * leaving.  Here arguments are checked and an operation is queued, or its outcome told; the step works on it
 * (operation.c, group_leave.c). */
#include "consumer/internal.h"

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
                                 size_t count, int64_t until, kc_error *error)
{
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
        kci_consumer_queue_event(
            c, (struct kci_consumer_event){ .kind = KCI_EVENT_COMMITTED, .commit = fn, .context = context });
    }
    kci_consumer_unlock(c);
    return result;
}

static kc_err begin_question(struct kci_consumer *c, struct kci_operation **out, enum kci_operation_kind kind,
                             const kc_topic_partition *items, size_t count, int64_t until, kc_error *error)
{
    kci_consumer_lock(c);
    kc_err result = begin(c, out, kind, items, count, until, error);
    kci_consumer_unlock(c);
    return result;
}

kc_err kci_consumer_begin_committed(struct kci_consumer *c, struct kci_operation **out, const kc_topic_partition *items,
                                    size_t count, int64_t until, kc_error *error)
{
    return begin_question(c, out, KCI_OPERATION_COMMITTED, items, count, until, error);
}

kc_err kci_consumer_begin_offsets(struct kci_consumer *c, struct kci_operation **out, const kc_topic_partition *items,
                                  size_t count, int64_t until, kc_error *error)
{
    return begin_question(c, out, KCI_OPERATION_OFFSETS, items, count, until, error);
}

bool kci_consumer_operation_done(struct kci_consumer *c, struct kci_operation *operation,
                                 const struct kci_partition_list **items, kc_err *code, kc_error *error)
{
    kci_consumer_lock(c);
    bool done = operation->done;
    if (done) {
        *code = operation->code;
        if (operation->code != KC_OK)
            kci_fail(error, operation->code, kci_operation_traits(operation), "%s", operation->text);
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

void kci_consumer_leave_as(struct kci_consumer *c, kc_close_how how)
{
    kci_consumer_lock(c);
    c->group.exit = how;
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
