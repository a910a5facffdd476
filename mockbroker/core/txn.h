/* One transactional id: who may use it, the transaction that it has open, and the machine of its states.  The registry
 * that finds them is in txn_registry.h. */
#ifndef MB_CORE_TXN_H
#define MB_CORE_TXN_H

#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/states.h"
#include "mockbroker/core/request.h"

#define MB_TXNS_MAX         100000          /* transactional ids of the whole cluster */
#define MB_TXN_PARTS_MAX    200000          /* partitions of one transaction: as many as a cluster has */
#define MB_TXN_RECORD_BYTES (16u << 20)     /* key and value of one record of __transaction_state */
#define MB_TXN_EPOCH_MAX    (INT16_MAX - 1) /* a producer with it gets a new id: the last one is left for fencing */

enum mb_txn_state { /* Kafka's numbers, as in its records */
                    MB_TXN_EMPTY,
                    MB_TXN_ONGOING,
                    MB_TXN_PREPARE_COMMIT,
                    MB_TXN_PREPARE_ABORT,
                    MB_TXN_COMPLETE_COMMIT,
                    MB_TXN_COMPLETE_ABORT,
                    MB_TXN_DEAD,
                    MB_TXN_PREPARE_EPOCH_FENCE,
                    MB_TXN_STATES
};

struct mb_txns;

/* A partition that the transaction has written to. */
struct mb_txn_part {
    struct kci_str topic; /* in the same block */
    int32_t partition;
    bool marking; /* its marker is being written */
};

/* What a record says of a transactional id, but for its partitions. */
struct mb_txn_meta {
    int64_t producer_id;
    int64_t previous_id; /* before its epochs were used up; -1: none */
    int64_t next_id;     /* to be used when the transaction is complete; -1: the same */
    int16_t epoch;       /* of the producer; -1: nobody had one yet */
    int16_t last_epoch;  /* before the latest InitProducerId; -1: unknown. Not in the log, as in Kafka */
    int32_t timeout_ms;
    int64_t started_ms; /* wall clock of the first partition of the latest transaction; -1: none since InitProducerId */
    int64_t updated_ms; /* wall clock of the latest change */
    bool bumps;         /* the client's transactions each have an epoch of their own (transaction.version 2) */
};

struct mb_txn {
    struct mb_txns *owner; /* borrowed */
    struct kci_str id;     /* owned */
    int32_t partition;     /* of __transaction_state */
    int state;             /* enum mb_txn_state */
    int pending;           /* the state that is being written; -1: none */
    struct mb_txn_meta meta;
    struct kci_map parts; /* partition and topic -> struct mb_txn_part, owned */
};

extern const struct kci_state_table mb_txn_states;

struct mb_txn *mb_txn_create(struct mb_txns *owner, struct kci_str id, int32_t partition); /* NULL: no memory */
void mb_txn_destroy(struct mb_txn *txn);                                                   /* NULL is fine */
void mb_txn_move(struct mb_txn *txn, enum mb_txn_state next);
/* By Kafka's name; -1: none. */
int mb_txn_state_find(struct kci_str name);
/* Has it ended, or not begun? */
bool mb_txn_is_idle(const struct mb_txn *txn);
/* Is it on its way to another state? Prepare* always is: to Complete*. */
bool mb_txn_is_busy(const struct mb_txn *txn);

struct mb_txn_part *mb_txn_part_find(const struct mb_txn *txn, struct kci_str topic,
                                     int32_t partition); /* NULL: none */
/* NULL: no memory. */
struct mb_txn_part *mb_txn_part_new(const struct kci_alloc *alloc, struct kci_str topic, int32_t partition);
/* Takes the part, or frees it: it is there already. False: no memory (it is freed). */
bool mb_txn_add(struct mb_txn *txn, struct mb_txn_part *part);
void mb_txn_remove(struct mb_txn *txn, struct kci_str topic, int32_t partition);
void mb_txn_clear(struct mb_txn *txn);
const struct mb_txn_part *mb_txn_next_part(const struct mb_txn *txn,
                                           size_t *at); /* start with *at = 0; NULL: no more */

#endif
