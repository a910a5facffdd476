/* What is to be done with each partition, and when: the sender's view.
 *
 *   announced (first record, full batch) --+
 *   linger or back-off over ---------------+--> kci_lane_update --> one of the lanes of internal.h
 *   answer came, leader changed -----------+
 *
 * A lane is not a state that events change but a conclusion from the partition's batches, drawn anew after each event:
 *
 *   a batch waits to be sent again -> it goes before everything else, alone, and only when no earlier one is under way
 *                                     (so retries keep the order, and an unsure batch never has a successor that
 *                                     overtakes it)
 *   as many in flight as allowed   -> BLOCKED.  One, until this leader has acknowledged a batch of our current producer id
 *                                     and epoch: a broker without state for an id accepts any first sequence, so a second
 *                                     batch could be taken where the first was refused
 *   a batch is sealed              -> READY
 *   the open batch is full, has lingered, is wanted by a flush, or memory is short
 *                                  -> READY
 *
 * No step ever walks over all partitions: announcements come as a stack, time as a heap, readiness as a list per
 * leader. */
#include "producer/open.h"

#include <assert.h>

static struct kci_batch *first_of(const struct kci_list *list)
{
    struct kci_list *node = kci_list_first(list);
    return node ? KCI_CONTAINER(node, struct kci_batch, link) : NULL;
}

static int64_t delivery_timeout_us(const struct kci_producer *producer)
{
    int64_t planted = producer->plant == KCI_PLANT_LATE_EXPIRY ? 2 : 1; /* defect */
    return (int64_t)producer->settings->delivery_timeout_ms * 1000 * planted;
}

/* ---- the conclusion ---- */

/* May the open batch go now? Under the partition's lock. */
static bool open_may_go(const struct kci_producer *producer, const struct kci_partition *partition, int64_t now)
{
    const struct kci_batch *open = partition->open;
    return kci_open_bytes(partition) >= kci_open_aim(producer, partition->topic) ||
           now >= open->created_at + (int64_t)producer->settings->linger_ms * 1000 || atomic_load(&producer->closing) ||
           producer->starved_at != KCI_NEVER || open->generation <= atomic_load(&producer->flush_upto);
}

static enum kci_lane lane_of_queue(struct kci_producer *producer, struct kci_partition *partition, int64_t now,
                                   int64_t *until)
{
    enum kci_lane lane = KCI_LANE_IDLE;
    int64_t oldest = KCI_NEVER;
    kci_lock_take(&partition->lock);
    struct kci_batch *batch = first_of(&partition->queue);
    if (batch) {
        oldest = batch->created_at;
        lane = batch->state == KCI_BATCH_SEALED ? KCI_LANE_READY : KCI_LANE_IDLE; /* CLOSING: will be announced */
    } else if (partition->open) {
        oldest = partition->open->created_at;
        if (open_may_go(producer, partition, now)) {
            lane = KCI_LANE_READY;
        } else {
            lane = KCI_LANE_LINGERING;
            *until = partition->open->created_at + (int64_t)producer->settings->linger_ms * 1000;
        }
    }
    kci_lock_release(&partition->lock);
    if (oldest != KCI_NEVER && partition->expiry.at == KCI_NEVER)
        kci_heap_set(&producer->expiries, &partition->expiry, oldest + delivery_timeout_us(producer));
    return lane;
}

static enum kci_lane lane_of(struct kci_producer *producer, struct kci_partition *partition, int64_t now,
                             int64_t *until)
{
    struct kci_batch *head = first_of(&partition->outstanding);
    if (partition->waiting && producer->plant != KCI_PLANT_OVERTAKE) {
        if (head->state != KCI_BATCH_WAITING || partition->reset_wanted)
            return KCI_LANE_BLOCKED;
        if (head->retry_at > now) {
            *until = head->retry_at;
            return KCI_LANE_BACKING_OFF;
        }
        return KCI_LANE_READY;
    }
    if (partition->reset_wanted || partition->in_flight >= (partition->pipelined ? producer->in_flight_max : 1))
        return KCI_LANE_BLOCKED;
    return lane_of_queue(producer, partition, now, until);
}

void kci_lane_update(struct kci_producer *producer, struct kci_partition *partition, int64_t now)
{
    int64_t until = KCI_NEVER;
    kci_sequence_reset(producer, partition);
    enum kci_lane lane = lane_of(producer, partition, now, &until);
    if (lane == KCI_LANE_READY && !partition->target) {
        lane = KCI_LANE_NO_LEADER;
        producer->refresh_leaders |= partition->lane != lane;
    }
    if (partition->timer.at != until)
        kci_heap_set(&producer->timers, &partition->timer, until);
    if (lane == partition->lane && (lane != KCI_LANE_READY || kci_list_linked(&partition->lane_link)))
        return;
    kci_list_remove(&partition->lane_link);
    partition->lane = lane;
    if (lane == KCI_LANE_READY)
        kci_list_push(&partition->target->ready, &partition->lane_link);
    else if (lane == KCI_LANE_LINGERING)
        kci_list_push(&producer->lingering, &partition->lane_link);
    else if (lane == KCI_LANE_NO_LEADER)
        kci_list_push(&producer->leaderless, &partition->lane_link);
}

/* ---- what brings a partition here ---- */

void kci_lane_take_announced(struct kci_producer *producer, int64_t now)
{
    struct kci_partition *newest = atomic_exchange(&producer->announced, NULL), *oldest = NULL;
    while (newest) { /* the stack has the newest first */
        struct kci_partition *next = newest->announced_next;
        newest->announced_next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest) {
        struct kci_partition *partition = oldest;
        oldest = partition->announced_next;
        atomic_store(&partition->announced, false); /* from here on it may be announced again */
        if (partition->topic->idle)
            kci_idle_used(producer, partition->topic, now);
        kci_lane_update(producer, partition, now);
    }
}

void kci_lane_unlinger(struct kci_producer *producer, int64_t now)
{
    KCI_LIST_EACH(node, &producer->lingering)
    kci_lane_update(producer, KCI_CONTAINER(node, struct kci_partition, lane_link), now);
}

/* ---- leaders ---- */

static struct kci_target *target_of(struct kci_producer *producer, int32_t node)
{
    KCI_LIST_EACH(link, &producer->targets)
    {
        struct kci_target *target = KCI_CONTAINER(link, struct kci_target, link);
        if (target->node == node)
            return target;
    }
    struct kci_target *target = kci_alloc_zero(producer->alloc, 1, sizeof *target);
    if (!target)
        return NULL; /* as if nobody led it, until the next metadata */
    target->node = node;
    target->stuck_since = KCI_NEVER;
    kci_list_init(&target->ready);
    kci_list_push(&producer->targets, &target->link);
    return target;
}

void kci_lane_leader(struct kci_producer *producer, struct kci_partition *partition, int32_t node, int32_t epoch,
                     int64_t now)
{
    struct kci_target *target = node == KCI_NODE_NONE ? NULL : target_of(producer, node);
    bool changed = target != partition->target, newer = epoch != partition->leader_epoch;
    partition->leader_epoch = epoch;
    atomic_store_explicit(&partition->available, target && !target->avoided, memory_order_relaxed);
    kci_partitioner_rack(producer, partition, node);
    if (newer || changed)
        partition->pipelined = false;
    if (!changed)
        return;
    if (partition->target && target)
        kci_count(&producer->counters.leader_changes, 1);
    kci_list_remove(&partition->lane_link);
    partition->lane = KCI_LANE_IDLE;
    partition->topic->leaderless += !target - !partition->target;
    partition->target = target;
    partition->leaderless_at = now;
    struct kci_batch *head = first_of(&partition->outstanding);
    if (head && head->state == KCI_BATCH_WAITING && target)
        head->retry_at = 0; /* KIP-951: a new leader is tried at once */
    kci_lane_update(producer, partition, now);
}

/* ---- taking a batch ---- */

static struct kci_batch *take_queued(struct kci_producer *producer, struct kci_partition *partition, size_t room,
                                     size_t *bytes, int64_t now)
{
    bool compress = false;
    kci_lock_take(&partition->lock);
    if (!partition->queued && partition->open && open_may_go(producer, partition, now)) {
        if (!producer->stamps && kci_open_bytes(partition) > room) { /* it may grow on until then */
            *bytes = kci_open_bytes(partition);
            kci_lock_release(&partition->lock);
            return NULL;
        }
        compress = kci_open_close(producer, partition)->state == KCI_BATCH_CLOSING;
    }
    struct kci_batch *batch = first_of(&partition->queue);
    if (batch && (compress || batch->state == KCI_BATCH_SEALED)) {
        if (!compress && batch->bytes > room) { /* stays where it is */
            *bytes = batch->bytes;
            batch = NULL;
        } else {
            kci_list_remove(&batch->link);
            partition->queued--;
            kci_partitioner_taken(partition, batch);
        }
    } else {
        batch = NULL;
    }
    kci_lock_release(&partition->lock);
    if (compress) { /* it is ours alone by now */
        kci_compressing_run(producer, batch);
        kci_batch_move(batch, KCI_BATCH_SEALED);
    }
    return batch;
}

struct kci_batch *kci_lane_take(struct kci_producer *producer, struct kci_partition *partition, size_t room,
                                size_t *bytes, int64_t now)
{
    *bytes = 0;
    struct kci_batch *batch = first_of(&partition->outstanding);
    if (partition->waiting && batch->state == KCI_BATCH_WAITING &&
        (producer->plant != KCI_PLANT_OVERTAKE || batch->retry_at <= now)) {
        *bytes = batch->bytes;
        return batch->bytes > room ? NULL : batch;
    }
    batch = take_queued(producer, partition, room, bytes, now);
    if (!batch)
        return NULL;
    *bytes = batch->bytes;
    kci_batch_move(batch, KCI_BATCH_WAITING);
    kci_list_push(&partition->outstanding, &batch->link);
    partition->waiting++;
    return batch->bytes > room ? NULL : batch; /* compressed by us and still too large: it goes next time */
}

/* ---- the end of batches that were never sent ---- */

/* Move everything that is queued, and the open batch, to `outstanding`. */
static void take_all(struct kci_producer *producer, struct kci_partition *partition, int64_t created_before)
{
    for (;;) {
        kci_lock_take(&partition->lock);
        if (!partition->queued && partition->open && partition->open->created_at <= created_before) {
            struct kci_batch *open = kci_open_close(producer, partition);
            if (open->state == KCI_BATCH_CLOSING)
                kci_batch_move(open, KCI_BATCH_SEALED);
        }
        struct kci_batch *batch = first_of(&partition->queue);
        if (batch && (batch->state != KCI_BATCH_SEALED || batch->created_at > created_before))
            batch = NULL;
        if (batch) {
            kci_list_remove(&batch->link);
            partition->queued--;
            kci_partitioner_taken(partition, batch);
        }
        kci_lock_release(&partition->lock);
        if (!batch)
            return;
        kci_batch_move(batch, KCI_BATCH_WAITING);
        kci_list_push(&partition->outstanding, &batch->link);
        partition->waiting++;
    }
}

static void expire(struct kci_producer *producer, struct kci_partition *partition, int64_t now)
{
    int64_t timeout = delivery_timeout_us(producer);
    take_all(producer, partition, now - timeout);
    KCI_LIST_EACH(node, &partition->outstanding)
    {
        struct kci_batch *batch = KCI_CONTAINER(node, struct kci_batch, link);
        if (batch->state == KCI_BATCH_DONE || batch->created_at + timeout > now)
            continue;
        kci_fate_expire(producer, batch, now);
    }
    kci_fate_settle(producer, partition);
    struct kci_batch *head = first_of(&partition->outstanding);
    if (head) /* what is queued sets the timer itself, by kci_lane_update */
        kci_heap_set(&producer->expiries, &partition->expiry, head->created_at + timeout);
    kci_lane_update(producer, partition, now);
}

void kci_lane_run_timers(struct kci_producer *producer, int64_t now)
{
    for (struct kci_timer *timer; (timer = kci_heap_first(&producer->timers)) != NULL && timer->at <= now;) {
        kci_heap_set(&producer->timers, timer, KCI_NEVER);
        kci_lane_update(producer, KCI_CONTAINER(timer, struct kci_partition, timer), now);
    }
    for (struct kci_timer *timer; (timer = kci_heap_first(&producer->expiries)) != NULL && timer->at <= now;) {
        kci_heap_set(&producer->expiries, timer, KCI_NEVER);
        expire(producer, KCI_CONTAINER(timer, struct kci_partition, expiry), now);
    }
}

void kci_lane_fail_all(struct kci_producer *producer, uint32_t which, kc_err code, struct kci_cause *cause, int64_t now)
{
    KCI_LIST_EACH(link, &producer->topic_list)
    {
        struct kci_topic *topic = KCI_CONTAINER(link, struct kci_topic, link);
        int32_t count = atomic_load(&topic->count);
        for (int32_t i = 0; i < count; i++) {
            struct kci_partition *partition = kci_topic_partition(topic, i);
            if (which & KC_PURGE_QUEUED)
                take_all(producer, partition, INT64_MAX);
            KCI_LIST_EACH(node, &partition->outstanding)
            {
                struct kci_batch *batch = KCI_CONTAINER(node, struct kci_batch, link);
                uint32_t kind = batch->attempts ? KC_PURGE_IN_FLIGHT : KC_PURGE_QUEUED;
                if (batch->state != KCI_BATCH_DONE && (which & kind))
                    kci_fate_fail(producer, batch, code, cause);
            }
            kci_fate_settle(producer, partition);
            kci_lane_update(producer, partition, now);
        }
    }
}
