/* Which of the records that polls returned are acknowledged: one ledger per assigned partition, with
 * acknowledgement.mode=explicit only. */
#ifndef KCI_CONSUMER_LEDGER_H
#define KCI_CONSUMER_LEDGER_H

#include "base/alloc.h"

#include <stdbool.h>

#define KCI_LEDGER_PAGE_RECORDS 1024u /* most records on one page: ~4 KB */

struct kci_ledger_page;

struct kci_ledger {
    struct kci_ledger_page **pages; /* by rising offset, from `head` on; owned */
    size_t head, count, capacity;   /* count: of pages from head on */
    uint64_t unacknowledged;        /* records */
};

void kci_ledger_init(struct kci_ledger *ledger);
/* Forget everything: the position moves. */
void kci_ledger_clear(struct kci_ledger *ledger, const struct kci_alloc *alloc);

/* A record is returned; offsets rise from call to call. `epoch` is its leader epoch, epoch_before that of the record
 * before it, `more` how many records are going to follow. false: out of memory, it is not noted and must not be
 * returned. */
bool kci_ledger_note(struct kci_ledger *ledger, const struct kci_alloc *alloc, int64_t offset, int32_t epoch,
                     int32_t epoch_before, uint32_t more);
/* The records in [from, behind) are done, for the first time or again. The number of records in it that were noted and
 * are still on a page. */
size_t kci_ledger_acknowledge(struct kci_ledger *ledger, const struct kci_alloc *alloc, int64_t from, int64_t behind);
/* Records from `from` on were never returned. */
void kci_ledger_forget(struct kci_ledger *ledger, const struct kci_alloc *alloc, int64_t from);
/* The offset of the first record that is not done; false: there is none, all that was returned is. */
bool kci_ledger_progress(const struct kci_ledger *ledger, int64_t *offset, int32_t *epoch_before);

#endif
