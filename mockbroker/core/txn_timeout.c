/* What time does to transactions: one that is open for longer than its producer allowed is aborted, and its producer
 * fenced; a transactional id that nobody used for transactional.id.expiration.ms is forgotten.  Both are looked for at
 * intervals, as Kafka does, so that either happens up to one interval late. */
#include "mockbroker/core/cluster.h"
#include "mockbroker/core/txn_registry.h"

#include <assert.h>

struct fence {
    struct mb_txns *txns;
    const struct kci_alloc *alloc;
    struct mb_txn *txn;
    void (*done)(void *owner, int16_t error, int64_t now);
    void *owner;
};

static void fenced(void *owner, int16_t error, int64_t now)
{
    struct fence fence = *(struct fence *)owner;
    kci_alloc_free(fence.alloc, owner);
    if (!error)
        mb_txn_markers_begin(fence.txn, now);
    if (fence.done)
        fence.done(fence.owner, error, now);
}

void mb_txn_fence(struct mb_txn *txn, void (*done)(void *owner, int16_t error, int64_t now), void *owner, int64_t now)
{
    const struct kci_alloc *alloc = txn->owner->alloc;
    struct fence *fence = kci_alloc_new(alloc, sizeof *fence);
    assert(txn->state == MB_TXN_ONGOING && txn->pending < 0);
    if (!fence) {
        if (done)
            done(owner, KCI_COORDINATOR_NOT_AVAILABLE, now);
        return;
    }
    *fence = (struct fence){ txn->owner, alloc, txn, done, owner };
    txn->pending = MB_TXN_PREPARE_EPOCH_FENCE;
    struct mb_txn_change change = mb_txn_change_of(txn, MB_TXN_PREPARE_ABORT, now);
    change.meta.last_epoch =
        change.meta.epoch; /* InitProducerId that had to wait for the abort is asked with it again */
    change.meta.epoch++;
    mb_txn_write(txn, &change, fenced, fence, now);
}

static void look_for_timeouts(void *owner, int64_t now)
{
    struct mb_txns *txns = owner;
    int64_t wall_ms = mb_cluster_wall_ms(txns->cluster, now);
    const struct kci_map_entry *entry;
    for (size_t at = 0; (entry = kci_map_next(&txns->by_id, &at));) {
        struct mb_txn *txn = entry->value;
        bool late = txn->state == MB_TXN_ONGOING && txn->meta.started_ms + txn->meta.timeout_ms < wall_ms;
        late = late && txns->cluster->options.plant != MB_PLANT_PATIENT; /* planted defect */
        if (!late || txn->pending >= 0 || !txns->homes[txn->partition].loaded)
            continue;
        kci_log(mb_cluster_logger(txns->cluster), KCI_LOG_INFO, "transaction",
                "%s is open for longer than its timeout of %d ms and is aborted", txn->id.data,
                (int)txn->meta.timeout_ms);
        mb_txn_fence(txn, NULL, NULL, now);
    }
    if (txns->by_id.count)
        mb_txn_timeout_arm(txns, now);
}

static void look_for_expired(void *owner, int64_t now)
{
    struct mb_txns *txns = owner;
    int64_t wall_ms = mb_cluster_wall_ms(txns->cluster, now);
    int64_t keep_ms = mb_cluster_property(txns->cluster, "transactional.id.expiration.ms");
    const struct kci_map_entry *entry;
    for (size_t at = 0; (entry = kci_map_next(&txns->by_id, &at));) {
        struct mb_txn *txn = entry->value;
        if (mb_txn_is_idle(txn) && txn->pending < 0 && txns->homes[txn->partition].loaded &&
            wall_ms - txn->meta.updated_ms >= keep_ms)
            mb_txn_write_expired(txn, now);
    }
    if (txns->by_id.count)
        mb_txn_timeout_arm(txns, now);
}

static void arm(struct mb_txns *txns, struct mb_alarm *alarm, void (*fire)(void *owner, int64_t now),
                const char *interval, int64_t now)
{
    if (alarm->timer.position)
        return;
    alarm->fire = fire;
    alarm->owner = txns;
    mb_alarm_set(txns->cluster, alarm, now + mb_cluster_property(txns->cluster, interval) * 1000);
}

void mb_txn_timeout_arm(struct mb_txns *txns, int64_t now)
{
    arm(txns, &txns->timeout_alarm, look_for_timeouts, "transaction.abort.timed.out.transaction.cleanup.interval.ms",
        now);
    arm(txns, &txns->expiry_alarm, look_for_expired, "transaction.remove.expired.transaction.cleanup.interval.ms", now);
}
