/* Which members of a group are near to which partitions (KIP-881), for the sticky assignors. */
#ifndef KCI_CONSUMER_ASSIGNOR_RACKS_H
#define KCI_CONSUMER_ASSIGNOR_RACKS_H

#include "consumer/assignor.h"

/* Partitions are numbered through all topics, in the order of the topics. All arrays are in the arena. */
struct kci_racks {
    bool matter;           /* nearness makes a difference; else the rest is not filled in */
    int32_t rack_count;    /* racks that members are in */
    int32_t *of_member;    /* number of its rack; -1: it has not said where it is */
    int32_t *members_in;   /* per rack: how many members */
    size_t *first;         /* per partition: index of its first replica; one more at the end */
    int32_t *replicas;     /* racks of a partition, each once; those without members are left out */
    struct kci_str *names; /* of the racks, sorted */
};

/* False: out of memory. Members as they will be numbered. */
bool kci_racks_find(struct kci_racks *racks, struct kci_arena *arena, struct kci_member *const *members, size_t count,
                    const struct kci_group_topic *topics, size_t topic_count);
/* The member is in a rack that has a replica. Only if they matter. */
bool kci_racks_near(const struct kci_racks *racks, int32_t member, size_t partition);
/* The member is in a rack, and it has no replica. False if racks do not matter. */
bool kci_racks_far(const struct kci_racks *racks, int32_t member, size_t partition);
/* How many members are near. Only if they matter. */
int32_t kci_racks_neighbours(const struct kci_racks *racks, size_t partition);

#endif
