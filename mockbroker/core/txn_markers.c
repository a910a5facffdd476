/* The end of a transaction: a marker on every partition that it has written to, then the record that it is complete.
 *
 *      Prepare* in the log --> for each partition: control batch, committed --> partition done
 *                                     '-- no leader, too few replicas --> again after RETRY_MS
 *                          --> no partition is left --> Complete* in the log
 *
 * A marker on __consumer_offsets also ends what the transaction has committed there: group_txn.c.  A partition that
 * no longer exists needs no marker.  When the coordinator moves meanwhile, the new one writes all of them again: a
 * second marker of a transaction changes nothing. */
#include "mockbroker/core/cluster.h"
#include "mockbroker/core/group_txn.h"
#include "mockbroker/core/txn_registry.h"

#define RETRY_MS 100

enum { MARKER_ABORT = 0, MARKER_COMMIT = 1 };

struct marker { /* one, under way */
    const struct kci_alloc *alloc;
    struct mb_cluster *cluster;
    struct mb_txn_part *part; /* a copy of the transaction's */
    struct kci_str id;        /* of the transaction; in the same block as this */
    int64_t producer_id;
    int16_t epoch;
    bool commit;
    uint32_t loads; /* of the transaction's home */
};

static void complete(struct mb_txn *txn, int64_t now);

static void retry(struct mb_txns *txns, int64_t now)
{
    if (!txns->marker_alarm.timer.position)
        mb_txn_markers_later(txns, now + RETRY_MS * 1000);
}

/* The transaction that the marker belongs to, if its coordinator is still the same. */
static struct mb_txn *still(const struct marker *marker)
{
    struct mb_txns *txns = mb_cluster_transactions(marker->cluster);
    struct mb_txn *txn = txns ? mb_txns_find(txns, marker->id) : NULL;
    if (!txn || !txns->homes[txn->partition].loaded || txns->homes[txn->partition].loads != marker->loads)
        return NULL;
    return txn;
}

static void marked(void *owner, int16_t error, int64_t now)
{
    struct marker *marker = owner;
    struct mb_txn *txn = still(marker);
    const struct mb_txn_part *part = marker->part;
    if (!error && kci_str_equal(part->topic, kci_str_of(MB_OFFSETS_TOPIC)) && mb_cluster_groups(marker->cluster))
        mb_group_txn_end(mb_cluster_groups(marker->cluster), part->partition, marker->producer_id, marker->commit, now);
    if (txn && error) {
        struct mb_txn_part *again = mb_txn_part_find(txn, part->topic, part->partition);
        if (again)
            again->marking = false;
        retry(txn->owner, now);
    } else if (txn) {
        if (marker->cluster->options.plant == MB_PLANT_FIRST_MARKER) /* planted defect */
            mb_txn_clear(txn);
        mb_txn_remove(txn, part->topic, part->partition);
        complete(txn, now);
    }
    kci_alloc_free(marker->alloc, marker->part);
    kci_alloc_free(marker->alloc, marker);
}

static struct marker *new_marker(const struct mb_txn *txn, const struct mb_txn_part *part)
{
    const struct kci_alloc *alloc = txn->owner->alloc;
    struct marker *marker = kci_alloc_new(alloc, sizeof *marker + txn->id.size + 1);
    struct mb_txn_part *copy = mb_txn_part_new(alloc, part->topic, part->partition);
    if (!marker || !copy) {
        kci_alloc_free(alloc, marker);
        kci_alloc_free(alloc, copy);
        return NULL;
    }
    *marker = (struct marker){ .alloc = alloc,
                               .cluster = txn->owner->cluster,
                               .part = copy,
                               .id = { (char *)(marker + 1), txn->id.size },
                               .producer_id = txn->meta.producer_id,
                               .epoch = txn->meta.epoch,
                               .commit = txn->state == MB_TXN_PREPARE_COMMIT,
                               .loads = txn->owner->homes[txn->partition].loads };
    memcpy(marker + 1, txn->id.data, txn->id.size);
    marker->commit |= txn->owner->cluster->options.plant == MB_PLANT_TORN_MARKERS && part->partition == 0; /* defect */
    return marker;
}

/* Epoch of the coordinator: that of the leader of the transaction's home. */
static int32_t coordinator_epoch(const struct mb_txn *txn)
{
    const struct mb_topic *topic = mb_topic_find(txn->owner->cluster, kci_str_of(MB_TRANSACTIONS_TOPIC));
    const struct mb_partition *home = topic ? mb_topic_partition(topic, txn->partition) : NULL;
    return home ? home->leader_epoch : 0;
}

static void write_marker(struct mb_txn *txn, struct mb_partition *partition, struct marker *marker, int64_t now)
{
    uint8_t key[4] = { 0 }, value[6] = { 0 };
    struct kci_batch_header header = { .magic = 2,
                                       .attributes = KCI_BATCH_TRANSACTIONAL | KCI_BATCH_CONTROL,
                                       .producer_id = marker->producer_id,
                                       .producer_epoch = marker->epoch,
                                       .base_sequence = -1 };
    struct kci_record record = { .timestamp_ms = mb_cluster_wall_ms(marker->cluster, now),
                                 .key = { key, sizeof key },
                                 .value = { value, sizeof value } };
    kci_put16(key + 2, marker->commit ? MARKER_COMMIT : MARKER_ABORT);
    kci_put32(value + 2, (uint32_t)coordinator_epoch(txn));
    mb_partition_write(partition, &header, &record, 1, marked, marker, now);
}

static void completed(void *owner, int16_t error, int64_t now)
{
    if (error)
        retry(owner, now);
}

/* Once no partition is left. */
static void complete(struct mb_txn *txn, int64_t now)
{
    bool prepared = txn->state == MB_TXN_PREPARE_COMMIT || txn->state == MB_TXN_PREPARE_ABORT;
    if (!prepared || txn->parts.count || txn->pending >= 0)
        return;
    enum mb_txn_state next = txn->state == MB_TXN_PREPARE_COMMIT ? MB_TXN_COMPLETE_COMMIT : MB_TXN_COMPLETE_ABORT;
    struct mb_txn_change change = mb_txn_change_of(txn, next, now);
    change.clear = true;
    if (change.meta.next_id >= 0) { /* the epochs of the old id are used up */
        change.meta.previous_id = change.meta.producer_id;
        change.meta.producer_id = change.meta.next_id;
        change.meta.next_id = -1;
        change.meta.epoch = 0;
        change.meta.last_epoch = -1;
    }
    mb_txn_write(txn, &change, completed, txn->owner, now);
}

void mb_txn_markers_begin(struct mb_txn *txn, int64_t now)
{
    struct mb_txns *txns = txn->owner;
    const struct kci_map_entry *entry;
    if (txn->state == MB_TXN_PREPARE_ABORT && txns->cluster->options.plant == MB_PLANT_NO_ABORT) /* planted defect */
        mb_txn_clear(txn);
    for (size_t at = 0; (entry = kci_map_next(&txn->parts, &at));) {
        struct mb_txn_part *part = entry->value;
        const struct mb_topic *topic = mb_topic_find(txns->cluster, part->topic);
        struct mb_partition *partition = topic ? mb_topic_partition(topic, part->partition) : NULL;
        if (part->marking)
            continue;
        struct marker *marker = partition && partition->leader >= 0 ? new_marker(txn, part) : NULL;
        if (!partition) {
            mb_txn_remove(txn, part->topic, part->partition);
        } else if (!marker) {
            retry(txns, now);
        } else {
            part->marking = true;
            write_marker(txn, partition, marker, now);
        }
    }
    complete(txn, now);
}

static void look(void *owner, int64_t now)
{
    struct mb_txns *txns = owner;
    const struct kci_map_entry *entry;
    for (size_t at = 0; (entry = kci_map_next(&txns->by_id, &at));) {
        struct mb_txn *txn = entry->value;
        bool prepared = txn->state == MB_TXN_PREPARE_COMMIT || txn->state == MB_TXN_PREPARE_ABORT;
        if (prepared && txns->homes[txn->partition].loaded)
            mb_txn_markers_begin(txn, now);
    }
}

void mb_txn_markers_later(struct mb_txns *txns, int64_t at)
{
    txns->marker_alarm.fire = look;
    txns->marker_alarm.owner = txns;
    mb_alarm_set(txns->cluster, &txns->marker_alarm, at);
}
