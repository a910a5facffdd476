/* Who acts in a run: brokers that come and go, producers, consumers.  Each is driven by an alarm of the world and by
 * its engine's wishes (wake, notify), and writes what it does into the history. */
#ifndef SIM_ACTORS_H
#define SIM_ACTORS_H

#include "check.h"
#include "disk.h"
#include "history.h"
#include "workload.h"
#include "world.h"

#include "mockbroker/core/broker.h"
#include "support/test_alloc.h"

#define SIM_SLOTS         (SIM_MEMBERS_MAX + 2) /* one that leaves slowly keeps its own; and the reader */
#define SIM_CONSUMERS_MAX (SIM_SLOTS + SIM_HERD_MAX)

struct sim_brokers;
struct sim_consumer;
struct sim_bank;
struct kci_producer;
struct kci_consumer;
struct kci_operation;
struct mb_cluster;
struct mb_group_view;
struct mb_log;
struct kci_batch_header;
struct kci_record_view;

/* What all actors share. */
struct sim_stage {
    const struct kci_alloc *alloc;
    struct sim_world world;
    struct sim_workload workload;
    struct sim_history history;
    struct sim_plants plants;
    struct sim_verdict verdict;
    struct sim_brokers *brokers;
    struct sim_consumer *consumers; /* all slots: SIM_CONSUMERS_MAX; without a herd those behind SIM_SLOTS are empty */
    struct sim_bank *bank;          /* of transactions; NULL: there are none */
    bool starved;                   /* an allocation has failed, as planned */
    bool healed;                    /* phase 2 */
    int32_t partitions;             /* that exist by now */
    int64_t made_at;                /* when the topic was last made: what was held before is of another one */
    int64_t delivered_end[2][SIM_PARTITIONS_MAX]; /* [by the group?]: behind the last offset delivered */
    int32_t next_consumer;                        /* number */
    bool clean_end;                               /* every member has left with KC_OK since phase 2 was over */
};

/* ---- brokers.c ---- */
struct sim_brokers {
    struct sim_stage *stage;
    struct test_alloc memory; /* of cluster */
    struct kci_alloc alloc;
    struct mb_options options;  /* with which they start */
    struct mb_cluster *cluster; /* NULL: they have no power */
    struct sim_host *host;
    struct kci_prng prng;
    struct sim_disk disk;
    struct sim_power *power;     /* owned by power.c */
    struct sim_errors *errors;   /* owned by faults.c */
    struct sim_gaps_watch *gaps; /* owned by gaps.c */
    struct sim_seen {
        int32_t leader, epoch;
        int64_t high_watermark;
    } seen[SIM_PARTITIONS_MAX]; /* of each partition, when it was last looked at */
    struct sim_alarm looking, next, grow, vanish, back[SIM_BROKERS];
    struct kci_prng recreation; /* of the topic */
    struct sim_broker_back {
        struct sim_brokers *brokers;
        int32_t id;
        bool down;
    } each[SIM_BROKERS];
};
static inline uint16_t sim_broker_port(int32_t id)
{
    return (uint16_t)(9091 + id);
}
void sim_brokers_open(struct sim_brokers *brokers, struct sim_stage *stage);
/* Start them all, with what their disks hold. */
void sim_brokers_switch_on(struct sim_brokers *brokers);
/* All of them are gone, until _heal. */
void sim_brokers_black_out(struct sim_brokers *brokers);
void sim_brokers_heal(struct sim_brokers *brokers);
/* All replicas have everything; else *why says who has not. */
bool sim_brokers_in_sync(struct sim_brokers *brokers, char *why, size_t size);
#define SIM_UNKNOWN INT32_MIN
/* In which generation (or member epoch) is this member, for the group's coordinator? SIM_UNKNOWN: in none. */
int32_t sim_brokers_generation(const struct sim_brokers *brokers, const char *member_id);
bool sim_brokers_know(const struct sim_brokers *brokers, const char *member_id);
/* The broker that coordinates the group; -1: nobody does. */
int32_t sim_brokers_coordinator(const struct sim_brokers *brokers);
/* false: there is no group, or nobody coordinates it now. */
bool sim_brokers_group(struct sim_brokers *brokers, struct mb_group_view *view);
int64_t sim_brokers_end(struct sim_brokers *brokers, int32_t partition); /* high watermark */
void sim_brokers_close(struct sim_brokers *brokers);

/* ---- logs.c ---- */
typedef void (*sim_log_fn)(void *context, const struct kci_batch_header *header, const struct kci_record_view *view);
/* Each record of the log below `to`. false: it cannot be read. */
bool sim_log_walk(struct sim_stage *stage, struct mb_log *log, int64_t to, sim_log_fn each, void *context);
bool sim_log_walk_from(struct sim_stage *stage, struct mb_log *log, int64_t from, int64_t to, sim_log_fn each,
                       void *context);
struct sim_logged sim_logged_of(const struct kci_batch_header *header, const struct kci_record_view *view);
/* Demand that all replicas are the same, byte for byte. */
void sim_brokers_compare(struct sim_brokers *brokers);
/* Read the logs into the history. */
void sim_brokers_read(struct sim_brokers *brokers);

/* ---- power.c ---- */
void sim_power_open(struct sim_brokers *brokers);
/* The topic is about to be deleted: what it has is lost. */
void sim_brokers_lose_topic(struct sim_brokers *brokers);
/* Disks work from now on, and there is power. */
void sim_power_heal(struct sim_brokers *brokers);
void sim_power_close(struct sim_brokers *brokers);

/* ---- faults.c ---- */
void sim_errors_open(struct sim_brokers *brokers);
/* No faults any more; those that there were must be in the journal. */
void sim_errors_heal(struct sim_brokers *brokers);
void sim_errors_close(struct sim_brokers *brokers);

/* ---- gaps.c ---- */
struct sim_gaps_watch;
void sim_gaps_open(struct sim_brokers *brokers);
/* The engine of the brokers, watched: whatever it does is looked at before and after. */
struct kci_engine sim_gaps_watched(struct sim_brokers *brokers, struct kci_engine engine);
/* cleanup.policy and so on, "key=value", for the topic; *count of them. */
const char *const *sim_gaps_configs(struct sim_brokers *brokers, size_t *count);
void sim_gaps_heal(struct sim_brokers *brokers);
/* Below it no replica may be read any more, of some at least. */
int64_t sim_gaps_start(const struct sim_brokers *brokers, int32_t partition);
/* Behind the last batch of the leader: who has read everything is there. */
int64_t sim_gaps_end(struct sim_brokers *brokers, int32_t partition);
/* Behind the last record that is still there. */
int64_t sim_gaps_visible(struct sim_brokers *brokers, int32_t partition);
/* Demand that replicas have the same of what they have to have. */
void sim_gaps_compare(struct sim_brokers *brokers);
/* The last look, and where the logs begin, into the history. */
void sim_gaps_read(struct sim_brokers *brokers);
void sim_gaps_close(struct sim_brokers *brokers);

/* ---- producers.c ---- */
struct sim_producer {
    struct sim_stage *stage;
    struct sim_host *host;
    struct kci_transport transport;
    struct kci_settings settings;
    struct kci_producer *core;
    struct kci_prng prng;
    struct sim_alarm alarm;
    char name[8];
    uint32_t sender;  /* in the history */
    int32_t left;     /* records still to be sent */
    kc_record *burst; /* being sent; owned, with the bytes behind */
    size_t burst_count, burst_done;
    bool waiting;             /* for room or metadata */
    bool finished;            /* sends nothing any more */
    bool ending;              /* was told to give up: must have told all fates when the alarm fires */
    struct test_alloc memory; /* of core */
    struct kci_alloc alloc;
    int64_t created_at;  /* microseconds, as all times here */
    uint64_t ticket;     /* of a flush; 0: none */
    size_t ticket_count; /* records sent before it */
};
void sim_producer_open(struct sim_producer *producer, struct sim_stage *stage, int number);
/* Send nothing more; what is queued goes out. */
void sim_producer_finish(struct sim_producer *producer);
bool sim_producer_done(struct sim_producer *producer, char *why, size_t size);
void sim_producer_close(struct sim_producer *producer);

/* ---- herd.c ---- */
/* Many members that come at once, and go at once. */
struct sim_herd {
    struct sim_stage *stage;
    struct kci_prng prng;
    struct sim_alarm next;
    bool there;
};
void sim_herd_open(struct sim_herd *herd, struct sim_stage *stage);
void sim_herd_heal(struct sim_herd *herd); /* those who are there stay */

/* ---- cuts.c ---- */
/* Members that are cut off from the brokers. */
struct sim_cuts {
    struct sim_stage *stage;
    struct kci_prng prng;
    struct sim_alarm next;
};
void sim_cuts_open(struct sim_cuts *cuts, struct sim_stage *stage);
void sim_cuts_heal(struct sim_cuts *cuts); /* of those that are cut off the world takes care */

/* ---- sessions.c ---- */
struct sim_consumer;
/* F7: what it asks for from the right leader and never gets has been lost by the fetch session. */
void sim_sessions_check(struct sim_consumer *consumer);

/* ---- resets.c ---- */
struct sim_consumer;
/* The notice function of consumers: resets go into the history. */
void sim_resets_notice(void *consumer, const kc_notice *notice);
/* auto.offset.reset=none: partitions that cannot go on are told to begin where the log does. */
void sim_resets_seek(struct sim_consumer *consumer);

/* ---- consumers.c ---- */
enum sim_consumer_state { SIM_GONE, SIM_IDLE, SIM_POLLING, SIM_WORKING, SIM_COMMITTING, SIM_LEAVING };
struct sim_consumer {
    struct sim_stage *stage;
    struct sim_host *host;
    struct kci_transport transport;
    struct kci_settings settings;
    struct kci_consumer *core;
    struct kci_prng prng;
    struct sim_alarm alarm;
    char name[8];
    char fixed_id[16]; /* group.instance.id */
    bool reader;       /* not a member of the group */
    int32_t number;    /* in the history */
    enum sim_consumer_state state;
    int64_t until; /* of the poll, or of leaving */
    struct kci_operation *operation;
    int64_t commit_begun;
    int32_t commit_generation; /* of the group, when the operation began */
    struct test_alloc memory;  /* of core */
    struct kci_alloc alloc;
    int64_t hold[SIM_PARTITIONS_MAX]; /* index in the history; -1: not held */
    int64_t next[SIM_PARTITIONS_MAX]; /* behind the last delivered */
    bool paused[SIM_PARTITIONS_MAX];
};
/* Make the slot; nobody is in it yet. */
void sim_consumer_init(struct sim_consumer *consumer, struct sim_stage *stage, int slot, bool reader);
void sim_consumer_join(struct sim_consumer *consumer);
void sim_consumer_leave(struct sim_consumer *consumer);
/* From now on it holds the partition from this position on; -1: from where the group's commit says. */
void sim_consumer_hold(struct sim_consumer *consumer, int32_t partition, int64_t position);
void sim_consumer_crash(struct sim_consumer *consumer);
void sim_consumer_heal(struct sim_consumer *consumer);
/* Who has the partition while another one gets it must be out of the group. */
void sim_consumers_check_owner(const struct sim_consumer *getter, int32_t partition);
/* A stable member (or the reader), with all that it holds read up to `ends`. */
bool sim_consumer_done(struct sim_consumer *consumer, const int64_t *ends, char *why, size_t size);

#endif
