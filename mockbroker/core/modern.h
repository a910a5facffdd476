/* A group of the consumer protocol (KIP-848): members, epochs, and who has which partition.
 *
 * It hangs at a struct mb_group, which keeps the offsets; group->modern is NULL for groups of the classic protocol.
 * Heartbeats are in modern_heartbeat.c, what a member gets next in modern_reconcile.c, the log in modern_records.h. */
#ifndef MB_CORE_MODERN_H
#define MB_CORE_MODERN_H

#include "mockbroker/core/group_member.h"
#include "mockbroker/core/group_records.h"

#define MB_MODERN_TOPICS_MAX     10000  /* names in one subscription; more could not be told apart from an attack */
#define MB_MODERN_PARTITIONS_MAX 200000 /* of one set: as many as a cluster has */
#define MB_MODERN_PAGES_BYTES    ((size_t)256 << 20) /* of what computing one assignment may take */

enum { MB_MODERN_JOIN = 0, MB_MODERN_LEAVE = -1, MB_MODERN_LEAVE_STATIC = -2 }; /* epochs that say something else */

/* As in the log (Kafka's MemberState). */
enum mb_modern_member_state { MB_MODERN_STABLE = 0, MB_MODERN_UNREVOKED = 1, MB_MODERN_UNRELEASED = 2 };

struct mb_tp { /* a partition of a topic, by id */
    struct kci_uuid topic;
    int32_t partition;
    int32_t epoch; /* member epoch when it was assigned (KIP-1251); 0 where that has no meaning */
};

/* Sorted by topic and partition, without doubles. */
struct mb_tpset {
    struct mb_tp *items; /* owned; NULL when empty */
    size_t count;
};

/* What a member of the classic protocol has besides, in a mixed group (KIP-848, "migration"). */
struct mb_modern_classic {
    int32_t session_timeout_ms;          /* as it asked */
    struct mb_group_protocol *protocols; /* owned, one block with what they point to; the first one is what it speaks */
    size_t protocol_count;               /* at least 1 */
    struct mb_alarm join;                /* fires when it was told to join again and does not */
    struct mb_alarm sync;                /* fires when it has joined and does not ask for its assignment */
};

struct mb_modern_member {
    struct kci_list link;                  /* in modern->members, by order of joining */
    struct mb_group *group;                /* back pointer */
    struct kci_str id;                     /* owned */
    struct kci_str instance_id, rack_id;   /* owned; data NULL: none */
    struct kci_str client_id, client_host; /* owned */
    struct kci_str assignor;               /* owned; data NULL: none */
    struct mb_modern_pattern *pattern;     /* of topics (modern_pattern.h); NULL: none */
    struct kci_str *topics;                /* owned, one block with its text; sorted, without doubles */
    size_t topic_count;
    int32_t rebalance_timeout_ms;
    int32_t epoch, previous_epoch;
    enum mb_modern_member_state state;
    struct mb_tpset assigned;          /* what it may have */
    struct mb_tpset revoking;          /* what it must give up first */
    struct mb_tpset target;            /* what it is to have in the end */
    struct mb_alarm session;           /* fires when it was silent too long */
    struct mb_alarm revoke;            /* fires when it does not give up what it must */
    int32_t revoke_epoch;              /* its epoch when that was set */
    bool known;                        /* its metadata is here (while loading, its assignment may come first) */
    bool leaving;                      /* mb_modern_members_leave takes it out */
    struct mb_modern_classic *classic; /* owned; NULL: it speaks the consumer protocol */
};

struct mb_modern {
    int32_t epoch;        /* of the group: of its members, subscriptions and topics */
    int32_t target_epoch; /* for which the targets were computed */
    int64_t assigned_ms;  /* wall clock of that */
    bool unsettled;       /* they are of a classic generation that was being replaced: the epoch is to rise */
    int64_t topics_hash;  /* of the topics that somebody subscribes to */
    uint64_t topics_seen; /* the cluster's metadata version that topics_hash is of */
    struct kci_list members;
    size_t member_count;
    struct kci_map by_id;       /* member id -> member */
    struct kci_map by_instance; /* group.instance.id -> member */
    struct kci_map owners;      /* 20 bytes of topic and partition -> the member that has it assigned or revokes it */
    struct kci_list patterns;   /* struct mb_modern_pattern that members subscribe to */
    struct kci_list found;      /* likewise: what the look under way found; empty: there is none */
    struct mb_alarm looking;    /* fires when its result is to be taken over */
    uint64_t topics_made;       /* by the cluster when it was looked last; 0: not since the group was loaded */
};

/* ---- modern.c: the group and its members ---- */
bool mb_modern_attach(struct mb_group *group); /* false: no memory */
void mb_modern_detach(struct mb_group *group); /* frees it; the group is classic again. Fine without one. */
const char *mb_modern_state_name(const struct mb_group *group);
/* NULL: no memory. */
struct mb_modern_member *mb_modern_member_add(struct mb_group *group, struct kci_str id);
void mb_modern_member_remove(struct mb_modern_member *member);
struct mb_modern_member *mb_modern_member_find(const struct mb_group *group, struct kci_str id);
struct mb_modern_member *mb_modern_member_static(const struct mb_group *group, struct kci_str instance_id);
/* False: no memory, nothing changed. */
bool mb_modern_member_rename(struct mb_modern_member *member, struct kci_str id);
bool mb_modern_member_set_instance(struct mb_modern_member *member, struct kci_str instance_id);
bool mb_modern_member_set_topics(struct mb_modern_member *member, const struct kci_str *names, size_t count);
/* An owned text of a member; *changed becomes true when it differs. */
bool mb_modern_member_set_text(struct mb_modern_member *member, struct kci_str *field, struct kci_str text,
                               bool *changed);
bool mb_modern_member_names(const struct mb_modern_member *member, struct kci_str topic);
/* Sorted, without doubles (so *count may shrink), in one block with their text. False: no memory. */
bool mb_modern_names_copy(const struct kci_alloc *alloc, const struct kci_str *names, size_t *count,
                          struct kci_str **out);
struct kci_str mb_modern_member_regex(const struct mb_modern_member *member); /* of its pattern; "" without one */
/* Who has the partition, assigned or being revoked; NULL: nobody. */
struct mb_modern_member *mb_modern_owner(const struct mb_modern *modern, const struct mb_tp *tp);
/* Has the member had the partition since `epoch` or longer, assigned or to be given up? Then nobody else can have read it
 * since, and what it committed at that epoch is as good as now (KIP-1251). */
bool mb_modern_held_since(const struct mb_modern_member *member, const struct mb_tp *tp, int32_t epoch);
/* Take over both sets (they are the member's from here on, also on failure). False: no memory, the owners may be
 * incomplete: read the log again. */
bool mb_modern_member_hold(struct mb_modern_member *member, struct mb_tpset assigned, struct mb_tpset revoking);
/* It speaks the classic protocol, and offers these. False: no memory, nothing changed. */
bool mb_modern_member_set_classic(struct mb_modern_member *member, const struct mb_group_identity *who);
void mb_modern_member_unset_classic(struct mb_modern_member *member); /* it speaks the consumer protocol */
bool mb_modern_same_names(const struct mb_modern_member *member, const struct kci_str *names, int32_t count);
/* Do all members of the classic protocol (but those that are leaving) offer it? */
bool mb_modern_classic_share(const struct mb_group *group, struct kci_str protocol);
/* A member id, for who brings none. */
struct mb_modern_new_id {
    char text[40];
};
struct mb_modern_new_id mb_modern_new_id(struct mb_cluster *cluster);
/* Does anybody subscribe to it? */
bool mb_modern_subscribed(const struct mb_group *group, struct kci_str topic);
/* The assignor that most members ask for; the broker's first one if nobody does. */
struct kci_str mb_modern_assignor(const struct mb_group *group);
/* Is it in the broker's list? */
bool mb_modern_assignor_known(const struct mb_cluster *cluster, struct kci_str name);

/* ---- modern_target.c: topics, and targets from them ---- */
/* Look at the topics that members subscribe to; *changed: they are not what they were. False: no memory. */
bool mb_modern_refresh(struct mb_group *group, bool *changed);
/* New targets at the group's epoch; what changed is recorded. False: no memory. */
bool mb_modern_compute_target(struct mb_group *group, struct mb_group_records *records, int64_t now);

/* ---- modern_reconcile.c ---- */
/* Bring the member one step closer to its target. `owned` (NULL: it did not say) is what the client has; resubscribed: it
 * wants other topics now, so it gives up the others at once. 1: it changed; 0: it did not; -1: no memory. */
int mb_modern_reconcile(struct mb_modern_member *member, bool resubscribed, const struct mb_tpset *owned);

/* ---- modern_advance.c: what every heartbeat, of either protocol, leads to; and what silence does ---- */
/* The instance is back under another id: the member takes its place with all that it has. False: no memory. */
bool mb_modern_member_replace(struct mb_modern_member *member, struct kci_str id, struct mb_group_records *records);
/* Are the topics still what they were when the group last looked? Looked at only if they may not be, or with `bump`.
 * False: no memory. */
bool mb_modern_look_at_topics(struct mb_group *group, bool bump, bool *changed);
/* Epoch and target of the group; `bump`: its members or what they subscribe to have changed. False: no memory. */
bool mb_modern_advance_group(struct mb_group *group, bool bump, struct mb_group_records *records, int64_t now);
/* The member's way to its target; resubscribed and `owned` as above, *moved: its assignment is another one. False: no
 * memory. */
bool mb_modern_advance_member(struct mb_modern_member *member, bool resubscribed, const struct mb_tpset *owned,
                              struct mb_group_records *records, bool *moved, int64_t now);
/* Those that are `leaving` are no more: their partitions are free, the others get new targets with their next
 * heartbeats. If only members of the classic protocol are left, the group may become a classic one: then it has no
 * `modern` any more. False: no memory. */
bool mb_modern_members_leave(struct mb_group *group, struct mb_group_records *records, int64_t now);
/* Heard now: the session starts anew. */
void mb_modern_member_alive(struct mb_modern_member *member, int64_t now);
/* It is out of the group, without being asked; `why` is for the log. */
void mb_modern_member_fence(struct mb_modern_member *member, const char *why, int64_t now);
/* The time to revoke starts (after loading, too). */
void mb_modern_member_watch_revocation(struct mb_modern_member *member, int64_t now);

/* ---- modern_heartbeat.c ---- */
/* Is this the member's epoch? 0, ILLEGAL_GENERATION (of the classic protocol), UNKNOWN_MEMBER_ID or STALE_MEMBER_EPOCH;
 * *out is the member, or NULL. */
int16_t mb_modern_check_epoch(const struct mb_group *group, struct kci_str member_id, int32_t epoch,
                              const struct mb_modern_member **out);

#endif
