/* A transactional id: the machine of its states.
 *
 *           partitions                    EndTxn: commit
 *        .------------.   .---------.  ---------------->  .---------------.  all markers  .----------------.
 *        |            '-> | Ongoing |                     | PrepareCommit | ------------> | CompleteCommit |
 *   .-------.             '---------'                     '---------------'               '----------------'
 *   | Empty |                |  |  EndTxn: abort                                                  |
 *   '-------'                |  '-------------------.                                             |
 *      ^  |     a new producer, or out of time      v                                             |
 *      |  |                  |               .--------------.   all markers   .---------------.   |
 *      |  '-----------.      |               | PrepareAbort | --------------> | CompleteAbort |   |
 *      |              |      v               '--------------'                 '---------------'   |
 *      |              |   .-------------------.    ^   ^                              |           |
 *      |              |   | PrepareEpochFence | ---'   |  abort of nothing (TV 2)     |           |
 *      |              |   '-------------------'        '------------------------------+-----------+
 *      |              v                                                               |           |
 *      |            Dead (expired)  <-------------------------------------------------+-----------+
 *      '------------------------------------------------------------------------------'-----------'
 *                                    InitProducerId; partitions lead from here to Ongoing, too
 *
 * These are Kafka's states and Kafka's moves (PROTOCOL 4.8).  A state is entered when its record is committed in
 * __transaction_state; until then it is `pending`, and other requests hear CONCURRENT_TRANSACTIONS.  PrepareEpochFence
 * is only ever pending: what is written is the abort that it begins.
 *
 * Invariants, checked on entry: what has begun has a producer id and an epoch, and mostly partitions (a request that
 * adds none begins it, too); complete ones have no partitions. */
#include "mockbroker/core/txn.h"

#include "mockbroker/core/group.h"
#include "mockbroker/core/txn_registry.h"

static bool has_producer(const void *x)
{
    const struct mb_txn *txn = x;
    return txn->meta.producer_id >= 0 && txn->meta.epoch >= 0;
}

static bool has_none(const void *x)
{
    const struct mb_txn *txn = x;
    return has_producer(x) && txn->parts.count == 0;
}

#define TO(state) (1u << MB_TXN_##state)
const struct kci_state_table mb_txn_states = {
    .machine = "transaction",
    .count = MB_TXN_STATES,
    .rows = {
        [MB_TXN_EMPTY] = { "Empty", TO(EMPTY) | TO(ONGOING) | TO(PREPARE_ABORT) | TO(DEAD), has_none },
        [MB_TXN_ONGOING] = { "Ongoing", TO(ONGOING) | TO(PREPARE_COMMIT) | TO(PREPARE_ABORT) | TO(PREPARE_EPOCH_FENCE),
                             has_producer },
        [MB_TXN_PREPARE_COMMIT] = { "PrepareCommit", TO(COMPLETE_COMMIT), has_producer },
        [MB_TXN_PREPARE_ABORT] = { "PrepareAbort", TO(COMPLETE_ABORT), has_producer },
        [MB_TXN_COMPLETE_COMMIT] = { "CompleteCommit", TO(EMPTY) | TO(ONGOING) | TO(PREPARE_ABORT) | TO(DEAD), has_none },
        [MB_TXN_COMPLETE_ABORT] = { "CompleteAbort", TO(EMPTY) | TO(ONGOING) | TO(PREPARE_ABORT) | TO(DEAD), has_none },
        [MB_TXN_DEAD] = { "Dead", 0, NULL },
        [MB_TXN_PREPARE_EPOCH_FENCE] = { "PrepareEpochFence", TO(PREPARE_ABORT), has_producer },
    },
};

void mb_txn_move(struct mb_txn *txn, enum mb_txn_state next)
{
    kci_states_move(&mb_txn_states, &txn->state, (int)next, txn);
}

int mb_txn_state_find(struct kci_str name)
{
    for (int i = 0; i < MB_TXN_STATES; i++)
        if (kci_str_equal(kci_str_of(mb_txn_states.rows[i].name), name))
            return i;
    return -1;
}

bool mb_txn_is_idle(const struct mb_txn *txn)
{
    return txn->state == MB_TXN_EMPTY || txn->state == MB_TXN_COMPLETE_COMMIT || txn->state == MB_TXN_COMPLETE_ABORT;
}

bool mb_txn_is_busy(const struct mb_txn *txn)
{
    return txn->pending >= 0 || txn->state == MB_TXN_PREPARE_COMMIT || txn->state == MB_TXN_PREPARE_ABORT;
}

struct mb_txn *mb_txn_create(struct mb_txns *owner, struct kci_str id, int32_t partition)
{
    struct mb_txn *txn = kci_alloc_zero(owner->alloc, 1, sizeof *txn);
    if (!txn)
        return NULL;
    txn->owner = owner;
    txn->partition = partition;
    txn->state = MB_TXN_EMPTY;
    txn->pending = -1;
    txn->meta = (struct mb_txn_meta){ -1, -1, -1, -1, -1, 0, -1, -1, false };
    txn->parts = kci_map_of(owner->alloc, kci_prng_next(mb_cluster_prng(owner->cluster)));
    txn->id = mb_group_copy_str(owner->alloc, id);
    if (txn->id.data)
        return txn;
    kci_alloc_free(owner->alloc, txn);
    return NULL;
}

void mb_txn_destroy(struct mb_txn *txn)
{
    if (!txn)
        return;
    mb_txn_clear(txn);
    kci_map_destroy(&txn->parts);
    kci_alloc_free(txn->owner->alloc, txn->id.data);
    kci_alloc_free(txn->owner->alloc, txn);
}

/* ---- partitions
 * ------------------------------------------------------------------------------------------------------ */

#define KEY_BYTES_MAX 512 /* partition and name; a topic's name has at most 249 bytes */

/* 0: the name is too long to be a topic's. */
static size_t key_of(char key[KEY_BYTES_MAX], struct kci_str topic, int32_t partition)
{
    if (topic.size + sizeof partition > KEY_BYTES_MAX)
        return 0;
    memcpy(key, &partition, sizeof partition);
    if (topic.size)
        memcpy(key + sizeof partition, topic.data, topic.size);
    return sizeof partition + topic.size;
}

struct mb_txn_part *mb_txn_part_find(const struct mb_txn *txn, struct kci_str topic, int32_t partition)
{
    char key[KEY_BYTES_MAX];
    size_t size = key_of(key, topic, partition);
    return size ? kci_map_get(&txn->parts, key, size) : NULL;
}

struct mb_txn_part *mb_txn_part_new(const struct kci_alloc *alloc, struct kci_str topic, int32_t partition)
{
    struct mb_txn_part *part = kci_alloc_new(alloc, sizeof *part + topic.size + 1);
    if (!part)
        return NULL;
    char *name = (char *)(part + 1);
    if (topic.size)
        memcpy(name, topic.data, topic.size);
    name[topic.size] = '\0';
    *part = (struct mb_txn_part){ { name, topic.size }, partition, false };
    return part;
}

bool mb_txn_add(struct mb_txn *txn, struct mb_txn_part *part)
{
    char key[KEY_BYTES_MAX];
    size_t size = key_of(key, part->topic, part->partition);
    bool there = size && kci_map_get(&txn->parts, key, size);
    if (size && !there && kci_map_set(&txn->parts, key, size, part))
        return true;
    kci_alloc_free(txn->owner->alloc, part);
    return there;
}

void mb_txn_remove(struct mb_txn *txn, struct kci_str topic, int32_t partition)
{
    char key[KEY_BYTES_MAX];
    size_t size = key_of(key, topic, partition);
    kci_alloc_free(txn->owner->alloc, size ? kci_map_remove(&txn->parts, key, size) : NULL);
}

void mb_txn_clear(struct mb_txn *txn)
{
    const struct kci_map_entry *entry;
    for (size_t at = 0; (entry = kci_map_next(&txn->parts, &at));)
        kci_alloc_free(txn->owner->alloc, entry->value);
    kci_map_destroy(&txn->parts);
    txn->parts = kci_map_of(txn->owner->alloc, txn->parts.seed);
}

const struct mb_txn_part *mb_txn_next_part(const struct mb_txn *txn, size_t *at)
{
    const struct kci_map_entry *entry = kci_map_next(&txn->parts, at);
    return entry ? entry->value : NULL;
}
