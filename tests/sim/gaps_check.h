/* Logs with holes, for the checks: what is at an offset, what a reader may pass over, which resets are right. */
#ifndef SIM_GAPS_CHECK_H
#define SIM_GAPS_CHECK_H

#include "check.h"

/* How many records of the log have a lower offset: the index of the first one at or behind it. */
size_t sim_log_index(const struct sim_log *log, int64_t offset);
/* The record that was committed at an offset, or NULL; that it may be gone by now does not matter. */
const struct sim_logged *sim_log_at(const struct sim_history *history, int32_t partition, int64_t offset);
/* May a reader go from one offset to a higher one at this time? Only past what was gone by then. */
bool sim_log_passes(const struct sim_history *history, int32_t partition, int64_t from, int64_t to, int64_t at);
/* It was acknowledged and nobody has seen it in the log: was it gone at once, as it may be? */
bool sim_log_replaced(const struct sim_history *history, const struct sim_send *send);
/* A record may have been at that offset and gone again before the log was looked at: its report says that it was there,
 * or it has none that says where it was. */
bool sim_log_may_have_had(const struct sim_history *history, const struct sim_send *send, int32_t partition,
                          int64_t offset);
/* The record is in the log more than once: had each copy gone when the next one came?  With its batch goes what a
 * follower that begins anew would know of the producer (compaction keeps only the last batch of each), as in Kafka. */
bool sim_log_forgot(const struct sim_history *history, uint32_t sender, uint32_t counter);

/* F5: this reset has a reason, it is told right, and goes where auto.offset.reset says. next[hold]: where each hold
 * goes on; the reset changes it. */
void sim_check_reset(const struct sim_history *history, const struct sim_reset *reset, int64_t *next,
                     struct sim_verdict *verdict);
/* at[record]: when it was delivered. What a reset to the end has skipped counts as that. */
void sim_check_skipped(const struct sim_history *history, int32_t partition, bool group, int64_t *at);

#endif
