/* The sticky assignors from inside: what their files share. */
#ifndef KCI_CONSUMER_STICKY_H
#define KCI_CONSUMER_STICKY_H

#include "consumer/assignor.h"
#include "consumer/assignor_racks.h"

#define KCI_NOBODY (-1)

/* What members claim of one partition. */
struct kci_claim {
    int32_t member; /* index by id of the latest claimant; KCI_NOBODY: none */
    int32_t generation;
    bool tied; /* another one claims it in the same generation: it is nobody's */
};

struct kci_sticky {
    struct kci_arena *arena;
    struct kci_member **members; /* by id */
    int32_t member_count;
    const struct kci_group_topic *topics;
    size_t topic_count;
    size_t *first;            /* per topic: index of its partition 0; one more at the end: all partitions */
    size_t *readers_first;    /* per topic: index of its first reader; one more at the end */
    int32_t *readers;         /* members by id */
    struct kci_claim *claims; /* per partition */
    int32_t *owners;          /* per partition: the answer */
    int32_t *loads;           /* per member: partitions that it owns */
    int32_t *free_claims;     /* per member, scratch: claims that stand */
    bool all_read_the_same;
    struct kci_racks racks;
};

/* sticky_claims.c: what members say they have, and what we say ourselves. */
/* Enter the claims of member m: from its owned partitions ("cooperative-sticky"), or from its user data ("sticky"). */
void kci_sticky_claim_owned(struct kci_sticky *s, int32_t m);
void kci_sticky_claim_user_data(struct kci_sticky *s, int32_t m);
/* The member whose claim stands, or KCI_NOBODY. */
static inline int32_t kci_sticky_claimant(const struct kci_sticky *s, size_t partition)
{
    const struct kci_claim *c = &s->claims[partition];
    return c->tied ? KCI_NOBODY : c->member;
}

/* The member that keeps the partition if balance permits: the claimant, unless it is far. */
static inline int32_t kci_sticky_keeper(const struct kci_sticky *s, size_t partition)
{
    int32_t m = kci_sticky_claimant(s, partition);
    return m == KCI_NOBODY || kci_racks_far(&s->racks, m, partition) ? KCI_NOBODY : m;
}
/* For struct kci_assignor.write_user_data. */
void kci_sticky_write_previous(struct kci_writer *w, const struct kci_partition_list *previous, int32_t generation);
void kci_sticky_write_generation(struct kci_writer *w, const struct kci_partition_list *previous, int32_t generation);

/* Fill owners and loads from the claims. false: out of memory.
 * sticky_equal.c: all members read the same topics.  sticky_taste.c: each reads what it likes. */
bool kci_sticky_assign_equally(struct kci_sticky *s);
bool kci_sticky_assign_by_taste(struct kci_sticky *s);

#endif
