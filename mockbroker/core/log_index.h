/* Index files of a replica's segments, and its leader epochs, as Kafka lays them out. */
#ifndef MB_CORE_LOG_INDEX_H
#define MB_CORE_LOG_INDEX_H

#include "mockbroker/core/replica_log.h"

/* Write what is missing: indexes of all segments but the last, with `last` of that one, too, and a snapshot of the
 * producers (NULL: nothing is known of them) and the leader epochs. 0 or an errno value: they can be made again at any
 * time. */
int mb_log_index_write(struct mb_log *log, const struct mb_producers *producers, int32_t interval_bytes, bool last);

#endif
