/* What one seed does: drawn once, before anything runs (swarm testing: in many seeds whole kinds of faults are off). */
#ifndef SIM_WORKLOAD_H
#define SIM_WORKLOAD_H

#include "world.h"

#include "cluster/settings.h"
#include "ledger.h"

#define SIM_PRODUCERS_MAX  3  /* at a time */
#define SIM_MEMBERS_MAX    3  /* of the group, at a time */
#define SIM_HERD_MAX       12 /* members that come at once, besides */
#define SIM_PARTITIONS_MAX 6
#define SIM_KEYS_MAX       64
#define SIM_BROKERS        3
#define SIM_TOPIC          "orders"
#define SIM_GROUP          "workers"
#define SIM_OFFSETS_TOPIC  "__consumer_offsets"
#define SIM_WALL_MS        INT64_C(1700000000000) /* wall clock at virtual time 0 */

enum sim_commit_mode { SIM_COMMIT_AUTO, SIM_COMMIT_SYNC, SIM_COMMIT_ASYNC };
enum sim_choice { SIM_CHOOSE_EXPLICIT, SIM_CHOOSE_KEY, SIM_CHOOSE_ANY };

/* Which defects are planted; 0: none. Each belongs to one owner. */
struct sim_plants {
    int producer, consumer, broker;
    enum sim_starved { SIM_STARVE_NOBODY, SIM_STARVE_PRODUCER, SIM_STARVE_CONSUMER, SIM_STARVE_BROKERS } starve;
    size_t starve_at; /* its allocation of this number fails */
    unsigned without; /* bits of enum sim_feature that are not drawn */
};

/* SIM_GAPS: records of the topic go while it is written and read. */
struct sim_gaps {
    bool on;
    bool compact, deletes;   /* cleanup.policy */
    int32_t segment_bytes;   /* segment.bytes */
    int32_t segment_ms;      /* segment.ms */
    int64_t retention_ms;    /* -1: of any age */
    int64_t retention_bytes; /* -1: of any size */
    int64_t delete_us;       /* mean time between DeleteRecords; 0: never */
    int32_t keys;            /* with compaction, so many are in use: at most SIM_KEYS_MAX */
    uint32_t tombstone;      /* with compaction, of a million records */
    int32_t tombstone_ms;    /* delete.retention.ms */
    int32_t lag_ms;          /* min.compaction.lag.ms */
    bool eager;              /* min.cleanable.dirty.ratio is 0, not 0.5 */
};

/* What is drawn from streams of its own: a seed without it takes the course that it took before there was such a thing,
 * and one that fails can be looked at with less of it. */
enum sim_feature {
    SIM_DISK = 1,
    SIM_MIXED = 2,
    SIM_RECREATE = 4,
    SIM_ERRORS = 8,
    SIM_TXNS = 16,
    SIM_GAPS = 32,
    SIM_HERD = 64,
    SIM_CUTS = 128
};

struct sim_workload {
    uint64_t seed;
    int32_t partitions, producers, members;
    int32_t partitions_first; /* with so many it begins; the rest is added at grow_us */
    int64_t grow_us;          /* virtual time of phase 1; 0: never */
    bool reader;              /* besides the group: one consumer with a hand assignment, which seeks */
    int64_t fault_us;         /* length of phase 1 */

    /* producers */
    int32_t acks;
    bool idempotent;
    enum sim_choice choice;
    int32_t burst_max;   /* records of one send */
    int64_t pause_max;   /* between sends, microseconds */
    int32_t value_max;   /* bytes besides the head */
    int32_t records_max; /* of one producer */
    uint32_t abandon;    /* millionths per send: the producer is destroyed and another one takes its place */
    uint32_t flush;      /* millionths per send */
    struct kci_settings producer_settings;

    /* consumers */
    enum sim_commit_mode commit;
    int64_t work_max;   /* microseconds of work on what one poll returned */
    bool fixed_members; /* group.instance.id for each slot */
    bool modern;        /* members of the KIP-848 protocol */
    bool mixed;         /* SIM_MIXED: of both protocols: each draws its own when it begins */
    int64_t churn_us;   /* mean time between members coming and going; 0: never */
    int64_t leave_us;   /* time limit of close */
    uint32_t crash;     /* millionths per departure: without a goodbye */
    uint32_t freeze;    /* millionths per poll of a member: its process stands still, perhaps longer than its session */
    uint32_t seek;      /* millionths per poll of the reader */
    uint32_t pause;     /* millionths per poll */
    struct kci_settings consumer_settings;

    /* brokers */
    int32_t min_insync;
    int64_t replication_delay_us;
    int64_t broker_us;         /* mean time between actions on brokers; 0: never */
    uint32_t kill, stop, move; /* weights of those actions */
    int64_t down_max;          /* microseconds */
    int32_t down_brokers;      /* at a time */
    char broker_config[1000];

    int64_t errors_us;   /* SIM_ERRORS: mean time between faults of the brokers' own; 0: never */
    int64_t recreate_us; /* SIM_RECREATE: mean time between deletions of the topic, which returns anew; 0: never */

    /* disks: SIM_DISK */
    bool disk;        /* the logs are on disks, not in memory only */
    bool synced;      /* every batch is synced before it is acknowledged */
    int64_t power_us; /* mean time between losses of power, of all brokers; 0: never */
    bool rot;         /* then a bit of one of them may have flipped */
    int64_t disk_us;  /* mean time between errors of disks; 0: never */

    /* transactions: SIM_TXNS */
    int32_t txn_ids;         /* transactional ids; 0: none */
    int32_t txn_partitions;  /* of the ledger */
    int32_t txn_modern;      /* transaction.version 2: 0 nobody, 1 all, 2 some */
    int32_t txn_timeout_ms;  /* of a transaction */
    int32_t txn_sweep_ms;    /* between looks for those that are late */
    int32_t txn_fetch_bytes; /* of one partition, by those who read it */
    int64_t txn_pause_us;    /* between steps of a transaction, at most */
    int64_t txn_turn_us;     /* mean time between crashes and successors of one transactional id */
    int64_t txn_move_us;     /* mean time between moves of leaders and coordinators; 0: never */
    uint32_t txn_seek;       /* millionths per poll of a reader */

    struct sim_gaps gaps;

    int32_t herd;    /* SIM_HERD: so many members come at once; 0: none */
    int64_t herd_us; /* mean time between their coming and going */

    int64_t cut_us;     /* SIM_CUTS: mean time between cuts of members from the brokers; 0: never */
    uint32_t cut_kinds; /* bits 1 << enum sim_cut of those that there are */

    struct sim_faults faults;
};

/* A generator of its own for each user, so that one's draws do not shift another's. */
struct kci_prng sim_stream(uint64_t seed, uint64_t user);
void sim_workload_draw(struct sim_workload *workload, uint64_t seed, unsigned without);
/* The same, but short and without faults: for runs that are repeated for each allocation. */
void sim_workload_shorten(struct sim_workload *workload);
/* In words, one line each. */
void sim_workload_tell(const struct sim_workload *workload, void (*line)(void *context, const char *text),
                       void *context);

#endif
