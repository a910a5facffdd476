/* Transactional ids rebuilt from the log, when a broker becomes the leader of a partition of __transaction_state: the
 * last record of each wins.  What was being ended is ended then: its markers are written (again, perhaps; a second one
 * changes nothing).
 *
 * The log is our own, but it may come from a data directory that somebody edited: what does not make sense is passed
 * over with a warning. */
#include "mockbroker/core/txn_records.h"

#include "mockbroker/core/cluster.h"

struct loading {
    struct mb_txns *txns;
    int32_t home;
    bool no_memory;
    struct mb_txn *txn; /* whose partitions are being read */
};

static bool load_part(void *owner, struct kci_str topic, int32_t partition)
{
    struct loading *load = owner;
    struct mb_txn_part *part = mb_txn_part_new(load->txns->alloc, topic, partition);
    load->no_memory |= !part || !mb_txn_add(load->txn, part);
    return !load->no_memory;
}

/* Can a transaction be in this state with this many partitions? */
static bool makes_sense(const struct mb_txn *txn, int state)
{
    bool (*holds)(const void *x) = mb_txn_states.rows[state].invariant;
    return state != MB_TXN_DEAD && state != MB_TXN_PREPARE_EPOCH_FENCE && (!holds || holds(txn));
}

static void load_record(void *owner, const struct kci_batch_header *batch, const struct kci_record_view *view)
{
    struct loading *load = owner;
    struct mb_txn_record record;
    (void)batch;
    if (load->no_memory)
        return;
    bool readable = mb_txn_record_read(view, &record);
    if (readable && mb_txns_home_of(load->txns, record.id) != load->home)
        return;
    struct mb_txn *txn = readable ? mb_txns_find(load->txns, record.id) : NULL;
    if (readable && record.tombstone) {
        if (txn)
            kci_map_remove(&load->txns->by_id, txn->id.data, txn->id.size);
        mb_txn_destroy(txn);
        return;
    }
    if (readable && !txn)
        load->no_memory = (txn = mb_txns_obtain(load->txns, record.id)) == NULL;
    if (readable && txn) {
        load->txn = txn;
        mb_txn_clear(txn);
        txn->meta = record.meta;
        bool complete = record.state == MB_TXN_COMPLETE_COMMIT || record.state == MB_TXN_COMPLETE_ABORT;
        readable = complete || mb_txn_record_parts(&record, load_part, load);
        if (load->no_memory)
            return;
        readable = readable && makes_sense(txn, record.state);
        bool ending = record.state == MB_TXN_PREPARE_COMMIT || record.state == MB_TXN_PREPARE_ABORT;
        if (ending && load->txns->cluster->options.plant == MB_PLANT_MARKERS_LOST) /* planted defect */
            mb_txn_clear(txn);
        txn->state = record.state; /* not a move: it was so when it was written */
    }
    if (readable)
        return;
    kci_log(mb_cluster_logger(load->txns->cluster), KCI_LOG_WARN, "transaction",
            "%s-%d: the record at offset %lld is malformed or too new and is passed over", MB_TRANSACTIONS_TOPIC,
            (int)load->home, (long long)view->offset);
    if (txn)
        kci_map_remove(&load->txns->by_id, txn->id.data, txn->id.size);
    mb_txn_destroy(txn);
}

bool mb_txn_load(struct mb_txns *txns, int32_t home)
{
    struct loading load = { .txns = txns, .home = home };
    return mb_internal_replay(txns->cluster, kci_str_of(MB_TRANSACTIONS_TOPIC), home, load_record, &load) &&
           !load.no_memory;
}
