/* Lists of partitions as the public face has them: one block with all their texts. */
#ifndef KCI_CONSUMER_PARTITION_LIST_H
#define KCI_CONSUMER_PARTITION_LIST_H

#include "base/alloc.h"
#include "base/bytes.h"
#include <kclient/record.h>

#define KCI_PARTITIONS_MAX 1000000u /* entries of one list: what Kafka's own decoders accept */

struct kci_partition_list {
    kc_topic_partition *items; /* owned, one block with the texts; NULL when count is 0 */
    size_t count;
};

/* A copy. false: out of memory, or more than KCI_PARTITIONS_MAX. */
bool kci_partition_list_copy(const struct kci_alloc *alloc, struct kci_partition_list *out,
                             const kc_topic_partition *items, size_t count);
void kci_partition_list_free(const struct kci_alloc *alloc, struct kci_partition_list *list);

#endif
