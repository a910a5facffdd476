/* What a replica knows of producers as files next to its segments, as Kafka lays them out. */
#ifndef MB_CORE_LOG_PRODUCERS_H
#define MB_CORE_LOG_PRODUCERS_H

#include "mockbroker/core/log_store.h"
#include "mockbroker/core/producer_state.h"

/* The aborted transactions whose markers are in the segment of [base, end); without any there is no file. 0, an errno
 * value, or -1: no memory. */
int mb_log_producers_write_aborted(struct mb_log_store *store, const struct mb_producers *producers, int64_t base,
                                   int64_t end);
/* All producers as they are now, when the log ends at `offset`; without any there is no file. Result as above. */
int mb_log_producers_write_snapshot(struct mb_log_store *store, const struct mb_producers *producers, int64_t offset);

#endif
