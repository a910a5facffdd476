/* Tellers write the topic "ledger" in transactions, as scripted clients that speak the protocol themselves; auditors are
 * kclient's consumers that read it, read_committed and not. */
#ifndef SIM_TELLERS_H
#define SIM_TELLERS_H

#include "actors.h"

#include "cluster/cluster.h"

#define SIM_AUDITORS    2 /* read_committed, read_uncommitted */
#define SIM_TELLER_MAX  6 /* records of one batch */
#define SIM_TELLER_SIZE 300

struct sim_tellers;

enum sim_teller_step {
    SIM_TELLER_GONE,
    SIM_TELLER_INIT,      /* InitProducerId */
    SIM_TELLER_REST,      /* between transactions */
    SIM_TELLER_PLAIN,     /* a batch that is in none */
    SIM_TELLER_ADD,       /* AddPartitionsToTxn: not with transaction.version 2 */
    SIM_TELLER_PRODUCE,   /* a batch */
    SIM_TELLER_ADD_GROUP, /* AddOffsetsToTxn: likewise */
    SIM_TELLER_OFFSETS,   /* TxnOffsetCommit */
    SIM_TELLER_END,       /* EndTxn */
    SIM_TELLER_STEPS
};

/* What an answer means to a producer. */
enum sim_outcome {
    SIM_DONE,
    SIM_AGAIN,    /* the same request once more */
    SIM_FENCED,   /* somebody else has the transactional id, or the transaction took too long */
    SIM_GIVE_UP,  /* the transaction must be aborted */
    SIM_NOT_KNOWN /* no answer, or one that says that it did not work out in time: the same once more, but the first one
                     may still be on its way */
};

struct sim_teller {
    struct sim_tellers *all;
    struct sim_host *host;
    struct kci_transport transport;
    struct kci_settings settings;
    struct kci_cluster *cluster; /* NULL: gone */
    struct kci_coordinator coordinator, group_coordinator;
    struct kci_prng prng;
    struct sim_alarm alarm;
    char name[8], txn_id[16], group[16];
    int32_t id; /* which transactional id: 0 .. */
    enum sim_teller_step step;
    bool modern;  /* speaks transaction.version 2 (KIP-890) */
    bool closing; /* its calls come back because it ends */
    bool fenced;  /* it is about to end */
    bool last;    /* begins no transaction any more */
    /* the call under way, if there is one */
    bool calling;
    struct kci_call call;
    union {
        struct kci_init_producer_id_request init;
        struct kci_add_partitions_to_txn_request add;
        struct kci_produce_request produce;
        struct kci_add_offsets_to_txn_request add_group;
        struct kci_txn_offset_commit_request offsets;
        struct kci_end_txn_request end;
    } request;
    struct kci_add_partitions_to_txn_request__add_partitions_to_txn_topic add_topic;
    struct kci_produce_request__topic_produce_data produce_topic;
    struct kci_produce_request__partition_produce_data produce_partition;
    struct kci_txn_offset_commit_request__txn_offset_commit_request_topic offset_topic;
    struct kci_txn_offset_commit_request__txn_offset_commit_request_partition offset_partition;
    /* who it is */
    int64_t producer_id;
    int16_t epoch;
    uint32_t lease;                          /* index in the history */
    bool again;                              /* InitProducerId with what it has, for a new epoch (KIP-360) */
    int32_t sequence[SIM_LEDGER_PARTITIONS]; /* of the next batch */
    /* its transaction */
    uint32_t txn;      /* index in the history; SIM_PLAIN: none is begun */
    int32_t left;      /* batches that are to come */
    bool wants_offset; /* to come */
    bool told;         /* the coordinator may know of something in it */
    bool in_doubt;     /* something of it may still be on its way */
    bool commit;       /* how it will end */
    bool added[SIM_LEDGER_PARTITIONS], group_added;
    int32_t attempts; /* of this step */
    /* the batch under way */
    int32_t partition;
    struct kci_writer batch;
    uint32_t first, count; /* of its records, in the history */
};

/* ---- teller_calls.c ---- */
/* Send what the step is about. false: not now: nobody is known to send it to. */
bool sim_teller_call(struct sim_teller *teller, int64_t now);
/* Make the batch of the step, of so many records, for `partition`. */
void sim_teller_batch(struct sim_teller *teller, int32_t partition, uint32_t count);
/* ---- tellers.c ---- */
/* The answer of a call. */
void sim_teller_answered(struct sim_teller *teller, enum sim_outcome outcome, int64_t now);

struct sim_tellers {
    struct sim_stage *stage;
    struct kci_prng prng;
    struct sim_alarm turn[SIM_TXN_IDS]; /* somebody comes, or crashes */
    struct sim_turn {
        struct sim_tellers *tellers;
        int32_t id;
    } turns[SIM_TXN_IDS];
    struct sim_teller each[SIM_TXN_IDS][2]; /* one and who takes its place */
};
void sim_tellers_open(struct sim_tellers *tellers, struct sim_stage *stage);
/* Nobody begins a transaction any more; some leave theirs open for ever. */
void sim_tellers_finish(struct sim_tellers *tellers);
bool sim_tellers_done(struct sim_tellers *tellers, char *why, size_t size);
void sim_tellers_close(struct sim_tellers *tellers);

/* ---- auditors.c ---- */
struct sim_auditor {
    struct sim_stage *stage;
    struct sim_host *host;
    struct kci_transport transport;
    struct kci_settings settings;
    struct kci_consumer *core;
    struct kci_prng prng;
    struct sim_alarm alarm;
    char name[8];
    int32_t number;
    bool committed; /* read_committed */
    bool polling;
    int64_t until;                         /* of the poll */
    uint32_t audit[SIM_LEDGER_PARTITIONS]; /* index in the history */
    int64_t next[SIM_LEDGER_PARTITIONS];   /* behind the last one */
};
void sim_auditor_open(struct sim_auditor *auditor, struct sim_stage *stage, int number);
bool sim_auditor_done(struct sim_auditor *auditor, const int64_t *ends, char *why, size_t size);
void sim_auditor_close(struct sim_auditor *auditor);

/* ---- vault.c: the brokers' side ---- */
struct sim_vault {
    struct sim_stage *stage;
    struct kci_prng prng;
    struct sim_alarm looking, moving, breaking;
    struct {
        int32_t epoch;
        int64_t last_stable;
    } seen[SIM_LEDGER_PARTITIONS];
};
void sim_vault_open(struct sim_vault *vault, struct sim_stage *stage);
void sim_vault_heal(struct sim_vault *vault);
/* No transaction is open, all copies have everything; ends: of the partitions. */
bool sim_vault_settled(struct sim_vault *vault, int64_t *ends, char *why, size_t size);
/* Where all copies of the log end, at most. */
int64_t sim_vault_end(const struct sim_vault *vault, int32_t partition);
/* Is a transaction with this offset open in all copies of the log? */
bool sim_vault_is_open(const struct sim_vault *vault, int32_t partition, int64_t offset);
/* Read the logs into the history. */
void sim_vault_read(struct sim_vault *vault);
void sim_vault_close(struct sim_vault *vault);

/* All of it. */
struct sim_bank {
    struct sim_tellers tellers;
    struct sim_auditor auditors[SIM_AUDITORS];
    struct sim_vault vault;
    int64_t healed_at; /* microseconds */
};
/* In seeds with transactions it becomes that of the stage; NULL is fine for the others. */
void sim_bank_open(struct sim_bank *bank, struct sim_stage *stage);
void sim_bank_heal(struct sim_bank *bank);
bool sim_bank_settled(struct sim_bank *bank, char *why, size_t size);
/* Everybody is gone; to be followed by sim_bank_read. */
void sim_bank_close(struct sim_bank *bank);
void sim_bank_read(struct sim_bank *bank);

#endif
