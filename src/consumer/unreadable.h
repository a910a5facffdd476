/* Records that a deserializer refused: what that does to their partition. */
#ifndef KCI_CONSUMER_UNREADABLE_H
#define KCI_CONSUMER_UNREADABLE_H

#include "consumer/partition_list.h"
#include <kclient/consumer.h>

struct kci_consumer;

/* Run the user's deserializers over what kci_consumer_poll returned, no lock held, on the application's thread.  The
 * set may become empty; then it is released and *records is NULL, and the next look has the notice and the error.
 * KC_ERR_NO_MEMORY: the records were put back in their place, to be fetched again. */
kc_err kci_consumer_deserialize(struct kci_consumer *c, struct kc_records **records, int64_t now, kc_error *error);
/* The partitions that stand still until a seek, with the offset where they do and why. Yours. */
kc_err kci_consumer_failed(struct kci_consumer *c, struct kci_partition_list *out);

#endif
