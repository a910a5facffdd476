/* The records of __transaction_state: Kafka's own format, written and read. */
#ifndef MB_CORE_TXN_RECORDS_H
#define MB_CORE_TXN_RECORDS_H

#include "mockbroker/core/txn_registry.h"

void mb_txn_record_key(struct kci_writer *w, struct kci_str id);
/* Key, then value, of what the transaction becomes by the change. Returns the bytes of the key. */
size_t mb_txn_record_write(struct kci_writer *w, const struct mb_txn *txn, const struct mb_txn_change *change);

struct mb_txn_record {
    struct kci_str id; /* a view */
    bool tombstone;
    int state;
    struct mb_txn_meta meta;
    int32_t topic_count;      /* partitions follow, by topic */
    bool flexible;            /* how they are written */
    struct kci_reader topics; /* at the first */
};
/* False: malformed, or of a version that is not known. */
bool mb_txn_record_read(const struct kci_record_view *view, struct mb_txn_record *out);
/* Calls `each` for every partition; false: malformed, or each() said so. */
bool mb_txn_record_parts(struct mb_txn_record *record,
                         bool (*each)(void *owner, struct kci_str topic, int32_t partition), void *owner);

#endif
