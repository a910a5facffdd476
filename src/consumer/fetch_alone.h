/* A batch that is too large to be decompressed beside others: fetched alone, when all else is released. */
#ifndef KCI_CONSUMER_FETCH_ALONE_H
#define KCI_CONSUMER_FETCH_ALONE_H

#include "consumer/fetched.h"

struct kci_consumer;
struct kci_assigned;

enum kci_fetch_alone_state {
    KCI_ALONE_NONE,    /* everything is fetched */
    KCI_ALONE_WAITS,   /* nothing is fetched before the rest is released */
    KCI_ALONE_ASKED,   /* its fetch is under way */
    KCI_ALONE_ARRIVED, /* it is about to be judged */
};

/* All of it is written by the I/O thread under the lock; whoever has the lock reads it. */
struct kci_fetch_alone {
    enum kci_fetch_alone_state state;
    int64_t key;      /* of the partition: see kci_subscription_find */
    uint64_t version; /* of its position: under another one this is over */
    int64_t needs;    /* bytes of the ceiling that have to be free */
};

/* Its partition may not go on beside others, as the judged part says. */
void kci_fetch_alone_begin(struct kci_consumer *c, struct kci_assigned *a, const struct kci_part *part, int64_t now);
/* The partition that nothing else may be fetched with; NULL: there is none, or none any more. */
struct kci_assigned *kci_fetch_alone_find(struct kci_consumer *c);
/* There is no room: what was fetched ahead of paused partitions gives way, unless something is there to be read, and comes
 * again when they are resumed. */
void kci_fetch_alone_make_room(struct kci_consumer *c);
/* Reserve what is left of the ceiling for its fetch; 0: not yet, and the engine is woken when to look again. */
int64_t kci_fetch_alone_reserve(struct kci_consumer *c);
/* It was delivered, refused, or cannot be had now: the others go on. */
void kci_fetch_alone_end(struct kci_consumer *c, int64_t now);

#endif
