/* kc_records: what one poll returns.  A list of slices, each of them one batch or a piece of one; the bytes stay where
 * they are. */
#ifndef KCI_CONSUMER_RECORDS_H
#define KCI_CONSUMER_RECORDS_H

#include "consumer/fetched.h"
#include "consumer/ledger.h"
#include <kclient/consumer.h>

struct kci_objects; /* objects.h */

struct kci_slice {
    struct kci_run *run; /* owned reference */
    uint32_t batch;
    int32_t count;        /* records */
    const uint8_t *at;    /* the first one */
    int64_t from, behind; /* its records have offsets in [from, behind) */
    int32_t epoch_before; /* leader epoch of the record before them; -1: unknown */
};

struct kc_records {
    /* the batch that is being walked; first, because next() touches nothing else */
    const uint8_t *at;
    const char *topic;
    int64_t base_offset, base_timestamp;
    uint64_t ticket;
    int32_t left;
    int32_t partition, leader_epoch;
    bool log_append_time;
    bool watched; /* interceptors see the records, or deserializers made objects of them */
    /* the whole */
    size_t slice;             /* index of the next slice to be walked */
    struct kci_slice *slices; /* owned */
    size_t slice_count, slice_capacity;
    size_t count;                /* records in all */
    size_t visited;              /* records since the beginning; counted only when watched */
    struct kci_objects *objects; /* owned; NULL: views show the bytes of the records */
    struct kci_shared *shared;   /* owned reference */
};

/* Empty. NULL: out of memory. */
struct kc_records *kci_records_new(struct kci_shared *shared);
/* Take up to `limit` (>= 1) records of the run, from its cursor on, and move the cursor. *position and *epoch become
 * those behind the last one taken, also over batches without records. false: out of memory; what was
 * taken before stays taken. */
bool kci_records_take(struct kc_records *records, struct kci_run *run, size_t limit, int64_t *position, int32_t *epoch);
/* How many of the next records of the run, up to limit, fit in `bytes` as they are encoded, *used of them being used up
 * (it rises); the first one always fits. *full becomes true when one did not. */
size_t kci_records_within(const struct kci_run *run, size_t limit, size_t bytes, size_t *used, bool *full);
/* Write the records of slice `i` into a ledger. false: out of memory, and none of them is in it. */
bool kci_records_note(const struct kc_records *records, size_t i, struct kci_ledger *ledger);
/* Keep `n` records of slice `i`, up to `offset`, and none of what follows them in their partition. Before anybody
 * visited the set. The number of records that went. */
size_t kci_records_cut(struct kc_records *records, size_t i, int32_t n, int64_t offset);
int kci_records_next(struct kc_records *records, kc_record_view *view);
void kci_records_rewind(struct kc_records *records);
void kci_records_release(struct kc_records *records);

#endif
