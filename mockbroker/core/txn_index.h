/* The transactions in the log of one replica: which are open, and which were aborted. */
#ifndef MB_CORE_TXN_INDEX_H
#define MB_CORE_TXN_INDEX_H

#include "base/alloc.h"
#include "base/bytes.h"

struct mb_txn_open {
    int64_t producer_id;
    int64_t first_offset; /* of its first batch here */
};
struct mb_txn_ended {
    int64_t first_offset, last_offset; /* of its first batch, of its marker */
};
struct mb_txn_aborted {
    int64_t producer_id;
    int64_t first_offset, last_offset; /* of its first batch, of its marker */
    int64_t stable;                    /* where the oldest transaction began that was open then, or behind the marker */
};

struct mb_txn_index {
    const struct kci_alloc *alloc;
    struct mb_txn_open *open; /* owned; by rising first offset */
    size_t open_count, open_capacity;
    struct mb_txn_ended *ended; /* owned; by rising last offset: those whose marker may be above the high watermark */
    size_t ended_count, ended_capacity;
    struct mb_txn_aborted *aborted; /* owned; by rising last offset */
    size_t aborted_count, aborted_capacity;
};

void mb_txn_index_init(struct mb_txn_index *index, const struct kci_alloc *alloc);
void mb_txn_index_destroy(struct mb_txn_index *index); /* and ready for use again */
/* A producer without an open transaction wrote its first batch of one. false: no memory. */
bool mb_txn_index_begin(struct mb_txn_index *index, int64_t producer_id, int64_t first_offset);
/* Its marker is at `last_offset`. `settled`: offsets below it are below the high watermark for good. false: no memory.
 */
bool mb_txn_index_end(struct mb_txn_index *index, int64_t producer_id, int64_t last_offset, bool aborted,
                      int64_t settled);
/* Everything below is in a transaction that has ended, or in none; `high_watermark` when that is so up to there. */
int64_t mb_txn_index_last_stable(const struct mb_txn_index *index, int64_t high_watermark);
/* Aborted transactions with a batch or their marker in [from, to): fills at most max of them, returns how many there
 * are. */
size_t mb_txn_index_aborted(const struct mb_txn_index *index, int64_t from, int64_t to, struct mb_txn_aborted *out,
                            size_t max);
/* Was the batch of this producer at `offset` aborted? */
bool mb_txn_index_is_aborted(const struct mb_txn_index *index, int64_t producer_id, int64_t offset);
/* The log now starts at `offset`: what ended before it is forgotten. */
void mb_txn_index_raise_start(struct mb_txn_index *index, int64_t offset);

#endif
