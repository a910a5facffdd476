/* Operations that ask: committed offsets from the group's coordinator, offsets by time from the leaders.
 *
 * Commits, and how an operation begins, waits and ends, stand in operation.c.  What can pass is asked again until the
 * deadline; what cannot is the operation's end, with the partition and the broker in its text. */
#include "consumer/internal.h"

/* ---- committed offsets ---- */

/* The texts that were committed with the offsets, which so far lie in the response. false: out of memory. */
static bool take_metadata(struct kci_operation *operation, struct kci_request *request)
{
    const struct kci_alloc *alloc = operation->consumer->alloc;
    struct kci_partition_list with = { NULL, 0 };
    kc_topic_partition *items = operation->items.items;
    bool ok = true;
    for (size_t i = 0; ok && i < request->count; i++) {
        const struct kci_str text = request->items[i].text;
        const char *copy = text.size ? kci_arena_text(&request->arena, text) : NULL;
        items[request->items[i].index].metadata = copy;
        ok = copy || !text.size;
    }
    ok = ok && kci_partition_list_copy(alloc, &with, items, operation->items.count);
    for (size_t i = 0; i < operation->items.count; i++)
        items[i].metadata = NULL; /* what they point to goes with the request */
    if (ok) {
        kci_partition_list_free(alloc, &operation->items);
        operation->items = with;
    }
    return ok;
}

static void committed_answered(struct kci_request *request, int64_t now)
{
    struct kci_operation *operation = request->owner;
    struct kci_consumer *c = request->consumer;
    bool again = false;
    char why[KCI_WHY_BYTES] = "";
    if (request->error != KC_OK)
        kci_group_coordinator_failed(c, request->text, now);
    else if (request->group_error && request->group_error != KCI_GROUP_AUTHORIZATION_FAILED) /* who asked is told */
        kci_group_offset_error(c, request->group_error, now);
    if (!kci_operation_returned(operation))
        return;
    if (kci_request_is_too_old(request)) {
        kci_operation_finish(operation, request->error, request->text);
        return;
    }
    if (request->error != KC_OK) {
        kci_operation_failed(operation, request->text, now);
        return;
    }
    if (request->group_error) {
        kci_blame(c, why, sizeof why, request->node, request->group_error, "reading the offsets of group \"%s\"",
                  c->settings->group_id);
        if (kci_operation_retriable(request->group_error) || kci_group_asked_as_another(c, request->group_error))
            kci_operation_failed(operation, why, now);
        else
            kci_operation_finish(operation, (kc_err)request->group_error, why);
        return;
    }
    for (size_t i = 0; i < request->count; i++) {
        const struct kci_request_item *item = &request->items[i];
        kc_topic_partition *out = &operation->items.items[item->index];
        if (!item->answered || kci_operation_retriable(item->error)) {
            again = true;
            kci_blame(c, why, sizeof why, request->node, item->answered ? item->error : KCI_UNKNOWN_SERVER_ERROR,
                      "reading the offset of %s [%d]", item->topic->name.data, (int)item->partition);
        }
        out->code = (kc_err)item->error;
        out->offset = item->offset >= 0 ? item->offset : KC_OFFSET_NONE;
        out->leader_epoch = item->offset_epoch;
    }
    if (again)
        kci_operation_failed(operation, why, now);
    else if (!take_metadata(operation, request))
        kci_operation_finish(operation, KC_ERR_NO_MEMORY, "out of memory");
    else
        kci_operation_finish(operation, KC_OK, NULL);
}

void kci_operation_ask_committed(struct kci_operation *operation, int64_t now)
{
    kci_operation_ask_coordinator(operation, -1, kci_request_offset_fetch, committed_answered, now);
}

/* ---- offsets by time ---- */

static void offsets_answered(struct kci_request *request, int64_t now)
{
    struct kci_operation *operation = request->owner;
    struct kci_consumer *c = request->consumer;
    bool all = true;
    if (!kci_operation_returned(operation))
        return;
    if (kci_request_is_too_old(request)) {
        kci_operation_finish(operation, request->error, request->text);
        return;
    }
    for (size_t i = 0; i < request->count; i++) {
        const struct kci_request_item *item = &request->items[i];
        kc_topic_partition *out = &operation->items.items[item->index];
        char why[KCI_WHY_BYTES];
        if (!item->answered || item->error)
            kci_blame(c, why, sizeof why, request->node, item->answered ? item->error : KCI_UNKNOWN_SERVER_ERROR,
                      "looking up an offset of %s [%d]", item->topic->name.data, (int)item->partition);
        if (request->error != KC_OK || !item->answered || kci_operation_retriable(item->error)) {
            kci_cluster_refresh(c->cluster, "an offset could not be looked up", now);
            kci_operation_failed(operation, request->error != KC_OK ? request->text : why, now);
            break;
        }
        operation->answered[item->index] = true;
        out->code = (kc_err)item->error;
        /* Formats without timestamps know no answer: as if there were no such record. */
        if (item->error == KCI_UNSUPPORTED_FOR_MESSAGE_FORMAT)
            out->code = KC_OK;
        out->offset = item->error == KCI_NONE && item->offset >= 0 ? item->offset : KC_OFFSET_END;
        out->leader_epoch = item->offset_epoch;
        if (out->code != KC_OK) {
            kci_operation_finish(operation, out->code, why);
            return;
        }
    }
    for (size_t i = 0; i < operation->items.count; i++)
        all &= operation->answered[i];
    if (all)
        kci_operation_finish(operation, KC_OK, NULL);
}

/* One request to the leader of the first unanswered item, for all items of that leader. */
static bool send_to_one_leader(struct kci_operation *operation, bool *taken, int64_t now)
{
    struct kci_consumer *c = operation->consumer;
    int32_t leader = KCI_NODE_NONE, epoch;
    size_t count = 0, used = 0;
    for (size_t i = 0; i < operation->items.count; i++) {
        if (taken[i] || operation->answered[i])
            continue;
        int32_t of = kci_consumer_leader(operation->topics[i], operation->items.items[i].partition, &epoch);
        leader = leader == KCI_NODE_NONE ? of : leader;
        count += of != KCI_NODE_NONE && of == leader;
    }
    struct kci_request *request = count ? kci_request_new(c, count) : NULL;
    if (!request)
        return false;
    for (size_t i = 0; i < operation->items.count && used < count; i++) {
        if (taken[i] || operation->answered[i] ||
            kci_consumer_leader(operation->topics[i], operation->items.items[i].partition, &epoch) != leader)
            continue;
        struct kci_request_item *item = &request->items[used++];
        item->topic = operation->topics[i];
        item->topic->users++;
        item->partition = operation->items.items[i].partition;
        item->current_epoch = epoch;
        item->number = operation->questions[i];
        item->index = (uint32_t)i;
        taken[i] = true;
    }
    request->owner = operation;
    request->finish = offsets_answered;
    if (!kci_request_list_offsets(request, leader, now)) {
        kci_request_free(request);
        return false;
    }
    operation->under_way++;
    return true;
}

void kci_operation_ask_offsets(struct kci_operation *operation, int64_t now)
{
    struct kci_consumer *c = operation->consumer;
    bool *taken = kci_alloc_zero(c->alloc, operation->items.count, sizeof *taken);
    for (size_t i = 0; taken && i < operation->items.count; i++) {
        const struct kci_topic_info *info = operation->topics[i]->info;
        if (info && (info->error == KCI_TOPIC_AUTHORIZATION_FAILED || info->error == KCI_INVALID_TOPIC_EXCEPTION)) {
            char why[KCI_WHY_BYTES];
            kci_blame(c, why, sizeof why, KCI_NODE_NONE, info->error, "metadata of topic \"%s\"", info->name);
            kci_operation_finish(operation, (kc_err)info->error, why);
            break;
        }
    }
    while (taken && !operation->done && send_to_one_leader(operation, taken, now))
        continue;
    kci_alloc_free(c->alloc, taken);
    if (operation->under_way || operation->done)
        return;
    size_t which = operation->items.count; /* the first one that has no leader */
    for (size_t i = 0; i < operation->items.count; i++) {
        if (!kci_consumer_known(operation->topics[i]))
            return; /* the metadata is on its way: its arrival is an event */
        if (!operation->answered[i] && which == operation->items.count)
            which = i;
    }
    char why[KCI_WHY_BYTES] = "";
    if (which < operation->items.count)
        kci_consumer_no_leader(operation->topics[which], operation->items.items[which].partition, why, sizeof why);
    kci_cluster_refresh(c->cluster, "a partition has no leader to ask for its offsets", now);
    kci_operation_failed(operation, why, now);
}
