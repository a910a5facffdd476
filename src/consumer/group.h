/* Membership in a consumer group: what both protocols share. The machine of the classic one (PROTOCOL 3.5) stands in
 * group.c, that of KIP-848 (PROTOCOL 3.6) in group_modern.c. */
#ifndef KCI_CONSUMER_GROUP_H
#define KCI_CONSUMER_GROUP_H

#include "consumer/assignor.h"
#include "consumer/blame.h"
#include "consumer/group_target.h"
#include "consumer/subscription.h"

struct kci_consumer;

enum kci_group_state {
    KCI_GROUP_IDLE,          /* nothing is subscribed */
    KCI_GROUP_UNJOINED,      /* wants to join; waits for a poll */
    KCI_GROUP_PREPARING,     /* a poll came: the last automatic commit before the partitions go */
    KCI_GROUP_REVOKING,      /* the application is told what it loses */
    KCI_GROUP_JOINING,       /* JoinGroup is to be sent, or is under way */
    KCI_GROUP_LEADING,       /* we assign for all; waits for the metadata of all topics */
    KCI_GROUP_SYNCING,       /* SyncGroup is to be sent, or is under way */
    KCI_GROUP_YIELDING,      /* cooperative: the application is told what goes to others */
    KCI_GROUP_ASSIGNING,     /* the application is told what it gets */
    KCI_GROUP_ACKNOWLEDGING, /* KIP-848: the coordinator is to be told what we own now */
    KCI_GROUP_STABLE,
    KCI_GROUP_LEAVING_COMMIT, /* unsubscribe, close: the last commits */
    KCI_GROUP_LEAVING_REVOKE, /* the application is told */
    KCI_GROUP_LEAVING_SEND,   /* LeaveGroup is to be sent, or is under way */
    KCI_GROUP_FAILED, /* told by every poll: another one has our group.instance.id, or what KIP-848 calls fatal */
    KCI_GROUP_COUNT
};
extern const struct kci_state_table kci_group_states;        /* classic */
extern const struct kci_state_table kci_group_modern_states; /* KIP-848 */

/* A request to the coordinator. */
struct kci_group_call {
    struct kci_call call;
    struct kci_consumer *consumer;
    struct kci_arena arena; /* of the request */
    bool in_flight;
    bool abandoned;     /* nobody waits for the answer any more: it is cancelled in the next step */
    void *shapes;       /* LeaveGroup: in the arena */
    int32_t generation; /* when it was sent */
    int64_t sent_at;    /* microseconds */
    void (*answered)(struct kci_consumer *c, const struct kci_reply *reply, int64_t now); /* with the lock */
};

/* What only the KIP-848 protocol has. */
struct kci_group_modern {
    uint32_t life;                   /* memberships so far: a commit of an earlier one is refused */
    bool id_is_ours;                 /* member_id was made here, and no coordinator knows it yet */
    bool introduced;                 /* a coordinator may know member_id: leaving must be said */
    int64_t all_again_at;            /* then it tells everything in any case */
    bool say_all;                    /* the next heartbeat tells everything: what the last one told may be lost */
    bool say_topics, say_owned;      /* ... tells the subscription, what we own: they changed */
    bool said_regex;                 /* the coordinator has a pattern of ours */
    bool topics_said;                /* scratch: the heartbeat under way tells the subscription */
    int64_t interval_us;             /* between heartbeats, as the coordinator said */
    struct kci_group_target target;  /* what we are to have in the end */
    bool target_due;                 /* ... and it was not yet compared with what we own */
    int64_t target_until;            /* until then, unknown topic ids are waited for */
    bool given;                      /* on_assigned was called in this membership */
    struct kci_uuid *assignment_ids; /* of the topics of `assignment`, one per item; owned */
};

struct kci_group {
    bool modern;                          /* group.protocol=consumer */
    const struct kci_state_table *states; /* of the protocol */
    struct kci_group_modern m;
    int state;                          /* enum kci_group_state */
    int64_t since;                      /* when it entered the state */
    struct kci_coordinator coordinator; /* the I/O thread's */
    int16_t lookup_refused;             /* why the coordinator was not told to us last; 0: it was */
    int64_t lookup_refused_at;          /* when, microseconds */
    bool lookup_untold;                 /* nobody has heard of that refusal yet */
    bool coordinator_used;              /* initialised: there is a group.id */
    const struct kci_assignor *assignors[KCI_ASSIGNORS_MAX];
    size_t assignor_count;
    struct kci_assignor own_assignors[KCI_ASSIGNORS_MAX]; /* the user's, which assignors points to */
    bool cooperative;                                     /* all of them are: we keep our partitions while we join */
    char *member_id;                                      /* owned; NULL: none yet */
    int32_t generation;                                   /* KIP-848: the member epoch. -1: no member */
    bool rejoin;                                          /* as soon as the state permits */
    bool owes_rejoin;           /* cooperative: what we gave up gets its next owner when we join again, not before */
    bool lost;                  /* the membership ended under us: what we own is somebody else's by now */
    const char *reason;         /* of rejoin, for logs and JoinGroup v8; static */
    uint32_t attempts;          /* failed ones in a row */
    uint32_t refused_syncs;     /* by rebalances, in a row */
    int64_t not_before;         /* back-off */
    struct kci_group_call call; /* JoinGroup, SyncGroup, LeaveGroup: one at a time */
    struct kci_group_call heartbeat;
    int64_t heartbeat_at;  /* when the next one is due */
    int64_t session_until; /* the coordinator has not answered since: look for it again */
    /* as the leader */
    struct kci_arena arena; /* members and what they say, of this generation */
    const struct kci_assignor *assignor;
    struct kci_member *members; /* in arena */
    size_t member_count;
    struct kci_consumer_topic **topics; /* all topics of the group, counted, sorted by name; owned */
    int32_t *topic_partitions;          /* partition counts that were assigned, -1: by another leader; owned */
    uint64_t *topic_racks;              /* digests of where their replicas were; 0: no member has a rack; owned */
    size_t topic_count;
    bool leader;
    bool unsettled; /* cooperative: some partitions were given to nobody yet; whoever gave them up is to join again */
    int64_t metadata_until;      /* LEADING: after it, unknown topics count as empty */
    uint64_t watched_generation; /* of the metadata when partition counts were compared last */
    /* the assignment on its way to the application */
    struct kci_partition_list assignment; /* owned */
    bool taken;                           /* poll has it */
    struct kci_partition_list previous;   /* the last one that was assigned, for "sticky"; owned */
    int32_t previous_generation;          /* that it is of; -1: there was none */
    /* leaving */
    bool left;         /* done; see left_code */
    kc_close_how exit; /* what the application wants of a close; KC_CLOSE_DEFAULT before */
    int64_t leave_deadline;
    kc_err left_code;
    /* FAILED */
    kc_err error;
    char text[KCI_WHY_BYTES]; /* of error */
};

void kci_group_init(struct kci_consumer *c);
void kci_group_destroy(struct kci_consumer *c);
void kci_group_step(struct kci_consumer *c, int64_t now);
/* Cancel what nobody waits for; without the lock, because cancelling answers at once. */
void kci_group_cancel_abandoned(struct kci_consumer *c, int64_t now);
void kci_group_enter(struct kci_consumer *c, int state, int64_t now);

/* The list of topics changed, or became the first one. */
void kci_group_subscribed(struct kci_consumer *c, int64_t now);
/* Join again as soon as the state permits. */
void kci_group_want_rejoin(struct kci_consumer *c, const char *reason);
/* Unsubscribe or close. */
void kci_group_begin_leave(struct kci_consumer *c, int64_t now, int64_t deadline);
/* The application's poll looks whether the group has something for it; true: *event is filled in. */
bool kci_group_poll_event(struct kci_consumer *c, int64_t now, bool leaving_only);
/* A revoke or assign event was run. */
void kci_group_event_done(struct kci_consumer *c, int kind, int64_t now);

/* Does a poll have something to set going? */
bool kci_group_wants_poll(const struct kci_consumer *c);
/* What a commit belongs to: it may be sent as long as this is the same. */
static inline int32_t kci_group_era(const struct kci_group *group)
{
    return group->modern ? (int32_t)(group->m.life & INT32_MAX) : group->generation;
}
/* An answer that a member of the KIP-848 protocol sends the commit again after: its epoch was one behind. */
bool kci_group_commit_again(const struct kci_consumer *c, int16_t error);

/* The coordinator, or KCI_NODE_NONE: it is looked for.  A refusal is told by poll if we are subscribed, and asked about
 * again after the back-off. */
int32_t kci_group_coordinator_node(struct kci_consumer *c, int64_t now);
/* Have poll tell why the coordinator is not told to us, unless somebody has heard of it. */
void kci_group_tell_refusal(struct kci_consumer *c);
void kci_group_coordinator_failed(struct kci_consumer *c, const char *why, int64_t now);
/* Is the offset only refused because we are not the member, or not at the epoch, that it was asked by? */
bool kci_group_asked_as_another(const struct kci_consumer *c, int16_t error);
/* Error of a whole OffsetFetch. */
void kci_group_offset_error(struct kci_consumer *c, int16_t error, int64_t now);
/* Error of a commit (PROTOCOL 3.4), sent by a member of `generation`. */
void kci_group_commit_error(struct kci_consumer *c, int16_t error, int32_t generation, int64_t now);
/* The generation to commit with: -1 without membership. KC_ERR_REBALANCE_IN_PROGRESS, KC_ERR_UNKNOWN_MEMBER_ID: not
 * now. */
kc_err kci_group_commit_generation(struct kci_consumer *c, int32_t *generation);
static inline struct kci_str kci_group_member_id(const struct kci_group *group)
{
    return kci_str_of(group->member_id ? group->member_id : "");
}

/* ---- between the files of the group ---- */
/* The membership is over. keep_id: only the generation is. */
void kci_group_reset(struct kci_consumer *c, bool keep_id, const char *reason);
/* Something that only the user can repair: tell poll, try again with the next one after the back-off. */
void kci_group_refused(struct kci_consumer *c, int16_t error, const char *what, int64_t now);
/* The end, whatever this consumer does: `text` is told by every poll. */
void kci_group_fail(struct kci_consumer *c, kc_err code, const char *text, int64_t now);
/* ... because of an answer that says that another one has our group.instance.id. */
void kci_group_fence(struct kci_consumer *c, int64_t now);
void kci_group_backoff(struct kci_consumer *c, int64_t now);
/* Send `request` (in call->arena). */
void kci_group_send(struct kci_consumer *c, struct kci_group_call *call, int32_t node, int16_t api, int16_t version_min,
                    int16_t version_max, const void *request, bool (*prepare)(struct kci_call *, int16_t),
                    int32_t timeout_ms, int64_t now);
bool kci_group_take_member_id(struct kci_consumer *c, struct kci_str id);
void kci_group_join_step(struct kci_consumer *c, int64_t now);  /* JOINING */
void kci_group_lead_step(struct kci_consumer *c, int64_t now);  /* LEADING */
void kci_group_sync_step(struct kci_consumer *c, int64_t now);  /* SYNCING */
void kci_group_leave_step(struct kci_consumer *c, int64_t now); /* LEAVING_* */
void kci_group_send_leave(struct kci_consumer *c, const char *reason, int32_t timeout_ms, int64_t now);
void kci_group_heartbeat_step(struct kci_consumer *c, int64_t now);
void kci_group_drop_topics(struct kci_consumer *c);
void kci_group_watch_poll(struct kci_consumer *c, int64_t now);
/* The leader of a stable group: does something want a rebalance that nobody else would begin? */
void kci_group_watch_members(struct kci_consumer *c, int64_t now);

/* ---- KIP-848: group_modern.c ---- */
void kci_group_modern_step(struct kci_consumer *c, int64_t now);
/* on_assigned, on_revoked or on_lost was run in a state that only this protocol knows how to leave. */
void kci_group_modern_event_done(struct kci_consumer *c, int kind, int64_t now);
/* The topics of the subscription changed. */
void kci_group_modern_subscribed(struct kci_consumer *c);
/* ... group_modern_beat.c */
bool kci_group_modern_make_id(struct kci_consumer *c);
void kci_group_modern_beat_step(struct kci_consumer *c, int64_t now);
/* Tell everything with the next heartbeat, at once. */
void kci_group_modern_beat_now(struct kci_consumer *c);
void kci_group_modern_send_leave(struct kci_consumer *c, int32_t timeout_ms, int64_t now);

#endif
