/* The server-side assignors of KIP-848, as pure functions over numbers. */
#ifndef MB_CORE_MODERN_ASSIGN_H
#define MB_CORE_MODERN_ASSIGN_H

#include "base/alloc.h"
#include "base/bytes.h"

#define MB_NOBODY UINT32_MAX

struct mb_assign_topic {
    uint32_t *subscribers; /* members, ascending */
    size_t subscriber_count;
    uint32_t *owners; /* in: who had the partition (a subscriber, or MB_NOBODY); out: who gets it */
    int32_t partitions;
};

/* As even as it can be; a partition moves only where that makes it more even. False: no memory, owners are void. */
bool mb_assign_uniform(const struct kci_alloc *alloc, struct mb_assign_topic *topics, size_t topic_count,
                       uint32_t members);
/* Per topic, its subscribers in their order get ranges of equal size, the first ones one more. */
void mb_assign_range(struct mb_assign_topic *topics, size_t topic_count);

#endif
