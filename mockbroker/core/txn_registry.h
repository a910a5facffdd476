/* The transaction coordinator of all brokers: which transactional ids there are, which broker answers for them, and how
 * a change of one gets into the log. */
#ifndef MB_CORE_TXN_REGISTRY_H
#define MB_CORE_TXN_REGISTRY_H

#include "mockbroker/core/txn.h"

/* One partition of __transaction_state, as its coordinator sees it. */
struct mb_txn_home {
    int32_t broker; /* its leader; -1: none */
    bool loaded;    /* all transactional ids in its log are in memory, and committed */
    uint32_t loads; /* how often it was loaded: tells an append from before a move */
};

struct mb_txns {
    struct mb_cluster *cluster;    /* borrowed */
    const struct kci_alloc *alloc; /* borrowed */
    struct mb_txn_home *homes;     /* owned array */
    int32_t home_count;
    int32_t untold;               /* homes below it may have a leader that there was no memory for */
    struct kci_map by_id;         /* transactional id -> struct mb_txn, owned */
    struct kci_list writes;       /* struct mb_txn_write: appends that are not yet done */
    struct kci_list loadings;     /* homes that were read, and are not loaded before what is there is committed */
    struct mb_alarm load_alarm;   /* tries again what could not be loaded */
    struct mb_alarm marker_alarm; /* markers that are to be written (again) */
    struct mb_alarm timeout_alarm, expiry_alarm;
};

int32_t mb_txns_home_of(const struct mb_txns *txns, struct kci_str id);
/* Is there a coordinator for the id, wherever, and ready? 0 or a code of Kafka's. */
int16_t mb_txns_ready(struct mb_cluster *cluster, struct kci_str id, int64_t now);
/* The same for this request, with its right to use the id: NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS,
 * TRANSACTIONAL_ID_AUTHORIZATION_FAILED. */
int16_t mb_txns_route(const struct mb_request *request, struct kci_str id, int64_t now);
struct mb_txn *mb_txns_find(const struct mb_txns *txns, struct kci_str id); /* NULL: none */
/* Find or make; NULL: no memory, or MB_TXNS_MAX. */
struct mb_txn *mb_txns_obtain(struct mb_txns *txns, struct kci_str id);
/* What is in memory goes, as if no broker had ever heard of a transaction. */
void mb_txns_forget(struct mb_txns *txns, int64_t now);
struct mb_txns *mb_cluster_transactions(struct mb_cluster *cluster);
int64_t mb_txns_new_producer_id(struct mb_txns *txns);

/* What a transactional id is to become. */
struct mb_txn_change {
    int state; /* enum mb_txn_state */
    struct mb_txn_meta meta;
    struct mb_txn_part **added; /* taken, the array too; NULL: none */
    size_t added_count;
    bool clear; /* no partitions any more */
};
/* As it is, at `now`: a change is made of it. */
struct mb_txn_change mb_txn_change_of(const struct mb_txn *txn, enum mb_txn_state state, int64_t now);
/* Write the change and make it so once it is committed; done(owner, error) then, or when it cannot be, perhaps at once.
 * Until then it is pending. With an error the transaction may be gone. */
void mb_txn_write(struct mb_txn *txn, struct mb_txn_change *change,
                  void (*done)(void *owner, int16_t error, int64_t now), void *owner, int64_t now);
/* Delete its record. */
void mb_txn_write_expired(struct mb_txn *txn, int64_t now);

/* ---- txn_load.c ---- */
bool mb_txn_load(struct mb_txns *txns, int32_t home); /* false: no memory, or no leader */

/* ---- txn_markers.c ---- */
/* The transaction was prepared: write its markers, then that it is complete. */
void mb_txn_markers_begin(struct mb_txn *txn, int64_t now);
/* The same at a later time, for all that are prepared. */
void mb_txn_markers_later(struct mb_txns *txns, int64_t at);

/* ---- txn_timeout.c ---- */
void mb_txn_timeout_arm(struct mb_txns *txns, int64_t now);
/* Fence the producer and abort what it has open. */
void mb_txn_fence(struct mb_txn *txn, void (*done)(void *owner, int16_t error, int64_t now), void *owner, int64_t now);

#endif
