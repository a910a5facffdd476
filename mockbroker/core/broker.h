/* The face of the broker engine: a whole cluster of brokers, pure. The shells (main.c, embed.c, the simulator) give it
 * time, a transport and a storage; see base/engine.h for the rules of the face. */
#ifndef MB_CORE_BROKER_H
#define MB_CORE_BROKER_H

#include "base/alloc.h"
#include "base/engine.h"
#include "base/log.h"
#include "base/storage.h"

struct mb_cluster;

struct mb_options {
    const struct kci_alloc *alloc;
    struct kci_transport transport;    /* send, close, want_read are used */
    const struct kci_storage *storage; /* NULL: logs live in memory only */
    struct kci_logger logger;
    uint64_t seed;
    int32_t brokers;        /* 1 .. 100; ids 1 .. N */
    int64_t wall_offset_us; /* wall clock = now + this; microseconds since 1970 */
    const char *config;     /* broker properties "key=value" separated by blanks or newlines; NULL: none */
    /* A broker was stopped, killed or started: the shell closes or opens its listener. May be NULL (the simulator). */
    void (*listener)(void *context, int32_t broker, bool open);
    void *listener_context;
    /* Let the caller's thread wait: slow_sync, a fault. NULL: time does not pass (the simulator). */
    void (*stall)(void *context, int64_t us);
    void *stall_context;
    /* Replication: 0 copies to followers in the same step; otherwise each follower fetch happens this long after the
     * append (uniform 0 .. value, from the seed): the simulator's way to make lag true. */
    int64_t replication_delay_us;
    /* A defect on purpose, for proving that checkers see it (0: none): */
    int plant; /* enum mb_plant */
};
enum mb_plant {
    MB_PLANT_NONE = 0,
    MB_PLANT_HW_AHEAD = 1,  /* the high watermark is the leader's log end, whatever the ISR has */
    MB_PLANT_NO_DEDUP = 2,  /* sequences of idempotent producers are not looked at */
    MB_PLANT_SAME_EPOCH,    /* a new leader goes on in the epoch of the old one */
    MB_PLANT_NO_CUT,        /* followers keep what their leader does not have */
    MB_PLANT_TWO_OWNERS,    /* KIP-848: a partition is given away before it is given back */
    MB_PLANT_NO_FENCING,    /* commits of an old generation are taken */
    MB_PLANT_NO_SYNC,       /* flush.messages is nothing to the logs */
    MB_PLANT_TRUST_DISK,    /* recovery believes that what it finds is whole */
    MB_PLANT_UNCOUNTED,     /* faults do not count every hit */
    MB_PLANT_FORGETFUL,     /* after a restart the brokers know no producer */
    MB_PLANT_TRUST_KILLED,  /* KIP-966: who was killed stays eligible */
    MB_PLANT_CLEAN_AHEAD,   /* the cleaner does not wait for the high watermark */
    MB_PLANT_CLEAN_EARLY,   /* the cleaner's clock is a day ahead: tombstones go at once */
    MB_PLANT_RETAIN_AHEAD,  /* retention does not wait for the high watermark */
    MB_PLANT_OPEN_VISIBLE,  /* read_committed is answered with what is in open transactions */
    MB_PLANT_ABORTED_EDGE,  /* a transaction that was aborted is not told of when it begins with the last record */
    MB_PLANT_TORN_MARKERS,  /* partition 0 is told that every transaction was committed */
    MB_PLANT_ENDED_EARLY,   /* the end of a transaction is answered before it is in the log */
    MB_PLANT_ZOMBIES,       /* batches of a producer that was replaced are taken */
    MB_PLANT_OFFSETS_EARLY, /* offsets count when they come, not when their transaction is committed */
    MB_PLANT_NO_ABORT,      /* a transaction that is aborted gets no markers */
    MB_PLANT_MARKERS_LOST,  /* a new coordinator takes a transaction that was being ended as ended */
    MB_PLANT_FIRST_MARKER,  /* a transaction has ended with its first marker */
    MB_PLANT_PATIENT,       /* no transaction takes too long */
};

/* 0, or -1 with the reason in text (bad config, unreadable data directory). Replays the storage. */
int mb_cluster_create(struct mb_cluster **out, const struct mb_options *options, int64_t now, char *text,
                      size_t text_size);
/* Clean shutdown: writes what must be written, closes connections, frees. */
void mb_cluster_destroy(struct mb_cluster *cluster, int64_t now);
/* The engine face; `user` of a listener (on_accept) is (void *)(intptr_t)broker_id. */
struct kci_engine mb_cluster_engine(struct mb_cluster *cluster);
/* The address that broker `id` advertises; set by the shell once its listener is bound. */
void mb_cluster_set_address(struct mb_cluster *cluster, int32_t broker, const char *host, uint16_t port);

/* Steering; each returns Kafka's error code (0: done). */
int16_t mb_cluster_create_topic(struct mb_cluster *cluster, struct kci_str name, int32_t partitions,
                                int16_t replication_factor, const char *const *configs, size_t config_count,
                                int64_t now);
int16_t mb_cluster_delete_topic(struct mb_cluster *cluster, struct kci_str name, int64_t now);
int16_t mb_cluster_broker_stop(struct mb_cluster *cluster, int32_t broker, bool clean, int64_t now);
int16_t mb_cluster_broker_start(struct mb_cluster *cluster, int32_t broker, int64_t now);
/* The broker stalls (pause.c): connections stay open and silent; after broker.session.timeout.ms others lead. */
int16_t mb_cluster_broker_pause(struct mb_cluster *cluster, int32_t broker, int64_t now);
int16_t mb_cluster_broker_resume(struct mb_cluster *cluster, int32_t broker, int64_t now);
/* One more broker, with the next id: it holds nothing until something is moved to it. POLICY_VIOLATION: there are
 * MB_BROKERS_MAX. */
int16_t mb_cluster_broker_add(struct mb_cluster *cluster, int32_t *id, int64_t now);
/* The broker goes for good, once it holds no replica; *moving says how many it holds. `move`: reassign those to the
 * others; else a broker that holds any is refused, as is a move that cannot get on now: nobody leads the partition, or who is
 * to hold it is down. text says why. */
int16_t mb_cluster_broker_decommission(struct mb_cluster *cluster, int32_t broker, bool move, int32_t *moving,
                                       char *text, size_t text_size, int64_t now);
int16_t mb_cluster_move_leader(struct mb_cluster *cluster, struct kci_str topic, int32_t partition, int32_t broker,
                               int64_t now);
/* The preferred leader leads if it can; unclean: any live replica, when nobody leads. */
int16_t mb_cluster_elect(struct mb_cluster *cluster, struct kci_str topic, int32_t partition, bool unclean,
                         int64_t now);
/* Let these brokers hold the partition, the first of them preferred; complete once all new ones are in sync. */
int16_t mb_cluster_reassign(struct mb_cluster *cluster, struct kci_str topic, int32_t partition, const int32_t *brokers,
                            int32_t count, int64_t now);
/* The ISR is these replicas; others stay outside, however much they have, until they are named again. The leader cannot
 * be left out. */
int16_t mb_cluster_set_isr(struct mb_cluster *cluster, struct kci_str topic, int32_t partition, const int32_t *brokers,
                           int32_t count, int64_t now);
/* The replica on `broker` loses what it has from `offset` on, as if its disk had. If it leads, the records are gone for
 * good; else it fetches them again. */
int16_t mb_cluster_truncate(struct mb_cluster *cluster, struct kci_str topic, int32_t partition, int32_t broker,
                            int64_t offset, int64_t now);

/* A group rebalances as if there were a reason; a member is thrown out as if it had been silent. */
int16_t mb_cluster_group_rebalance(struct mb_cluster *cluster, struct kci_str group, int64_t now);
int16_t mb_cluster_group_kick(struct mb_cluster *cluster, struct kci_str group, struct kci_str member, int64_t now);

/* Faults, the journal's entries, topics and groups go: a fresh cluster for the next test. */
void mb_cluster_reset(struct mb_cluster *cluster, int64_t now);

/* Looking. */
struct mb_partition_view {
    int32_t leader, leader_epoch, isr_count;
    int64_t log_start, high_watermark, last_stable, log_end;
};
int16_t mb_cluster_partition(const struct mb_cluster *cluster, struct kci_str topic, int32_t partition,
                             struct mb_partition_view *out);
/* Walk the leader's log from `offset`: the whole batch that holds it. false: none there. The bytes are borrowed until
 * the next call. */
bool mb_cluster_batch(struct mb_cluster *cluster, struct kci_str topic, int32_t partition, int64_t offset,
                      struct kci_bytes *batch);

#endif
