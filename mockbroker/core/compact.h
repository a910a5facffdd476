/* Compaction: of every key the latest record stays (cleanup.policy=compact). */
#ifndef MB_CORE_COMPACT_H
#define MB_CORE_COMPACT_H

#include "base/prng.h"
#include "mockbroker/core/producer_state.h"
#include "mockbroker/core/properties.h"
#include "mockbroker/core/replica_log.h"
#include "protocol/compress.h"

struct mb_compaction {
    const struct mb_topic_config *config;
    const struct mb_producers *producers; /* of the replica: the last batch of each stays, if only as an empty one */
    struct kci_compressor *compressor;
    int64_t limit; /* offsets from here on are not touched: the high watermark */
    int64_t wall_ms;
    uint64_t seed; /* of the map of keys */
};
/* Clean the log if it is worth it. 0, or an errno value: what was cleaned until then stays cleaned, nothing is lost. */
int mb_compact(struct mb_log *log, const struct mb_compaction *compaction);

#endif
