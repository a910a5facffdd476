/* Finding positions: the committed offset, the offset that auto.offset.reset names, and whether the log was cut below
 * us.
 *
 * Each round gathers the partitions in one state, asks the coordinator (committed offsets) or each leader once, and
 * marks them as asked. An answer counts only under the version it was asked under (see subscription.c). Errors:
 * PROTOCOL 3.3.  Transient ones never lead to a reset: only "there is no such offset" does. */
#include "consumer/positions.h"
#include "consumer/internal.h"
#include "consumer/reset.h"

#include <inttypes.h>

static void retry(struct kci_consumer *c, struct kci_assigned *a, int64_t now)
{
    a->not_before = kci_consumer_retry_at(c, a->attempts++, now);
    kci_consumer_at(c, a->not_before);
}

/* The partition of an item, if the answer still counts. */
static struct kci_assigned *still_wanted(struct kci_consumer *c, const struct kci_request_item *item, int state)
{
    struct kci_assigned *a = kci_subscription_find(&c->subscription, kci_partition_key(item->topic, item->partition));
    if (!a || a->version != item->version || a->state != state)
        return NULL;
    a->asked = false;
    return a;
}

/* ---- one question for many ---- */

typedef bool (*asks_fn)(struct kci_consumer *c, struct kci_assigned *a, int32_t node, int64_t now);
typedef bool (*send_fn)(struct kci_request *request, int32_t node, int64_t now);

/* Ask `node` about all partitions that `asks` picks. */
static void ask(struct kci_consumer *c, int32_t node, asks_fn asks, send_fn send,
                void (*finish)(struct kci_request *, int64_t), int64_t now)
{
    size_t count = 0, used = 0;
    KCI_LIST_EACH(link, &c->subscription.assigned)
    count += asks(c, KCI_CONTAINER(link, struct kci_assigned, link), node, now);
    if (!count)
        return;
    struct kci_request *request = kci_request_new(c, count);
    if (!request) {
        kci_consumer_at(c, kci_consumer_retry_at(c, 0, now));
        return;
    }
    KCI_LIST_EACH(link, &c->subscription.assigned)
    {
        struct kci_assigned *a = KCI_CONTAINER(link, struct kci_assigned, link);
        if (used == count || !asks(c, a, node, now))
            continue;
        struct kci_request_item *item = &request->items[used++];
        item->topic = a->topic;
        a->topic->users++;
        item->partition = a->partition;
        item->version = a->version;
        kci_consumer_leader(a->topic, a->partition, &item->current_epoch);
        item->number = a->state == KCI_POSITION_VALIDATING ? a->fetch_epoch : a->reset_time;
        a->asked = true;
    }
    request->finish = finish;
    if (!send(request, node, now)) {
        for (size_t i = 0; i < request->count; i++) {
            struct kci_assigned *a = kci_subscription_find(
                &c->subscription, kci_partition_key(request->items[i].topic, request->items[i].partition));
            a->asked = false;
            retry(c, a, now);
        }
        kci_request_free(request);
    }
}

static bool due(struct kci_consumer *c, struct kci_assigned *a, int state, int64_t now)
{
    if (a->state != state || a->asked)
        return false;
    if (a->not_before <= now)
        return true;
    kci_consumer_at(c, a->not_before);
    return false;
}

/* ---- committed offsets ---- */

static bool asks_committed(struct kci_consumer *c, struct kci_assigned *a, int32_t node, int64_t now)
{
    (void)node;
    return due(c, a, KCI_POSITION_COMMITTED, now);
}

static void committed_known(struct kci_request *request, int64_t now)
{
    struct kci_consumer *c = request->consumer;
    int16_t group_error = request->group_error;
    if (request->error != KC_OK)
        kci_group_coordinator_failed(c, request->text, now);
    else if (group_error)
        kci_group_offset_error(c, group_error, now);
    for (size_t i = 0; i < request->count; i++) {
        const struct kci_request_item *item = &request->items[i];
        struct kci_assigned *a = still_wanted(c, item, KCI_POSITION_COMMITTED);
        if (!a)
            continue;
        if (request->error != KC_OK || group_error || !item->answered || item->error != KCI_NONE) {
            if (item->error == KCI_TOPIC_AUTHORIZATION_FAILED)
                kci_blame_raise(c, request->node, item->error, "reading the committed offset of %s [%d]",
                                a->topic->name.data, (int)a->partition);
            retry(c, a, now);
            continue;
        }
        a->attempts = 0;
        if (item->offset < 0) {
            kci_reset_begin(c, a, KCI_RESET_NO_OFFSET, now);
            continue;
        }
        a->committed = item->offset;
        kci_assigned_found(a, item->offset, item->offset_epoch, now);
        kci_consumer_tell(c);
    }
}

/* ---- ListOffsets for resets ---- */

static bool asks_reset(struct kci_consumer *c, struct kci_assigned *a, int32_t node, int64_t now)
{
    int32_t epoch;
    return due(c, a, KCI_POSITION_RESET, now) && kci_consumer_leader(a->topic, a->partition, &epoch) == node;
}

static void reset_known(struct kci_request *request, int64_t now)
{
    struct kci_consumer *c = request->consumer;
    for (size_t i = 0; i < request->count; i++) {
        const struct kci_request_item *item = &request->items[i];
        struct kci_assigned *a = still_wanted(c, item, KCI_POSITION_RESET);
        if (!a)
            continue;
        bool ok = request->error == KC_OK && item->answered && item->error == KCI_NONE;
        if (ok && (item->offset >= 0 || a->reset_time >= 0)) {
            kci_reset_found(c, a, item->offset, item->offset_epoch, now);
            continue;
        }
        if (item->error == KCI_TOPIC_AUTHORIZATION_FAILED)
            kci_blame_raise(c, request->node, item->error, "looking up an offset of %s [%d]", a->topic->name.data,
                            (int)a->partition);
        kci_cluster_refresh(c->cluster, "an offset could not be looked up", now);
        retry(c, a, now);
    }
}

/* ---- truncation (KIP-320) ---- */

static bool asks_epoch(struct kci_consumer *c, struct kci_assigned *a, int32_t node, int64_t now)
{
    int32_t epoch;
    return due(c, a, KCI_POSITION_VALIDATING, now) && kci_consumer_leader(a->topic, a->partition, &epoch) == node;
}

/* Does somebody else lead by now? What the one that was asked says of its log no longer counts. */
static bool is_deposed(const struct kci_assigned *a, const struct kci_request_item *item)
{
    int32_t epoch;
    kci_consumer_leader(a->topic, a->partition, &epoch);
    return epoch > item->current_epoch;
}

/* The leader's log ends an epoch at item->offset: is what we have read part of it? */
static void judge_epoch(struct kci_consumer *c, struct kci_assigned *a, const struct kci_request_item *item,
                        int64_t now)
{
    bool whole = item->offset >= 0 && item->offset_epoch >= 0 && item->offset >= a->fetch_offset;
    if (whole || c->plant == KCI_PLANT_ANY_HISTORY) { /* or a planted defect */
        a->checked_epoch = item->current_epoch;
        a->attempts = 0;
        kci_assigned_enter(a, KCI_POSITION_READY, now);
        return;
    }
    kci_reset_diverged(c, a, item->offset, item->offset_epoch, item->current_epoch, now);
}

static void epoch_known(struct kci_request *request, int64_t now)
{
    struct kci_consumer *c = request->consumer;
    for (size_t i = 0; i < request->count; i++) {
        const struct kci_request_item *item = &request->items[i];
        struct kci_assigned *a = still_wanted(c, item, KCI_POSITION_VALIDATING);
        if (!a || is_deposed(a, item)) /* the step that follows asks the next one */
            continue;
        if (request->error == KC_ERR_NO_VERSION) { /* too old to be asked: nothing can be checked */
            a->checked_epoch = item->current_epoch;
            kci_assigned_enter(a, KCI_POSITION_READY, now);
        } else if (request->error == KC_OK && item->answered && item->error == KCI_NONE) {
            judge_epoch(c, a, item, now);
        } else {
            if (item->error == KCI_TOPIC_AUTHORIZATION_FAILED)
                kci_blame_raise(c, request->node, item->error, "checking the log of %s [%d]", a->topic->name.data,
                                (int)a->partition);
            kci_cluster_refresh(c->cluster, "a leader epoch could not be looked up", now);
            retry(c, a, now);
        }
    }
}

/* A leader epoch that is newer than the one the position was checked under: ask before fetching on. */
static void begin_validation(struct kci_consumer *c, int64_t now)
{
    KCI_LIST_EACH(link, &c->subscription.assigned)
    {
        struct kci_assigned *a = KCI_CONTAINER(link, struct kci_assigned, link);
        int32_t epoch;
        if (a->state != KCI_POSITION_READY || kci_consumer_leader(a->topic, a->partition, &epoch) == KCI_NODE_NONE)
            continue;
        if (epoch < 0 || a->fetch_epoch < 0 || epoch <= a->checked_epoch)
            continue;
        if (epoch == a->fetch_epoch) { /* what was read is of this very leader */
            a->checked_epoch = epoch;
            continue;
        }
        kci_assigned_enter(a, KCI_POSITION_VALIDATING, now);
    }
}

/* ---- the step ---- */

static void ask_leaders(struct kci_consumer *c, int state, asks_fn asks, send_fn send,
                        void (*finish)(struct kci_request *, int64_t), int64_t now)
{
    KCI_LIST_EACH(link, &c->subscription.assigned)
    {
        struct kci_assigned *a = KCI_CONTAINER(link, struct kci_assigned, link);
        int32_t epoch;
        if (!due(c, a, state, now))
            continue;
        int32_t leader = kci_consumer_leader(a->topic, a->partition, &epoch);
        if (leader != KCI_NODE_NONE) {
            ask(c, leader, asks, send, finish, now);
            continue;
        }
        if (!kci_consumer_known(a->topic))
            continue; /* the metadata is on its way: its arrival is an event */
        retry(c, a, now);
        kci_cluster_refresh(c->cluster, "a partition has no leader to ask for its offsets", now);
    }
}

void kci_positions_step(struct kci_consumer *c, int64_t now)
{
    bool need_committed = false;
    KCI_LIST_EACH(link, &c->subscription.assigned)
    {
        struct kci_assigned *a = KCI_CONTAINER(link, struct kci_assigned, link);
        if (!due(c, a, KCI_POSITION_COMMITTED, now))
            continue;
        if (!c->settings->group_id)
            kci_reset_begin(c, a, KCI_RESET_NO_OFFSET, now);
        else
            need_committed = true;
    }
    int32_t coordinator = need_committed ? kci_group_coordinator_node(c, now) : KCI_NODE_NONE;
    if (need_committed)
        kci_group_tell_refusal(c);
    if (coordinator != KCI_NODE_NONE)
        ask(c, coordinator, asks_committed, kci_request_offset_fetch, committed_known, now);
    ask_leaders(c, KCI_POSITION_RESET, asks_reset, kci_request_list_offsets, reset_known, now);
    begin_validation(c, now);
    ask_leaders(c, KCI_POSITION_VALIDATING, asks_epoch, kci_request_epochs, epoch_known, now);
}
