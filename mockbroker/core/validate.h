/* Is what a producer sent a batch that may be written? (PROTOCOL 4.1) */
#ifndef MB_CORE_VALIDATE_H
#define MB_CORE_VALIDATE_H

#include "mockbroker/core/cluster.h"

/* Is it one whole batch that may be sent in this version? 0 or Kafka's error; append->records becomes that batch.
 * CORRUPT_MESSAGE: it cannot even be told where the batch ends. */
int16_t mb_validate_shape(struct mb_append *append);

/* Checks append->records (exactly one batch) against the topic's configuration; 0 or Kafka's error, with
 * append->message and append->record_errors filled where Kafka fills them.  *header is the batch's; max_timestamp_ms in
 * it is true. *rewritten: a frame of the caller's with the batch as it must be stored, when the topic wants another
 * codec; else NULL. */
int16_t mb_validate_batch(struct mb_cluster *cluster, const struct mb_topic *topic, struct mb_append *append,
                          int64_t wall_ms, struct kci_batch_header *header, struct kci_frame **rewritten);

#endif
