/* Who reads what: assignors of the classic group protocol. Run by the leader of a group, over what all members say. */
#ifndef KCI_CONSUMER_ASSIGNOR_H
#define KCI_CONSUMER_ASSIGNOR_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/cursor.h"
#include "consumer/partition_list.h"
#include <kclient/plugin.h>

/* Partitions of a topic that a member says it owns. Any client's claim: neither need exist. */
struct kci_member_owned {
    struct kci_str topic;
    const int32_t *partitions;
    int32_t partition_count;
};

/* A member, as the leader learns of it. All views are borrowed. */
struct kci_member {
    struct kci_str id;
    struct kci_str instance_id;   /* data NULL: dynamic */
    struct kci_str rack;          /* where it runs; data NULL: not said */
    const struct kci_str *topics; /* that it subscribes to, sorted by bytes */
    int32_t topic_count;
    /* what it had when it joined, for the sticky assignors */
    const struct kci_member_owned *owned;
    int32_t owned_count;
    int32_t generation;         /* that owned is of; -1: not said */
    struct kci_bytes user_data; /* the assignor's own */
    /* what the assignor answers; in the arena */
    struct kci_member_partition *assigned;
    size_t assigned_count, assigned_capacity;
};

struct kci_member_partition {
    uint32_t topic; /* index into the topics of the group */
    int32_t partition;
};

/* The racks of the replicas of one partition. */
struct kci_replica_racks {
    const struct kci_str *racks; /* none is empty */
    int32_t count;               /* 0: not known */
};

/* A topic of the group: sorted by name, each once, partition count known. */
struct kci_group_topic {
    struct kci_str name;
    int32_t partition_count;
    const struct kci_replica_racks *racks; /* one per partition; NULL: not known */
};

struct kci_assignor {
    const char *name; /* as it goes over the wire */
    /* Fill members[].assigned. false: out of memory. */
    bool (*assign)(struct kci_arena *arena, struct kci_member *members, size_t member_count,
                   const struct kci_group_topic *topics, size_t topic_count);
    /* Append the user data of our own subscription: what we were assigned last, and in which generation (-1: nothing
     * yet). NULL: it has none. */
    void (*write_user_data)(struct kci_writer *w, const struct kci_partition_list *previous, int32_t generation);
    bool cooperative;          /* members may keep their partitions while they join (KIP-429) */
    const kc_assignor *custom; /* the user's: run it with kci_assignor_custom_run(); assign is NULL */
};
extern const struct kci_assignor kci_assignor_range, kci_assignor_roundrobin, kci_assignor_sticky,
    kci_assignor_cooperative_sticky;

/* The assignor of a name, or NULL. Java's class names are known too. */
const struct kci_assignor *kci_assignor_find(struct kci_str name);
#define KCI_ASSIGNORS_MAX 8u /* of one member: more only make its join larger */
/* Assignors of a comma list, best first; fills up to KCI_ASSIGNORS_MAX and returns how many, or 0: one is not known.
 * Names of the user's come first; `room` has KCI_ASSIGNORS_MAX places for them. */
size_t kci_assignor_list(const char *names, const kc_assignor *custom, size_t custom_count, struct kci_assignor *room,
                         const struct kci_assignor **out);
/* Run the user's assignor: no lock may be held. KC_ERR_NO_MEMORY, KC_ERR_ARGUMENT (it gave a partition twice, or to who
 * does not read the topic), or what it returned. */
kc_err kci_assignor_custom_run(const kc_assignor *custom, struct kci_arena *arena, struct kci_member *members,
                               size_t member_count, const struct kci_group_topic *topics, size_t topic_count);

/* For assignors: members in Java's order (static ones by instance id, before dynamic ones by id). NULL: out of memory.
 */
struct kci_member **kci_assignor_sort(struct kci_arena *arena, struct kci_member *members, size_t count);
bool kci_member_subscribes(const struct kci_member *member, struct kci_str topic);
/* Give a partition. false: out of memory. */
bool kci_member_give(struct kci_arena *arena, struct kci_member *member, uint32_t topic, int32_t partition);

#endif
