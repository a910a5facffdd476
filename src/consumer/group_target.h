/* What the coordinator wants this member to have in the end (KIP-848): topics by id, and the names behind the ids. */
#ifndef KCI_CONSUMER_GROUP_TARGET_H
#define KCI_CONSUMER_GROUP_TARGET_H

#include "consumer/subscription.h"

struct kci_consumer;

struct kci_group_target_topic {
    struct kci_uuid id;
    struct kci_consumer_topic *topic; /* counted; NULL: nobody has told us its name yet */
    const int32_t *partitions;        /* in the target's block */
    int32_t partition_count;
};

struct kci_group_target {
    struct kci_group_target_topic *topics; /* owned, one block with their partitions */
    size_t count;
};

/* Take the assignment (struct kci_consumer_group_heartbeat_response__assignment) of a heartbeat in place of the one
 * before. false: out of memory, or malformed; nothing changed. */
bool kci_group_target_take(struct kci_consumer *c, const void *assignment);
void kci_group_target_drop(struct kci_consumer *c);
/* Look for the names of its topics; asks brokers for those that nobody knows. true: all are known. I/O thread. */
bool kci_group_target_resolve(struct kci_consumer *c, int64_t now);
/* A broker named the topic with this id. */
void kci_group_target_name(struct kci_consumer *c, const struct kci_uuid *id, struct kci_str name);
/* Its partitions whose topics are known, in *out, and the id of each one's topic in *ids (owned); old ones are freed.
 * false: out of memory. */
bool kci_group_target_list(struct kci_consumer *c, struct kci_partition_list *out, struct kci_uuid **ids);
/* Is this assigned partition in it, whether or not its topic's name is known? Looks at unknown ones only. */
bool kci_group_target_has_unnamed(const struct kci_group_target *target, const struct kci_assigned *a);

#endif
