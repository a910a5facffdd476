/* One group of the classic protocol: its members, its state, and what every handler of the coordinator does with it.
 * The registry that finds groups is in group_registry.h, how a rebalance goes on in group_rebalance.h. */
#ifndef MB_CORE_GROUP_H
#define MB_CORE_GROUP_H

#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/prng.h"
#include "base/states.h"
#include "mockbroker/core/request.h"

/* Limits: what one group or the coordinator may hold, whatever the clients ask for. */
#define MB_GROUPS_MAX          100000 /* groups of the whole cluster */
#define MB_GROUP_MEMBERS_MAX   20000 /* members and pending members of one group, also where group.max.size is larger */
#define MB_GROUP_PROTOCOLS_MAX 100   /* assignors that one member may offer; clients offer one to four */
#define MB_GROUP_METADATA_BYTES                                                                                        \
    (4u << 20)                             /* of all protocols of one member: more could never be written to the log   \
                                            */
#define MB_GROUP_OFFSETS_MAX   200000      /* committed partitions of one group: as many as a cluster has */
#define MB_GROUP_RECORD_BYTES  (16u << 20) /* key and value bytes of one append to __consumer_offsets */
#define MB_GROUP_NEW_MEMBER_MS 300000      /* a new member waits this long at most for its first answer, as in Kafka */

enum mb_group_state { MB_GROUP_EMPTY, MB_GROUP_PREPARING, MB_GROUP_COMPLETING, MB_GROUP_STABLE, MB_GROUP_DEAD };

struct mb_groups;
struct mb_group;
struct mb_modern;

/* What a member offers for one assignor. */
struct mb_group_protocol {
    struct kci_str name;       /* "range" */
    struct kci_bytes metadata; /* the subscription, opaque here */
};

struct mb_group_member {
    struct kci_list link;                /* in group->members, by order of joining */
    struct mb_group *group;              /* back pointer */
    struct kci_str id;                   /* owned */
    struct kci_str instance_id;          /* owned; data NULL: a dynamic member */
    struct kci_str client_id;            /* owned */
    struct kci_str client_host;          /* owned; "/127.0.0.1" */
    int32_t session_timeout_ms;          /* as the member asked */
    int32_t rebalance_timeout_ms;        /* as the member asked; the session timeout before JoinGroup v1 */
    struct mb_group_protocol *protocols; /* owned, one block with what they point to; names are distinct */
    size_t protocol_count;
    struct kci_bytes assignment; /* owned; empty until the leader's word is in the log */
    struct kci_bytes proposed;   /* owned; the leader's word while it is being written */
    struct mb_request *join;     /* parked JoinGroup; NULL: none */
    struct mb_request *sync;     /* parked SyncGroup; NULL: none */
    bool is_new;                 /* has not had the answer to its first JoinGroup */
    bool sync_pending;           /* has joined this generation and not yet asked for its assignment */
    struct mb_alarm session;     /* fires when it was silent for its session timeout */
};

/* A member id that was given out with MEMBER_ID_REQUIRED and not yet used (KIP-394). */
struct mb_group_pending {
    struct kci_list link;    /* in group->pending */
    struct mb_group *group;  /* back pointer */
    struct kci_str id;       /* owned */
    struct mb_alarm session; /* fires when it is given up */
};

struct mb_group {
    struct mb_groups *owner; /* borrowed */
    struct kci_str id;       /* owned */
    int32_t partition;       /* of __consumer_offsets */
    uint64_t serial;         /* never reused: tells a group from a later one of the same name */
    int state;               /* enum mb_group_state */
    int previous_state;
    int64_t state_since_ms;       /* wall clock of the last change of state; -1: unknown */
    struct kci_str protocol_type; /* owned; data NULL: only offsets so far, a "simple" group */
    struct kci_str protocol;      /* owned; the assignor of this generation; data NULL: none */
    int32_t generation;
    struct mb_group_member *leader; /* NULL: none */
    struct kci_list members;
    size_t member_count;
    size_t joined_count; /* members with a parked JoinGroup */
    size_t sync_pending_count;
    struct kci_map by_id;       /* member id -> member */
    struct kci_map by_instance; /* group.instance.id -> member */
    struct kci_map supported;   /* protocol name -> number of members that offer it, as a pointer */
    struct kci_list pending;
    struct kci_map pending_by_id;
    struct mb_alarm join_alarm;  /* ends the join phase */
    struct mb_alarm sync_alarm;  /* ends the sync phase */
    int32_t delay_ms;            /* initial rebalance: the delay that runs */
    int32_t delay_left_ms;       /* initial rebalance: what may still be added */
    bool member_added;           /* initial rebalance: someone joined during the delay */
    struct kci_map topics;       /* topic -> struct mb_offset_topic (group_offsets.h) */
    size_t offset_count;         /* committed partitions */
    struct kci_map open_offsets; /* producer id -> what its open transaction has committed (group_txn.h) */
    struct mb_modern *modern;    /* owned; the group as one of the consumer protocol (modern.h): then it has no classic
                                    members and stays in MB_GROUP_EMPTY. NULL: a classic group */
};

extern const struct kci_state_table mb_group_states;

struct mb_group *mb_group_create(struct mb_groups *owner, struct kci_str id, int32_t partition); /* NULL: no memory */
/* Nobody may be parked in it any more. NULL is fine. */
void mb_group_destroy(struct mb_group *group);
void mb_group_move(struct mb_group *group, enum mb_group_state next, int64_t now);
/* Has it no members of either protocol? */
bool mb_group_is_empty(const struct mb_group *group);
const char *mb_group_state_name(const struct mb_group *group);
struct mb_cluster *mb_group_cluster(const struct mb_group *group);
const struct kci_alloc *mb_group_alloc(const struct mb_group *group);

/* Does a member of this type with these protocols fit in? In an empty group anyone with at least one protocol does. */
bool mb_group_supports(const struct mb_group *group, const struct kci_join_group_request *join);
/* The candidate (offered by all) that most members want; the group has members that share one. */
struct kci_str mb_group_vote(const struct mb_group *group);
/* False: no memory, nothing changed. data NULL forgets it. */
bool mb_group_set_protocol(struct mb_group *group, struct kci_str protocol);
bool mb_group_set_protocol_type(struct mb_group *group, struct kci_str type);
/* The largest rebalance timeout among the members. */
int32_t mb_group_rebalance_timeout_ms(const struct mb_group *group);
/* Does a member's subscription, read as the consumer protocol, name the topic? Unreadable subscriptions count as "any".
 */
bool mb_group_subscribed(const struct mb_group *group, struct kci_str topic);
/* Is it a group of consumers, whose subscriptions can be read? */
bool mb_group_of_consumers(const struct mb_group *group);

/* Owned copies; data NULL: no memory (or null was copied). */
struct kci_str mb_group_copy_str(const struct kci_alloc *alloc, struct kci_str text);
bool mb_group_copy_bytes(const struct kci_alloc *alloc, struct kci_bytes bytes, struct kci_bytes *out);

#endif
