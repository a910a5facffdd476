/* Is what a producer sent a batch that may be written? (PROTOCOL 4.1) */
#ifndef MB_CORE_VALIDATE_H
#define MB_CORE_VALIDATE_H

#include "mockbroker/core/cluster.h"

/* Checks append->records (exactly one batch) against the topic's configuration; 0 or Kafka's error, with
 * append->message and append->record_errors filled where Kafka fills them.  *header is the batch's; max_timestamp_ms in
 * it is true. *rewritten: a frame of the caller's with the batch as it must be stored, when the topic wants another
 * codec; else NULL. */
int16_t mb_validate_batch(struct mb_cluster *cluster, const struct mb_topic *topic, struct mb_append *append,
                          int64_t wall_ms, struct kci_batch_header *header, struct kci_frame **rewritten);

/* Walk the plain bytes of a records section: count records, offsets 0, 1, ... Returns false when anything disagrees. */
struct mb_records_walk {
    int64_t min_timestamp_delta, max_timestamp_delta;
    int32_t null_keys; /* records without a key */
};
bool mb_validate_walk(const uint8_t *data, size_t size, int32_t count, struct mb_records_walk *walk);

#endif
