/* What is read: topics, assigned partitions, their positions and states. */
#ifndef KCI_CONSUMER_SUBSCRIPTION_H
#define KCI_CONSUMER_SUBSCRIPTION_H

#include "base/list.h"
#include "base/map.h"
#include "base/meter.h"
#include "base/pattern.h"
#include "base/states.h"
#include "cluster/cluster.h"
#include "consumer/fetched.h"
#include "consumer/ledger.h"
#include "consumer/partition_list.h"

/* A topic that somebody here is interested in. */
struct kci_consumer_topic {
    struct kci_list link;
    uint32_t number;                   /* never used again; upper half of the partitions' keys */
    uint32_t users;                    /* subscription, assigned partitions, fetch sessions, requests; 0: to be swept */
    const struct kci_topic_info *info; /* the cluster's; NULL until the I/O thread asked for it, which alone reads it */
    struct kci_uuid id;                /* info->id as the last step saw it, for all threads; zero: not known */
    bool known;                        /* what the metadata said by the last step, likewise: anything at all; ... */
    int16_t error;                     /* ... KCI_NONE, or why nobody can read it; ... */
    int32_t partition_count;           /* ... how many partitions it has */
    int64_t wrong_since;             /* since when it is subscribed to and has an error, microseconds; 0: it has none */
    int16_t stalled;                 /* the error that the application was told of as a stall; KCI_NONE: of none */
    uint32_t slot;                   /* scratch of whoever groups partitions by topic */
    uint32_t assigned;               /* partitions of it in the assignment */
    struct kci_meter records, bytes; /* returned by poll */
    bool subscribed;
    bool chosen;         /* scratch of whoever replaces the list of topics */
    int16_t told_error;  /* error of the metadata that the application has heard of */
    struct kci_str name; /* in this block, NUL-terminated */
};

enum kci_position_state {
    KCI_POSITION_COMMITTED,  /* no offset yet: ask the group for the committed one */
    KCI_POSITION_RESET,      /* ask the leader for the offset of `reset_time` */
    KCI_POSITION_VALIDATING, /* the leader changed: has the log been cut below us? */
    KCI_POSITION_READY,      /* fetching */
    KCI_POSITION_FAILED,     /* `error` waits for the application; a seek ends it */
    KCI_POSITION_COUNT
};
extern const struct kci_state_table kci_position_states;

/* Why a position was given up; names and texts in notice.c and reset.c. */
enum kci_reset_reason {
    KCI_RESET_NO_REASON, /* the application's own wish */
    KCI_RESET_NO_OFFSET,
    KCI_RESET_OUT_OF_RANGE,
    KCI_RESET_TRUNCATED,
    KCI_RESET_RECREATED,
};

struct kci_assigned {
    struct kci_list link;             /* in the subscription; the order is the order of fetching */
    struct kci_list ready_link;       /* in the subscription's list of partitions with runs */
    struct kci_list runs;             /* judged, not yet returned; owned */
    struct kci_consumer_topic *topic; /* counted */
    int64_t key;                      /* topic number << 32 | partition */
    int32_t partition;
    struct kci_uuid topic_id; /* of the topic as the coordinator named it (KIP-848); zero: it did not */
    int state;                /* enum kci_position_state */
    int64_t since;            /* when it entered the state, microseconds */
    uint64_t version;         /* rises with each assign and seek: what was asked under another one is stale */
    uint64_t ticket;          /* the version of the last assign or seek: acknowledgements under another one are void */
    struct kci_ledger ledger; /* what was returned and is not acknowledged; acknowledgement.mode=explicit only */
    bool paused;              /* by the application */
    bool revoking;            /* the group takes it away: nothing of it is returned or fetched any more */
    bool fresh;               /* the group gave it, and the application is about to be told */
    bool asked;               /* a lookup for its position is under way */
    int64_t position;         /* of the next record that poll returns; -1: not known */
    int32_t epoch;            /* leader epoch of the record before position; -1: unknown */
    int64_t previous;         /* position before the last poll that returned something of it; -1: none */
    int32_t previous_epoch;   /* the epoch that belongs to previous */
    uint64_t moved_in_poll;   /* number of that poll */
    int64_t fetch_offset;     /* the next one to be asked from the broker, >= position */
    int32_t fetch_epoch;      /* leader epoch of the batch before fetch_offset */
    int32_t checked_epoch;    /* leader epoch of the metadata when the position was last known to be valid */
    int64_t reset_time;       /* ListOffsets' timestamp: -1 end, -2 beginning, else ms since 1970 */
    enum kci_reset_reason reset_reason; /* of RESET */
    int64_t reset_from;                 /* the position that was given up, or KC_OFFSET_NONE */
    int32_t reset_from_epoch;
    struct kci_uuid read_id; /* of the topic that the position is in, as the metadata says; zero: not known yet */
    int64_t high_watermark, last_stable_offset, log_start_offset; /* as the leader said last; -1: unknown */
    int32_t preferred;                   /* replica to fetch from instead of the leader (KIP-392), -1: none ... */
    int64_t preferred_until;             /* ... up to this time, microseconds */
    int64_t queued_bytes, judging_bytes; /* fetched: in runs; in parts that are still to be judged */
    int64_t committed;  /* what was last committed successfully, or fetched as committed; -1: unknown */
    int64_t not_before; /* back-off of the next question about it, microseconds */
    uint32_t attempts;  /* failed ones in a row */
    int64_t well_at;    /* when the watchdog last saw it well, microseconds */
    int64_t healed_at;  /* when the watchdog last tried to help; 0: since then it was well */
    bool stalled;       /* the application was told that there is no progress */
    kc_err error;       /* of KCI_POSITION_FAILED */
    char text[220];     /* what happened, for the application */
};

struct kci_subscription {
    const struct kci_alloc *alloc; /* borrowed */
    struct kci_list topics;        /* kci_consumer_topic; owned */
    struct kci_map topics_by_name; /* name -> kci_consumer_topic */
    uint32_t next_number;
    bool sweep;                  /* a topic has no users any more */
    bool by_group;               /* subscribed (else assigned by hand, or nothing) */
    size_t subscribed_count;     /* topics with subscribed */
    struct kci_pattern *pattern; /* owned: what it matches is the list of topics; NULL: the list is the user's */
    uint64_t pattern_number;     /* rises with each pattern */
    char *remote_pattern;        /* owned: matched by the coordinator; NULL: none */
    struct kci_list assigned;    /* kci_assigned; owned */
    struct kci_map by_key;       /* key -> kci_assigned */
    size_t assigned_count;
    bool explicit_acks;    /* acknowledgement.mode=explicit: only what is acknowledged may be committed */
    struct kci_list ready; /* those with runs, by the order in which they became ready */
    uint64_t next_version;
    uint64_t polls; /* polls begun */
};

void kci_subscription_init(struct kci_subscription *s, const struct kci_alloc *alloc, uint64_t seed);
void kci_subscription_destroy(struct kci_subscription *s);

/* The topic of a name, counted for the caller; NULL: out of memory. */
struct kci_consumer_topic *kci_subscription_topic(struct kci_subscription *s, struct kci_str name);
void kci_subscription_topic_done(struct kci_subscription *s, struct kci_consumer_topic *topic); /* NULL is fine */
/* Forget topics without users; the I/O thread's, because the cluster must forget them too. */
void kci_subscription_sweep(struct kci_subscription *s, struct kci_cluster *cluster);
/* Replace the list of subscribed topics, or the patterns. false: out of memory, and nothing changed. */
bool kci_subscription_set_topics(struct kci_subscription *s, const char *const *topics, size_t count);
/* Subscribe to what matches, instead of a list. Takes the pattern; nothing is subscribed until it was matched. */
void kci_subscription_set_pattern_take(struct kci_subscription *s, struct kci_pattern *pattern);
/* ... to what the coordinator finds to match. */
bool kci_subscription_set_remote_pattern(struct kci_subscription *s, const char *pattern);
/* Hold the pattern against all topics of the cluster (a Metadata response); internal_too: against __consumer_offsets and
 * its like, too. *changed: the list of topics did. false: out of memory. */
bool kci_subscription_match(struct kci_subscription *s, const struct kci_metadata_response *all, bool internal_too,
                            bool *changed);

static inline int64_t kci_partition_key(const struct kci_consumer_topic *topic, int32_t partition)
{
    return (int64_t)((uint64_t)topic->number << 32 | (uint32_t)partition);
}
struct kci_assigned *kci_subscription_find(const struct kci_subscription *s, int64_t key);
struct kci_assigned *kci_subscription_find_name(const struct kci_subscription *s, const char *topic, int32_t partition);
/* Replace the assignment; all begin anew, but what was paused and stays is paused. An entry's offset is its start: >= 0, KC_OFFSET_BEGINNING, KC_OFFSET_END, or
 * KC_OFFSET_NONE: the committed one. false: out of memory, nothing changed. */
bool kci_subscription_assign(struct kci_subscription *s, const kc_topic_partition *items, size_t count, int64_t now);
/* Add what is not assigned yet, marked as fresh; what is there goes on undisturbed. false: as above. */
bool kci_subscription_add(struct kci_subscription *s, const kc_topic_partition *items, size_t count, int64_t now);
void kci_subscription_clear(struct kci_subscription *s);

/* Parts of the assignment. */
typedef bool (*kci_assigned_is)(const struct kci_assigned *a);
bool kci_assigned_is_any(const struct kci_assigned *a);
bool kci_assigned_is_revoking(const struct kci_assigned *a);
bool kci_assigned_is_fresh(const struct kci_assigned *a);
void kci_subscription_remove(struct kci_subscription *s, kci_assigned_is which);
size_t kci_subscription_count(const struct kci_subscription *s, kci_assigned_is which);
/* As a list, offset = position or KC_OFFSET_NONE. false: out of memory. */
bool kci_subscription_list(const struct kci_subscription *s, kci_assigned_is which, struct kci_partition_list *out);

/* Enter a state. */
void kci_assigned_enter(struct kci_assigned *a, int state, int64_t now);
/* Go on at `offset` (>= 0, or KC_OFFSET_*), forgetting what was fetched and what is under way. */
void kci_assigned_seek(struct kci_subscription *s, struct kci_assigned *a, int64_t offset, int32_t epoch, int64_t now);
/* The position is known now. */
void kci_assigned_found(struct kci_assigned *a, int64_t offset, int32_t epoch, int64_t now);
/* Stop with an error that poll reports until a seek. */
void kci_assigned_fail(struct kci_subscription *s, struct kci_assigned *a, kc_err error, int64_t now,
                       const char *format, ...) __attribute__((format(printf, 5, 6)));
/* From `offset` on, with the next fetch: what polls returned of it was taken back. What they returned before stays
 * returned, so this is no seek. */
void kci_assigned_again(struct kci_subscription *s, struct kci_assigned *a, int64_t offset, int32_t epoch, int64_t now);
/* Drop what was fetched ahead and not returned. */
void kci_assigned_drop(struct kci_assigned *a);
/* Judged bytes arrive. Takes the run. */
void kci_assigned_push(struct kci_subscription *s, struct kci_assigned *a, struct kci_run *run);
/* The offset up to which a commit may go: behind what polls before the present one returned; with explicit
 * acknowledgements, that of the first record that is not acknowledged. -1: nothing to commit. */
int64_t kci_assigned_committable(const struct kci_subscription *s, const struct kci_assigned *a, bool this_poll_too,
                                 int32_t *epoch);

#endif
