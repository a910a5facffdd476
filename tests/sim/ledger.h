/* What happened to transactions in one run, as their checks need it: append-only lists, like those of history.h, of which
 * this is a part.  The topic "ledger" is written by transactions and by plain batches among them; auditors read it.
 *
 *      lease     a producer id and epoch, from the answer to InitProducerId on
 *      txn       a transaction, as its producer saw it
 *      entry     a record that was sent, and one that is in the log at the end
 *      audit     an auditor reads a partition from a position on; what it got
 *      offset    of a group, as it could be seen at some time: the number of the transaction that committed it */
#ifndef SIM_LEDGER_H
#define SIM_LEDGER_H

#include "base/alloc.h"
#include <stdbool.h>
#include <stdint.h>

#define SIM_LEDGER            "ledger"
#define SIM_LEDGER_PARTITIONS 3
#define SIM_TXN_IDS           3          /* transactional ids, each with a group of its own */
#define SIM_PLAIN             UINT32_MAX /* "transaction" of what is in none */

/* A growing array: `items` of one struct type. */
#define SIM_LIST(type)                                                                                                 \
    struct {                                                                                                           \
        type *items;                                                                                                   \
        size_t count, capacity;                                                                                        \
    }
/* One more in a list, zeroed; *out points to it until the next one comes. */
#define SIM_ADD(alloc, list, out)                                                                                      \
    ((list).items =                                                                                                    \
         sim_list_grow((alloc), (list).items, &(list).count, &(list).capacity, sizeof *(list).items, (void **)(out)))
void *sim_list_grow(const struct kci_alloc *alloc, void *items, size_t *count, size_t *capacity, size_t size,
                    void **out);

struct sim_value {
    bool whole; /* magic, size and checksum are right */
    uint32_t producer, counter;
    int32_t partition; /* meant for; -1: any */
    uint32_t checksum;
};

struct sim_lease {
    int32_t id; /* which transactional id: 0 .. */
    int64_t producer_id;
    int16_t epoch;
    int64_t ends[SIM_LEDGER_PARTITIONS]; /* of all copies of the log, when it was answered */
};

enum sim_decision { SIM_UNDECIDED, SIM_COMMIT, SIM_ABORT };
struct sim_txn {
    uint32_t lease;             /* index */
    enum sim_decision decision; /* as the coordinator was told; undecided: it was told nothing */
    int64_t decided_at;         /* microseconds: when it was told first */
    bool confirmed;             /* it has agreed */
    bool offset_taken;          /* it commits an offset for its group, its own number + 1, and that was acknowledged */
};

struct sim_sent { /* index = counter of its value */
    uint32_t txn;
    int32_t partition;
    uint32_t checksum;
    bool taken; /* acknowledged */
};

enum sim_fate { SIM_FATE_PLAIN, SIM_FATE_COMMITTED, SIM_FATE_ABORTED, SIM_FATE_OPEN };
struct sim_entry {
    struct sim_value value;
    int64_t offset;
    int64_t producer_id; /* -1: none */
    enum sim_fate fate;  /* as the marker behind it says */
};
struct sim_book { /* of one partition, at the end, by rising offset, without markers */
    SIM_LIST(struct sim_entry) entries;
};

struct sim_audit {
    int32_t auditor, partition;
    bool committed;   /* read_committed */
    bool whole;       /* it was to get everything behind its position */
    int64_t position; /* where it begins */
};
struct sim_audited {
    uint32_t audit; /* index */
    int64_t offset, at;
    bool early; /* read_committed, while no copy of the log had the end of its transaction */
    struct sim_value value;
};

struct sim_seen_offset {
    int32_t id;
    int64_t offset, at;
};

struct sim_ledger {
    const struct kci_alloc *alloc;
    SIM_LIST(struct sim_lease) leases;
    SIM_LIST(struct sim_txn) txns;
    SIM_LIST(struct sim_sent) sent;
    struct sim_book books[SIM_LEDGER_PARTITIONS];
    SIM_LIST(struct sim_audit) audits;
    SIM_LIST(struct sim_audited) audited;
    SIM_LIST(struct sim_seen_offset) seen; /* of each id by time; the last one is how it ended */
};

void sim_ledger_init(struct sim_ledger *ledger, const struct kci_alloc *alloc);
void sim_ledger_destroy(struct sim_ledger *ledger);
/* Each adds one element and returns its index. */
uint32_t sim_ledger_lease(struct sim_ledger *ledger, struct sim_lease lease);
uint32_t sim_ledger_txn(struct sim_ledger *ledger, struct sim_txn txn);
uint32_t sim_ledger_sent(struct sim_ledger *ledger, struct sim_sent sent);
uint32_t sim_ledger_audit(struct sim_ledger *ledger, struct sim_audit audit);
void sim_ledger_audited(struct sim_ledger *ledger, struct sim_audited audited);
void sim_ledger_seen(struct sim_ledger *ledger, struct sim_seen_offset seen);
struct sim_entry *sim_ledger_entry(struct sim_ledger *ledger, int32_t partition);

/* ---- the checks: rows of sim_checks ---- */
struct sim_history;
struct sim_verdict;
void sim_ledger_check_sent(const struct sim_history *history, struct sim_verdict *verdict);    /* P9 */
void sim_ledger_check_once(const struct sim_history *history, struct sim_verdict *verdict);    /* P2 */
void sim_ledger_check_whole(const struct sim_history *history, struct sim_verdict *verdict);   /* T1 */
void sim_ledger_check_kept(const struct sim_history *history, struct sim_verdict *verdict);    /* T2 */
void sim_ledger_check_zombies(const struct sim_history *history, struct sim_verdict *verdict); /* T3 */
void sim_ledger_check_offsets(const struct sim_history *history, struct sim_verdict *verdict); /* T5 */
void sim_ledger_check_audits(const struct sim_history *history, struct sim_verdict *verdict);  /* F3 */

#endif
