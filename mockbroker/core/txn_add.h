/* Partitions come into a transaction: by request, or with what is written to them. */
#ifndef MB_CORE_TXN_ADD_H
#define MB_CORE_TXN_ADD_H

#include "mockbroker/core/txn_registry.h"

struct mb_txn_claim { /* who says to be in the transaction */
    struct kci_str id;
    int64_t producer_id;
    int16_t epoch;
};
struct mb_txn_ref {
    struct kci_str topic;
    int32_t partition;
};

/* What the leader of a partition asks the coordinator, wherever that is (KIP-890), as the leader tells its client;
 * `missing` is what it says of a partition that is not in the transaction. */
int16_t mb_txn_verify(struct mb_cluster *cluster, const struct mb_txn_claim *claim, const struct mb_txn_ref *ref,
                      int16_t missing, int64_t now);
/* The same, but they are added. */
void mb_txn_admit(struct mb_cluster *cluster, const struct mb_txn_claim *claim, const struct mb_txn_ref *refs,
                  size_t count, void (*done)(void *owner, int16_t error, int64_t now), void *owner, int64_t now);

#endif
