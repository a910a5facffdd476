/* Operations: what the application begins and waits for, and the automatic commits.
 *
 *      begun --step--> request(s) --answers--> done ............ looked at and freed by the application
 *                 ^________ retriable: after a back-off ________|
 *
 * Each has a deadline after which it is done with KC_ERR_TIMED_OUT, whatever is under way; the text says what the last
 * attempt met. Commits go out one after the other, in the order in which they were begun: a later one must never be
 * overtaken.  An asynchronous commit is sent once and ends as an event; a synchronous one is retried. Errors of
 * commits: PROTOCOL 3.4. */
#include "consumer/internal.h"

#include <inttypes.h>
#include <stdio.h>

#define ERA_OVER (-2) /* no membership, and no generation, is that */

void kci_operations_init(struct kci_consumer *c)
{
    kci_list_init(&c->operations.list);
    c->operations.auto_commit_at = 0;
    c->operations.unanswered_generation = ERA_OVER;
}

static void destroy(struct kci_operation *operation)
{
    struct kci_consumer *c = operation->consumer;
    kci_list_remove(&operation->link);
    if (operation->kind == KCI_OPERATION_COMMIT_ONCE && operation->counted)
        c->operations.once_count--;
    if (c->operations.automatic == operation)
        c->operations.automatic = NULL;
    for (size_t i = 0; operation->topics && i < operation->items.count; i++)
        kci_subscription_topic_done(&c->subscription, operation->topics[i]);
    kci_partition_list_free(c->alloc, &operation->items);
    kci_alloc_free(c->alloc, operation->topics);
    kci_alloc_free(c->alloc, operation->ids);
    kci_alloc_free(c->alloc, operation->questions);
    kci_alloc_free(c->alloc, operation->answered);
    kci_alloc_free(c->alloc, operation);
}

void kci_operations_destroy(struct kci_consumer *c)
{
    KCI_LIST_EACH(link, &c->operations.list)
    destroy(KCI_CONTAINER(link, struct kci_operation, link));
}

void kci_operation_free(struct kci_operation *operation)
{
    if (operation && operation->under_way)
        operation->given_up = true;
    else if (operation)
        destroy(operation);
}

struct kci_operation *kci_operation_new(struct kci_consumer *c, enum kci_operation_kind kind,
                                        const kc_topic_partition *items, size_t count, int64_t deadline)
{
    struct kci_operation *operation = kci_alloc_zero(c->alloc, 1, sizeof *operation);
    if (!operation)
        return NULL;
    operation->consumer = c;
    operation->kind = kind;
    operation->deadline = deadline;
    operation->era = kci_group_era(&c->group);
    bool ok = kci_partition_list_copy(c->alloc, &operation->items, items, count);
    operation->topics = kci_alloc_zero(c->alloc, count, sizeof *operation->topics);
    operation->ids = kci_alloc_zero(c->alloc, count, sizeof *operation->ids);
    operation->questions = kci_alloc_zero(c->alloc, count, sizeof *operation->questions);
    operation->answered = kci_alloc_zero(c->alloc, count, sizeof *operation->answered);
    ok = ok && operation->topics && operation->ids && operation->questions && operation->answered;
    for (size_t i = 0; ok && i < count; i++) {
        operation->items.items[i].code = KC_OK;
        operation->questions[i] = items[i].offset;
        operation->topics[i] = kci_subscription_topic(&c->subscription, kci_str_of(items[i].topic));
        ok = operation->topics[i];
        if (ok)
            operation->ids[i] = operation->topics[i]->id;
    }
    if (!ok) {
        destroy(operation);
        return NULL;
    }
    kci_list_push(&c->operations.list, &operation->link);
    return operation;
}

/* ---- ends ---- */

static bool is_commit(const struct kci_operation *operation)
{
    return operation->kind <= KCI_OPERATION_COMMIT_ONCE;
}

uint32_t kci_operation_traits(const struct kci_operation *operation)
{
    return is_commit(operation) && (operation->maybe_applied || operation->under_way) ? KC_MAYBE_APPLIED : 0;
}

/* Its end becomes an event, which takes the list along. */
static void queue_end(struct kci_operation *operation)
{
    struct kci_consumer *c = operation->consumer;
    char *text = operation->code == KC_OK ? NULL : kci_alloc_new(c->alloc, sizeof operation->text);
    if (text)
        memcpy(text, operation->text, sizeof operation->text);
    for (size_t i = 0; i < operation->items.count; i++) {
        kci_subscription_topic_done(&c->subscription, operation->topics[i]);
        operation->topics[i] = NULL;
    }
    kci_consumer_queue_event(c, (struct kci_consumer_event){ .kind = KCI_EVENT_COMMITTED,
                                                             .partitions = operation->items,
                                                             .commit = operation->fn,
                                                             .context = operation->context,
                                                             .code = operation->code,
                                                             .traits = kci_operation_traits(operation),
                                                             .texts = text });
    operation->items = (struct kci_partition_list){ NULL, 0 };
}

void kci_operation_finish(struct kci_operation *operation, kc_err code, const char *text)
{
    struct kci_consumer *c = operation->consumer;
    operation->done = true;
    operation->code = code;
    snprintf(operation->text, sizeof operation->text, "%s", text ? text : "");
    if (is_commit(operation) && code == KC_OK)
        c->stats.commits++;
    else if (is_commit(operation))
        c->stats.commit_failures++;
    if (operation->automatic && code != KC_OK)
        kci_log(&c->logger, KCI_LOG_WARN, "commit", "automatic commit failed: %s %s", kc_err_name(code),
                operation->text);
    bool watched = operation->automatic && code == KC_OK && c->settings->consumer_interceptor_count;
    if (operation->kind == KCI_OPERATION_COMMIT_ONCE || watched)
        queue_end(operation);
    kci_consumer_tell(c);
}

static void time_out(struct kci_operation *operation)
{
    char text[KCI_WHY_BYTES];
    const struct kci_consumer *c = operation->consumer;
    if (operation->last_text[0])
        snprintf(text, sizeof text, "timed out after %u attempts; last: %.420s", (unsigned)operation->attempts,
                 operation->last_text);
    else
        snprintf(text, sizeof text, "timed out before any broker answered%s%.200s", c->why[0] ? ": " : "", c->why);
    kci_operation_finish(operation, KC_ERR_TIMED_OUT, text);
}

/* An attempt failed; another one follows after a back-off. */
void kci_operation_failed(struct kci_operation *operation, const char *text, int64_t now)
{
    snprintf(operation->last_text, sizeof operation->last_text, "%s", text);
    operation->not_before = kci_consumer_retry_at(operation->consumer, operation->attempts++, now);
    kci_consumer_at(operation->consumer, operation->not_before);
}

/* The group's coordinator is refused to us since the operation began? Then waiting would not bring it. */
static void end_if_refused(struct kci_operation *operation)
{
    struct kci_group *g = &operation->consumer->group;
    char text[KCI_WHY_BYTES];
    if (!g->lookup_refused || g->lookup_refused == KCI_UNKNOWN_SERVER_ERROR ||
        g->lookup_refused_at < operation->begun_at)
        return;
    kci_blame(operation->consumer, text, sizeof text, KCI_NODE_NONE, g->lookup_refused,
              "finding the coordinator of group \"%s\"", operation->consumer->settings->group_id);
    g->lookup_untold = false;
    kci_operation_finish(operation, (kc_err)g->lookup_refused, text);
}

/* The answer of a request is taken; true: the operation lives on and may go on. */
bool kci_operation_returned(struct kci_operation *operation)
{
    operation->under_way--;
    if (operation->given_up && operation->under_way == 0) {
        destroy(operation);
        return false;
    }
    return !operation->given_up && !operation->done;
}

void kci_operation_ask_coordinator(struct kci_operation *operation, int32_t generation,
                                   bool (*send)(struct kci_request *request, int32_t node, int64_t now),
                                   void (*finish)(struct kci_request *request, int64_t now), int64_t now)
{
    struct kci_consumer *c = operation->consumer;
    int32_t node = kci_group_coordinator_node(c, now);
    if (node == KCI_NODE_NONE) { /* found, as a rule, and asked then */
        end_if_refused(operation);
        return;
    }
    struct kci_request *request = kci_request_new(c, operation->items.count);
    for (size_t i = 0; request && i < request->count; i++) {
        const kc_topic_partition *from = &operation->items.items[i];
        request->items[i] = (struct kci_request_item){ .topic = operation->topics[i],
                                                       .partition = from->partition,
                                                       .index = (uint32_t)i,
                                                       .number = from->offset,
                                                       .epoch = from->leader_epoch,
                                                       .metadata = from->metadata };
        operation->topics[i]->users++;
    }
    if (request) {
        request->owner = operation;
        request->generation = generation;
        request->finish = finish;
    }
    if (!request || !send(request, node, now)) {
        if (request)
            kci_request_free(request);
        kci_operation_finish(operation, KC_ERR_NO_MEMORY, "out of memory");
        return;
    }
    operation->under_way++;
}

/* ---- commits ---- */

/* What becomes of a commit that did not go through: the text names the partition that decides. */
static void refuse_commit(struct kci_operation *operation, const struct kci_request *request,
                          const struct kci_request_item *item, bool again, int64_t now)
{
    char why[KCI_WHY_BYTES];
    const char *text = request->error != KC_OK ? request->text : why;
    kc_err code = request->error;
    if (code == KC_OK) {
        int16_t error = item->answered ? item->error : KCI_UNKNOWN_SERVER_ERROR;
        code = (kc_err)error;
        kci_blame(operation->consumer, why, sizeof why, request->node, error, "committing %s [%d] at offset %" PRId64,
                  item->topic->name.data, (int)item->partition, item->number);
    }
    if (again)
        kci_operation_failed(operation, text, now);
    else
        kci_operation_finish(operation, code, text);
}

static void commit_answered(struct kci_request *request, int64_t now)
{
    struct kci_operation *operation = request->owner;
    struct kci_consumer *c = request->consumer;
    const struct kci_request_item *culprit = NULL; /* the first that failed, or the first that failed for good */
    int16_t first = KCI_NONE;
    bool all_retriable = true, timed_out = false;
    for (size_t i = 0; request->error == KC_OK && i < request->count; i++) {
        const struct kci_request_item *item = &request->items[i];
        int16_t error = item->answered ? item->error : KCI_UNKNOWN_SERVER_ERROR;
        bool gone = error == KCI_UNKNOWN_TOPIC_OR_PARTITION || error == KCI_UNKNOWN_TOPIC_ID;
        struct kci_assigned *a =
            kci_subscription_find(&c->subscription, kci_partition_key(item->topic, item->partition));
        if (!operation->done)
            operation->items.items[item->index].code = (kc_err)error;
        timed_out |= error == KCI_REQUEST_TIMED_OUT;
        if (error == KCI_NONE && a)
            a->committed = item->number;
        if (error != KCI_NONE) {
            bool again =
                kci_operation_retriable(error) || error == KCI_REQUEST_TIMED_OUT || kci_group_commit_again(c, error);
            if (gone && operation->automatic) /* deleted, as a rule: no rebalance waits for it to come back */
                again = false;
            if (!culprit || (all_retriable && !again)) {
                culprit = item;
                first = error;
            }
            all_retriable &= again;
        }
    }
    if (request->error != KC_OK && request->maybe_applied)
        c->operations.unanswered_generation = request->generation;
    if (request->error != KC_OK)
        kci_group_coordinator_failed(c, request->text, now);
    else if (first != KCI_NONE)
        kci_group_commit_error(c, first, request->generation, now);
    if (!kci_operation_returned(operation))
        return;
    /* REQUEST_TIMED_OUT: written, but not yet by enough replicas. */
    operation->maybe_applied |= request->error != KC_OK ? request->maybe_applied : timed_out;
    if (request->error == KC_OK && first == KCI_NONE) {
        kci_tally_committed(c, now - operation->begun_at);
        kci_operation_finish(operation, KC_OK, NULL);
    } else {
        bool ends = operation->kind == KCI_OPERATION_COMMIT_ONCE || kci_request_is_too_old(request) ||
                    (request->error == KC_OK && !all_retriable);
        refuse_commit(operation, request, culprit, !ends, now);
    }
}

/* Was a topic of it deleted and created again, since it was begun? */
static bool is_of_another_topic(const struct kci_operation *operation)
{
    for (size_t i = 0; i < operation->items.count; i++) {
        const struct kci_topic_info *info = operation->topics[i]->info;
        if (info && !kci_uuid_is_zero(&info->id) && !kci_uuid_is_zero(&operation->ids[i]) &&
            !kci_uuid_equal(&info->id, &operation->ids[i]))
            return true;
    }
    return false;
}

static void send_commit(struct kci_operation *operation, int64_t now)
{
    struct kci_consumer *c = operation->consumer;
    int32_t generation;
    kc_err state = kci_group_commit_generation(c, &generation);
    /* One that waited over a rebalance is about partitions that may be somebody else's by now: with the new generation
     * it would pass the coordinator and take back what the new owner committed. */
    if (state == KC_OK && c->subscription.by_group && operation->era != kci_group_era(&c->group) &&
        c->plant != KCI_PLANT_COMMIT_AFTER_LOST)
        state = KC_ERR_REBALANCE_IN_PROGRESS;
    if (state != KC_OK) {
        kci_operation_finish(
            operation, state,
            state == KC_ERR_REBALANCE_IN_PROGRESS ? "the group is being rebalanced: poll, then commit again"
            : c->group.state == KCI_GROUP_FAILED  ? c->group.text
                                                  : "this consumer is no member of the group any more: poll, which "
                                                    "joins again; the next owner reads from the last commit on");
        return;
    }
    if (is_of_another_topic(operation)) { /* the group would begin the new one behind records that nobody read */
        kci_operation_finish(operation, KC_ERR_UNKNOWN_TOPIC_ID,
                             "a topic was deleted and created again: these offsets are of the old one");
        return;
    }
    kci_operation_ask_coordinator(operation, generation, kci_request_offset_commit, commit_answered, now);
}

/* ---- automatic commits ---- */

bool kci_operations_committable(struct kci_consumer *c, bool this_poll_too, struct kci_partition_list *out)
{
    size_t count = 0;
    kc_topic_partition *items = kci_alloc_zero(c->alloc, c->subscription.assigned_count, sizeof *items);
    if (!items)
        return false;
    KCI_LIST_EACH(link, &c->subscription.assigned)
    {
        const struct kci_assigned *a = KCI_CONTAINER(link, struct kci_assigned, link);
        int32_t epoch;
        int64_t offset = kci_assigned_committable(&c->subscription, a, this_poll_too, &epoch);
        if (c->plant == KCI_PLANT_COMMIT_AHEAD) /* planted defect */
            offset = a->fetch_offset;
        if (offset >= 0)
            items[count++] = (kc_topic_partition){ a->topic->name.data, a->partition, offset, epoch, NULL, KC_OK };
    }
    bool ok = kci_partition_list_copy(c->alloc, out, items, count);
    kci_alloc_free(c->alloc, items);
    return ok;
}

/* Drop what is committed already. */
static void keep_news(struct kci_consumer *c, struct kci_partition_list *list)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct kci_assigned *a =
            kci_subscription_find_name(&c->subscription, list->items[i].topic, list->items[i].partition);
        if (!a || a->committed != list->items[i].offset)
            list->items[kept++] = list->items[i];
    }
    list->count = kept;
}

static void begin_auto_commit(struct kci_consumer *c, bool this_poll_too, bool all, int64_t now, int64_t deadline)
{
    struct kci_partition_list list;
    c->operations.auto_commit_at = now + (int64_t)c->settings->auto_commit_interval_ms * KCI_MS;
    if (!kci_operations_committable(c, this_poll_too, &list))
        return;
    if (!all)
        keep_news(c, &list);
    struct kci_operation *operation =
        list.count ? kci_operation_new(c, KCI_OPERATION_COMMIT, list.items, list.count, deadline) : NULL;
    if (operation) {
        operation->automatic = true;
        c->operations.automatic = operation;
    }
    kci_partition_list_free(c->alloc, &list);
}

/* Behind one of the interval that is under way: that one does not have what was returned since.  And if an attempt of
 * this generation got no answer, it may still arrive, on a connection that we have given up, and take back what was
 * committed after it: then everything is said once more, as Java does each time. */
void kci_operations_auto_commit(struct kci_consumer *c, bool this_poll_too, int64_t now, int64_t deadline)
{
    begin_auto_commit(c, this_poll_too, c->operations.unanswered_generation == c->group.generation, now, deadline);
}

static void auto_commit_step(struct kci_consumer *c, int64_t now)
{
    int32_t generation;
    int64_t interval = (int64_t)c->settings->auto_commit_interval_ms * KCI_MS;
    if (!c->settings->enable_auto_commit || !c->settings->group_id || c->closing || c->subscription.assigned_count == 0)
        return;
    if (c->operations.auto_commit_at == 0)
        c->operations.auto_commit_at = now + interval;
    if (now >= c->operations.auto_commit_at && kci_group_commit_generation(c, &generation) == KC_OK) {
        if (c->operations.automatic)
            c->operations.auto_commit_at = now + interval;
        else
            begin_auto_commit(c, false, false, now, now + (int64_t)c->settings->default_api_timeout_ms * KCI_MS);
    }
    if (c->operations.auto_commit_at > now)
        kci_consumer_at(c, c->operations.auto_commit_at);
}

void kci_operations_fence(struct kci_consumer *c, kci_assigned_is which)
{
    KCI_LIST_EACH(link, &c->operations.list)
    {
        struct kci_operation *operation = KCI_CONTAINER(link, struct kci_operation, link);
        for (size_t i = 0; is_commit(operation) && !operation->done && i < operation->items.count; i++) {
            const struct kci_assigned *a = kci_subscription_find(
                &c->subscription, kci_partition_key(operation->topics[i], operation->items.items[i].partition));
            if (a && which(a))
                operation->era = ERA_OVER;
        }
    }
}

/* ---- the step ---- */

static void go_on(struct kci_operation *operation, bool *commit_ahead, int64_t now)
{
    struct kci_consumer *c = operation->consumer;
    if (operation->begun_at == 0)
        operation->begun_at = now;
    if (now >= operation->deadline) {
        time_out(operation);
        return;
    }
    kci_consumer_at(c, operation->deadline);
    bool waits = operation->under_way || operation->not_before > now || (is_commit(operation) && *commit_ahead);
    if (operation->not_before > now)
        kci_consumer_at(c, operation->not_before);
    *commit_ahead |= is_commit(operation);
    if (waits)
        return;
    if (is_commit(operation))
        send_commit(operation, now);
    else if (operation->kind == KCI_OPERATION_COMMITTED)
        kci_operation_ask_committed(operation, now);
    else
        kci_operation_ask_offsets(operation, now);
}

void kci_operations_step(struct kci_consumer *c, int64_t now)
{
    bool commit_ahead = false;
    auto_commit_step(c, now);
    KCI_LIST_EACH(link, &c->operations.list)
    {
        struct kci_operation *operation = KCI_CONTAINER(link, struct kci_operation, link);
        if (!operation->done && !operation->given_up)
            go_on(operation, &commit_ahead, now);
        else
            commit_ahead |= is_commit(operation) && operation->under_way;
        if (operation->done && (operation->automatic || operation->kind == KCI_OPERATION_COMMIT_ONCE))
            kci_operation_free(operation);
    }
}
