/* What happened in one run, as the checks need it: append-only lists.  The actors write sends, deliveries, ownerships;
 * at the end the logs of the brokers are read into it.
 *
 * A value names its record: producer, counter, the partition it was meant for, and its own checksum; so each one that
 * is met anywhere says who wrote it and whether it is whole. */
#ifndef SIM_HISTORY_H
#define SIM_HISTORY_H

#include "base/alloc.h"
#include "base/bytes.h"
#include "ledger.h"
#include <kclient/record.h>

#define SIM_VALUE_HEADER "is" /* a tombstone has its value in a header of this name */
#define SIM_VALUE_HEAD   24   /* bytes: magic, producer, counter, partition, size, checksum */

struct sim_send {
    int32_t partition; /* meant for; -1: any. After a report: of the report */
    uint32_t checksum; /* of the value */
    int64_t sent_at;   /* microseconds, as all times here */
    int64_t reported_at;
    int64_t offset;
    int32_t key;           /* which one it has; -1: none that matters */
    uint64_t report_order; /* 1 .. over all producers; 0: not reported */
    uint32_t reports;
    uint32_t traits;
    kc_err code;
};
struct sim_sender {                  /* one producer, from creation to destruction */
    SIM_LIST(struct sim_send) sends; /* index = counter */
};

struct sim_logged {
    struct sim_value value;
    int64_t offset, timestamp_ms;
    int32_t leader_epoch;
    int32_t key; /* which one; -1: none that matters */
    bool tombstone;
    int64_t stored_at; /* when it was seen to be committed; microseconds */
    int64_t gone_at;   /* since when some replica has it no more: replaced or too old; 0: all have it */
};
struct sim_log { /* of one partition, what was committed until the end, also what the cleaner has taken since */
    SIM_LIST(struct sim_logged) records; /* offsets rise */
    int64_t start;                       /* nothing below it may be read at the end */
};
struct sim_lost { /* was committed, and is not any more: no disk had synced it */
    int32_t partition;
    int32_t loss; /* the number of the event that took it: rising from 0 */
    struct sim_logged record;
};

/* A consumer holds a partition from `from` on, with nothing before `position`; ends with a revocation, loss, seek or
 * the consumer. */
struct sim_hold {
    int32_t consumer, partition;
    int32_t generation;      /* of the group; -1: hand assignment */
    int32_t generation_last; /* the last one in which it was held: cooperative members keep partitions over several */
    int64_t from, to;        /* to INT64_MAX: until the end */
    int64_t position;        /* where it must begin; -1: where the group's commit says */
};
struct sim_delivery {
    uint32_t hold; /* index */
    int64_t offset, at;
    struct sim_value value;
};
struct sim_reset {        /* a consumer was told that its position had jumped */
    uint32_t hold;        /* index */
    size_t before;        /* so many deliveries came before it, of all consumers */
    int64_t at, from, to; /* from -1: there was none */
    int64_t start;        /* below it nothing could be read any more, of some replica */
};
struct sim_accepted { /* a commit that a consumer waited for, and that the coordinator took */
    int32_t consumer, partition, generation;
    int64_t begun; /* microseconds */
};
struct sim_commit { /* as stored by the coordinator, in its order */
    int32_t partition;
    int64_t offset;
    int64_t at_ms; /* virtual, milliseconds */
};

struct sim_history {
    const struct kci_alloc *alloc;
    int32_t partitions;
    bool acks_all, idempotent; /* which promises the producers gave */
    bool acks_leader;          /* acks=1, and no leader changes in the whole run */
    bool keyed;                /* records go to the partition that their key says */
    int32_t attempts_max;      /* retries + 1; INT32_MAX: no limit */
    int64_t belated_at;        /* first arrival of bytes whose connection had been given up for long; 0: none */
    bool commits_rise;         /* nothing holds a commit up on its way while a later one passes on a new connection */
    int64_t delivery_us;       /* time limit of one record */
    SIM_LIST(struct sim_sender) senders;
    SIM_LIST(struct sim_log) logs; /* index = partition */
    SIM_LIST(struct sim_hold) holds;
    SIM_LIST(struct sim_delivery) deliveries;
    SIM_LIST(struct sim_commit) commits;
    SIM_LIST(struct sim_accepted) accepted;
    SIM_LIST(struct sim_lost) lost;
    SIM_LIST(struct sim_reset) resets;
    bool gaps;                /* logs may have holes: records go by age, size, DeleteRecords or compaction */
    bool compacted;           /* also in the middle; else they only begin later, which a consumer is told of */
    bool resets_end;          /* auto.offset.reset=latest: a reset skips what there is */
    struct sim_ledger ledger; /* transactions */
    bool lossy;               /* what is committed may get lost */
    bool group_lost;          /* also what the group's coordinator had written: generations and members */
    bool remade; /* the topic was deleted and made anew: who holds a partition of the old one may still commit for it */
    bool restarts; /* generations may begin anew: that, or a classic member came into an empty group of KIP-848 */
    /* A leader that has lost what it knew of a producer takes any sequence from it, as Kafka does: when it cannot write
     * the first of several batches that are under way, the second one may stand before it. */
    bool forgetful;
    bool group, reader; /* a group, a consumer with a hand assignment: each was to read everything */
    bool fixed_members; /* one with the same id may take over within a generation */
    bool committed;     /* every member has left in order, with automatic commits */
    uint64_t report_count;
};

void sim_history_init(struct sim_history *history, const struct kci_alloc *alloc, int32_t partitions);
void sim_history_destroy(struct sim_history *history);

/* Write a value of `size` >= SIM_VALUE_HEAD bytes; returns its checksum. */
uint32_t sim_value_write(uint8_t *out, size_t size, uint32_t producer, uint32_t counter, int32_t partition);
struct sim_value sim_value_read(const void *data, size_t size);
/* The number in "key-07"; -1: it has none. */
int32_t sim_key_read(const void *data, size_t size);

/* Each adds one element; the pointers are good until the next one of the kind is added. */
uint32_t sim_history_sender(struct sim_history *history); /* its number */
struct sim_send *sim_history_send(struct sim_history *history, uint32_t sender);
void sim_history_unsend(struct sim_history *history, uint32_t sender); /* the last one was not accepted */
void sim_history_report(struct sim_history *history, uint32_t sender, uint32_t counter, const kc_delivery *delivery,
                        int64_t now);
uint32_t sim_history_hold(struct sim_history *history, struct sim_hold hold);
void sim_history_deliver(struct sim_history *history, struct sim_delivery delivery);
void sim_history_commit(struct sim_history *history, struct sim_commit commit);
void sim_history_accepted(struct sim_history *history, struct sim_accepted commit);
void sim_history_lost(struct sim_history *history, struct sim_lost lost);
void sim_history_reset(struct sim_history *history, struct sim_reset reset);
void sim_history_logged(struct sim_history *history, int32_t partition, struct sim_logged record);

#endif
